"""The command line as a person meets it: real processes, real files, exit codes, and no traceback ever."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.registry import load
from gateway.sandbox import RunningSimulation
from tests.gateway.conftest import Tenant, Vendors, destination, write_configuration
from tests.launcher import completed

GOOD = "telefone;nome;plano\n+5511999990001;Ana;plus\n21988880002;João;básico\n"
MIXED = GOOD + "12;Eva;plus\n"


def gateway(*arguments: str, config: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `gateway ...` in a process of its own."""
    words = [*arguments, *(["--config", str(config)] if config else [])]
    return completed("gateway", *words, environment={**os.environ, "COLUMNS": "200", **environment})


def in_order(result: subprocess.CompletedProcess[str], code: int) -> subprocess.CompletedProcess[str]:
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    return result


@pytest.fixture
def config(vendors: Vendors, tmp_path: Path) -> Path:
    destinations = {name: destination(one) for name, one in vendors.items()}
    return write_configuration(tmp_path / "conf", {"acme": Tenant(destinations, [{"to": ["velip"]}])})


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "renewals.csv"
    path.write_text(GOOD, encoding="utf-8")
    return path  # type: ignore[return-value]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "renewals.csv"
    path.write_bytes(MIXED.encode("cp1252"))
    return path


async def run(*arguments: str, config: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """As `gateway`, while the simulators of this process go on answering."""
    import anyio.to_thread

    return await anyio.to_thread.run_sync(lambda: gateway(*arguments, config=config, **environment))


async def test_send_status_and_rejections(config: Path, mixed: Path, vendors: Vendors) -> None:
    sent = in_order(await run("send", str(mixed), "--json", config=config), 1)
    found = json.loads(sent.stdout)
    assert found["name"] == "renewals"
    assert found["counts"] == {
        "received": 3, "accepted": 2, "rejected": 1, "suppressed": 0, "duplicate": 0, "pending": 0, "unknown": 0
    }  # fmt: skip
    assert found["source"]["charset"].lower() in ("cp1252", "windows-1252", "iso-8859-1")
    (stored,) = vendors["velip"].simulation.ledger.lists.values()
    assert [row["name"] for row in stored.rows] == ["Ana", "João"]
    again = in_order(await run("status", found["id"], "--json", config=config), 1)
    assert json.loads(again.stdout)["counts"] == found["counts"]
    rejected = in_order(await run("rejections", found["id"], config=config), 1)
    assert rejected.stdout.splitlines()[0] == "telefone;nome;plano;error_code;error_detail"
    assert rejected.stdout.splitlines()[1].startswith("12;Eva;plus;phone.invalid;")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param([], 0, id="all accepted"),
        pytest.param(["--destination", "voximplant"], 1, id="held lists are pending"),
        pytest.param(["--destination", "voximplant", "--start"], 0, id="started lists dial"),
    ],
)
async def test_exit_codes_by_outcome(
    config: Path, file: Path, vendors: Vendors, arguments: list[str], code: int
) -> None:
    in_order(await run("send", str(file), *arguments, config=config), code)
    calls = vendors["voximplant"].simulation.ledger.calls
    assert sorted(calls) == (["5511999990001", "5521988880002"] if "--start" in arguments else [])


async def test_an_unknown_outcome_is_exit_3(config: Path, file: Path, vendors: Vendors) -> None:
    vendors["indigitall"].simulation.break_next("drop_after")
    sent = in_order(await run("send", str(file), "--destination", "indigitall", "--start", "--json", config=config), 3)
    assert json.loads(sent.stdout)["counts"]["unknown"] == 2


async def test_preview_sends_nothing_and_needs_no_credentials(config: Path, file: Path, vendors: Vendors) -> None:
    for secret in config.parent.iterdir():
        if secret != config:
            secret.unlink()
    shown = in_order(await run("preview", str(file), "--destination", "all", "--json", config=config), 0)
    assert {one["destination"] for one in json.loads(shown.stdout)["destinations"]} == set(vendors)
    assert all(not one.simulation.ledger.requests for one in vendors.values())


