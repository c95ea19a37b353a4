"""The operation of a migration: its stages and counts, its events, cancelling; and nobody else's business."""

import asyncio
import json
from typing import Any

import pytest

from gateway.web import migrations_api
from tests.gateway.migrating.conftest import OpenStage
from tests.gateway.migrating.stage import INDIA, MIGRATIONS, Stage, crowd
from tests.gateway.web.shapes import answer_late

ORDER = ("stopping", "reading", "delivering", "verifying", "certifying", "done")


async def begun(stage: Stage) -> dict[str, Any]:
    """A migration that was just asked to be applied, before a slow target."""
    created = await stage.create("koreai", crowd(6, INDIA))
    planned = await stage.plan("exotel", created["id"])
    answer = await stage.apply(planned, Prefer="respond-async")
    assert answer.status_code == 202, answer.text
    shown: dict[str, Any] = answer.json()
    assert answer.headers["location"] == shown["operation"]["href"]
    return shown


async def test_its_events_tell_stages_and_counts(stage: Stage) -> None:
    shown = await begun(stage)
    seen = []
    async with (
        asyncio.timeout(30),
        stage.client.stream("GET", f"{shown['operation']['href']}/events") as events,
    ):
        async for line in events.aiter_lines():
            if line.startswith("data:"):
                seen.append(json.loads(line.removeprefix("data:")))
    places = [ORDER.index(one["stage"]) for one in seen]
    assert places == sorted(places)
    last = seen[-1]
    assert (last["state"], last["done"], last["stage"], last["kind"]) == ("succeeded", True, "done", "migrate")
    assert last["result"] == {"href": f"{MIGRATIONS}/{shown['id']}"}
    assert (last["counts"]["received"], last["counts"]["accepted"]) == (6, 6)
    assert (await stage.client.get(shown["operation"]["href"])).json() == last


async def test_it_can_be_cancelled_and_gone_back_from(open_stage: OpenStage) -> None:
    async with open_stage(limits={"exotel": {"batch_size": 1}}) as stage:
        exotel = stage.vendors["exotel"].simulation
        exotel.break_next("drip", "/contacts", seconds=0.3, times=99)
        shown = await begun(stage)
        answer = await stage.client.post(f"{shown['operation']['href']}/cancel")
        assert answer.status_code in (200, 202), answer.text
        async with asyncio.timeout(30):
            while not (one := (await stage.client.get(shown["operation"]["href"])).json())["done"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        exotel.faults.clear()
        now = await stage.migration(shown["id"])
        assert one["state"] == "cancelled"
        assert (now["state"] in ("planned", "failed"), now["error"]["code"]) == (True, "migration.cancelled")
        assert {row["migration_id"] for row in await stage.gateway.table("lists")} == {None}


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async"])
async def test_who_does_not_wait_has_the_operation_even_if_it_ends_before_the_answer(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, prefer: str
) -> None:
    created = await stage.create("koreai", crowd(6, INDIA))
    answer_late(monkeypatch, migrations_api)
    wish = {"source": {"list": created["id"]}, "target": "exotel"}
    planned = await stage.ask(wish, Prefer=prefer)
    applied = await stage.ask({"mode": "apply", "plan": planned.json()["id"]}, Prefer=prefer)
    for answer in (planned, applied):
        href = answer.headers["location"]
        assert (answer.status_code, answer.json()["operation"]["href"]) == (202, href)
        assert (await stage.client.get(href)).json()["state"] == "succeeded"


async def test_it_is_not_there_for_another_tenant(stage: Stage) -> None:
    shown = await begun(stage)
    other = await stage.gateway.client("globex")
    for path in ("", "/certificate", "/rows"):
        answer = await other.get(f"{MIGRATIONS}/{shown['id']}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for path, body in (("/rollback", {}), ("/resolve", {"as": "quiet"})):
        answer = await other.post(f"{MIGRATIONS}/{shown['id']}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await other.post(MIGRATIONS, json={"mode": "apply", "plan": shown["id"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await other.get(shown["operation"]["href"])).status_code == 404
    assert (await other.get(MIGRATIONS)).json()["items"] == []
