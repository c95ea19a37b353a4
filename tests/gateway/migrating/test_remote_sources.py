"""Lists that somebody else put at a vendor, several lists at once, and lists that move in part."""

import io
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.gateway.migrating.conftest import OpenStage
from tests.gateway.migrating.stage import LISTS, MIGRATIONS, Stage, cells, crowd, digits, fates, pattern_for
from tests.gateway.web.shapes import finished

pytestmark = pytest.mark.anyio
WINDOW = {"start": "12:00", "end": "21:00", "time_zone": "UTC"}
"""For people with a time zone of their own it counts there: for those in São Paulo from 15:00 to midnight in UTC."""


def mood(stage: Stage, vendor: str, **switches: Any) -> Any:
    simulation: Any = stage.vendors[vendor].simulation
    for name, value in switches.items():
        setattr(simulation, name, value)
    return simulation


async def foreign(stage: Stage, vendor: str, contacts: list[dict[str, Any]], **fields: Any) -> str:
    """The vendor's id of a list that another tenant of ours has put there: to `acme` it is somebody else's."""
    other = Stage(stage.gateway, await stage.gateway.client("globex"), stage.vendors)
    before = {one.id for one in stage.lists_at(vendor)}
    await other.create(vendor, contacts, **fields)
    (made,) = [one.id for one in stage.lists_at(vendor) if one.id not in before]
    return made


def remote(vendor: str, remote_id: str) -> dict[str, str]:
    return {"destination": vendor, "remote_list": remote_id}


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_list_that_dials_is_read_with_what_its_vendor_knows(stage: Stage) -> None:
    """Attempts left and calling hours are carried over, cells of `custom_data` are fields and attributes again."""
    mood(stage, "voximplant", dial_at_most=1, shows_reserved_columns=True)
    people = crowd(5)
    phones = digits(one["phone"] for one in people)
    dialing, hours = {"max_attempts": 4}, {"daily_window": WINDOW}
    remote_id = await foreign(stage, "voximplant", people, dialing=dialing, schedule=hours)
    planned = await stage.plan("koreai", remote("voximplant", remote_id))
    (one,) = planned["plan"]["lists"]
    assert planned["plan"]["counts"] == fates(reached=1, moves=4)
    assert (one["source"]["read"], one["source"]["contacts"], one["source"]["incomplete"]) == ("vendor", 5, None)
    adopted = await stage.show(one["source"]["list_id"])
    assert adopted["counts"]["accepted"] == 5
    applied = await stage.apply(planned)
    assert applied.status_code == 200, applied.text
    assert (stage.there("koreai"), stage.calls("voximplant")) == (phones[1:], phones[:1])
    (there,) = stage.lists_at("koreai")
    for person, row in zip(people[1:], there.rows, strict=True):
        assert {*person["attributes"].values(), person["email"], person["first_name"]} <= set(cells(row))
    target = applied.json()["lists"][0]["target"]
    (head,) = [json.loads(one["head"]) for one in await stage.gateway.table("lists") if one["id"] == target]
    window = head["schedule"]["daily_window"]
    assert (head["dialing"]["max_attempts"], window["start"][:5], window["end"][:5]) == (4, "15:00", "00:00")
    stage.dial_on()
    assert stage.calls("voximplant") == phones[:1], "it is stopped"


async def test_pages_may_be_small_and_capped(open_stage: OpenStage) -> None:
    async with open_stage(limits={"exotel": {"page_size": 3}}) as stage:
        people = crowd(10, pattern_for("exotel"))
        remote_id = await foreign(stage, "exotel", people)
        moved = await stage.move("koreai", remote("exotel", remote_id))
        assert moved["plan"]["counts"] == fates(moves=10)
        assert stage.there("koreai") == digits(one["phone"] for one in people)
        certificate = (await stage.sealed(moved["id"]))["certificate"]
        assert (certificate["compared"]["equal"], certificate["unverified"]) == (10, [])


async def test_of_a_vendor_that_shows_fifty_the_others_are_named(stage: Stage) -> None:
    people = crowd(60)
    remote_id = await foreign(stage, "koreai", people)
    moved = await stage.move("velip", remote("koreai", remote_id))
    (one,) = moved["plan"]["lists"]
    assert one["counts"] == fates(moves=50)
    assert "50" in one["source"]["incomplete"]
    assert one["notes"] == [f"koreai: {one['source']['incomplete']}"]
    certificate = (await stage.sealed(moved["id"]))["certificate"]
    assert (
        f"{one['name']}: the source could not be read whole: {one['source']['incomplete']}"
        in (certificate["unverified"])
    )
    assert stage.there("velip") == digits(one["phone"] for one in people[:50])


