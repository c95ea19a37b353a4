"""Old data goes and counts stay; one number is erased wherever it stands. On both databases."""

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway import retention
from gateway.canonical import Contact, Outcome
from gateway.retention import Removed
from gateway.settings import Retention
from gateway.store import chunks, suppressions
from gateway.store import operations as work
from gateway.store import retention as store
from gateway.store.chunks import Mark
from gateway.store.database import Database, new_id, timestamp
from gateway.store.erasing import Number, Spot, apply
from gateway.store.schema import metadata
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination, write_configuration
from tests.gateway.test_migrations import postgresql, url  # noqa: F401

ROOT = Path(__file__).parents[2]
ANA, RUI, EVA = "+5511999990001", "+5521988880002", "+5531977770006"
PEOPLE = [
    {"id": "A-1", "phone": ANA, "first_name": "Ana-Planted", "attributes": {"plan": "plus"}},
    {"id": "A-2", "phone": "21 98888-0002", "last_name": "Rui-Planted"},
    {"id": "A-3", "phone": ANA, "company": "Again-Planted"},
    {"id": "A-4", "phone": "12", "first_name": "Short-Planted"},
    {"id": "A-5", "phone": EVA, "tag": "gold", "attributes": {"other": "(11) 99999-0001"}},
]
WHOLE = {"received": 5, "accepted": 3, "rejected": 1, "suppressed": 0, "duplicate": 1, "pending": 0, "unknown": 0}


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@dataclass(slots=True)
class House:
    """A gateway with one list of PEOPLE that was delivered."""

    gateway: Gateway
    list_id: str

    @property
    def database(self) -> Database:
        return self.gateway.host.database

    async def get(self, path: str = "", **headers: str) -> Any:
        client = await self.gateway.client("acme")
        return await client.get(f"/v1/contact-lists/{self.list_id}{path}", headers=headers)

    async def say(self, statement: str, **values: Any) -> None:
        await self.database.run(lambda connection: connection.execute(text(statement), values))

    async def dump(self) -> str:
        """Everything that is stored, as text."""
        tables = {name: await self.gateway.table(name) for name in metadata.tables if name != "suppressions"}
        return repr(tables)

    async def contents(self) -> dict[str, list[dict[str, Any]]]:
        return {name: await self.gateway.table(name) for name in metadata.tables if name != "turns"}


@pytest.fixture
def house(open_gateway: OpenGateway, vendors: Vendors, url: str) -> Any:  # noqa: F811
    @asynccontextmanager
    async def opened(contacts: list[dict[str, Any]] = PEOPLE, vendor: str = "exotel") -> AsyncIterator[House]:
        tenants = {"acme": Tenant({"main": destination(vendors[vendor])}), "other": Tenant({})}
        async with open_gateway(tenants, database=url) as gateway:
            client = await gateway.client("acme")
            body = {"name": "Renewals", "reference": "r-1", "destination": "main", "contacts": contacts}
            created = await client.post("/v1/contact-lists", json=body, headers={"Idempotency-Key": "k-1"})
            yield House(gateway, created.json()["id"])

    return opened


async def test_contacts_go_and_counts_stay(house: Any) -> None:
    async with house() as here:
        chunk = await here.database.run(chunks.load, here.list_id, 1)
        chunk.marks[1] = Mark(Outcome.ACCEPTED, "v-77", (), "Words-Planted")
        await here.database.run(chunks.save, chunk)
        before = (await here.get()).json()
        assert before["counts"] == WHOLE
        stored = await here.contents()
        rules = Retention(contacts=30)
        assert await retention.retain(here.database, rules, later(29)) == Removed()
        assert await retention.retain(here.database, rules, later(29.9), dry=True) == Removed()
        assert await here.contents() == stored
        moment = later(31)
        day = moment.date().isoformat()
        assert await retention.retain(
            here.database, Retention(contacts=30, idempotency=99), moment, dry=True
        ) == Removed(contacts=5)
        assert await here.contents() == stored
        assert await retention.retain(here.database, Retention(contacts=30, idempotency=99), moment) == Removed(
            contacts=5
        )
        after = (await here.get()).json()
        remains = f"names and numbers of the first 5 contacts were removed here on {day} (retention)"
        assert after == {**before, "remains": remains}
        told = f"removed here on {day} (retention)"
        delivery = before["deliveries"][0]["id"]
        nobody = dict.fromkeys(
            ("first_name", "last_name", "company", "email", "language", "time_zone", "priority", "tag")
        )
        number = here.list_id.removeprefix("cl_")
        assert (await here.get("/contacts")).json()["items"] == [
            {
                "contact_id": f"ct_{number}_{seq}",
                "id": None,
                "row": seq,
                "phone": "",
                **nobody,
                "attributes": {},
                "outcome": outcome,
                "faults": [{"code": code, "column": "phone", "detail": told} for code in codes],
                "detail": told,
                "delivery": delivery if outcome == "accepted" else None,
                "remote_id": None,
            }
            for seq, outcome, codes in (
                (1, "accepted", []),
                (2, "accepted", []),
                (3, "duplicate", []),
                (4, "rejected", ["phone.invalid"]),
                (5, "accepted", []),
            )
        ]
        rows = (await here.get("/rejections", Accept="text/csv")).text.splitlines()
        assert rows[1:] == ["," * (rows[0].count(",") - 1) + f"phone.invalid,phone: {told}"]
        assert await retention.retain(here.database, Retention(contacts=30, idempotency=99), later(62)) == Removed()
        tables = repr({name: rows for name, rows in (await here.contents()).items() if name != "idempotency"})
        assert [word for word in (ANA[1:], RUI[1:], EVA[1:], "Planted", "A-1", "v-77", "gold") if word in tables] == []


