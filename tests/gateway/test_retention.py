"""Old data goes and counts stay. On both databases."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway import retention
from gateway.canonical import Outcome
from gateway.retention import Removed
from gateway.settings import Retention
from gateway.store import chunks
from gateway.store import operations as work
from gateway.store import retention as store
from gateway.store.chunks import Mark
from gateway.store.database import Database, new_id, timestamp
from tests.gateway.conftest import Tenant, write_configuration
from tests.gateway.housing import ANA, EVA, PEOPLE, RUI, WHOLE, house, later  # noqa: F401
from tests.launcher import completed


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


async def gateway(*arguments: str, config: Path) -> tuple[int, str, str]:
    """Run `gateway ...` in a process of its own: exit code and what it said."""
    environment = {**os.environ, "COLUMNS": "200"}
    done = await asyncio.to_thread(completed, "gateway", *arguments, "--config", config, environment=environment)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


async def test_the_commands_about_the_database(tmp_path: Path) -> None:
    file = tmp_path / "gateway.db"
    config = write_configuration(tmp_path / "conf", {"acme": Tenant({})}, database=f"sqlite:///{file}")
    empty = "the database has no tables yet, this release works with 0003: run gateway database upgrade\n"
    assert await gateway("database", "check", config=config) == (1, empty, "")
    assert not file.exists()
    made = "the database was empty, it is now version 0003\n"
    assert await gateway("database", "upgrade", config=config) == (0, made, "")
    good = "the database is up to date: version 0003\n"
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
                "the database: its tables have the version 0099, this release works with 0003: "
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
        nothing = "0 contacts, 0 lists, 0 rows, 0 migrations, 0 attempts, 0 operations, 0 idempotency, 0 audit\n"
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