async def test_our_own_list_at_such_a_vendor_moves_whole(stage: Stage) -> None:
    """What cannot be read there is known here; the certificate of the way back proves fifty and names ten."""
    people = crowd(60)
    first = await stage.move("velip", (await stage.create("koreai", people))["id"])
    assert (first["plan"]["counts"], len(stage.there("velip"))) == (fates(moves=60), 60)
    second = await stage.move("koreai", first["lists"][0]["target"])
    certificate = (await stage.sealed(second["id"]))["certificate"]
    assert certificate["compared"] == {"different": 0, "missing": 0, "unexpected": 0, "equal": 50, "unverified": 10}
    assert certificate["unverified"][0].startswith("Spring: 10 contacts were not read back; ")


@pytest.mark.parametrize("vendor", ["velip", "indigitall"])
async def test_what_a_vendor_does_not_show_cannot_be_read(stage: Stage, vendor: str) -> None:
    remote_id = await foreign(stage, vendor, crowd(3))
    before = stage.sent()
    refused = await stage.ask({"source": remote(vendor, remote_id), "target": "koreai"})
    assert told(refused) == (422, "migration.unreadable")
    detail = refused.json()["detail"]
    assert detail.startswith(f"{vendor}: ")
    assert detail.endswith("Give the vendor's export of this list as a file instead")
    assert stage.sent() == before