async def test_nothing_is_appended_to_a_list_whose_numbers_nobody_knows_any_more(house: Any) -> None:
    """Not in a small call, not by a long file: a number that it held could not be told from a new one."""
    async with house() as here:
        assert (await retention.retain(here.database, Retention(contacts=30), later(31))).contacts == 5
        client = await here.gateway.client("acme")
        path = f"/v1/contact-lists/{here.list_id}/contacts"
        before = await here.contents()
        answer = await client.post(path, json={"contacts": [{"phone": "+5541966660009"}]})
        assert (answer.status_code, answer.json()["code"]) == (409, "list.emptied")
        long = b"phone,note\n" + b"+5541966660009,x\n" * 70_000
        answer = await client.post(path, content=long, headers={"Content-Type": "text/csv"})
        assert (answer.status_code, answer.json()["code"]) == (409, "list.emptied")
        assert await here.contents() == before


async def test_a_removed_contact_is_not_asked_for_at_its_vendor(house: Any) -> None:
    async with house() as here:
        assert (await retention.retain(here.database, Retention(contacts=30), later(31))).contacts == 5
        client = await here.gateway.client("acme")
        number = here.list_id.removeprefix("cl_")
        answer = await client.delete(f"/v1/contact-lists/{here.list_id}/contacts/ct_{number}_1")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


OPEN = {
    "held back": "UPDATE lists SET staged = :yes",
    "at work": "UPDATE operations SET state = 'running'",
    "queued": "UPDATE operations SET state = 'queued'",
    "pending": "UPDATE chunks SET pending = 1, accepted = accepted - 1 WHERE accepted > 0",
    "unknown": "UPDATE chunks SET unknown = 1, accepted = accepted - 1 WHERE accepted > 0",
}


@pytest.mark.parametrize("why", OPEN)
async def test_nothing_of_a_list_on_which_something_is_open_goes(house: Any, why: str) -> None:
    async with house() as here:
        values = {"yes": True} if why == "held back" else {}
        await here.say(OPEN[why], **values)
        stored = await here.contents()
        rules = Retention(contacts=1, lists=1, attempts=1, idempotency=9_999)
        assert await retention.retain(here.database, rules, later(400)) == Removed()
        assert await here.contents() == stored