async def test_check_proves_each_destination(config: Path, vendors: Vendors) -> None:
    checked = in_order(await run("check", "--destination", "exotel", config=config), 0)
    assert checked.stdout.startswith("exotel: ok")
    vendors["exotel"].simulation.break_next("error_before", times=99)
    failed = in_order(await run("check", "--destination", "exotel", config=config), 2)
    assert failed.stdout.startswith("exotel: failed")


def test_vendors_needs_no_configuration() -> None:
    told = in_order(gateway("vendors", "--json"), 0)
    assert [one["name"] for one in json.loads(told.stdout)] == list(load(entry_points=False).adapters)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.csv", b"", "empty"),
        ("header.csv", b"phone,name\n", ""),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), ""),
        ("nul.csv", b"phone,name\n+5511999990001,a\x00b\n", ""),
        ("no-phone.csv", b"name,city\nAna,Rio\n", "phone"),
        ("broken.json", b'{"name": "x", "contacts": [', "JSON"),
        ("unknown.json", b'{"name": "x", "colour": 1, "contacts": []}', "colour"),
    ],
)
async def test_bad_files_are_explained(config: Path, tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = in_order(await run("send", str(path), config=config), 2)
    assert result.stderr.strip()
    assert told in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["send", "absent.csv"], "absent.csv"),
        (["send", "FILE", "--destination", "nobody"], "nobody"),
        (["send", "FILE", "--tenant", "nobody"], "nobody"),
        (["send", "FILE", "--mapping", "{"], "--mapping"),
        (["send", "FILE", "--mapping", '{"phone": "fone2"}'], "fone2"),
        (["send", "FILE", "--channel", "fax"], "channel"),
        (["status", "cl_nobody"], "no such list"),
        (["vendors", "nobody"], "nobody"),
        (["fly"], "fly"),
        (["send"], "FILE"),
    ],
)
async def test_wrong_usage_is_explained(config: Path, file: Path, arguments: list[str], told: str) -> None:
    words = [str(file) if word == "FILE" else word for word in arguments]
    result = in_order(await run(*words, config=None if words[0] in ("vendors", "fly") else config), 2)
    assert told in result.stderr


def test_config_check_names_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text('[server]\nport = "x"\nprot = 1\n')
    result = in_order(gateway("config", "check", config=path), 2)
    assert result.stderr.splitlines() == [
        f"{path}: server.port: Input should be a valid integer, unable to parse string as an integer",
        f"{path}: server.prot: is not a known key",
    ]
    as_json = in_order(gateway("config", "check", "--json", config=path), 2)
    assert [one["key"] for one in json.loads(as_json.stdout)] == ["server.port", "server.prot"]
    in_order(gateway("serve", config=path), 2)


def test_the_example_configuration_is_good_once_its_secrets_are_there(tmp_path: Path, vendors: Vendors) -> None:
    text = Path("config/gateway.toml").read_text(encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(text, encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    account: RunningSimulation = vendors["voximplant"]
    given: Any = account.simulation.credentials["service_account"]
    key_file = given if isinstance(given, str) else json.dumps(given)
    (tmp_path / "secrets" / "voximplant.json").write_text(key_file, encoding="utf-8")
    names = [line.partition("=")[0] for line in Path("config/example.env").read_text().splitlines() if "=" in line]
    values = {name: f"EXAMPLE-{name}-0000000000000000"[:30].replace("_", "") for name in names}
    good = in_order(gateway("config", "check", config=tmp_path / "gateway.toml", **values), 0)
    assert "1 tenants, 5 destinations" in good.stdout


def test_the_demo_ends_well() -> None:
    """Every contact has one outcome, and the simulators' ledgers agree with ours. Started as a person starts it."""
    words = [Path(sys.executable).with_name("gateway"), "demo"]
    shown = in_order(subprocess.run(words, capture_output=True, text=True, timeout=120, check=False), 0)
    assert "every contact has one outcome, and the ledgers agree" in shown.stdout
