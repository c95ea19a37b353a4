"""`gateway migrate`: real processes, a real database, simulators on real sockets; the ledgers are the oracle."""

import asyncio
import base64
import csv
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from gateway.cli import context
from gateway.cli.main import app
from gateway.migrating.signing import new_key
from tests.gateway.cli.test_commands import in_order, run
from tests.gateway.conftest import LIMITS, Tenant, Vendors, destination, write_configuration
from tests.launcher import launch

PEOPLE = "id,phone,first_name,email\nA-1,+5511999990001,Ana,ana@example.org\nA-2,+5521988880002,Bia,\n"
PHONES = ["5511999990001", "5521988880002"]
BAD_ROW = "A-3,12,Eva,\n"


def configured(folder: Path, vendors: Vendors, *, signed: bool = True, **limits: Any) -> Path:
    """A destination for each vendor, named as it, and a second tenant; a key that signs, unless `signed` is False."""
    folder.mkdir()
    server = {}
    if signed:
        new_key(folder / "signing.pem")
        server["signing_key"] = "file:signing.pem"
    tables = {name: destination(one, limits=LIMITS | limits) for name, one in vendors.items()}
    tenants = {"acme": Tenant(tables), "other": Tenant({})}
    return write_configuration(folder, tenants, **server)


@pytest.fixture
def config(vendors: Vendors, tmp_path: Path) -> Path:
    return configured(tmp_path / "conf", vendors)


async def ask(*words: str, config: Path, code: int, tenant: str = "acme") -> subprocess.CompletedProcess[str]:
    """`gateway ...` for a tenant, which must end with this exit code."""
    return in_order(await run(*words, "--tenant", tenant, config=config), code)


async def sent(config: Path, to: str, *, people: str = PEOPLE, code: int = 0) -> str:
    """The id of a list that was started at a vendor."""
    file = config.parent / "renewals.csv"
    file.write_text(people, encoding="utf-8")
    done = await ask("send", str(file), "--destination", to, "--start", "--json", config=config, code=code)
    return str(json.loads(done.stdout)["id"])


async def planned(config: Path, *words: str, code: int = 0) -> Any:
    """A plan, as JSON."""
    return json.loads((await ask("migrate", "plan", *words, "--json", config=config, code=code)).stdout)


