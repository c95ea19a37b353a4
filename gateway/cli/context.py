"""What all commands share: where the configuration is, whose list it is, how errors are told."""

import asyncio
import contextlib
import getpass
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer
from typer.exceptions import TyperException

EXIT_USAGE = 2


class Usage(Exception):
    """Something that the caller of a command got wrong: what, and what to do."""


def config_path(given: str | None) -> Path:
    from gateway import settings

    return settings.find(given)


@contextlib.contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let what is imported here find that packages, which it can do without, are not installed."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how the import system is told
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def guarded(command: Callable[[], Any]) -> int:
    """Run a command; tell what is wrong and what to do. The exit code."""
    from gateway.problem import Problem
    from gateway.registry import RegistryError
    from gateway.settings import ConfigError

    try:
        return int(command() or 0)
    except typer.Exit as done:
        return done.exit_code
    except TyperException as error:  # wrong words on the command line
        show = getattr(error, "show", None)
        if show is not None:
            show()
        return EXIT_USAGE
    except Usage as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except FileNotFoundError as error:
        print(f"{error.filename}: no such file", file=sys.stderr)
        return EXIT_USAGE
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return EXIT_USAGE
    except RegistryError as error:
        print(error, file=sys.stderr)
        return EXIT_USAGE
    except Problem as problem:
        print(f"{problem.kind.title}: {problem.detail}", file=sys.stderr)
        for item in problem.errors:
            print(f"  {item.pointer or '-'}: {item.code}: {item.detail}", file=sys.stderr)
        return 3 if problem.outcome == "unknown" else EXIT_USAGE
    except BrokenPipeError:
        return 0
    except Exception as error:
        print(
            f"unexpected error: {type(error).__name__}; run again with GATEWAY_LOG=debug for its trace", file=sys.stderr
        )
        _trace(error)
        return EXIT_USAGE


def _trace(error: Exception) -> None:
    import os

    if os.environ.get("GATEWAY_LOG") == "debug":
        import structlog

        structlog.get_logger("gateway.cli").error("unexpected error", exc_info=error)


@contextlib.asynccontextmanager
async def opened(path: Path, *, secrets: bool = True) -> AsyncIterator[Any]:
    """A host straight from the configuration, without a server."""
    from gateway import logs, opening, registry, settings

    logs.configure("error")
    known = registry.load()
    config = settings.load(path, known.adapters, secrets=secrets)
    async with opening.running(known, config) as running:
        yield running


def asker() -> str:
    """Who asks, as a record keeps it."""
    try:
        return f"cli {getpass.getuser()}"
    except (KeyError, OSError):  # a user that the system has no name for
        return "cli unknown"


def pick_tenant(config: Any, name: str | None) -> Any:
    """The tenant that is named, or the only one."""
    if name is None and len(config.tenants) == 1:
        return next(iter(config.tenants.values()))
    if name is None:
        raise Usage(f"there are several tenants, name one with --tenant: {', '.join(config.tenants)}")
    if name not in config.tenants:
        raise Usage(f"there is no tenant {name}; there are: {', '.join(config.tenants)}")
    return config.tenants[name]


def run(work: Awaitable[int]) -> int:
    async def whole() -> int:
        return await work

    return asyncio.run(whole())


def print_json(value: Any) -> None:
    """A resource, or plain data, as JSON on standard output."""
    if hasattr(value, "model_dump_json"):
        print(value.model_dump_json(indent=2))
    else:
        print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def exit_code(counts: Any) -> int:
    """By what became of the contacts (DESIGN section 4)."""
    if counts.unknown:
        return 3
    return 1 if counts.rejected or counts.pending else 0
