"""`gateway suppress` in processes of its own: numbers and files, pages, wrong usage."""

import contextlib
import json
import os
import sqlite3
from pathlib import Path

import pytest

from tests.gateway.conftest import Tenant, write_configuration
from tests.launcher import completed

ANA, EVA, RUI = "+5511999990001", "+5511999990002", "+5521988880003"
NUMBERS = [f"+55119{90_000_000 + place}" for place in range(2_100)]


def gateway(*arguments: str | Path, code: int, stdin: bytes = b"", **environment: str) -> tuple[str, str]:
    """What `gateway suppress ...` says on standard output and error, in a process of its own."""
    environment = {**os.environ, "COLUMNS": "200", **environment}
    done = completed("gateway", "suppress", *arguments, input=stdin, environment=environment)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two tenants, and none of their secrets: suppressing needs none."""
    path = write_configuration(tmp_path / "conf", {"acme": Tenant({}), "globex": Tenant({}, default_region=None)})
    for secret in path.parent.glob("*.key"):
        secret.unlink()
    return path


def test_numbers_are_added_listed_and_removed(config: Path, tmp_path: Path) -> None:
    environment = {"GATEWAY_CONFIG": str(config)}
    acme = ("--tenant", "acme")
    file = tmp_path / "stop.csv"
    file.write_text("nome;telefone\nAna;11 99999-0001\nEva;12\nRui;+5521988880003\n", encoding="utf-16")
    out, err = gateway("add", file, *acme, code=1, **environment)
    assert out == "3 received, 2 added, 0 already, 1 rejected; 2 suppressed in all\n"
    assert err == "  row 3, telefone: '12': phone.invalid: the phone number is not a valid number\n"
    out, _ = gateway("add", EVA, "(11) 99999-0001", "--json", *acme, code=0, **environment)
    assert json.loads(out) == {
        "received": 2, "added": 1, "already": 1, "rejected": 0, "total": 3, "rejections": [], "source": None
    }  # fmt: skip
    listed = gateway("list", *acme, code=0, **environment)[0]
    assert [line.split("  ")[0] for line in listed.splitlines()] == [ANA, EVA, RUI]
    as_json = json.loads(gateway("list", "--json", *acme, code=0, **environment)[0])
    assert [f"{one['phone']}  {one['added_at']}" for one in as_json] == listed.splitlines()
    asked = json.loads(gateway("list", "11999990001", "+5511999990009", "--json", *acme, code=0, **environment)[0])
    assert asked == as_json[:1]
    assert gateway("list", "--json", "--tenant", "globex", code=0, **environment)[0] == "[]\n"
    out, _ = gateway("remove", ANA, "+5511999990009", *acme, code=0, **environment)
    assert out == "2 received, 1 removed, 1 absent, 0 rejected; 2 suppressed in all\n"
    out, _ = gateway("remove", "--all", "--json", *acme, code=0, **environment)
    assert json.loads(out) == {"received": 2, "removed": 2, "absent": 0, "rejected": 0, "total": 0, "rejections": []}


def test_thousands_come_through_a_pipe_and_are_all_listed(config: Path) -> None:
    words = ("--tenant", "globex", "--region", "BR", "--config", config)
    lines = "".join(f"{phone.removeprefix('+55')}\n" for phone in NUMBERS)
    out, _ = gateway("add", "/dev/stdin", *words, stdin=lines.encode(), code=0)
    assert out == "2100 received, 2100 added, 0 already, 0 rejected; 2100 suppressed in all\n"
    listed, _ = gateway("list", *words, code=0)
    assert [line.split("  ")[0] for line in listed.splitlines()] == NUMBERS


def stored_by_command(config: Path) -> int:
    path = config.parent / "gateway.db"
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("SELECT count(*) FROM suppressions").fetchone()[0]
    return found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["add", ANA], "there are several tenants, name one with --tenant: acme, globex"),
        (["add", "--tenant", "acme"], "name a FILE or numbers"),
        (["remove", "--tenant", "acme"], "name a FILE or numbers"),
        (["remove", "--all", ANA, "--tenant", "acme"], "--all stands alone"),
        (["remove", "--all", "--region", "BR", "--tenant", "acme"], "--all stands alone"),
        (["add", "absent.csv", "--tenant", "acme"], "absent.csv: no such file"),
        (["add", "FOLDER", "--tenant", "acme"], "is a folder"),
        (["add", "FILE", ANA, "--tenant", "acme"], "name one FILE, or numbers only"),
        (["add", ANA, "--encoding", "utf-8", "--tenant", "acme"], "--encoding: for a file only"),
        (["add", "FILE", "--mapping", "{", "--tenant", "acme"], "--mapping"),
        (["add", "FILE", "--mapping", '{"phone": "fone"}', "--tenant", "acme"], "no such column"),
        (["add", "FILE", "--tenant", "acme"], "no phone column among"),
        (["list", "12", "--tenant", "acme"], "12: the phone number is not a valid number"),
    ],
)
def test_wrong_usage_is_explained_and_changes_nothing(
    config: Path, tmp_path: Path, words: list[str], told: str
) -> None:
    file = tmp_path / "names.csv"
    file.write_text("name,city\nAna,Rio\n", encoding="utf-8")
    named = {"FILE": str(file), "FOLDER": str(tmp_path)}
    _, err = gateway(*(named.get(word, word) for word in words), "--config", config, code=2)
    assert told in err
    assert stored_by_command(config) == 0