def here(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> tuple[str, str]:
    """(standard output, standard error) of `gateway ...` in this process, for what asks no vendor."""
    capsys.readouterr()
    try:
        ended: Any = context.guarded(lambda: app(list(words), standalone_mode=False))
    except SystemExit as leaving:
        ended = leaving.code
    told = capsys.readouterr()
    assert ended == code, told
    return told.out, told.err


def at(vendors: Vendors, name: str) -> list[str]:
    """The numbers that a vendor has in its lists, digits only."""
    lists = vendors[name].simulation.ledger.lists.values()
    return sorted(phone.lstrip("+") for one in lists for phone in one.phones)


async def test_a_list_is_planned_moved_certified_and_taken_back(config: Path, vendors: Vendors) -> None:
    """A plan sends nothing; apply does what it says; the certificate's bytes are one and the same everywhere."""
    there = await sent(config, "velip")
    plan = await planned(config, "--list", there, "--to", "koreai")
    assert (plan["state"], plan["plan"]["counts"]["moves"], plan["plan"]["counts"]["received"]) == ("planned", 2, 2)
    assert (plan["source"], plan["target"]) == ({"list": there}, "koreai")
    assert vendors["koreai"].simulation.ledger.lists == {}
    move = plan["id"]
    shown = await ask("migrate", "status", move, "--json", config=config, code=0)
    assert json.loads(shown.stdout) == plan
    other = await ask("migrate", "apply", move, "--digest", "beef", config=config, code=2)
    assert plan["plan"]["digest"] in other.stderr
    assert vendors["koreai"].simulation.ledger.lists == {}
    digest = plan["plan"]["digest"]
    told = (await ask("migrate", "apply", move, "--digest", digest, config=config, code=0)).stdout
    assert at(vendors, "koreai") == PHONES
    assert f"gateway migrate certificate {move}" in told
    assert [phone in told for phone in PHONES] == [True, True]

    await same_bytes(config, move)
    page = config.parent / "certificate.html"
    await ask("migrate", "certificate", move, "--html", str(page), config=config, code=0)
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")

    back = json.loads((await ask("migrate", "rollback", move, "--json", config=config, code=0)).stdout)
    assert (back["state"], back["error"]) == ("rolled_back", None)
    await ask("migrate", "status", move, config=config, code=0)
    again = await ask("migrate", "rollback", move, config=config, code=2)
    assert "the migration is rolled_back" in again.stderr
    listed = json.loads((await ask("migrate", "status", "--json", config=config, code=0)).stdout)
    assert listed == {"items": [back], "next_cursor": None}
    assert (await ask("migrate", "status", config=config, code=0)).stdout.splitlines() == [
        f"{move}  rolled_back, 2 rows, at the target: 2 accepted",
        f"  {there} to koreai, by {back['by']} at {back['created_at']}",
    ]
    assert json.loads((await ask("migrate", "status", "--json", config=config, code=0, tenant="other")).stdout) == {
        "items": [],
        "next_cursor": None,
    }


async def same_bytes(config: Path, move: str) -> None:
    """Standard output, the file and what is verified are the same; the rows are those that the certificate names."""
    file, rows = config.parent / "certificate.json", config.parent / "rows.ndjson"
    printed = await ask("migrate", "certificate", move, config=config, code=0)
    written = await ask("migrate", "certificate", move, "--output", str(file), config=config, code=0)
    assert (file.read_text(encoding="utf-8"), written.stdout) == (printed.stdout, "")
    good = in_order(await run("migrate", "verify", str(file), "--json", config=config), 0)
    told = json.loads(good.stdout)
    assert (told["state"], told["migration"]) == ("valid", move)
    await ask("migrate", "status", move, "--rows", str(rows), config=config, code=0)
    named = json.loads(printed.stdout)["certificate"]["rows"]
    content = rows.read_bytes()
    assert (named["count"], named["sha256"]) == (content.count(b"\n"), hashlib.sha256(content).hexdigest())


async def test_verify_tells_what_a_signature_is_worth(
    config: Path, vendors: Vendors, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Valid 0; a changed byte, or another key, 1; no signature 3."""
    move = (await planned(config, "--list", await sent(config, "velip"), "--to", "koreai"))["id"]
    await ask("migrate", "apply", move, config=config, code=0)
    file, changed = tmp_path / "c.json", tmp_path / "changed.json"
    await ask("migrate", "certificate", move, "--output", str(file), config=config, code=0)
    text = file.read_text(encoding="utf-8")
    public = json.loads(text)["signature"]["public_key"]
    pem = tmp_path / "public.pem"
    der = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(public)
    pem.write_text(f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(der).decode()}\n-----END PUBLIC KEY-----\n")
    for trusted in ([], ["--key", public], ["--key", str(pem)], ["--config", str(config)]):
        assert here(capsys, "migrate", "verify", str(file), *trusted, code=0)[0].startswith("valid: ")
    changed.write_text(text.replace('"tenant": "acme"', '"tenant": "acmf"'), encoding="utf-8")
    assert here(capsys, "migrate", "verify", str(changed), code=1)[0].startswith("tampered: ")
    stranger = base64.b64encode(bytes(32)).decode()
    for trusted in (["--key", stranger], ["--config", str(configured(tmp_path / "next", vendors))]):
        assert here(capsys, "migrate", "verify", str(file), *trusted, code=1)[0].startswith("other key: ")
    bare = text[: text.index(',\n  "signature"')] + ',\n  "signature": null\n}\n'
    changed.write_text(bare, encoding="utf-8")
    assert here(capsys, "migrate", "verify", str(changed), code=3)[0].startswith("unsigned: ")
    changed.write_bytes(b"\xff\x00")
    assert here(capsys, "migrate", "verify", str(changed), code=1)[0].startswith("tampered: ")
    unsigned = configured(tmp_path / "unsigned", vendors, signed=False)
    assert "signing_key" in here(capsys, "migrate", "verify", str(file), "--config", str(unsigned), code=2)[1]
    for wrong in ("nonsense", str(config.parent / "signing.pem"), stranger[:-4]):
        assert "--key: is neither" in here(capsys, "migrate", "verify", str(file), "--key", wrong, code=2)[1]


async def test_a_new_key_is_one_that_the_configuration_takes(vendors: Vendors, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    told = json.loads(in_order(await run("migrate", "key", str(file), "--json"), 0).stdout)
    assert (told["file"], told["signing_key"]) == (str(file), f"file:{file}")
    assert file.stat().st_mode & 0o077 == 0
    config = configured(tmp_path / "conf", vendors, signed=False)
    text = config.read_text(encoding="utf-8").replace("[server]", f'[server]\nsigning_key = "{told["signing_key"]}"')
    config.write_text(text, encoding="utf-8")
    move = (await planned(config, "--list", await sent(config, "velip"), "--to", "koreai"))["id"]
    await ask("migrate", "apply", move, config=config, code=0)
    signed = json.loads((await ask("migrate", "certificate", move, config=config, code=0)).stdout)
    assert signed["signature"]["public_key"] == told["public_key"]
    before = file.read_bytes()
    assert "never written over" in in_order(await run("migrate", "key", str(file)), 2).stderr
    assert file.read_bytes() == before


async def test_a_row_that_is_left_out_is_exit_1_and_told(config: Path, vendors: Vendors) -> None:
    there = await sent(config, "velip", people=PEOPLE + BAD_ROW, code=1)
    rows = config.parent / "rows.csv"
    shown = await ask("migrate", "plan", "--list", there, "--to", "koreai", "--rows", str(rows), config=config, code=1)
    with rows.open(encoding="utf-8", newline="") as file:
        assert [(row["fate"], row["key"], row["phone"]) for row in csv.DictReader(file)] == [("absent", "A-3", "12")]
    assert "absent" in shown.stdout
    words = shown.stdout.splitlines()[-1].removeprefix("next: gateway ").split()
    assert words[:2] == ["migrate", "apply"]
    done = json.loads((await ask(*words, "--json", config=config, code=1)).stdout)
    assert (done["state"], done["counts"]["accepted"]) == ("done", 2)
    assert at(vendors, "koreai") == PHONES


async def test_what_is_held_at_the_target_is_exit_1(config: Path, vendors: Vendors) -> None:
    move = (await planned(config, "--list", await sent(config, "velip"), "--to", "voximplant"))["id"]
    done = json.loads((await ask("migrate", "apply", move, "--json", config=config, code=1)).stdout)
    assert done["counts"]["pending"] == 2
    assert vendors["voximplant"].simulation.ledger.calls == []


async def test_an_unknown_outcome_at_the_target_is_exit_3(config: Path, vendors: Vendors) -> None:
    there = await sent(config, "velip")
    move = (await planned(config, "--list", there, "--to", "indigitall", "--start"))["id"]
    vendors["indigitall"].simulation.break_next("drop_after")
    await ask("migrate", "apply", move, config=config, code=3)
    await ask("migrate", "status", move, config=config, code=3)


async def test_what_is_not_proven_quiet_is_exit_3_until_a_person_says_so(
    config: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a person's word, asked for in so many letters, stands in for a proof."""
    source: Any = vendors["voximplant"].simulation
    monkeypatch.setattr(source, "dial_at_most", 0)
    monkeypatch.setattr(source, "ignores_stop", True)
    there = await sent(config, "voximplant")
    move = (await planned(config, "--list", there, "--to", "koreai"))["id"]
    told = await ask("migrate", "apply", move, config=config, code=3)
    assert "NOT proven quiet" in told.stdout
    unsaid = await ask("migrate", "resolve", move, config=config, code=2)
    assert "--quiet" in unsaid.stderr
    await ask("migrate", "status", move, config=config, code=3)
    said = json.loads((await ask("migrate", "resolve", move, "--quiet", "--json", config=config, code=0)).stdout)
    assert said["lists"][0]["proof"]["by"].startswith("cli ")
    await ask("migrate", "status", move, config=config, code=0)
    twice = await ask("migrate", "resolve", move, "--quiet", config=config, code=2)
    assert "was said before" in twice.stderr


async def test_a_vendor_s_export_is_adopted_and_moved_once(config: Path, vendors: Vendors) -> None:
    """What cannot be read at the vendor is read from its export; the second time it is known already."""
    await sent(configured(config.parent / "else", vendors), "velip")
    (remote_id,) = vendors["velip"].simulation.ledger.lists
    where = ("--from", "velip", "--remote-list", remote_id, "--to", "koreai")
    unread = await ask("migrate", "plan", *where, config=config, code=2)
    assert "export of this list as a file" in unread.stderr
    file = config.parent / "export.csv"
    file.write_text("phone;name;cod_cli;extra1\n5511999990001;Ana;A-1;plus\n5521988880002;Bia;A-2;\n")
    plan = await planned(config, *where, "--export", str(file))
    (one,) = plan["plan"]["lists"]
    assert (one["source"]["read"], one["source"]["contacts"], one["counts"]["moves"]) == ("export", 2, 2)
    again = await ask("migrate", "plan", *where, "--export", str(file), config=config, code=2)
    assert f"{remote_id} is known here as {one['source']['list_id']}" in again.stderr
    await ask("migrate", "apply", plan["id"], config=config, code=0)
    assert at(vendors, "koreai") == PHONES
    rows = config.parent / "rows.csv"
    await ask("migrate", "status", plan["id"], "--rows", str(rows), config=config, code=0)
    with rows.open(encoding="utf-8", newline="") as found:
        assert [(row["key"], row["phone"]) for row in csv.DictReader(found)] == [
            ("A-1", "+5511999990001"), ("A-2", "+5521988880002")
        ]  # fmt: skip


async def test_an_export_is_read_by_its_vendor_s_own_columns(config: Path) -> None:
    """Without them it has no phone column; and whom a vendor that dials took counts as reached."""
    file = config.parent / "export.csv"
    file.write_text("contactCode,first_name\n5511999990001,Ana\n5521988880002,Bia\n")
    words = ("--from", "indigitall", "--remote-list", "s-1", "--export", str(file), "--to", "velip")
    plan = await planned(config, *words, code=1)
    assert (plan["plan"]["counts"]["received"], plan["plan"]["counts"]["reached"]) == (2, 2)


async def test_routing_is_switched_as_planned(config: Path) -> None:
    there = await sent(config, "velip")
    words = ("--list", there, "--to", "koreai", "--routing", "percent", "--percent", "10")
    await ask("migrate", "apply", (await planned(config, *words))["id"], config=config, code=0)
    listed = json.loads((await ask("route", "list", "--json", config=config, code=0)).stdout)
    assert [(one["source"], one["target"], one["mode"], one["percent"]) for one in listed["items"]] == [
        ("velip", "koreai", "percent", 10.0)
    ]


async def test_an_apply_that_was_killed_goes_on_when_it_is_asked_for_again(vendors: Vendors, tmp_path: Path) -> None:
    """No server is needed for it; everybody is at the target, and called, once."""
    config = configured(tmp_path / "conf", vendors, batch_size=5)
    numbers = [f"55119{90_000_000 + place}" for place in range(100)]
    there = await sent(config, "velip", people="phone\n" + "".join(f"+{one}\n" for one in numbers))
    plan = await planned(config, "--list", there, "--to", "voximplant", "--start")
    killed = launch("gateway", "migrate", "apply", plan["id"], "--config", config, "--tenant", "acme")
    while not at(vendors, "voximplant"):
        assert killed.returncode is None
        await asyncio.sleep(0.005)
    killed.kill()
    await killed.wait()
    assert len(at(vendors, "voximplant")) < len(numbers)
    await ask("migrate", "status", plan["id"], config=config, code=1)
    other = await ask("migrate", "apply", plan["id"], "--digest", "beef", config=config, code=2)
    assert "another plan than this one" in other.stderr
    done = json.loads((await ask("migrate", "apply", plan["id"], "--json", config=config, code=0)).stdout)
    assert (done["state"], done["counts"]["accepted"]) == ("done", 100)
    assert at(vendors, "voximplant") == sorted(numbers)
    assert sorted(vendors["voximplant"].simulation.ledger.calls) == sorted(numbers)


LIST = ("--list", "cl_nobody")
WRONG: list[tuple[tuple[str, ...], str]] = [
    (("plan", "--to", "koreai"), "one of --list, --from and --all"),
    (("plan", *LIST, "--all", "--to", "koreai"), "one of --list, --from and --all"),
    (("plan", *LIST), "--to"),
    (("plan", *LIST, "--to", "koreai"), "there is no such list"),
    (("plan", *LIST, "--to", "nobody"), "nobody is not a destination"),
    (("plan", "--from", "nobody", "--to", "koreai"), "nobody is not a destination"),
    (("plan", "--from", "koreai", "--to", "koreai"), "is where the lists are already"),
    (("plan", *LIST, "--remote-list", "7", "--to", "koreai"), "--remote-list needs --from"),
    (("plan", "--from", "velip", "--export", "x.csv", "--to", "koreai"), "--export needs --from and --remote-list"),
    (("plan", "--from", "velip", "--remote-list", "7", "--export", "x.csv", "--to", "koreai"), "x.csv: no such file"),
    (("plan", *LIST, "--mapping", "{}", "--to", "koreai"), "how --export is to be read"),
    (("plan", *LIST, "--to", "koreai", "--include", "some"), "--include: "),
    (("plan", *LIST, "--to", "koreai", "--routing", "half"), "--routing: "),
    (("plan", *LIST, "--to", "koreai", "--percent", "5"), "must have `percent` with routing `percent`"),
    (("plan", *LIST, "--to", "koreai", "--routing", "percent", "--percent", "100"), "--percent: "),
    (("plan", *LIST, "--to", "koreai", "--vendor-options", "["), "--vendor-options: is not a JSON object"),
    (("plan", *LIST, "--to", "koreai", "--vendor-options", '{"colour": 1}'), "/vendor_options/colour"),
    (("plan", "--all", "--to", "koreai"), "There is nothing to move"),
    (("apply", "mg_nobody"), "there is no such migration"),
    (("apply",), "PLAN"),
    (("status", "mg_nobody"), "there is no such migration"),
    (("status", "--rows", "x.csv"), "name it"),
    (("certificate", "mg_nobody"), "there is no such migration"),
    (("rollback", "mg_nobody"), "there is no such migration"),
    (("resolve", "mg_nobody", "--quiet"), "there is no such migration"),
    (("resolve", "mg_nobody"), "--quiet"),
]


@pytest.mark.parametrize(("words", "told"), WRONG)
async def test_wrong_usage_is_explained(
    config: Path, vendors: Vendors, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    """In this process: nobody is asked anything."""
    asked = ("migrate", *words, "--config", str(config), "--tenant", "acme")
    _, said = await to_thread.run_sync(lambda: here(capsys, *asked, code=2))  # a command runs a loop of its own
    assert told in said
    assert all(not one.simulation.ledger.requests for one in vendors.values())


async def test_a_plan_has_no_certificate_and_another_tenant_no_plan(config: Path, tmp_path: Path) -> None:
    move = (await planned(config, "--list", await sent(config, "velip"), "--to", "koreai"))["id"]
    none = await ask("migrate", "certificate", move, config=config, code=2)
    assert "the migration is planned: it has no certificate" in none.stderr
    for words in (("status", move), ("apply", move), ("rollback", move), ("certificate", move)):
        assert (
            "there is no such migration" in (await ask("migrate", *words, config=config, code=2, tenant="other")).stderr
        )
    unwritable = await ask("migrate", "status", move, "--rows", str(tmp_path), config=config, code=2)
    assert "Is a directory" in unwritable.stderr
    assert "No such file" in in_order(await run("migrate", "verify", str(tmp_path / "none")), 2).stderr
