"""Nobody is called by both vendors: stops that are proven, stops that are not, and the same on the way back."""

from typing import Any

import pytest

from tests.gateway.conftest import Vendors, destination
from tests.gateway.migrating.conftest import OpenStage
from tests.gateway.migrating.stage import LISTS, MIGRATIONS, VENDORS, Stage, crowd, digits, fates

pytestmark = pytest.mark.anyio
PEOPLE = crowd(6)
PHONES = digits(one["phone"] for one in PEOPLE)
NOT_STOPPED = "voximplant: the list 4711 was told to stop, and the vendor still shows it as In progress"


def mood(stage: Stage, vendor: str = "voximplant", **switches: Any) -> None:
    for name, value in switches.items():
        setattr(stage.vendors[vendor].simulation, name, value)


async def dialling(stage: Stage, reached: int = 2, **fields: Any) -> str:
    """A list at a vendor that dials, and has reached so many; the last of them still talks."""
    mood(stage, dial_at_most=reached, shows_reserved_columns=True)
    return str((await stage.create("voximplant", PEOPLE, **fields))["id"])


def second(vendors: Vendors) -> dict[str, Any]:
    """Another destination of a tenant in the account that its first one is in."""
    return destination(vendors["voximplant"])


def called_by_both(stage: Stage) -> set[str]:
    return set(stage.calls("voximplant")) & {one for name in VENDORS[:-1] for one in stage.calls(name)}


async def refusal(stage: Stage, path: str, body: Any = None) -> tuple[int, str]:
    answer = await stage.client.post(path, json=body)
    return answer.status_code, answer.json().get("code", "")


def in_one_order(stage: Stage, monkeypatch: pytest.MonkeyPatch, *vendors: str) -> list[str]:
    """The last parts of the paths of all requests to these vendors from now on, in the order of their arrival."""
    arrived: list[str] = []

    class Noted(list[str]):
        def append(self, line: str) -> None:
            arrived.append(line.rsplit("/", 1)[-1])
            super().append(line)

    for vendor in vendors:
        ledger = stage.vendors[vendor].simulation.ledger
        monkeypatch.setattr(ledger, "requests", Noted(ledger.requests))
    return arrived


