"""Renaming, describing and deleting a list, at its vendors too; what remains there is said."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from tests.gateway.conftest import Vendors
from tests.gateway.web.shapes import LISTS, a_list, create, finished, masked, people, pointers, problem, refusal


async def test_a_list_is_renamed_here_and_at_the_vendor(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "koreai")
    answer = await acme.patch(f"{LISTS}/{one['id']}", json={"name": "Autumn", "description": "for May"})
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["name"], after["description"]) == ("Autumn", "for May")
    (there,) = ledger("koreai").lists.values()
    assert masked(there.name) == "Autumn-<key>"
    assert after["deliveries"][0]["remote_lists"] == [
        {"id": there.id, "name": there.name, "count": 2, "deleted": False}
    ]
    assert (await acme.get(f"{LISTS}/{one['id']}")).json() == after


async def test_a_description_alone_keeps_the_name(acme: httpx.AsyncClient) -> None:
    one = await create(acme, "koreai")
    after = (await acme.patch(f"{LISTS}/{one['id']}", json={"description": "for May"})).json()
    assert (after["name"], after["description"]) == ("Spring renewals", "for May")


@pytest.mark.parametrize(("vendor", "status"), [("velip", 422), ("voximplant", 200)])
async def test_a_vendor_that_cannot_rename_refuses_the_whole_change(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str, status: int
) -> None:
    """A held list is at no vendor yet: its name is ours to change."""
    one = await create(acme, vendor)
    answer = await acme.patch(f"{LISTS}/{one['id']}", json={"name": "Autumn"})
    assert answer.status_code == status, answer.text
    if status == 422:
        assert problem(answer) == refusal(422, "vendor.cannot")
    else:
        assert ledger(vendor).requests == []
    name = (await acme.get(f"{LISTS}/{one['id']}")).json()["name"]
    assert name == ("Spring renewals" if status == 422 else "Autumn")


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, set()),
        ({"name": None}, set()),
        ({"name": ""}, {("/name", "field.invalid")}),
        ({"name": "x" * 256, "description": 7}, {("/name", "field.invalid"), ("/description", "field.invalid")}),
        ({"name": "a\x00b"}, {("/name", "field.invalid")}),
        ({"reference": "r", "state": "delivered"}, {("/reference", "field.unknown"), ("/state", "field.unknown")}),
    ],
)
async def test_a_change_that_is_none_is_refused(acme: httpx.AsyncClient, body: Any, faults: Any) -> None:
    one = await create(acme, "koreai")
    answer = await acme.patch(f"{LISTS}/{one['id']}", json=body)
    assert problem(answer) == refusal(400, "request.invalid")
    assert pointers(answer) == faults


REMAINS = {
    "exotel": "exotel: the contacts stay in the account's address book",
    "koreai": None,
    "velip": "velip: the list stays at Velip, inactive, so that no campaign can use it, "
    "until Velip's own retention purges it",
    "voximplant": None,
    "indigitall": "indigitall: the list <key> stays at the vendor; there is no list to delete; "
    "messages that went out stay with their receivers",
}


@pytest.mark.parametrize("vendor", REMAINS)
async def test_a_deleted_list_is_gone_and_says_what_remains_at_the_vendor(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    one = await create(acme, vendor, activation={"mode": "start"})
    path = f"{LISTS}/{one['id']}"
    answer = await acme.delete(path)
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["state"], masked(after["remains"])) == ("deleted", REMAINS[vendor])
    assert [each["state"] for each in after["deliveries"]] == ["deleted"]
    assert [each["deleted"] for each in after["deliveries"][0]["remote_lists"]] == [vendor != "indigitall"]
    if vendor in ("exotel", "koreai"):
        assert ledger(vendor).lists == {}
    assert (await acme.get(path)).json() == after
    assert one["id"] not in {each["id"] for each in (await acme.get(LISTS, params={"limit": 1000})).json()["items"]}
    for method, rest, body in (
        ("DELETE", "", None),
        ("PATCH", "", {"name": "x"}),
        ("GET", "/contacts", None),
        ("POST", "/contacts", {"contacts": people(1)}),
        ("GET", "/rejections", None),
        ("POST", "/activate", None),
        ("POST", "/stop", None),
    ):
        assert problem(await acme.request(method, path + rest, json=body)) == refusal(404, "not_found")


async def test_a_held_list_is_deleted_without_asking_a_vendor(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "voximplant")
    assert (await acme.delete(f"{LISTS}/{one['id']}")).json()["remains"] is None
    assert problem(await acme.post(f"{LISTS}/{one['id']}/activate")) == refusal(404, "not_found")
    assert ledger("voximplant").requests == []


async def test_a_list_at_work_is_not_deleted(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    held = vendors["velip"].simulation.hold()
    begun = await acme.post(LISTS, json=a_list("velip"), headers={"Prefer": "respond-async"})
    answer = await acme.delete(f"{LISTS}/{begun.json()['id']}")
    assert problem(answer) == refusal(409, "list.busy", retryable=True)
    assert f"/v1/operations/{answer.json()['operation']}" == begun.headers["location"]
    held.released.set()
    await finished(acme, begun.headers["location"])
    assert (await acme.delete(f"{LISTS}/{begun.json()['id']}")).status_code == 200


async def test_a_vendor_that_refuses_a_deletion_keeps_the_list(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    one = await create(acme, "koreai")
    vendors["koreai"].simulation.break_next("rate_limited", times=9)
    answer = await acme.delete(f"{LISTS}/{one['id']}")
    assert problem(answer) == refusal(503, "vendor.not_sent", "not_sent", retryable=True)
    assert (await acme.get(f"{LISTS}/{one['id']}")).json()["state"] == "delivered"
