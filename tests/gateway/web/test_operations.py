"""Work on one list is done in the order in which it was asked for, and every kind of it can be watched."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from gateway.web import lists_api
from tests.gateway.conftest import Gateway, Vendors
from tests.gateway.web.shapes import (
    LISTS,
    a_list,
    answer_late,
    counts,
    create,
    finished,
    masked,
    people,
    problem,
    refusal,
)

ASYNC = {"Prefer": "respond-async"}
START = {"mode": "start"}


def operation(kind: str, state: str, outcome: dict[str, int], **changes: Any) -> dict[str, Any]:
    """An operation, with ids and times masked."""
    done = state not in ("queued", "running")
    return {
        "id": "<op>",
        "kind": kind,
        "state": state,
        "done": done,
        "stage": "done" if done else "delivering",
        "counts": outcome,
        "result": {"href": f"{LISTS}/<cl>"},
        "error": None,
        "created_at": "<time>",
        "updated_at": "<time>",
    } | changes


@pytest.mark.parametrize("vendor", ["velip", "exotel", "koreai"])
async def test_an_append_waits_for_the_create_and_sends_each_number_once(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    held = vendors[vendor].simulation.hold()
    first = await acme.post(LISTS, json=a_list(vendor, number=3), headers=ASYNC)
    path = f"{LISTS}/{first.json()['id']}"
    hrefs = [first.headers["location"]]
    for start in (2, 4):
        more = await acme.post(f"{path}/contacts", json={"contacts": people(4, first=start)}, headers=ASYNC)
        assert more.status_code == 202, more.text
        hrefs.append(more.headers["location"])
    waiting = [(await acme.get(href)).json() for href in hrefs]
    assert [(one["kind"], one["done"]) for one in waiting] == [("create", False), ("append", False), ("append", False)]
    held.released.set()
    ended = await finished(acme, hrefs[-1])
    assert masked(ended) == operation("append", "succeeded", counts(accepted=7, duplicate=4))
    assert [(await acme.get(href)).json()["state"] for href in hrefs] == ["succeeded"] * 3
    phones = [phone.lstrip("+") for one in ledger(vendor).lists.values() for phone in one.phones]
    assert sorted(phones) == [one["phone"].lstrip("+") for one in people(7)]
    tried = [attempt for one in (await acme.get(path)).json()["deliveries"] for attempt in one["attempts"]]
    slow, *later = sorted(tried, key=lambda attempt: attempt["started_at"])
    assert all(attempt["started_at"] >= slow["finished_at"] for attempt in later), "nothing overtook the slow request"


async def test_the_newest_work_is_what_a_list_points_at(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    held = vendors["velip"].simulation.hold()
    first = await acme.post(LISTS, json=a_list("velip"), headers=ASYNC)
    path = f"{LISTS}/{first.json()['id']}"
    more = await acme.post(f"{path}/contacts", json={"contacts": people(1, first=9)}, headers=ASYNC)
    assert (await acme.get(path)).json()["operation"] == more.json()["operation"] != first.json()["operation"]
    held.released.set()
    await finished(acme, more.headers["location"])
    assert (await acme.get(path)).json()["operation"] is None


async def deleted(client: httpx.AsyncClient, vendors: Vendors) -> tuple[str, str, Callable[..., Any]]:
    one = await create(client, "koreai")
    return "koreai", one["id"], lambda **call: client.delete(f"{LISTS}/{one['id']}", **call)


async def stopped(client: httpx.AsyncClient, vendors: Vendors) -> tuple[str, str, Callable[..., Any]]:
    one = await create(client, "voximplant", activation=START)
    return "voximplant", one["id"], lambda **call: client.post(f"{LISTS}/{one['id']}/stop", **call)


async def resumed(client: httpx.AsyncClient, vendors: Vendors) -> tuple[str, str, Callable[..., Any]]:
    vendor, list_id, stop = await stopped(client, vendors)
    assert (await stop()).status_code == 200
    return vendor, list_id, lambda **call: client.post(f"{LISTS}/{list_id}/activate", **call)


async def activated(client: httpx.AsyncClient, vendors: Vendors) -> tuple[str, str, Callable[..., Any]]:
    one = await create(client, "voximplant")
    return "voximplant", one["id"], lambda **call: client.post(f"{LISTS}/{one['id']}/activate", **call)


async def created(client: httpx.AsyncClient, vendors: Vendors) -> tuple[str, str, Callable[..., Any]]:
    return "velip", "", lambda **call: client.post(LISTS, json=a_list("velip"), **call)


WORK = {"delete": deleted, "stop": stopped, "resume": resumed}
EVERY = WORK | {"activate": activated, "create": created}


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async"])
@pytest.mark.parametrize("kind", [*WORK, "activate"])
async def test_work_at_a_slow_vendor_can_be_watched(
    acme: httpx.AsyncClient, vendors: Vendors, kind: str, prefer: str
) -> None:
    vendor, list_id, act = await EVERY[kind](acme, vendors)
    held = vendors[vendor].simulation.hold()
    begun = await act(headers={"Prefer": prefer})
    href = begun.headers["location"]
    assert (begun.status_code, begun.json()["operation"]["href"]) == (202, href)
    now = counts(pending=2) if kind == "activate" else counts(accepted=2)
    told = masked((await acme.get(href)).json())
    assert told in [operation(kind, state, now) for state in ("queued", "running")]
    held.released.set()
    assert masked(await finished(acme, href)) == operation(kind, "succeeded", counts(accepted=2))
    after = (await acme.get(f"{LISTS}/{list_id}")).json()
    assert (after["state"], after["operation"]) == ("deleted" if kind == "delete" else "delivered", None)


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async"])
@pytest.mark.parametrize(
    ("kind", "fault", "state"),
    [*((kind, None, "succeeded") for kind in EVERY), *((kind, "ok_with_error", "failed") for kind in WORK)],
)
async def test_who_does_not_wait_has_the_operation_even_if_it_ends_before_the_answer(
    acme: httpx.AsyncClient,
    vendors: Vendors,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    fault: str | None,
    state: str,
    prefer: str,
) -> None:
    vendor, _, act = await EVERY[kind](acme, vendors)
    if fault is not None:
        vendors[vendor].simulation.break_next(fault)
    answer_late(monkeypatch, lists_api)
    begun = await act(headers={"Prefer": prefer})
    href = begun.headers["location"]
    assert (begun.status_code, begun.json()["operation"]["href"]) == (202, href)
    assert (await acme.get(href)).json()["state"] == state


@pytest.mark.parametrize("kind", WORK)
async def test_what_a_vendor_refuses_is_the_answer_and_the_error_of_the_operation(
    acme: httpx.AsyncClient, vendors: Vendors, kind: str
) -> None:
    vendor, list_id, act = await WORK[kind](acme, vendors)
    before = (await acme.get(f"{LISTS}/{list_id}")).json()
    for fault, (status, code, outcome, retryable) in {
        "ok_with_error": (502, "vendor.refused", "rejected", False),
        "rate_limited": (503, "vendor.not_sent", "not_sent", True),
    }.items():
        vendors[vendor].simulation.break_next(fault, times=9, retry_after=0)
        answer = await act()
        assert problem(answer) == refusal(status, code, outcome, retryable), fault
        begun = await act(headers=ASYNC)
        ended = await finished(acme, begun.headers["location"])
        error = {"code": code, "detail": answer.json()["detail"]}
        assert masked(ended) == operation(kind, "failed", counts(accepted=2), error=error)
        vendors[vendor].simulation.faults.clear()
    after = (await acme.get(f"{LISTS}/{list_id}")).json()
    volatile = {"updated_at", "deliveries"}
    assert {name: after[name] for name in after.keys() - volatile} == {
        name: before[name] for name in before.keys() - volatile
    }
    assert (await act()).status_code == 200


async def test_a_list_is_not_deleted_while_work_on_it_goes_on(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    held = vendors["koreai"].simulation.hold()
    begun = await acme.post(LISTS, json=a_list("koreai"), headers=ASYNC)
    path = f"{LISTS}/{begun.json()['id']}"
    refused = await acme.delete(path)
    assert problem(refused) == refusal(409, "list.busy", retryable=True)
    assert refused.json()["operation"] == begun.json()["operation"]["id"]
    held.released.set()
    await finished(acme, begun.headers["location"])
    assert (await acme.delete(path)).status_code == 200
    assert ledger("koreai").lists == {}


async def test_deletes_at_once_delete_once(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "koreai")
    vendors["koreai"].simulation.break_next("answer_late", seconds=0.3)
    answers = await asyncio.gather(*(acme.delete(f"{LISTS}/{one['id']}") for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {200, 404, 409}
    assert sum(answer.status_code == 200 for answer in answers) >= 1
    assert sum(request.startswith("DELETE ") for request in ledger("koreai").requests) == 1


async def test_operations_are_the_tenant_s_own(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    begun = await acme.post(LISTS, json=a_list("velip"), headers=ASYNC)
    href = begun.headers["location"]
    for answer in (await globex.get(href), await globex.post(f"{href}/cancel"), await acme.get(f"{href}x")):
        assert problem(answer) == refusal(404, "not_found")
    assert (await finished(acme, href))["state"] == "succeeded"


async def test_to_cancel_what_is_done_changes_nothing(acme: httpx.AsyncClient, gateway: Gateway) -> None:
    begun = await acme.post(LISTS, json=a_list("velip"), headers=ASYNC)
    href = begun.headers["location"]
    ended = await finished(acme, href)
    answer = await acme.post(f"{href}/cancel")
    assert (answer.status_code, answer.json()) == (202, ended)
    assert (await acme.get(href)).json() == ended