@pytest.mark.parametrize("vendor", ["velip", "voximplant"])
async def test_the_export_of_a_list_stands_in_for_it(stage: Stage, vendor: str) -> None:
    """Of a vendor that shows contacts, only those whom it still shows and has not reached move."""
    people = crowd(3)
    phones = digits(one["phone"] for one in people)
    mood(stage, "voximplant", dial_at_most=1)
    remote_id = await foreign(stage, vendor, people)
    file = io.StringIO()
    file.write("telefone;nome;e-mail\r\n")
    file.writelines(f"{one['phone']};{one['first_name']};{one['email']}\r\n" for one in people)
    file.write("12;Nobody;\r\n")
    path = f"/v1/destinations/{vendor}/remote-lists/{remote_id}?name=Spring"
    content = file.getvalue().encode()
    answer = await stage.client.post(path, content=content, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text
    list_id = answer.json()["id"]
    again = await stage.client.post(path, content=content, headers={"Content-Type": "text/csv"})
    assert (*told(again), again.headers["location"]) == (409, "list.reference_taken", f"{LISTS}/{list_id}")
    source = remote(vendor, remote_id) if vendor == "velip" else {"list": list_id}
    moved = await stage.move("koreai", source)
    assert moved["lists"][0]["list_id"] == list_id, "where nothing can be read the export is what is known"
    reached = 1 if vendor == "voximplant" else 0
    assert moved["plan"]["counts"] == fates(moves=3 - reached, reached=reached, invalid=1)
    assert stage.there("koreai") == phones[reached:]
    rows = [one for one in await stage.rows(moved["id"]) if one["fate"] == "invalid"]
    assert [(one["phone"], one["why"].partition(":")[0]) for one in rows] == [("12", "phone.invalid")]


async def test_whom_an_export_does_not_name_stays_and_is_counted(stage: Stage) -> None:
    """An older export: two have come to the list since, and one has gone from it."""
    people = crowd(4)
    mood(stage, "voximplant", dial_at_most=0)
    remote_id = await foreign(stage, "voximplant", people[:3])
    path = f"/v1/destinations/voximplant/remote-lists/{remote_id}?name=Spring"
    content = f"phone\r\n{people[0]['phone']}\r\n{people[3]['phone']}\r\n".encode()
    answer = await stage.client.post(path, content=content, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text
    moved = await stage.move("koreai", answer.json()["id"])
    (one,) = moved["plan"]["lists"]
    assert (one["counts"], one["source"]["unmanaged"]) == (fates(moves=1, gone=1), 2)
    assert stage.there("koreai") == digits([people[0]["phone"]])


async def test_contacts_without_a_valid_phone_are_named_with_their_faults(stage: Stage) -> None:
    remote_id = await foreign(stage, "koreai", crowd(3))
    (there,) = stage.lists_at("koreai")
    there.rows[1]["phoneNumber"] = "12"
    planned = await stage.plan("velip", remote("koreai", remote_id))
    assert planned["plan"]["counts"] == fates(moves=2, invalid=1)
    (row,) = [one for one in await stage.rows(planned["id"], "plan") if one["fate"] == "invalid"]
    assert (row["row"], row["phone"], row["why"].partition(":")[0]) == (2, "+12", "phone.invalid")
    assert (await stage.apply(planned)).status_code == 200
    assert len(stage.there("velip")) == 2


@pytest.mark.parametrize("vendor", ["exotel", "koreai", "voximplant"])
async def test_a_list_that_is_not_there_any_more(stage: Stage, vendor: str) -> None:
    refused = await stage.ask({"source": remote(vendor, "4712"), "target": "velip"})
    assert told(refused) == (422, "migration.vanished")
    assert refused.json()["detail"] == f"{vendor} has no list 4712"
    assert stage.sent()["velip"] == 0


@pytest.mark.parametrize("vendor", ["exotel", "koreai", "voximplant"])
async def test_a_list_that_vanished_since_it_was_planned(stage: Stage, vendor: str) -> None:
    mood(stage, "voximplant", dial_at_most=0)
    mood(stage, "velip", foreign_numbers=True)
    people = crowd(3, pattern_for(vendor))
    remote_id = await foreign(stage, vendor, people)
    planned = await stage.plan("velip", remote(vendor, remote_id))
    simulation = mood(stage, vendor)
    {"exotel": lambda: (simulation.ledger.lists.clear(), simulation.members.clear()),
     "koreai": lambda: simulation._shelves.clear(),
     "voximplant": lambda: simulation.held.clear()}[vendor]()  # fmt: skip
    refused = await stage.apply(planned)
    assert refused.status_code in (409, 422, 502), refused.text
    assert remote_id in refused.json()["detail"] or refused.json()["code"] == "migration.stale"
    assert stage.sent()["velip"] == 0
    after = await stage.migration(planned["id"])
    assert (after["state"], after["lists"][0]["stage"]) == ("planned", "planned")


async def test_a_list_that_changed_at_its_vendor_since_it_was_planned(stage: Stage) -> None:
    """One is gone and one is new: 409 says both, the source is not even stopped, and planning again helps."""
    simulation = mood(stage, "voximplant", dial_at_most=0, shows_reserved_columns=True)
    people = crowd(4)
    remote_id = await foreign(stage, "voximplant", people)
    planned = await stage.plan("velip", remote("voximplant", remote_id))
    list_id = planned["plan"]["lists"][0]["source"]["list_id"]
    one = simulation.held[remote_id]
    one.tasks[0].row = {**one.tasks[0].row, "phone_number": "+5511977776666", "__task_uuid": "other"}
    refused = await stage.apply(planned)
    assert told(refused) == (409, "migration.stale")
    assert [(each["pointer"], each["detail"]) for each in refused.json()["errors"]] == [
        (f"/lists/{list_id}/at the vendor/gone", "was 0, is 1"),
        (f"/lists/{list_id}/at the vendor/new", "was 0, is 1"),
    ]
    assert ("StopCallListProcessing" in stage.requests("voximplant"), stage.sent()["velip"]) == (False, 0)
    moved = await stage.move("velip", remote("voximplant", remote_id))
    assert moved["plan"]["counts"] == fates(moves=4)
    assert stage.there("velip")[0] == "5511977776666"


async def test_a_list_that_grows_while_it_is_read_is_read_another_time(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest stand first: with each page that is read everything moves on by one."""
    async with open_stage(limits={"voximplant": {"page_size": 3}}) as stage:
        simulation = mood(stage, "voximplant", dial_at_most=0, shows_reserved_columns=True, newest_first=True)
        remote_id = await foreign(stage, "voximplant", crowd(9))
        show = simulation._task

        def show_and_grow(one: Any, task: Any) -> Any:
            no = len(one.tasks) + 1
            row = {**task.row, "phone_number": f"+55119{80_000_000 + no}", "__task_uuid": f"late-{no}"}
            one.tasks.append(replace(task, id=990_000 + no, row=row))
            return show(one, task)

        with monkeypatch.context() as growing:
            growing.setattr(simulation, "_task", show_and_grow)
            refused = await stage.ask({"source": remote("voximplant", remote_id), "target": "velip"})
        assert told(refused) == (409, "migration.changed"), refused.text
        assert refused.json()["retryable"] is True
        assert "the list changed while it was read" in refused.json()["detail"]
        again = await stage.plan("velip", remote("voximplant", remote_id))
        assert again["plan"]["counts"]["moves"] == len(simulation.held[remote_id].tasks)
        assert stage.sent()["velip"] == 0


async def test_a_list_that_is_just_moving_is_not_read_anew(stage: Stage) -> None:
    """What is read of a remote list takes the place of what was read before, unless a migration works on that."""
    remote_id = await foreign(stage, "koreai", crowd(3))
    planned = await stage.plan("velip", remote("koreai", remote_id))
    koreai, velip = stage.vendors["koreai"].simulation, stage.vendors["velip"].simulation
    held = koreai.hold("getAllContacts")
    begun = await stage.apply(planned, Prefer="respond-async")
    assert begun.status_code == 202, begun.text
    await held.arrived.wait()
    refused = await stage.ask({"source": remote("koreai", remote_id), "target": "voximplant"})
    held.released.set()
    assert told(refused) == (409, "migration.conflict")
    await finished(stage.client, begun.json()["operation"]["href"])
    assert (await stage.migration(planned["id"]))["state"] == "done"
    assert (len(stage.there("velip")), velip.ledger.calls) == (3, [])


async def test_all_lists_of_a_destination_and_then_of_the_tenant(stage: Stage) -> None:
    first = await stage.create("koreai", crowd(2), name="One", reference="one")
    second = await stage.create("koreai", crowd(2, first=10), name="Two", reference="two")
    other = await stage.create("voximplant", crowd(2, first=20), name="Three", activation={"mode": "hold"})
    moved = await stage.move("velip", {"destination": "koreai"})
    assert [one["list_id"] for one in moved["lists"]] == [first["id"], second["id"]]
    assert moved["plan"]["counts"] == fates(moves=4)
    assert [digits(one.phones) for one in stage.lists_at("velip")] == [
        digits(one["phone"] for one in crowd(2)),
        digits(one["phone"] for one in crowd(2, first=10)),
    ]
    certificate = (await stage.sealed(moved["id"]))["certificate"]
    assert [one["reference"] for one in certificate["lists"]] == ["one", "two"]
    every = await stage.move("indigitall", {"all": True})
    assert [one["list_id"] for one in every["lists"]] == [other["id"], *(one["target"] for one in moved["lists"])]
    assert (every["plan"]["counts"], every["counts"]["pending"]) == (fates(moves=6), 6)
    back = await stage.rollback(every)
    assert (back["state"], [one["stage"] for one in back["lists"]]) == ("rolled_back", ["returned"] * 3)
    assert (await stage.show(first["id"]))["moved_to"] == moved["lists"][0]["target"]


async def test_of_a_list_at_two_vendors_one_part_moves(open_stage: OpenStage) -> None:
    """The other part stays where it is, and with it the reference."""
    async with open_stage(routes=[{"when": {"tag": "gold"}, "to": ["koreai"]}, {"to": ["voximplant"]}]) as stage:
        mood(stage, "voximplant", dial_at_most=1)
        gold = crowd(2)
        plain = [{**one, "tag": None} for one in crowd(3, first=10)]
        created = await stage.create(None, [*gold, *plain], reference="r-1")
        moved = await stage.move("velip", {"destination": "koreai"})
        (one,) = moved["plan"]["lists"]
        assert (one["counts"], one["notes"][-1]) == (
            fates(moves=2),
            "a part of the list lies at other destinations, and stays there",
        )
        assert stage.there("velip") == digits(each["phone"] for each in gold)
        assert "StopCallListProcessing" not in stage.requests("voximplant")
        old = await stage.show(created["id"])
        assert (old["moved_to"], old["reference"]) == (None, "r-1")
        moved_to = {each["destination"]: each["moved_to"] for each in old["deliveries"]}
        assert moved_to == {"koreai": moved["lists"][0]["target"], "voximplant": None}
        taken = await stage.client.post(
            LISTS, content=json.dumps({"name": "Other", "reference": "r-1", "contacts": gold}).encode(),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert (*told(taken), taken.headers["location"]) == (409, "list.reference_taken", f"{LISTS}/{created['id']}")
        back = await stage.rollback(moved)
        assert (back["state"], back["error"]) == ("rolled_back", None)
        rest = await stage.move("velip", created["id"])
        assert rest["plan"]["counts"] == fates(moves=4, reached=1)
        assert (await stage.get(MIGRATIONS))["items"][0]["id"] == rest["id"]
