"""Nobody is called by accident: hold and activate, start at a passive vendor, stop, and a person's word on a doubt."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from gateway.contract.simulation import Ledger
from gateway.registry import Registry
from tests.gateway.conftest import Vendors
from tests.gateway.web.shapes import LISTS, counts, create, people, pointers, problem, refusal

DIALLING = ["indigitall", "voximplant"]
PASSIVE = ["exotel", "koreai", "velip"]
START = {"mode": "start"}


@pytest.mark.parametrize("vendor", DIALLING)
async def test_a_held_list_calls_nobody_until_it_is_activated_and_then_once(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    one = await create(acme, vendor, number=3)
    assert (one["state"], one["counts"]) == ("staged", counts(pending=3))
    assert [(each["state"], each["activation"]) for each in one["deliveries"]] == [("staged", "held")]
    assert ledger(vendor).requests == []
    path = f"{LISTS}/{one['id']}"
    answer = await acme.post(f"{path}/activate")
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["state"], after["counts"]) == ("delivered", counts(accepted=3))
    assert [(each["state"], each["activation"]) for each in after["deliveries"]] == [("delivered", "started")]
    called = [each["phone"].lstrip("+") for each in people(3)]
    assert sorted(ledger(vendor).calls) == called
    asked = list(ledger(vendor).requests)
    assert problem(await acme.post(f"{path}/activate")) == refusal(409, "list.not_staged")
    assert (sorted(ledger(vendor).calls), ledger(vendor).requests) == (called, asked)


async def test_activations_at_once_start_the_list_once(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "indigitall")
    answers = await asyncio.gather(*(acme.post(f"{LISTS}/{one['id']}/activate") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert len(ledger("indigitall").calls) == 2


@pytest.mark.parametrize("vendor", DIALLING)
async def test_a_list_that_says_start_is_called_at_once(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    one = await create(acme, vendor, activation=START)
    assert (one["state"], one["deliveries"][0]["activation"]) == ("delivered", "started")
    assert len(ledger(vendor).calls) == 2
    assert problem(await acme.post(f"{LISTS}/{one['id']}/activate")) == refusal(409, "list.not_staged")
    assert len(ledger(vendor).calls) == 2


async def test_a_schedule_is_kept_while_held_and_used_on_activation(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "voximplant", schedule={"start_at": "2099-01-01T12:00:00Z"})
    assert ledger("voximplant").requests == []
    after = (await acme.post(f"{LISTS}/{one['id']}/activate")).json()
    assert after["deliveries"][0]["activation"] == "scheduled"
    assert ledger("voximplant").calls == []
    assert [len(each.phones) for each in ledger("voximplant").lists.values()] == [2]


@pytest.mark.parametrize("vendor", PASSIVE)
async def test_start_at_a_passive_vendor_is_a_loss_and_activate_says_where_to_start(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], registry: Registry, vendor: str
) -> None:
    one = await create(acme, vendor, activation=START)
    adapter = registry.adapters[vendor]
    why = adapter.fields["activation.mode"].why
    assert one["deliveries"][0]["activation"] == "passive"
    assert one["deliveries"][0]["losses"] == [
        {"field": "activation.mode", "kind": "dropped", "contacts": None, "why": why}
    ]
    asked = list(ledger(vendor).requests)
    answer = await acme.post(f"{LISTS}/{one['id']}/activate")
    assert problem(answer) == refusal(422, "vendor.cannot")
    assert answer.json()["detail"] == f"{vendor}: {adapter.activation_note}"
    assert (ledger(vendor).requests, ledger(vendor).calls) == (asked, [])


async def test_a_started_list_can_be_stopped_and_activated_again(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "voximplant", activation=START)
    path = f"{LISTS}/{one['id']}"
    for verb, endpoint in (("stop", "StopCallListProcessing"), ("activate", "RecoverCallList")):
        answer = await acme.post(f"{path}/{verb}")
        assert answer.status_code == 200, answer.text
        assert ledger("voximplant").requests[-1] == f"POST /platform_api/{endpoint}"
    assert problem(await acme.post(f"{path}/activate")) == refusal(409, "list.not_staged")


@pytest.mark.parametrize(
    ("vendor", "activation", "says"),
    [
        ("velip", {"mode": "hold"}, "no vendor dials this list by itself"),
        ("voximplant", {"mode": "hold"}, "no vendor dials this list by itself"),
        ("indigitall", START, "pause or archive the campaign"),
    ],
)
async def test_what_cannot_be_stopped_says_so(
    acme: httpx.AsyncClient, vendor: str, activation: dict[str, str], says: str
) -> None:
    one = await create(acme, vendor, activation=activation)
    answer = await acme.post(f"{LISTS}/{one['id']}/stop")
    assert problem(answer) == refusal(422, "vendor.cannot")
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("word", "state", "after", "faults"),
    [
        ("accepted", "delivered", counts(accepted=2), []),
        ("not_sent", "failed", counts(rejected=2), ["delivery.not_sent"]),
    ],
)
async def test_a_person_settles_what_no_look_up_can(
    acme: httpx.AsyncClient,
    vendors: Vendors,
    ledger: Callable[[str], Ledger],
    word: str,
    state: str,
    after: dict[str, int],
    faults: list[str],
) -> None:
    vendors["indigitall"].simulation.break_next("drop_after")
    one = await create(acme, "indigitall", activation=START)
    assert (one["state"], one["counts"]) == ("unknown", counts(unknown=2))
    assert len(ledger("indigitall").requests) == 1
    path = f"{LISTS}/{one['id']}/resolve"
    body = {"delivery": one["deliveries"][0]["id"], "as": word}
    assert problem(await acme.post(path, json=body | {"delivery": "dl_other"})) == refusal(404, "not_found")
    answer = await acme.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["counts"]) == (state, after)
    found = (await acme.get(f"{LISTS}/{one['id']}/contacts")).json()["items"]
    assert [[fault["code"] for fault in each["faults"]] for each in found] == [faults, faults]
    assert [each["detail"] for each in found] == ["resolved by a person"] * 2
    assert problem(await acme.post(path, json=body)) == refusal(409, "delivery.nothing_unknown")
    assert (len(ledger("indigitall").requests), len(ledger("indigitall").calls)) == (1, 2)


async def test_resolve_takes_two_words_only(acme: httpx.AsyncClient) -> None:
    one = await create(acme, "velip")
    answer = await acme.post(f"{LISTS}/{one['id']}/resolve", json={"delivery": 1, "as": "maybe", "why": "x"})
    assert problem(answer) == refusal(400, "request.invalid")
    assert pointers(answer) == {
        ("/delivery", "field.invalid"),
        ("/as", "field.invalid"),
        ("/why", "field.unknown"),
    }