async def test_the_source_is_stopped_and_looked_at_before_anything_leaves_for_the_target(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    mood(stage, looks_until_quiet=3)
    list_id = await dialling(stage)
    arrived = in_one_order(stage, monkeypatch, "voximplant", "indigitall")
    moved = await stage.move("indigitall", list_id, activation="start")
    stage.dial_on()
    stopped, sent = arrived.index("StopCallListProcessing"), arrived.index("csv")
    assert arrived[stopped:sent].count("GetCallLists") == 4, "three looks show it dialling still"
    assert (arrived[:stopped].count("GetCallListDetails") > 0, arrived.count("csv")) == (True, 1)
    assert moved["lists"][0]["proof"]["proven"] is True
    assert (stage.calls("voximplant"), stage.calls("indigitall")) == (PHONES[:2], PHONES[2:])


async def test_a_stop_that_is_not_heeded_lets_nothing_start_until_a_person_gives_their_word(stage: Stage) -> None:
    mood(stage, ignores_stop=True)
    list_id = await dialling(stage)
    moved = await stage.move("indigitall", list_id, activation="start")
    (one,) = moved["lists"]
    assert (one["proof"]["proven"], one["proof"]["how"], one["proof"]["by"]) == (False, NOT_STOPPED, None)
    assert (one["outcomes"]["pending"], stage.sent()["indigitall"]) == (4, 0)
    certificate = (await stage.sealed(moved["id"]))["certificate"]
    assert (
        f"Spring: that the source is quiet is not proven, so nothing starts: {NOT_STOPPED}"
        in (certificate["unverified"])
    )
    for list_path in (f"{LISTS}/{one['target']}", f"{LISTS}/{list_id}"):
        assert await refusal(stage, f"{list_path}/activate") == (409, "migration.not_quiet")
    assert stage.sent()["indigitall"] == 0
    mood(stage, ignores_stop=False)
    simulation: Any = stage.vendors["voximplant"].simulation
    simulation.held["4711"].status = "Canceled"  # a person has ended it in the console
    said = await stage.client.post(f"{MIGRATIONS}/{moved['id']}/resolve", json={"as": "quiet"})
    proof = said.json()["lists"][0]["proof"]
    assert (said.status_code, proof["proven"], proof["by"]) == (200, False, moved["by"])
    assert await refusal(stage, f"{MIGRATIONS}/{moved['id']}/resolve", {"as": "quiet"}) == (
        409,
        "delivery.nothing_unknown",
    )
    assert (await refusal(stage, f"{LISTS}/{one['target']}/activate"))[0] == 200
    stage.dial_on()
    assert (stage.calls("voximplant"), stage.calls("indigitall")) == (PHONES[:2], PHONES[2:])


async def test_a_stop_that_is_not_heeded_does_not_keep_a_list_from_a_vendor_that_only_stores_it(stage: Stage) -> None:
    mood(stage, ignores_stop=True)
    moved = await stage.move("velip", await dialling(stage), activation="start")
    assert moved["lists"][0]["proof"]["proven"] is False
    assert (moved["counts"]["accepted"], stage.there("velip"), stage.calls("velip")) == (4, PHONES[2:], [])


async def test_what_was_moved_without_proof_stays_without_it_when_it_moves_on(stage: Stage) -> None:
    """The vendor in between only stores the list; the one behind it dials, and the first one may still."""
    mood(stage, ignores_stop=True)
    first = await stage.move("velip", await dialling(stage), activation="start")
    moved = await stage.move("indigitall", first["lists"][0]["target"], activation="start")
    (one,) = moved["lists"]
    assert one["proof"]["proven"] is False
    assert f"see the migration {first['id']}" in one["proof"]["how"]
    assert (one["outcomes"]["pending"], stage.sent()["indigitall"]) == (4, 0)
    stage.dial_on()
    assert called_by_both(stage) == set()


async def test_a_list_that_a_campaign_uses_is_not_quiet(stage: Stage) -> None:
    list_id = (await stage.create("koreai", PEOPLE))["id"]
    simulation: Any = stage.vendors["koreai"].simulation
    (remote,) = stage.lists_at("koreai")
    simulation.use_in_campaign(remote.id, "Spring calls")
    moved = await stage.move("indigitall", list_id, activation="start")
    proof = moved["lists"][0]["proof"]
    assert proof["proven"] is False
    assert proof["how"].startswith(f"koreai: a campaign uses the list {remote.id}")
    assert stage.sent()["indigitall"] == 0


async def test_people_whom_the_vendor_does_not_show_count_as_unclear_where_it_dials(open_stage: OpenStage) -> None:
    """It dials all of them and shows the first page only: nobody of the others moves."""
    async with open_stage(limits={"voximplant": {"page_size": 2}}) as stage:
        list_id = await dialling(stage, reached=4)
        mood(stage, ignores_offset=True)
        planned = await stage.plan("indigitall", list_id, activation="start")
        assert planned["plan"]["counts"] == fates(reached=2, unclear=4)
        applied = await stage.apply(planned)
        assert applied.status_code == 200, applied.text
        assert (stage.calls("voximplant"), stage.calls("indigitall")) == (PHONES[:4], [])


async def test_everybody_moves_when_all_are_wanted(stage: Stage) -> None:
    moved = await stage.move("indigitall", await dialling(stage), activation="start", include="all")
    assert moved["plan"]["counts"] == fates(moves=6)
    assert called_by_both(stage) == set(PHONES[:2]), "as it was asked for"


async def test_the_target_is_stopped_and_looked_at_before_the_source_dials_again(stage: Stage) -> None:
    """The source is the one that dials; the target stores. Who was not reached is called by the source again."""
    list_id = await dialling(stage)
    moved = await stage.move("velip", list_id, activation="start")
    mood(stage, dial_at_most=None)
    back = await stage.rollback(moved)
    assert (back["state"], back["error"], back["lists"][0]["stage"]) == ("rolled_back", None, "returned")
    stage.dial_on()
    assert stage.calls("voximplant") == PHONES
    assert await refusal(stage, f"{MIGRATIONS}/{moved['id']}/rollback", {}) == (409, "migration.not_applied")


@pytest.mark.parametrize("heeded", [True, False])
async def test_a_target_that_dials_is_stopped_before_the_source_is_let_loose(
    open_stage: OpenStage, moods: Vendors, monkeypatch: pytest.MonkeyPatch, heeded: bool
) -> None:
    """Both are accounts of one vendor; the target has called nobody yet."""
    async with open_stage(more={"second": second(moods)}) as stage:
        moved = await stage.move("second", await dialling(stage), activation="start")
        assert moved["counts"]["accepted"] == 4
        mood(stage, ignores_stop=not heeded)
        arrived = in_one_order(stage, monkeypatch, "voximplant")
        back = await stage.rollback(moved)
        assert back["state"] == ("rolled_back" if heeded else "failed")
        assert arrived[:2] == ["StopCallListProcessing", "GetCallLists"]
        assert arrived.count("RecoverCallList") == (1 if heeded else 0)
        assert arrived[-1] == ("RecoverCallList" if heeded else "GetCallLists")
        stage.dial_on()
        assert sorted(stage.calls("voximplant")) == sorted(PHONES), "each once, by whichever list"


async def test_a_target_that_has_reached_anybody_keeps_the_list(open_stage: OpenStage, moods: Vendors) -> None:
    """Both dial: two destinations of one vendor's account. Back goes only whom the target has not called."""
    async with open_stage(more={"second": second(moods)}) as stage:
        list_id = await dialling(stage)
        moved = await stage.move("second", list_id, activation="start")
        mood(stage, dial_at_most=3)
        simulation: Any = moods["voximplant"].simulation
        simulation.dial_due()
        assert stage.calls("voximplant") == PHONES[:3]
        back = await stage.rollback(moved)
        (one,) = back["lists"]
        assert (back["state"], back["error"]["code"], one["stage"]) == ("failed", "migration.left", "verified")
        advice = f"plan a migration of {one['target']} back, which moves only the others"
        assert back["error"]["detail"] == (
            f"Spring: 1 of its contacts were reached at the target, so the old list is not let loose: {advice}"
        )
        stage.dial_on()
        assert stage.calls("voximplant") == PHONES[:3], "both lists are stopped"
        await stage.move("voximplant", one["target"], activation="start")
        assert stage.calls("voximplant") == PHONES, "each once"


async def test_a_target_that_cannot_be_stopped_keeps_the_list(stage: Stage) -> None:
    list_id = await dialling(stage)
    moved = await stage.move("indigitall", list_id, activation="start")
    back = await stage.rollback(moved)
    assert (back["state"], back["error"]["code"]) == ("failed", "migration.left")
    assert "the target is quiet is not proven, so the source is not let loose" in back["error"]["detail"]
    stage.dial_on()
    assert called_by_both(stage) == set()
    assert (await stage.show(list_id))["moved_to"] == moved["lists"][0]["target"]


async def test_the_way_back_may_be_gone_once_more(stage: Stage) -> None:
    """A campaign uses the list at the target; a person ends it there, and the source goes on."""
    moved = await stage.move("koreai", await dialling(stage))
    simulation: Any = stage.vendors["koreai"].simulation
    (remote,) = stage.lists_at("koreai")
    simulation.use_in_campaign(remote.id, "Spring calls")
    back = await stage.rollback(moved)
    assert (back["state"], back["lists"][0]["stage"]) == ("failed", "verified")
    assert f"a campaign uses the list {remote.id}" in back["error"]["detail"]
    stage.dial_on()
    assert stage.calls("voximplant") == PHONES[:2]
    simulation._shelves[remote.id].campaigns.clear()
    again = await stage.rollback(moved)
    assert (again["state"], again["error"]) == ("rolled_back", None)
    stage.dial_on()
    assert stage.calls("voximplant") == PHONES


@pytest.mark.parametrize(("path", "status"), [("", 200), ("/getAllContacts", 503)])
async def test_a_vendor_that_cannot_be_asked_breaks_the_way_back_off(stage: Stage, path: str, status: int) -> None:
    """Of two lists one is back when the vendor fails; going back once more ends it, and lets no list loose twice."""
    mood(stage, dial_at_most=0)
    ids = [(await stage.create("voximplant", crowd(2, first=no), name=f"List {no}"))["id"] for no in (1, 11)]
    moved = await stage.move("koreai", {"destination": "voximplant"})
    first = stage.lists_at("koreai")[0]
    koreai = stage.vendors["koreai"].simulation
    koreai.break_next("error_before", f"{first.id}{path}", times=99)
    answer = await stage.client.post(f"{MIGRATIONS}/{moved['id']}/rollback", json={})
    assert answer.status_code == status, answer.text
    after = await stage.migration(moved["id"])
    assert (after["state"], [one["stage"] for one in after["lists"]]) == ("failed", ["verified", "returned"])
    koreai.faults.clear()
    again = await stage.rollback(moved)
    assert (again["state"], again["error"]) == ("rolled_back", None)
    assert stage.requests("voximplant").count("RecoverCallList") == 2
    stage.dial_on()
    assert stage.calls("voximplant") == digits(one["phone"] for one in [*crowd(2), *crowd(2, first=11)])
    assert [(await stage.show(one))["moved_to"] for one in ids] == [None, None]


async def test_who_asks_not_to_be_called_since_the_plan_stays(stage: Stage) -> None:
    planned = await stage.plan("indigitall", await dialling(stage), activation="start")
    said = await stage.client.put("/v1/suppressions", json={"phones": [PEOPLE[5]["phone"]]})
    assert said.status_code == 200, said.text
    assert (await stage.apply(planned)).status_code == 200
    certificate = (await stage.sealed(planned["id"]))["certificate"]
    assert certificate["counts"] == fates(reached=2, moves=3, suppressed=1)
    assert stage.calls("indigitall") == PHONES[2:5]


async def test_a_number_that_was_reached_once_is_not_called_again_under_another_name(stage: Stage) -> None:
    """All repeats are kept: the first of them was called, so the others stay too."""
    mood(stage, dial_at_most=1)
    twice = [PEOPLE[0], PEOPLE[1], {**PEOPLE[0], "id": "again"}]
    list_id = (await stage.create("voximplant", twice, duplicates="keep_all"))["id"]
    moved = await stage.move("indigitall", list_id, activation="start")
    assert moved["plan"]["counts"] == fates(reached=2, moves=1)
    stage.dial_on()
    assert (stage.calls("voximplant"), stage.calls("indigitall")) == (PHONES[:1], PHONES[1:2])


async def test_a_source_that_somebody_had_stopped_stays_so_on_the_way_back(stage: Stage) -> None:
    list_id = await dialling(stage)
    assert (await refusal(stage, f"{LISTS}/{list_id}/stop"))[0] == 200
    back = await stage.rollback(await stage.move("velip", list_id))
    assert (back["state"], back["error"]) == ("rolled_back", None)
    stage.dial_on()
    assert stage.calls("voximplant") == PHONES[:2]


async def test_what_is_held_at_the_target_goes_back_as_if_nothing_had_been(stage: Stage) -> None:
    moved = await stage.move("indigitall", await dialling(stage))
    assert (moved["counts"]["pending"], stage.sent()["indigitall"]) == (4, 0)
    back = await stage.rollback(moved)
    assert (back["state"], back["error"]) == ("rolled_back", None)
    stage.dial_on()
    assert (stage.calls("voximplant"), stage.sent()["indigitall"]) == (PHONES, 0)
    target = moved["lists"][0]["target"]
    assert (await refusal(stage, f"{LISTS}/{target}/activate"))[0] == 409, "the old list counts, and dials already"
    assert stage.sent()["indigitall"] == 0


async def test_who_is_appended_goes_where_the_list_is(stage: Stage) -> None:
    """Before, after and back again: the reference and the old id lead to the list that counts."""
    list_id = (await stage.create("koreai", PEOPLE, reference="r-9"))["id"]
    moved = await stage.move("velip", list_id)
    target = moved["lists"][0]["target"]
    late = crowd(1, first=20)
    appended = await stage.client.post(f"{LISTS}/{list_id}/contacts", json={"contacts": late})
    assert appended.status_code in (200, 201), appended.text
    assert stage.there("velip")[-1:] == digits([late[0]["phone"]])
    assert len(stage.there("koreai")) == 6
    assert await reference_is_of(stage, "r-9") == target
    assert (await refusal(stage, f"{LISTS}/{list_id}/activate")) == (422, "vendor.cannot")
    back = await stage.rollback(moved)
    assert (back["state"], back["error"]) == (
        "rolled_back",
        {"code": "migration.left", "detail": "Spring: 1 contacts were appended since: they are at the target only"},
    )
    assert await reference_is_of(stage, "r-9") == list_id
    again = await stage.client.post(f"{LISTS}/{target}/contacts", json={"contacts": crowd(1, first=30)})
    assert again.status_code in (200, 201), again.text
    assert len(stage.there("koreai")) == 7


async def reference_is_of(stage: Stage, reference: str) -> str:
    body = {"name": "Other", "reference": reference, "destination": "koreai", "contacts": crowd(1)}
    answer = await stage.client.post(LISTS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "list.reference_taken")
    return answer.headers["location"].rsplit("/", 1)[-1]


async def test_nobody_else_works_on_a_list_that_moves(stage: Stage) -> None:
    """A list that is held could be started, deleted or changed while it leaves; none of it happens."""
    list_id = (await stage.create("voximplant", PEOPLE, activation={"mode": "hold"}))["id"]
    planned, second = await stage.plan("velip", list_id), await stage.plan("indigitall", list_id)
    held = stage.vendors["velip"].simulation.hold("CreateDestinationBase")
    begun = await stage.apply(planned, Prefer="respond-async")
    assert begun.status_code == 202, begun.text
    await held.arrived.wait()
    busy = (409, "list.busy")
    contact = (await stage.get(f"{LISTS}/{list_id}/contacts"))["items"][0]["contact_id"]
    assert await refusal(stage, f"{LISTS}/{list_id}/contacts", {"contacts": crowd(1, first=9)}) == busy
    assert await refusal(stage, f"{LISTS}/{list_id}/activate") == busy
    for verb, path, body in (
        ("PATCH", "", {"name": "Other"}),
        ("DELETE", "", None),
        ("DELETE", f"/contacts/{contact}", None),
    ):
        answer = await stage.client.request(verb, f"{LISTS}/{list_id}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == busy, (verb, path)
    refused = await stage.apply(second)
    assert (refused.status_code, refused.json()["code"]) == (409, "migration.moved")
    assert await refusal(stage, f"{MIGRATIONS}/{planned['id']}/rollback", {}) == (409, "migration.not_applied")
    held.released.set()
