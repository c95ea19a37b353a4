"""Contacts of a list: pages with opaque cursors, the crosswalk to the vendor's ids, appending, removing."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from tests.gateway.web.shapes import LISTS, counts, create, masked, people, pointers, problem, refusal

MIXED = [
    {"id": "A-1", "phone": "+5511999990001", "first_name": "Ana", "priority": 3, "attributes": {"plan": "plus"}},
    {"id": "A-2", "phone": "1"},
    {"id": "A-3", "phone": "(11) 99999-0003"},
    {"id": "A-4", "phone": "+5511999990001"},
    {"id": "A-5", "phone": "+5511999990005"},
]


async def contacts(client: httpx.AsyncClient, one: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"{LISTS}/{one['id']}/contacts", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def test_a_contact_is_shown_with_all_that_is_known_of_it(acme: httpx.AsyncClient) -> None:
    one = await create(acme, "koreai", contacts=MIXED)
    found = await contacts(acme, one)
    empty = dict.fromkeys(("first_name", "last_name", "company", "email", "language", "time_zone", "priority", "tag"))
    usual = empty | {"attributes": {}, "faults": [], "detail": None, "remote_id": None}
    delivery = one["deliveries"][0]["id"]
    assert [contact | {"contact_id": masked(contact["contact_id"])} for contact in found] == [
        usual
        | MIXED[0]
        | {
            "contact_id": "<ct 1>",
            "row": 1,
            "outcome": "accepted",
            "delivery": delivery,
            "remote_id": found[0]["remote_id"],
        },
        usual
        | {"id": "A-2", "phone": "1", "contact_id": "<ct 2>", "row": 2, "outcome": "rejected", "delivery": None}
        | {"faults": [{"code": "phone.invalid", "column": "phone", "detail": found[1]["faults"][0]["detail"]}]},
        usual
        | {"id": "A-3", "phone": "+5511999990003", "contact_id": "<ct 3>", "row": 3, "outcome": "accepted"}
        | {"delivery": delivery, "remote_id": found[2]["remote_id"]},
        usual | MIXED[3] | {"contact_id": "<ct 4>", "row": 4, "outcome": "duplicate", "delivery": None},
        usual
        | MIXED[4]
        | {"contact_id": "<ct 5>", "row": 5, "outcome": "accepted", "delivery": delivery}
        | {"remote_id": found[4]["remote_id"]},
    ]


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ({"limit": 2}, [["A-1", "A-2"], ["A-3", "A-4"], ["A-5"]]),
        ({"limit": 5}, [["A-1", "A-2", "A-3", "A-4", "A-5"]]),
        ({"limit": 2, "outcome": "accepted"}, [["A-1", "A-3"], ["A-5"]]),
        ({"outcome": "rejected"}, [["A-2"]]),
        ({"outcome": "unknown"}, [[]]),
    ],
)
async def test_pages_follow_one_another_until_the_cursor_is_null(
    acme: httpx.AsyncClient, query: dict[str, Any], pages: list[list[str]]
) -> None:
    one = await create(acme, "velip", contacts=MIXED)
    found: list[list[str]] = []
    cursor: str | None = None
    while not found or cursor is not None:
        given = query | ({"cursor": cursor} if cursor is not None else {})
        page = (await acme.get(f"{LISTS}/{one['id']}/contacts", params=given)).json()
        found.append([contact["id"] for contact in page["items"]])
        cursor = page["next_cursor"]
    assert found == pages


@pytest.mark.parametrize("path", [LISTS, f"{LISTS}/{{id}}/contacts", f"{LISTS}/{{id}}/rejections"])
@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ({"cursor": "!!"}, "cursor", "field.invalid"),
        ({"cursor": ""}, "cursor", "field.invalid"),
        ({"cursor": "é\x00"}, "cursor", "field.invalid"),
        ({"cursor": "bnVsbA"}, "cursor", "field.invalid"),
        ({"cursor": "WzFd"}, "cursor", "field.invalid"),
        ({"cursor": "LTE"}, "cursor", "field.invalid"),
        ({"cursor": "x" * 201}, "cursor", "field.invalid"),
        ({"limit": 0}, "limit", "field.invalid"),
        ({"limit": 1001}, "limit", "field.invalid"),
        ({"limit": "ten"}, "limit", "field.invalid"),
        ({"colour": "red"}, "colour", "field.unknown"),
    ],
)
async def test_a_query_that_is_none_is_refused_by_name(
    acme: httpx.AsyncClient, path: str, query: dict[str, Any], pointer: str, code: str
) -> None:
    one = await create(acme, "velip")
    answer = await acme.get(path.format(id=one["id"]), params=query)
    assert problem(answer) == refusal(400, "request.invalid")
    assert pointers(answer) == {(pointer, code)}


async def test_the_crosswalk_leads_from_our_contact_to_the_vendors(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "exotel", number=3)
    (there,) = ledger("exotel").lists.values()
    assert one["deliveries"][0]["remote_lists"][0]["id"] == there.id
    ours = {contact["phone"]: contact["remote_id"] for contact in await contacts(acme, one)}
    assert ours == {row["number"]: row["sid"] for row in there.rows}


APPENDED = [
    ("exotel", [["+5511990000001", "+5511990000002", "+5511990000003"]]),
    ("koreai", [["5511990000001", "5511990000002", "5511990000003"]]),
    ("velip", [["5511990000001", "5511990000002"], ["5511990000003"]]),
]


@pytest.mark.parametrize(("vendor", "there"), APPENDED, ids=["native", "native by count", "emulated"])
async def test_an_append_joins_the_remote_list_where_the_vendor_can_else_makes_another(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str, there: list[list[str]]
) -> None:
    one = await create(acme, vendor)
    body = {"contacts": [*people(2, first=2), {"phone": "nonsense"}, people(1)[0], people(1, first=3)[0]]}
    answer = await acme.post(f"{LISTS}/{one['id']}/contacts", json=body)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{LISTS}/{one['id']}"), answer.text
    after = answer.json()
    assert (after["state"], after["counts"]) == ("delivered", counts(accepted=3, duplicate=3, rejected=1))
    assert [len(delivery["remote_lists"]) for delivery in after["deliveries"]] == [1] * len(there)
    assert sum((delivery["counts"]["accepted"] for delivery in after["deliveries"]), 0) == 3
    assert [[f"+{phone.lstrip('+')}" for phone in each.phones] for each in ledger(vendor).lists.values()] == [
        [f"+{people(1, first=int(phone[-1]))[0]['phone'].lstrip('+')}" for phone in each] for each in there
    ]
    found = await contacts(acme, one)
    assert [contact["outcome"] for contact in found] == [
        "accepted",
        "accepted",
        "duplicate",
        "accepted",
        "rejected",
        "duplicate",
        "duplicate",
    ]


async def test_an_append_takes_a_file_too_and_no_list_fields(acme: httpx.AsyncClient) -> None:
    one = await create(acme, "velip")
    path = f"{LISTS}/{one['id']}/contacts"
    csv = await acme.post(path, content="telefone\n+5511977770001\n", headers={"Content-Type": "text/csv"})
    assert (csv.status_code, csv.json()["counts"]) == (201, counts(accepted=3)), csv.text
    named = await acme.post(path, json={"contacts": people(1), "name": "No", "reference": "no"})
    assert problem(named) == refusal(400, "request.invalid")
    assert pointers(named) == {("/name", "field.unknown"), ("/reference", "field.unknown")}


async def test_contacts_appended_to_a_held_list_wait_with_it(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "voximplant")
    path = f"{LISTS}/{one['id']}"
    after = (await acme.post(f"{path}/contacts", json={"contacts": people(2, first=2)})).json()
    assert (after["state"], after["counts"]) == ("staged", counts(pending=3, duplicate=1))
    assert (ledger("voximplant").requests, ledger("voximplant").calls) == ([], [])
    started = (await acme.post(f"{path}/activate")).json()
    assert (started["state"], started["counts"]) == ("delivered", counts(accepted=3, duplicate=1))
    assert sorted(ledger("voximplant").calls) == [one["phone"].lstrip("+") for one in people(3)]


async def test_a_removed_contact_leaves_the_vendor_and_the_list(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "exotel", number=2)
    first, second = await contacts(acme, one)
    path = f"{LISTS}/{one['id']}/contacts/{first['contact_id']}"
    answer = await acme.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    (there,) = ledger("exotel").lists.values()
    assert there.phones == [second["phone"]]
    assert await contacts(acme, one) == [second]
    assert (await acme.get(f"{LISTS}/{one['id']}")).json()["counts"] == counts(accepted=1)
    assert problem(await acme.delete(path)) == refusal(404, "not_found")


async def test_a_contact_that_the_vendor_cannot_give_back_stays(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "velip")
    person = (await contacts(acme, one))[0]
    asked = list(ledger("velip").requests)
    answer = await acme.delete(f"{LISTS}/{one['id']}/contacts/{person['contact_id']}")
    assert problem(answer) == refusal(422, "vendor.cannot")
    assert "suppress the number" in answer.json()["detail"]
    assert (await contacts(acme, one))[0] == person
    assert ledger("velip").requests == asked


async def test_a_rejected_or_held_contact_is_removed_without_a_vendor(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "indigitall", contacts=MIXED)
    held, rejected, *_ = await contacts(acme, one)
    for person in (held, rejected):
        assert (await acme.delete(f"{LISTS}/{one['id']}/contacts/{person['contact_id']}")).status_code == 204
    assert [contact["id"] for contact in await contacts(acme, one)] == ["A-3", "A-4", "A-5"]
    started = (await acme.post(f"{LISTS}/{one['id']}/activate")).json()
    assert started["counts"] == counts(accepted=2, duplicate=1)
    assert ledger("indigitall").calls == ["5511999990003", "5511999990005"]


@pytest.mark.parametrize(
    "name", ["ct_", "ct_x_1", "1", "ct_{list}_0", "ct_{list}_3", "ct_{list}_99999999999", "%00", "ct_{list}_١"]
)
async def test_a_contact_that_is_not_there_is_a_404(acme: httpx.AsyncClient, name: str) -> None:
    one = await create(acme, "velip")
    path = f"{LISTS}/{one['id']}/contacts/{name.format(list=one['id'].removeprefix('cl_'))}"
    assert problem(await acme.delete(path)) == refusal(404, "not_found")
