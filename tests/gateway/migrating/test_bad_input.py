"""What a migration cannot do gets a clear answer, before anything is sent; what is stale is planned again."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.gateway.migrating.conftest import OpenStage
from tests.gateway.migrating.stage import LISTS, MIGRATIONS, Stage, crowd, digits, fates, pattern_for
from tests.gateway.web.shapes import finished

pytestmark = pytest.mark.anyio
PEOPLE = crowd(6)
PHONES = digits(one["phone"] for one in PEOPLE)


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def pointers(answer: httpx.Response) -> list[str]:
    assert told(answer) == (409, "migration.stale"), answer.text
    return [one["pointer"] for one in answer.json()["errors"]]


async def asked(stage: Stage, target: str, **source: Any) -> tuple[int, str]:
    return told(await stage.ask({"source": source, "target": target}))


async def test_a_source_or_target_that_is_not_there(stage: Stage) -> None:
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    sent = stage.sent()
    assert await asked(stage, "nowhere", list=list_id) == (422, "destination.unknown")
    assert await asked(stage, "velip", destination="nowhere") == (422, "destination.unknown")
    assert await asked(stage, "velip", list="cl_01m7zb32etq7sm8r0m4qa3freb") == (404, "not_found")
    assert await asked(stage, "koreai", list=list_id) == (422, "migration.nothing")
    assert await asked(stage, "koreai", destination="koreai") == (400, "request.invalid")
    assert await asked(stage, "velip", destination="exotel") == (422, "migration.nothing")
    assert await asked(stage, "velip") == (400, "request.invalid")
    assert await asked(stage, "velip", list=list_id, all=True) == (400, "request.invalid")
    options = {"source": {"list": list_id}, "target": "velip", "vendor_options": {"tsid": "stolen"}}
    assert told(await stage.ask(options)) == (400, "request.invalid")
    assert stage.sent() == sent
    assert (await stage.client.delete(f"{LISTS}/{list_id}")).status_code in (200, 204)
    assert await asked(stage, "velip", list=list_id) == (404, "not_found")


async def test_another_tenant_sees_nothing_of_it(stage: Stage) -> None:
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    planned = await stage.plan("velip", list_id)
    other = Stage(stage.gateway, await stage.gateway.client("globex"), stage.vendors)
    missing = (404, "not_found")
    assert await asked(other, "velip", list=list_id) == missing
    assert told(await other.apply(planned)) == missing
    assert [one["state"] for one in (await other.get(MIGRATIONS))["items"]] == ["failed"], "its own, just now"
    path = f"{MIGRATIONS}/{planned['id']}"
    for end in ("", "/rows", "/rows?phase=plan", "/certificate"):
        assert told(await other.client.get(f"{path}{end}")) == missing, end
    assert told(await other.client.post(f"{path}/rollback", json={})) == missing
    assert told(await other.client.post(f"{path}/resolve", json={"as": "quiet"})) == missing
    assert stage.sent()["velip"] == 0


async def test_a_target_without_credentials_is_refused_when_the_plan_is_applied(stage: Stage) -> None:
    """A configuration that was loaded without its secrets knows the target, and cannot speak to it."""
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    tenant = stage.gateway.host.config.tenants["acme"]
    mute = replace(tenant.destinations["velip"], credentials=None)
    config = stage.gateway.host.config
    stage.gateway.host.config = replace(
        config, tenants=config.tenants | {"acme": replace(tenant, destinations=tenant.destinations | {"velip": mute})}
    )
    planned = await stage.plan("velip", list_id)
    why = "the target has no credentials in this configuration: the plan cannot be applied"
    assert planned["plan"]["notes"] == [why]
    before = stage.sent()
    assert told(await stage.apply(planned)) == (422, "destination.unknown")
    assert stage.sent() == before
    assert (await stage.migration(planned["id"]))["state"] == "planned"


async def appended(stage: Stage, list_id: str) -> None:
    answer = await stage.client.post(f"{LISTS}/{list_id}/contacts", json={"contacts": crowd(1, first=20)})
    assert answer.status_code in (200, 201), answer.text


async def removed(stage: Stage, list_id: str) -> None:
    first = (await stage.get(f"{LISTS}/{list_id}/contacts"))["items"][0]["contact_id"]
    answer = await stage.client.delete(f"{LISTS}/{list_id}/contacts/{first}")
    assert answer.status_code in (200, 204), answer.text


async def renamed(stage: Stage, list_id: str) -> None:
    answer = await stage.client.patch(f"{LISTS}/{list_id}", json={"name": "Summer"})
    assert answer.status_code == 200, answer.text


async def reconfigured(stage: Stage, _: str) -> None:
    """Another option of the target, and the configuration read again as on SIGHUP."""
    text = stage.gateway.config.read_text(encoding="utf-8")
    changed = text.replace('"foreign_numbers" = true', '"foreign_numbers" = false')
    assert changed != text
    stage.gateway.config.write_text(changed, encoding="utf-8")
    stage.gateway.host.reload(stage.gateway.config)


async def another_adapter(stage: Stage, _: str) -> None:
    """A release of the gateway that speaks another version of the vendor's API."""
    config = stage.gateway.host.config
    tenant = config.tenants["acme"]
    there = tenant.destinations["velip"]
    newer = replace(there, adapter=replace(there.adapter, api_version="3"))
    fresh = replace(tenant, destinations=tenant.destinations | {"velip": newer})
    stage.gateway.host.config = replace(config, tenants=config.tenants | {"acme": fresh})


