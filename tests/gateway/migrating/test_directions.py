"""All twenty directions between the five vendors, end to end: the ledgers say whether a plan spoke the truth."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from tests.gateway.migrating.stage import (
    FIELDS,
    VENDORS,
    Stage,
    cells,
    crowd,
    digits,
    fates,
    losses_of,
    pattern_for,
    texts,
)

pytestmark = pytest.mark.anyio
PEOPLE = 12
REACHED = 3
"""Of these the source that dials has called, one is still talking; one more is called before the source is stopped."""
DIRECTIONS = list(permutations(VENDORS, 2))
DIALS = ("indigitall", "voximplant")
READABLE = ("exotel", "koreai", "voximplant")
NO_READ = {
    "velip": "Velip has no such call; read the contacts from the gateway, which keeps what it sent",
    "indigitall": "indigitall stores no list; the gateway keeps it, with what was sent",
}
NO_STOP = "no documented call stops a send: pause or archive the campaign in the console"
REACHED_WORDS = "the source has called or messaged them, or is just doing so"


async def delivered(stage: Stage, source: str, people: list[dict[str, Any]]) -> str:
    """The list at its source, which has reached some of it where it dials."""
    if source == "voximplant":
        simulation: Any = stage.vendors[source].simulation
        simulation.dial_at_most, simulation.talking, simulation.shows_reserved_columns = REACHED, 1, True
    velip: Any = stage.vendors["velip"].simulation
    velip.foreign_numbers = True
    created = await stage.create(source, people, reference="r-1")
    assert created["state"] == "delivered"
    return str(created["id"])


def reached_by(source: str) -> int:
    return {"voximplant": REACHED, "indigitall": PEOPLE}.get(source, 0)


@pytest.mark.parametrize(("source", "target"), DIRECTIONS, ids=["-".join(one) for one in DIRECTIONS])
async def test_a_list_moves_as_its_plan_says(stage: Stage, source: str, target: str) -> None:
    people = crowd(PEOPLE, pattern_for(source, target))
    phones = digits(one["phone"] for one in people)
    list_id = await delivered(stage, source, people)
    sent = stage.sent()
    planned = (await stage.plan(target, list_id, activation="start"))["plan"]
    reached = reached_by(source)
    moving = PEOPLE - reached
    assert planned["counts"] == fates(reached=reached, moves=moving)
    assert stage.calls(source) == phones[:reached]
    assert stage.sent()[target] == sent[target], "a plan sends nothing to its target"
    if source == "voximplant":
        stage.vendors[source].simulation.dial_at_most = REACHED + 1  # somebody is called before the stop
        reached, moving = REACHED + 1, moving - 1
    applied = await stage.apply({"id": planned["id"], "plan": planned})
    assert applied.status_code == 200, applied.text
    if source == "voximplant":
        stage.dial_on()
    arrived = phones[reached:]
    assert stage.there(target) == arrived, "each once, in their order"
    assert stage.calls(source) == phones[:reached]
    assert stage.calls(target) == (arrived if target in DIALS else [])
    expect_losses(stage, planned["losses"], people[reached:], target)
    await expect_certificate(stage, planned, source, target, (reached, moving))
    (one,) = (await stage.migration(planned["id"]))["lists"]
    assert (await stage.show(list_id))["moved_to"] == one["target"]
    assert (one["target"] is None) is (not moving)


def expect_losses(stage: Stage, losses: list[dict[str, Any]], people: Sequence[dict[str, Any]], target: str) -> None:
    """What the plan calls dropped is nowhere at the target; what it does not name is there as it was."""
    rows = [row for one in stage.lists_at(target) for row in one.rows]
    assert len(rows) == len(people)
    named = {one["field"]: one["kind"] for one in losses if one["contacts"]}
    for one, row in zip(people, rows, strict=True):
        shown = cells(row)
        for field in FIELDS:
            kind = named.get(field, named.get("attributes") if field.startswith("attributes") else None)
            for text in texts(one, field):
                if kind == "dropped":
                    assert not any(text == cell or (len(text) > 4 and text in cell) for cell in shown), (field, text)
                elif kind is None:
                    assert any(text in cell for cell in shown), (field, text, shown)


async def expect_certificate(
    stage: Stage, planned: dict[str, Any], source: str, target: str, counts: tuple[int, int]
) -> None:
    reached, moving = counts
    sealed = await stage.sealed(planned["id"])
    certificate = sealed["certificate"]
    assert sealed["signature"] is None
    assert certificate["plan"] == planned["digest"]
    assert certificate["counts"] == fates(reached=reached, moves=moving)
    assert certificate["outcomes"]["received"] == certificate["outcomes"]["accepted"] == moving
    equal = moving if target in READABLE else 0
    compared = {"different": 0, "missing": 0, "unexpected": 0, "equal": equal, "unverified": moving - equal}
    assert certificate["compared"] == compared
    assert certificate["unverified"] == unverified(source, target, reached, moving)
    (one,) = certificate["lists"]
    assert one["proof"]["proven"] is (source != "indigitall")
    assert one["target"]["contacts"] == moving
    assert one["source"]["read"] == ("vendor" if source in READABLE else "store")
    if moving:  # the losses of those who were reached meanwhile are no losses any more
        fewer = planned["counts"]["moves"] - moving
        expected = losses_of([{**each, "contacts": _less(each["contacts"], fewer)} for each in planned["losses"]])
        assert losses_of(certificate["losses"]) == expected
    rows = await stage.rows(planned["id"])
    assert certificate["rows"]["count"] == len(rows) == PEOPLE
    assert [row["fate"] for row in rows] == ["reached"] * reached + ["moves"] * moving


def _less(contacts: int | None, fewer: int) -> int | None:
    return None if contacts is None else contacts - fewer


def unverified(source: str, target: str, reached: int, moving: int) -> list[str]:
    """What the certificate must name, sentence by sentence."""
    told = []
    if not moving:
        told.append("Spring: 0 contacts were not read back; nothing of this list has moved")
    elif target in NO_READ:
        told.append(f"Spring: {moving} contacts were not read back; {target}: {NO_READ[target]}")
    if source == "indigitall" and moving:
        why = f"indigitall: it cannot be stopped: {NO_STOP}"
        told.append(f"Spring: that the source is quiet is not proven, so nothing starts: {why}")
    if reached:
        told.append(f"Spring: left out: {reached} {REACHED_WORDS}")
    return told


@pytest.mark.parametrize("target", [one for one in VENDORS if one != "indigitall"])
async def test_whom_nobody_can_stop_moves_only_when_all_are_wanted(stage: Stage, target: str) -> None:
    """A send that nobody can stop: a target that dials gets nothing until a person gives their word."""
    people = crowd(PEOPLE, pattern_for(target))
    phones = digits(one["phone"] for one in people)
    list_id = await delivered(stage, "indigitall", people)
    moved = await stage.move(target, list_id, activation="start", include="all")
    assert moved["plan"]["counts"] == fates(moves=PEOPLE)
    (one,) = moved["lists"]
    assert one["proof"]["proven"] is False
    certificate = (await stage.sealed(moved["id"]))["certificate"]
    assert certificate["include"] == "all"
    held = target == "voximplant"
    assert stage.there(target) == ([] if held else phones)
    assert certificate["outcomes"]["pending" if held else "accepted"] == PEOPLE
    assert certificate["lists"][0]["target"]["read"] == (
        "nothing has left yet" if held else "read back" if target in READABLE else "from our attempts"
    )
    assert any(f"not proven, so nothing starts: indigitall: it cannot be stopped: {NO_STOP}" in told
               for told in certificate["unverified"])  # fmt: skip
    if held:
        refused = await stage.client.post(f"/v1/contact-lists/{one['target']}/activate")
        assert (refused.status_code, refused.json()["code"]) == (409, "migration.not_quiet")
        said = await stage.client.post(f"/v1/migrations/{moved['id']}/resolve", json={"as": "quiet"})
        assert said.status_code == 200, said.text
        started = await stage.client.post(f"/v1/contact-lists/{one['target']}/activate")
        assert started.status_code == 200, started.text
        assert stage.calls(target) == phones