async def test_a_deleted_list_goes_even_when_it_was_never_sent(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE chunks SET pending = 1, accepted = accepted - 1 WHERE accepted > 0")
        await here.say("UPDATE lists SET deleted_at = updated_at")
        assert (await retention.retain(here.database, Retention(lists=30), later(31))).lists == 1
        assert await here.gateway.rows("lists", "chunks") == {"lists": 0, "chunks": 0}


async def test_a_whole_list_goes_with_all_that_is_its(house: Any) -> None:
    async with house() as here:
        rules = Retention(lists=30, idempotency=99)
        assert await retention.retain(here.database, rules, later(31), dry=True) == Removed(lists=1)
        assert (await here.get()).status_code == 200
        assert await retention.retain(here.database, rules, later(31)) == Removed(lists=1)
        assert (await here.get()).status_code == 404
        gone = ("lists", "chunks", "deliveries", "remote_lists", "attempts", "operations")
        assert await here.gateway.rows(*gone) == dict.fromkeys(gone, 0)
        client = await here.gateway.client("acme")
        body = {"name": "Renewals", "reference": "r-1", "destination": "main", "contacts": PEOPLE}
        assert (await client.post("/v1/contact-lists", json=body)).status_code == 201


async def test_a_removal_of_a_list_that_was_broken_off_goes_on(house: Any) -> None:
    async with house() as here:
        assert not await here.database.run(store.drop_some, here.list_id, False)
        assert (await here.get()).json()["state"] == "deleted"
        assert (await retention.retain(here.database, Retention(lists=30), later(31))).lists == 1
        assert await here.gateway.rows("lists") == {"lists": 0}


async def test_attempts_go_and_the_list_stays(house: Any) -> None:
    async with house() as here:
        number = (await here.gateway.rows("attempts"))["attempts"]
        await here.say(
            "INSERT INTO attempts (account, owner, purpose, round, step, method, target, digest, started_at)"
            " VALUES ('a', 'o', 'check', 1, 's', 'GET', '/', 'd', :at)",
            at=timestamp(later(-10)),
        )
        assert (await retention.retain(here.database, Retention(attempts=5), later(0))).attempts == 1
        assert await here.gateway.rows("attempts") == {"attempts": number}
        assert (await retention.retain(here.database, Retention(attempts=5), later(6))).attempts == number > 0
        assert (await here.get()).json()["counts"] == WHOLE


async def test_of_operations_the_last_of_each_kind_stays_with_its_list(house: Any) -> None:
    async with house() as here:
        for kind in ("stop", "resume", "stop"):
            name = new_id("op")
            await here.database.run(work.add_operation, name, "acme", here.list_id, kind, "ex_1")
            await here.database.run(work.finish, name, {"state": "succeeded"})
        await here.database.run(work.add_operation, new_id("op"), "acme", "cl_gone", "create", "ex_1")
        await here.say("UPDATE operations SET state = 'failed' WHERE list_id = 'cl_gone'")
        assert (await retention.retain(here.database, Retention(operations=30), later(29))).operations == 0
        assert (await retention.retain(here.database, Retention(operations=30), later(31))).operations == 2
        kept = sorted((one["no"], one["kind"]) for one in await here.gateway.table("operations"))
        assert [kind for _, kind in kept] == ["create", "resume", "stop"]


async def test_idempotency_keys_are_kept_for_thirty_days_and_while_their_work_goes_on(house: Any) -> None:
    async with house() as here:
        assert (await retention.retain(here.database, Retention(), later(29))).idempotency == 0
        await here.say("UPDATE operations SET state = 'running'")
        assert (await retention.retain(here.database, Retention(), later(31))).idempotency == 0
        await here.say("UPDATE operations SET state = 'succeeded'")
        assert (await retention.retain(here.database, Retention(), later(31))).idempotency == 1
        assert await here.gateway.rows("idempotency", "lists") == {"idempotency": 0, "lists": 1}


async def test_every_page_of_old_rows_goes(house: Any) -> None:
    async with house() as here:
        for place in range(store.PAGE + 3):
            values = {"key": f"key {place}", "id": f"au_{place:026}", "at": timestamp(later(-90))}
            await here.say(
                "INSERT INTO idempotency (tenant, key, digest, owner, created_at) VALUES ('acme', :key, 'd', 'o', :at)",
                key=values["key"],
                at=values["at"],
            )
            await here.say(
                "INSERT INTO audit (id, tenant, destination, method, path, digest, at)"
                " VALUES (:id, 'acme', '', 'GET', '/', '', :at)",
                id=values["id"],
                at=values["at"],
            )
        rules = Retention(audit=30)
        whole = Removed(idempotency=store.PAGE + 3, audit=store.PAGE + 3)
        assert await retention.retain(here.database, rules, later(0), dry=True) == whole
        assert await retention.retain(here.database, rules, later(0)) == whole
        assert await here.gateway.rows("idempotency", "audit") == {"idempotency": 1, "audit": 0}


def test_an_identifier_of_a_time_sorts_where_that_time_does() -> None:
    before = store.id_at("cl", later(-0.001))
    made = new_id("cl")
    assert before < made < store.id_at("cl", later(0.001))
    assert len(before) == len(made)


# erasure


async def erase(
    here: House, phone: str = ANA, *, dry: bool = False, tenants: tuple[str, ...] = ("acme", "other")
) -> Any:
    erased = await retention.erase(here.database, here.gateway.host.config, phone, tenants, dry=dry)
    return erased.model_dump()


SPELLINGS = [
    {"phone": ANA, "id": "B-1", "first_name": "Ana-Planted", "attributes": {"plan": "plus"}},
    {"phone": RUI, "id": "B-2", "attributes": {"other": "(11) 99999-0001", "kept": "K"}},
    {"phone": EVA, "id": "B-3"},
    {"phone": "11 99999-0001 / 12", "id": "B-4", "first_name": "Row-Planted"},
    {"phone": "13", "id": "B-5", "last_name": "5511999990001 is his brother"},
    {"phone": "14", "id": "B-6"},
    {"phone": "(11) 99999.0001", "id": "B-7"},
    {"phone": "\uff11\uff11\uff19\uff19\uff19\uff19\uff19\uff10\uff10\uff10\uff11", "email": "nope"},
]


async def test_a_number_is_erased_wherever_it_stands(house: Any) -> None:
    async with house(SPELLINGS) as here:
        await here.database.run(suppressions.add, "acme", [ANA])
        await here.say(
            "UPDATE attempts SET detail = 'no such number: +55 11 99999-0001', answer = :answer",
            answer=b'{"number": "5511999990001"}',
        )
        await here.say(
            "UPDATE idempotency SET body = :body", body=b'{"detail": "+5511999990001", "name": "Jo\xc3\xa3o"}'
        )
        before = (await here.get()).json()
        stored = await here.contents()
        seen = await erase(here, dry=True)
        assert await here.contents() == stored
        attempts = (await here.gateway.rows("attempts"))["attempts"]
        assert (seen["contacts"], seen["rows"], seen["mentions"]) == (2, 3, 2 + attempts)
        assert await erase(here) == {**seen, "cleaned": True}

        after = (await here.get()).json()
        assert {**after, "deliveries": None} == {**before, "deliveries": None}
        assert after["deliveries"][0]["counts"] == before["deliveries"][0]["counts"]
        assert {one["detail"] for one in after["deliveries"][0]["attempts"]} == {"no such number: ***"}
        items = (await here.get("/contacts")).json()["items"]
        told = f"erased on {datetime.now(UTC).date().isoformat()}"
        shown = [(one["row"], one["outcome"], one["id"], one["phone"], one["detail"]) for one in items]
        details = {one["row"]: one["detail"] for one in items}
        assert shown == [
            (1, "accepted", None, "", told),
            (2, "accepted", "B-2", RUI, details[2]),
            (3, "accepted", "B-3", EVA, details[3]),
            (4, "rejected", None, "", told),
            (5, "rejected", None, "", told),
            (6, "rejected", "B-6", "14", None),
            (7, "duplicate", None, "", told),
            (8, "rejected", None, "", told),
        ]
        assert items[1]["attributes"] == {"other": "***", "kept": "K"}
        assert [one["code"] for one in items[4]["faults"]] == ["phone.invalid"]
        (key,) = await here.gateway.table("idempotency")
        assert bytes(key["body"]) == b'{"detail": "***", "name": "Jo\xc3\xa3o"}'
        assert {one["answer"] for one in await here.gateway.table("attempts")} == {None}
        assert await here.database.run(suppressions.suppressed, "acme", {ANA}) == {ANA}
        rest = await here.dump()
        assert [
            word for word in ("11999990001", "99999-0001", "99999.0001", "\uff11\uff11", "Planted") if word in rest
        ] == []
        assert await erase(here) == {
            "contacts": 0,
            "rows": 0,
            "mentions": 0,
            "lists": [],
            "at_vendors": [],
            "waiting": [],
            "cleaned": True,
        }


async def test_what_is_at_a_vendor_is_named(house: Any) -> None:
    async with house() as here:
        chunk = await here.database.run(chunks.load, here.list_id, 1)
        assert [seq for seq, _ in chunk.items] == [1, 2, 5]
        chunk.marks[1] = Mark(Outcome.ACCEPTED, "v-77")
        await here.database.run(chunks.save, chunk)
        remote = (await here.get()).json()["deliveries"][0]["remote_lists"][0]["id"]
        assert (await erase(here))["at_vendors"] == [
            {
                "tenant": "acme",
                "list": here.list_id,
                "destination": "main",
                "remote_list": remote,
                "remote_id": "v-77",
                "outcome": "accepted",
            }
        ]
        assert remote is not None


async def test_the_fact_is_recorded_without_the_number(house: Any) -> None:
    async with house() as here:
        await erase(here)
        found = [
            (one["tenant"], one["method"], one["path"], one["digest"]) for one in await here.gateway.table("audit")
        ]
        assert sorted(found) == [
            ("acme", "ERASE", "lists=1 contacts=2", ""),
            ("other", "ERASE", "lists=0 contacts=0", ""),
        ]


async def test_only_the_named_tenant_is_touched(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE attempts SET detail = :words", words=f"no such number: {ANA}")
        await here.say("UPDATE idempotency SET body = :body", body=ANA.encode())
        stored = await here.contents()
        erased = await erase(here, tenants=("other",))
        assert (erased["contacts"], erased["lists"]) == (0, [])
        assert {**await here.contents(), "audit": []} == stored


async def test_a_number_that_is_about_to_be_sent_waits(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE operations SET state = 'running'")
        await here.say("UPDATE chunks SET pending = pending + 1, accepted = accepted - 1 WHERE accepted > 0")
        stored = await here.contents()
        erased = await erase(here)
        (operation,) = await here.gateway.table("operations")
        why = "it is about to be sent: wait for the operation, or cancel it"
        waiting = {"tenant": "acme", "list": here.list_id, "operation": operation["id"], "why": why}
        assert erased["waiting"] == [waiting]
        assert await here.contents() == stored


async def test_a_batch_that_begins_meanwhile_is_not_changed(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE operations SET state = 'running'")
        await here.say("UPDATE chunks SET pending = pending + 1, accepted = accepted - 1 WHERE accepted > 0")
        stored = await here.contents()
        spot = Spot("acme", here.list_id, 1)
        assert (await here.database.run(apply, spot, Number(ANA), "BR", "erased")).waiting is not None
        assert await here.contents() == stored


async def test_a_file_that_is_just_being_read_is_waited_for(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE operations SET state = 'running', input = '{}'")
        assert [one["list"] for one in (await erase(here))["waiting"]] == [here.list_id]
        await here.say("UPDATE operations SET state = 'succeeded', input = NULL")
        await here.say(
            "INSERT INTO uploads (id, no, owner, body) VALUES ('up_1', 0, 'o', :body)", body=b"x;+55 11999990001\n"
        )
        assert [one["list"] for one in (await erase(here))["waiting"]] == [""]


async def test_a_number_that_was_held_back_is_never_sent(
    open_gateway: OpenGateway,
    vendors: Vendors,
    url: str,  # noqa: F811
) -> None:
    tenants = {"acme": Tenant({"main": destination(vendors["voximplant"])})}
    async with open_gateway(tenants, database=url) as gateway:
        client = await gateway.client("acme")
        body = {"name": "Held", "destination": "main", "contacts": [{"phone": one} for one in (ANA, RUI, EVA)]}
        created = (await client.post("/v1/contact-lists", json=body)).json()
        assert (created["state"], created["counts"]["pending"]) == ("staged", 3)
        here = House(gateway, created["id"])
        assert (await erase(here))["contacts"] == 1
        counts = (await here.get()).json()["counts"]
        assert (counts["received"], counts["rejected"], counts["pending"]) == (3, 1, 2)
        answer = await client.post(f"/v1/contact-lists/{here.list_id}/activate")
        assert (answer.status_code, answer.json()["counts"]["accepted"]) == (200, 2)
        assert sorted(vendors["voximplant"].simulation.ledger.calls) == [RUI[1:], EVA[1:]]


async def test_of_a_long_chunk_only_the_number_is_taken_out(house: Any) -> None:
    people = [{"phone": f"+55119{90_000_000 + place}", "id": f"C-{place}"} for place in range(1, 1_205)]
    async with house(people) as here:
        before = (await here.get()).json()["counts"]
        assert (await erase(here, "+5511990000700"))["contacts"] == 1
        assert (await here.get()).json()["counts"] == before
        page = await here.database.run(chunks.page, here.list_id, None, 0, 2_000)
        assert [one.seq for one in page] == list(range(1, 1_205))
        assert [one.seq for one in page if not isinstance(one.item, Contact)] == [700]
        known = {one.seq: one.contact().phone for one in page if one.seq != 700}
        assert known == {place: f"+55119{90_000_000 + place}" for place in range(1, 1_205) if place != 700}


async def test_no_byte_of_it_stays_in_the_files_of_sqlite(
    open_gateway: OpenGateway, vendors: Vendors, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.db"
    tenants = {"acme": Tenant({"main": destination(vendors["exotel"])})}
    async with open_gateway(tenants, database=f"sqlite:///{file}") as gateway:
        client = await gateway.client("acme")
        body = {"name": "Renewals", "destination": "main", "contacts": SPELLINGS}
        created = (await client.post("/v1/contact-lists", json=body)).json()
        here = House(gateway, created["id"])
        # a copy that was removed before in the ordinary way, and stands in free pages
        body = b"Ghost-Planted;+5511999990001\n" * 10_000
        await here.say("INSERT INTO uploads (id, no, owner, body) VALUES ('up_1', 0, 'o', :body)", body=body)
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA secure_delete = OFF")  # some builds of SQLite begin with it
            connection.execute("DELETE FROM uploads")
            connection.commit()
        planted = [b"11999990001", b"99999-0001", b"99999.0001", b"Ana-Planted", b"Row-Planted", b"Ghost-Planted"]
        assert held(tmp_path, planted) == planted
        assert (await erase(here))["cleaned"]
        assert held(tmp_path, planted) == []
        assert held(tmp_path, [RUI.encode()]) == [RUI.encode()]


def held(folder: Path, words: list[bytes]) -> list[bytes]:
    """The words that stand in any file of the folder."""
    whole = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return [word for word in words if word in whole]


# command line


async def gateway(*arguments: str, config: Path) -> tuple[int, str, str]:
    """Run `gateway ...` in a process of its own: exit code and what it said."""
    words = [sys.executable, "-m", "gateway", *arguments, "--config", str(config)]
    environment = {**os.environ, "COLUMNS": "200"}
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=ROOT
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


async def test_the_commands_about_the_database(tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    config = write_configuration(tmp_path / "conf", {"acme": Tenant({})}, database=f"sqlite:///{file}")
    empty = "the database has no tables yet, this release works with 0002: run gateway database upgrade\n"
    assert await gateway("database", "check", config=config) == (1, empty, "")
    assert not file.exists()
    made = "the database was empty, it is now version 0002\n"
    assert await gateway("database", "upgrade", config=config) == (0, made, "")
    good = "the database is up to date: version 0002\n"
    assert await gateway("database", "upgrade", config=config) == (0, good, "")
    assert await gateway("database", "check", config=config) == (0, good, "")
    database = Database(f"sqlite:///{file}")
    await database.run(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0099'")))
    await database.close()
    for words in (("serve",), ("database", "check"), ("database", "upgrade"), ("retain",), ("status", "cl_1")):
        code, _, told = await gateway(*words, config=config)
        assert (code, told.splitlines()) == (
            2,
            [
                "the database: its tables have the version 0099, this release works with 0002: "
                "run the release that upgraded it, or restore the backup from before"
            ],
        )


async def test_the_commands_that_remove(house: Any) -> None:
    async with house() as here:
        config = here.gateway.config
        code, told, _ = await gateway("erase", ANA, "--dry-run", "--json", config=config)
        assert (code, json.loads(told)["contacts"]) == (0, 2)
        assert (await gateway("erase", "12", config=config))[0] == 2
        assert (await gateway("erase", ANA, "--tenant", "nobody", config=config))[0] == 2
        await here.say("UPDATE operations SET state = 'running', input = '{}'")
        assert (await gateway("erase", ANA, config=config))[0] == 1
        await here.say("UPDATE operations SET state = 'succeeded', input = NULL")
        code, told, _ = await gateway("erase", "11999990001", "--region", "BR", config=config)
        assert (code, told.splitlines()[0]) == (0, "erased: 2 contacts, 0 rejected rows, 1 other places")
        nothing = "0 contacts, 0 lists, 0 attempts, 0 operations, 0 idempotency, 0 audit\n"
        assert await gateway("retain", "--dry-run", config=config) == (0, f"would be removed: {nothing}", "")
        assert await gateway("retain", config=config) == (0, f"removed: {nothing}", "")


async def test_a_server_removes_by_itself(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST", 0.0)
    async with house() as here:
        await here.say("UPDATE idempotency SET created_at = :at", at=timestamp(later(-31)))
        task = asyncio.create_task(retention.keep_removing(here.database, Retention))
        try:
            while (await here.gateway.rows("idempotency"))["idempotency"]:  # noqa: ASYNC110  the database tells nobody
                await asyncio.sleep(0.01)
        finally:
            task.cancel()
