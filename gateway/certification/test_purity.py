"""An adapter is free of I/O: no network, clock, chance, environment or file, its simulator left out. By its source."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.registry import Registry

FORBIDDEN = frozenset(
    {
        *(
            "aiohttp",
            "anyio",
            "asyncio",
            "asyncpg",
            "boto3",
            "ftplib",
            "http",
            "httpx",
            "requests",
            "smtplib",
            "socket",
        ),
        *("ssl", "starlette", "urllib3", "websockets", "concurrent", "multiprocessing", "subprocess", "threading"),
        *("glob", "io", "logging", "os", "pathlib", "shutil", "sqlite3", "sys", "tempfile", "random", "secrets"),
        *("sched", "time", "urllib.request", "structlog", "sqlalchemy"),
    }
)
CALLS = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input", "eval", "exec", "getenv"})


def sources(module_name: str) -> list[Path]:
    """The Python files of an adapter, its simulator's left out."""
    file = Path(str(importlib.import_module(module_name).__file__))
    files = file.parent.rglob("*.py") if file.name == "__init__.py" else [file]
    return sorted(path for path in files if not path.name.startswith("simulator"))


def impurities(source: str) -> Iterator[str]:
    """What a module does that an adapter must not do."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = [name.name for name in names]
            case ast.ImportFrom(module=str(module), names=names):
                found = [module, *(f"{module}.{name.name}" for name in names)]
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in CALLS:
                yield f"line {node.lineno}: calls {called}"
                continue
            case _:
                continue
        for name in found:
            if name in FORBIDDEN or name.partition(".")[0] in FORBIDDEN:
                yield f"line {node.lineno}: imports {name}"


def test_the_adapter_does_no_io(registry: Registry, name: str) -> None:
    files = sources(registry.modules[name])
    assert files
    found = {path.name: bad for path in files if (bad := list(impurities(path.read_text(encoding="utf-8"))))}
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        "import httpx",
        "from urllib import request",
        "from os import environ",
        "import datetime\ndatetime.datetime.now()",
        "from uuid import uuid4\nuuid4()",
        "open('x')",
    ],
)
def test_impurities_are_seen(source: str) -> None:
    assert len(list(impurities(source))) >= 1


def test_an_adapter_module_names_its_vendor_s_pages(registry: Registry, name: str) -> None:
    adapter = registry.adapters[name]
    assert re.match(r"https?://", adapter.documentation)
    assert adapter.title
    assert adapter.api_version
    assert adapter.activation_note