STALE = {
    "contacts": (appended, ["/lists/{}/contacts"]),
    "a contact less": (removed, ["/lists/{}/contacts"]),
    "name": (renamed, ["/lists/{}/head/name"]),
    "options": (reconfigured, ["/target/options/foreign_numbers"]),
    "version": (another_adapter, ["/target/api_version"]),
}


@pytest.mark.parametrize("what", STALE)
async def test_a_stale_plan_is_refused_and_names_what_is_another(stage: Stage, what: str) -> None:
    change, expected = STALE[what]
    voximplant: Any = stage.vendors["voximplant"].simulation
    voximplant.dial_at_most = 0
    list_id = (await stage.create("voximplant", PEOPLE))["id"]
    planned = await stage.plan("velip", list_id)
    await change(stage, list_id)
    there = stage.there("voximplant")
    refused = await stage.apply(planned)
    assert pointers(refused) == [one.format(list_id) for one in expected]
    assert (stage.sent()["velip"], "StopCallListProcessing" in stage.requests("voximplant")) == (0, False)
    after = await stage.migration(planned["id"])
    assert (after["state"], after["lists"][0]["stage"], after["lists"][0]["target"]) == ("planned", "planned", None)
    moved = await stage.move("velip", list_id)
    assert (moved["state"], stage.there("velip")) == ("done", there)


async def test_a_plan_with_another_digest_is_not_the_one_that_was_read(stage: Stage) -> None:
    planned = await stage.plan("velip", (await stage.create("koreai", PEOPLE))["id"])
    refused = await stage.ask({"mode": "apply", "plan": planned["id"], "digest": "0" * 64})
    assert pointers(refused) == ["/digest"]
    assert stage.sent()["velip"] == 0


async def test_a_plan_is_applied_once(stage: Stage) -> None:
    planned = await stage.plan("velip", (await stage.create("koreai", PEOPLE))["id"])
    assert (await stage.apply(planned)).status_code == 200
    assert told(await stage.apply(planned)) == (409, "migration.not_planned")
    assert stage.there("velip") == PHONES


@pytest.mark.parametrize("same", [True, False])
async def test_of_two_that_move_one_list_at_once_one_wins(stage: Stage, same: bool) -> None:
    """The same plan applied twice, or two plans for two targets: its people are at one place, once."""
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    first = await stage.plan("velip", list_id)
    second = first if same else await stage.plan("voximplant", list_id, activation="start")
    answers = await asyncio.gather(stage.apply(first), stage.apply(second))
    lost = [told(one) for one in answers if one.status_code != 200]
    expected = {"migration.not_planned"} if same else {"migration.conflict", "migration.moved"}
    assert len(lost) == 1
    assert lost[0][0] == 409
    assert lost[0][1] in expected
    assert sorted(stage.there("velip") + stage.there("voximplant")) == sorted(PHONES)
    assert await asked(stage, "indigitall", list=list_id) == (409, "migration.moved")


async def test_a_repeated_request_with_its_key_is_answered_again(stage: Stage) -> None:
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    wish = {"source": {"list": list_id}, "target": "velip"}
    planned = [await stage.ask(wish, Idempotency_Key="plan-1") for _ in range(2)]
    assert {one.status_code for one in planned} == {201}
    assert planned[0].json()["id"] == planned[1].json()["id"]
    applied = [await stage.apply(planned[0].json(), Idempotency_Key="apply-1") for _ in range(2)]
    assert [one.status_code for one in applied] == [200, 200]
    assert (applied[1].json()["state"], stage.there("velip")) == ("done", PHONES)
    assert len((await stage.get(MIGRATIONS))["items"]) == 1


