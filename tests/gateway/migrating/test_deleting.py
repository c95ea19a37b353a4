"""An old list is deleted where that was planned, and only when all that was to move has provably arrived."""

from typing import Any

import pytest

from tests.gateway.migrating.conftest import OpenStage
from tests.gateway.migrating.stage import MIGRATIONS, Stage, crowd, digits, fates

pytestmark = pytest.mark.anyio
PEOPLE = crowd(3)


async def deleted(stage: Stage, moved: dict[str, Any]) -> str:
    (one,) = (await stage.sealed(moved["id"]))["certificate"]["lists"]
    return str(one["source_deleted"])


async def test_an_old_list_goes_when_all_has_arrived_and_then_there_is_no_way_back(stage: Stage) -> None:
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    (remote,) = stage.lists_at("koreai")
    moved = await stage.move("voximplant", list_id, activation="start", delete_source=True)
    assert moved["plan"]["notes"] == ["reading the target back, 1000 contacts a call, takes up to 1 calls more, 0 s"]
    assert await deleted(stage, moved) == f"deleted: {remote.id}"
    assert (stage.there("koreai"), stage.there("voximplant")) == ([], digits(one["phone"] for one in PEOPLE))
    back = await stage.client.post(f"{MIGRATIONS}/{moved['id']}/rollback", json={})
    target = moved["lists"][0]["target"]
    assert (back.status_code, back.json()["detail"]) == (
        409,
        f"the old list {list_id} was deleted at its vendor, as planned ({remote.id}): "
        f"plan a migration of {target} back",
    )
    assert (await stage.move("koreai", target))["counts"]["accepted"] == 0, "Voximplant has called them all"


async def test_it_stays_when_that_was_not_planned(stage: Stage) -> None:
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    moved = await stage.move("voximplant", list_id)
    assert await deleted(stage, moved) == "None"
    assert len(stage.there("koreai")) == 3


async def test_it_stays_when_the_target_refuses_somebody(open_stage: OpenStage) -> None:
    """Velip takes Brazilian numbers only: who is left would be nowhere."""
    people = [*PEOPLE, crowd(1, "+9198{:08d}")[0] | {"id": "abroad"}]
    async with open_stage() as stage:
        moved = await stage.move("velip", (await stage.create("koreai", people))["id"], delete_source=True)
        assert moved["plan"]["counts"] == fates(moves=3, refused=1)
        why = "kept: contacts on it were left out that neither were reached nor have arrived"
        assert await deleted(stage, moved) == why
        assert (len(stage.there("koreai")), len(stage.there("velip"))) == (4, 3)


async def test_it_stays_when_somebody_has_not_arrived(stage: Stage) -> None:
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    planned = await stage.plan("voximplant", list_id, activation="start", delete_source=True)
    stage.vendors["voximplant"].simulation.break_next("drop_row")
    assert (await stage.apply(planned)).status_code == 200
    assert await deleted(stage, planned) == "kept: not everything has arrived"
    assert (len(stage.there("koreai")), len(stage.there("voximplant"))) == (3, 2)


async def test_it_stays_when_something_is_held_here_still(stage: Stage) -> None:
    moved = await stage.move("voximplant", (await stage.create("koreai", PEOPLE))["id"], delete_source=True)
    assert await deleted(stage, moved) == "kept: not everything has arrived"
    assert len(stage.there("koreai")) == 3


async def test_it_stays_where_the_vendor_cannot_delete(stage: Stage) -> None:
    list_id = (await stage.create("indigitall", PEOPLE))["id"]
    moved = await stage.move("koreai", list_id, include="all", delete_source=True)
    assert await deleted(stage, moved) == "kept: that it is quiet is not proven"
