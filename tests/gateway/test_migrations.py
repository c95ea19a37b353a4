"""A database of the release before becomes today's, on both databases, and what it left open is looked up."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from gateway import opening, settings
from gateway.canonical import Contact, Outcome
from gateway.ingest import Rejected
from gateway.resources import list_out
from gateway.store import attempts, chunk_writing, chunks, upgrading
from gateway.store import lists as store
from gateway.store.chunks import Mark
from gateway.store.database import Database
from gateway.store.schema import metadata
from tests.gateway.conftest import LIMITS, OpenGateway, Tenant, Vendors, destination, write_configuration
from tests.gateway.old_release import (
    AT,
    ROOT,
    attempt,
    contact_row,
    differences,
    make_old,
    old_rows,
    operation,
    rows_of,
    upgraded,
    version,
)


async def test_a_new_database_has_today_s_tables_and_version(url: str) -> None:
    database = Database(url)
    await database.prepare()
    assert await database.run(differences) == []
    assert await database.run(version) == [upgrading.VERSION]
    await database.close()


def test_the_version_is_that_of_the_last_script() -> None:
    """It is written down, so that a database that is up to date needs no Alembic."""
    scripts = ScriptDirectory(str(Path(upgrading.__file__).parent / "migrations"))
    assert scripts.get_current_head() == upgrading.VERSION


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
    new = {"detail": None, "superseded_by": None, "moved_to": None, "operation_id": "op_1"}
    assert delivery == {**before["deliveries"][0], **new}
    (listed,) = await rows_of(database, "lists")
    assert listed == {**before["lists"][0], "next_chunk": 5, "corrected": 0, "moved_to": None, "migration_id": None}
    writer = await database.run(chunk_writing.writer, "cl_1", "op_9")
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
        "the database: its tables have the version 0099, this release works with 0003: "
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
    for later in ("operation_id", "moved_to"):
        del delivery[later]
    for later in ("next_chunk", "corrected", "moved_to", "migration_id"):
        del listed[later]
    return {
        "lists": [listed | {"next_seq": 7}],
        "deliveries": [delivery],
        "remote_lists": [remotes[0] | {"count": 2}],
        "contacts": contacts,
        "attempts": tried,
        "operations": [{**operation("op_before1", "create", "running"), "id": "op_before", "list_id": list_id}],
    }