async def test_more_than_one_list_of_the_target_can_hold_is_split(open_stage: OpenStage) -> None:
    small = {"contacts_per_list": 4, "batch_size": 2}
    async with open_stage(limits={"exotel": small, "voximplant": small}) as stage:
        people = crowd(10, pattern_for("exotel"))
        phones = digits(one["phone"] for one in people)
        list_id = (await stage.create("koreai", people))["id"]
        first = await stage.move("exotel", list_id)
        assert first["plan"]["lists"][0]["remote_lists"] == 3
        assert [digits(one.phones) for one in stage.lists_at("exotel")] == [phones[:4], phones[4:8], phones[8:]]
        moved = await stage.move("voximplant", first["lists"][0]["target"], activation="start")
        assert [digits(one.phones) for one in stage.lists_at("voximplant")] == [phones[:4], phones[4:8], phones[8:]]
        certificate = (await stage.sealed(moved["id"]))["certificate"]
        assert (certificate["compared"]["equal"], certificate["lists"][0]["source"]["contacts"]) == (10, 10)


async def test_people_whom_the_target_refuses_are_named_and_stay(open_stage: OpenStage) -> None:
    """An account for Brazil: whoever is abroad is refused by name, before anything leaves."""
    async with open_stage() as stage:
        people = [*crowd(2), *crowd(2, pattern_for("exotel"), first=5)]
        planned = await stage.plan("velip", (await stage.create("koreai", people))["id"])
        assert planned["plan"]["counts"] == fates(moves=2, refused=2)
        rows = [one for one in await stage.rows(planned["id"], "plan") if one["fate"] == "refused"]
        assert [(one["row"], one["phone"]) for one in rows] == [(3, people[2]["phone"]), (4, people[3]["phone"])]
        assert {one["why"].partition(":")[0] for one in rows} == {"value.unsafe_for_vendor"}
        assert (await stage.apply(planned)).status_code == 200
        certificate = (await stage.sealed(planned["id"]))["certificate"]
        assert certificate["counts"] == fates(moves=2, refused=2)
        assert stage.there("velip") == digits(one["phone"] for one in people[:2])


async def test_a_list_that_the_target_cannot_take_at_all_is_not_begun(stage: Stage) -> None:
    """This vendor schedules at most three months ahead."""
    late = (datetime.now(UTC) + timedelta(days=200)).isoformat()
    list_id = (await stage.create("koreai", PEOPLE, schedule={"start_at": late}))["id"]
    planned = await stage.plan("indigitall", list_id, activation="start")
    (one,) = planned["plan"]["lists"]
    assert (one["counts"], bool(one["refused"])) == (fates(refused=6), True)
    assert told(await stage.apply(planned)) == (422, "migration.refused")
    assert stage.sent()["indigitall"] == 0
    assert (await stage.move("velip", list_id))["state"] == "done"


async def test_what_was_accepted_before_a_cancel_stays_and_can_be_taken_back(open_stage: OpenStage) -> None:
    small = {"batch_size": 1, "concurrency": 1}
    async with open_stage(limits={"voximplant": small}) as stage:
        voximplant: Any = stage.vendors["voximplant"].simulation
        voximplant.dial_at_most, voximplant.shows_reserved_columns = 0, True
        list_id = (await stage.create("koreai", PEOPLE))["id"]
        planned = await stage.plan("voximplant", list_id, activation="start")
        held = voximplant.hold("AppendToCallList", skip=2)
        begun = (await stage.apply(planned, Prefer="respond-async")).json()
        operation = begun["operation"]["href"]
        await held.arrived.wait()
        cancelled = await stage.client.post(f"{operation}/cancel")
        assert cancelled.status_code in (200, 202), cancelled.text
        held.released.set()
        await finished(stage.client, operation)
        after = await stage.migration(planned["id"])
        assert (after["state"], after["error"]["code"]) == ("failed", "migration.cancelled")
        assert stage.there("voximplant") == PHONES[:4], "one came with the list, and three appended"
        assert after["counts"]["accepted"] == 4
        assert after["counts"]["received"] == 6
        back = await stage.rollback(after)
        assert (back["state"], back["error"]) == ("rolled_back", None)
        stage.dial_on()
        assert stage.calls("voximplant") == [], "the target is stopped"
        assert (await stage.show(list_id))["moved_to"] is None
