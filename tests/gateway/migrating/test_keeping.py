"""What is kept of migrations: retention empties and removes it, an erasure takes one number out of it."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import text

from gateway import retention
from gateway.settings import Retention
from gateway.store import moves
from tests.gateway.migrating.stage import INDIA, LISTS, MIGRATIONS, Stage, crowd

PEOPLE = 4
ANA = INDIA.format(10_000_001)


async def moved(stage: Stage, **wishes: Any) -> dict[str, Any]:
    created = await stage.create("koreai", crowd(PEOPLE, INDIA))
    return await stage.move("exotel", created["id"], **wishes)


async def say(stage: Stage, statement: str, **values: Any) -> None:
    await stage.gateway.host.database.run(lambda connection: connection.execute(text(statement), values))


async def erase(stage: Stage, *, dry: bool = False) -> dict[str, Any]:
    host = stage.gateway.host
    erased = await retention.erase(host.database, host.config, ANA, ("acme", "globex"), dry=dry)
    return erased.model_dump()


async def retain(stage: Stage, days: float, **rules: int) -> dict[str, int]:
    rules = {"idempotency": 999, **rules}
    moment = datetime.now(UTC) + timedelta(days=days)
    removed = await retention.retain(stage.gateway.host.database, Retention(**rules), moment)
    return {name: number for name, number in removed.model_dump().items() if number}


async def rows(stage: Stage, done: dict[str, Any]) -> list[dict[str, Any]]:
    return [*await stage.rows(done["id"], "plan"), *await stage.rows(done["id"])]


async def test_a_number_is_erased_from_the_rows_of_a_migration(stage: Stage) -> None:
    done = await moved(stage)
    before = await rows(stage, done)
    sealed = await stage.sealed(done["id"])
    assert [one["phone"] for one in before].count(ANA) == 2
    seen = await erase(stage, dry=True)
    assert await rows(stage, done) == before
    assert await erase(stage) == {**seen, "cleaned": True}
    told = f"erased on {datetime.now(UTC).date().isoformat()}"
    nobody = {"phone": "", "key": "", "why": told, "digest": "", "found": ""}
    assert await rows(stage, done) == [one | nobody if one["phone"] == ANA else one for one in before]
    assert await stage.sealed(done["id"]) == sealed
    stored = repr([await stage.gateway.table(name) for name in ("migration_rows", "migrations", "chunks")])
    assert [word for word in (ANA[1:], ANA[3:], "Zoë1\\", "zoe1@") if word in stored] == []
    lines = (
        await stage.client.get(f"{MIGRATIONS}/{done['id']}/rows", headers={"Accept": "application/x-ndjson"})
    ).content
    counted = sealed["certificate"]["rows"]
    assert (lines.count(b"\n"), sha256(lines).hexdigest() == counted["sha256"]) == (counted["count"], False)


async def test_a_number_is_erased_from_what_is_said_of_others_and_of_errors(stage: Stage) -> None:
    done = await moved(stage)
    row = moves.Row("absent", row=9, key="B-1", phone="98 1000 0001", why="phone.invalid: is it 0 98100-00001?")
    other = moves.Row("absent", row=10, key=f"for {ANA}", phone="+919811111111", why="x")
    await stage.gateway.host.database.run(moves.add_rows, done["id"], "left", 1, 1, [row, other])
    await say(stage, "UPDATE migrations SET error = :error", error=f'{{"code": "internal", "detail": "{ANA} failed"}}')
    await erase(stage)
    (first, second) = (await stage.rows(done["id"]))[:2]
    assert (first["phone"], first["key"]) in (("", ""), ("98 1000 0001", "B-1"))
    assert (second["key"], second["phone"]) == ("for ***", "+919811111111")
    assert (await stage.migration(done["id"]))["error"]["detail"] == "*** failed"


async def test_nothing_is_erased_while_a_migration_works(stage: Stage) -> None:
    done = await moved(stage)
    await say(stage, "UPDATE operations SET state = 'running' WHERE kind = 'migrate'")
    (waiting,) = (await erase(stage))["waiting"]
    assert (waiting["tenant"], waiting["list"]) == ("acme", done["id"])
    assert ANA in [one["phone"] for one in await rows(stage, done)]
    await say(stage, "UPDATE operations SET state = 'succeeded' WHERE kind = 'migrate'")
    await say(stage, "UPDATE lists SET deleted_at = :now, migration_id = 'somebody'", now=datetime.now(UTC).isoformat())
    assert {one["why"].partition(",")[0] for one in (await erase(stage))["waiting"]} == {
        "a list is just being taken over from its vendor"
    }


async def test_names_and_numbers_go_and_what_became_of_them_stays(stage: Stage) -> None:
    done = await moved(stage)
    before, sealed = await rows(stage, done), await stage.sealed(done["id"])
    assert await retain(stage, 29, contacts=30) == {}
    assert await retain(stage, 31, contacts=30) == {"contacts": 2 * PEOPLE, "rows": 2 * PEOPLE}
    day = (datetime.now(UTC) + timedelta(days=31)).date().isoformat()
    nobody = {"phone": "", "key": "", "why": f"removed here on {day} (retention)", "digest": "", "found": ""}
    assert await rows(stage, done) == [one | nobody for one in before]
    assert await stage.sealed(done["id"]) == sealed
    assert await retain(stage, 62, contacts=30) == {}


async def test_a_list_that_a_migration_works_on_stays_as_it_is(stage: Stage) -> None:
    """Also the new one, which is hidden as long as it is written."""
    done = await moved(stage)
    await say(stage, "UPDATE lists SET migration_id = :id, deleted_at = created_at", id=done["id"])
    await say(stage, "UPDATE migrations SET state = 'applying'")
    assert await retain(stage, 99, contacts=30, lists=30) == {}
    assert len(await stage.gateway.table("lists")) == 2


async def test_a_migration_goes_with_its_lists(stage: Stage) -> None:
    done = await moved(stage)
    created = await stage.create("koreai", crowd(PEOPLE, INDIA, 50))
    untouched = await stage.plan("exotel", created["id"])
    await say(stage, "UPDATE chunks SET unknown = 1 WHERE list_id = :id", id=done["lists"][0]["target"])
    # the new list is not settled, so the migration stays with it; a plan that touched nothing is only old
    assert await retain(stage, 31, lists=30) == {"lists": 2, "migrations": 1}
    assert [one["id"] for one in (await stage.client.get(MIGRATIONS)).json()["items"]] == [done["id"]]
    assert untouched["id"] != done["id"]
    answer = await stage.client.post(f"{MIGRATIONS}/{done['id']}/rollback", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "migration.not_applied")
    await say(stage, "UPDATE chunks SET unknown = 0")
    assert await retain(stage, 62, lists=30) == {"lists": 1, "migrations": 1}
    for name in ("migrations", "migration_lists", "migration_rows", "lists", "operations"):
        assert await stage.gateway.table(name) == [], name
    assert (await stage.client.get(LISTS)).json()["items"] == []
