"""A migration switches the routing in the same step, and ends it again on the way back."""

from typing import Any

from tests.gateway.migrating.stage import LISTS, Stage, crowd

ROUTES = "/v1/reroutings"
FROM, TO = "koreai", "exotel"


async def people(first: int = 1, number: int = 3) -> list[dict[str, Any]]:
    return crowd(number, "+9198{:08d}", first)


async def in_force(stage: Stage, source: str = FROM) -> dict[str, Any] | None:
    answer = await stage.client.get(f"{ROUTES}/{source}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] | None = answer.json()["in_force"]
    return found


async def history(stage: Stage) -> list[tuple[str, str, str, float | None, str | None]]:
    """(source, target, mode, percent, migration) of every change, the newest first."""
    items = (await stage.client.get(ROUTES)).json()["items"]
    return [(one["source"], one["target"], one["mode"], one["percent"], one["migration"]) for one in items]


async def moved(stage: Stage, **wishes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A list from one vendor to another: the migration and its certificate."""
    created = await stage.create(FROM, await people())
    done = await stage.move(TO, created["id"], **wishes)
    sealed = (await stage.client.get(done["certificate"]["href"])).json()["certificate"]
    return done, sealed


async def switch(stage: Stage, **wish: Any) -> None:
    answer = await stage.client.put(f"{ROUTES}/{FROM}", json=wish)
    assert answer.status_code == 200, answer.text


async def test_a_new_list_for_the_source_goes_to_the_target(stage: Stage) -> None:
    done, sealed = await moved(stage, routing="full")
    now = await in_force(stage)
    assert now is not None
    assert (now["target"], now["mode"], now["migration"], now["by"]) == (TO, "full", done["id"], done["by"])
    assert sealed["routing"] == [f"{now['at']}: full, {TO} instead of {FROM}, by {done['by']}"]
    assert await history(stage) == [(FROM, TO, "full", None, done["id"])]
    before = sorted(stage.there(FROM))
    await stage.create(FROM, await people(50))
    assert sorted(stage.there(FROM)) == before
    assert sorted(stage.there(TO)) == sorted(one["phone"].lstrip("+") for one in await people() + await people(50))


async def test_percent_then_full_then_off(stage: Stage) -> None:
    done, sealed = await moved(stage, routing="percent", percent=25)
    assert "percent 25 %" in sealed["routing"][0]
    await switch(stage, target=TO, mode="full")
    await switch(stage, mode="off")
    assert await history(stage) == [
        (FROM, TO, "off", None, None),
        (FROM, TO, "full", None, None),
        (FROM, TO, "percent", 25, done["id"]),
    ]
    before = sorted(stage.there(TO))
    await stage.create(FROM, await people(50))
    assert sorted(stage.there(TO)) == before


async def test_a_shadow_sends_nothing(stage: Stage) -> None:
    done, _ = await moved(stage, routing="shadow")
    before = sorted(stage.there(TO))
    await stage.create(FROM, await people(50))
    assert (sorted(stage.there(TO)), await history(stage)) == (before, [(FROM, TO, "shadow", None, done["id"])])


async def test_the_way_back_ends_what_the_migration_switched(stage: Stage) -> None:
    done, _ = await moved(stage, routing="full")
    await stage.rollback(done)
    assert await in_force(stage) is None
    assert await history(stage) == [(FROM, TO, "off", None, done["id"]), (FROM, TO, "full", None, done["id"])]
    await stage.create(FROM, await people(50), reference="new")
    assert len(stage.there(TO)) == 3


async def test_the_way_back_leaves_what_somebody_has_switched_since(stage: Stage) -> None:
    done, _ = await moved(stage, routing="percent", percent=10)
    await switch(stage, target=TO, mode="full")
    await stage.rollback(done)
    now = await in_force(stage)
    assert now is not None
    assert (now["mode"], now["migration"]) == ("full", None)


async def test_nothing_is_switched_as_long_as_something_is_unknown_at_the_target(stage: Stage) -> None:
    created = await stage.create("exotel", await people())
    planned = await stage.plan("indigitall", created["id"], routing="full", activation="start")
    stage.vendors["indigitall"].simulation.break_next("drop_after", times=99)
    done = (await stage.apply(planned)).json()
    stage.vendors["indigitall"].simulation.faults.clear()
    assert done["state"] == "done", done
    assert done["counts"]["unknown"] == 3
    sealed = (await stage.client.get(done["certificate"]["href"])).json()["certificate"]
    why = "of 3 contacts nobody knows whether the target has them; resolve them, then switch"
    assert sealed["routing"] == [f"exotel: not switched: {why}"]
    assert await history(stage) == []


async def test_what_cannot_be_switched_is_said_and_the_migration_ends_well(stage: Stage) -> None:
    """The rules of switching by hand hold; a wish that breaks them does not undo what was delivered."""
    created = await stage.create(FROM, await people(), reference="r-9")
    await switch(stage, target=TO, mode="full")
    done = await stage.move(TO, created["id"], routing="full")
    assert [one[2:] for one in await history(stage)] == [("full", None, done["id"]), ("full", None, None)]
    assert (await stage.client.get(f"{LISTS}/{created['id']}")).json()["moved_to"] == done["lists"][0]["target"]
