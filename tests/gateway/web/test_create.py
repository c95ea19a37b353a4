"""`POST /v1/contact-lists`: every form of body gives the same list; inline, waited for, or in the background."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from gateway.registry import Registry
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.shapes import LISTS, a_list, counts, create, finished, masked, pointers, problem, refusal

HEAD = {"name": "Spring renewals", "reference": None, "destination": "velip"}
ROWS = [
    {"id": "A-1", "phone": "+5511999990001", "first_name": "Ana", "last_name": "Lima", "email": "ana@example.org"},
    {"id": "A-2", "phone": "11 99999-0002", "first_name": "Bruno"},
    {"id": "A-3", "phone": "+5511999990001", "first_name": "Ana again"},
    {"id": "A-4", "phone": "+5511999990004"},
    {"id": "A-5", "phone": "12"},
]
COLUMNS = ["id", "phone", "first_name", "last_name", "email"]
NDJSON = "\n".join(json.dumps(row) for row in ROWS)
CSV = "\r\n".join(",".join(row) for row in [COLUMNS, *([row.get(name, "") for name in COLUMNS] for row in ROWS)])


def as_json(reference: str) -> dict[str, Any]:
    return {"json": HEAD | {"reference": reference, "contacts": ROWS}}


def as_csv(reference: str) -> dict[str, Any]:
    return {"params": HEAD | {"reference": reference}, "content": CSV, "headers": {"Content-Type": "text/csv"}}


def as_ndjson(reference: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-ndjson"}
    return {"params": HEAD | {"reference": reference}, "content": NDJSON, "headers": headers}


def as_form(content: str, filename: str) -> Callable[[str], dict[str, Any]]:
    media_type = "text/csv" if filename.endswith("csv") else "application/x-ndjson"
    return lambda reference: {
        "data": {"list": json.dumps(HEAD | {"reference": reference})},
        "files": {"file": (filename, content.encode(), media_type)},
    }


MAPPING = {name: name for name in COLUMNS}
CSV_SOURCE = {
    "format": "csv",
    "charset": "utf-8",
    "delimiter": ",",
    "columns": COLUMNS,
    "mapping": MAPPING,
    "ignored": {},
    "corrections": False,
    "adopted": False,
    "rows": 5,
}
UNREAD = {"columns": [], "mapping": {}, "ignored": {}, "corrections": False, "adopted": False}
PLAIN_SOURCE = UNREAD | {"rows": 5, "delimiter": None}
NDJSON_SOURCE = PLAIN_SOURCE | {"format": "ndjson", "charset": "utf-8"}
FORMS = {
    "json": (as_json, PLAIN_SOURCE | {"format": "json", "charset": None}),
    "csv": (as_csv, CSV_SOURCE),
    "ndjson": (as_ndjson, NDJSON_SOURCE),
    "multipart csv": (as_form(CSV, "contacts.csv"), CSV_SOURCE),
    "multipart ndjson": (as_form(NDJSON, "contacts.ndjson"), NDJSON_SOURCE),
}


@pytest.mark.parametrize("form", FORMS)
async def test_the_same_contacts_give_the_same_list_in_every_form(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], registry: Registry, form: str
) -> None:
    velip = registry.adapters["velip"]
    body, source = FORMS[form]
    answer = await acme.post(LISTS, **body(f"crm-{form}"))
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert answer.headers["location"] == f"{LISTS}/{found['id']}"
    attempts = found["deliveries"][0].pop("attempts")
    assert masked(found) == {
        "id": "<cl>",
        "name": "Spring renewals",
        "reference": f"crm-{form}",
        "description": None,
        "channel": "voice",
        "state": "delivered",
        "counts": counts(accepted=3, rejected=1, duplicate=1),
        "deliveries": [
            {
                "id": "<dl>",
                "destination": "velip",
                "adapter": "velip",
                "state": "delivered",
                "activation": "passive",
                "remote_lists": [
                    {"id": "70123", "name": f"Spring renewals [crm-{form}]", "count": 3, "deleted": False},
                ],
                "counts": counts(accepted=3),
                "losses": [
                    {"field": name, "kind": kind, "contacts": 1, "why": velip.fields[name].why}
                    for name, kind in (("first_name", "merged"), ("last_name", "merged"), ("email", "dropped"))
                ],
                "detail": None,
                "superseded_by": None,
                "moved_to": None,
            }
        ],
        "source": source,
        "corrected": 0,
        "created_at": "<time>",
        "updated_at": "<time>",
        "operation": None,
        "remains": None,
        "moved_to": None,
    }
    assert [(one["step"], one["verdict"], one["status"]) for one in attempts] == [("create", "accepted", 200)]
    (there,) = ledger("velip").lists.values()
    assert there.phones == ["5511999990001", "5511999990002", "5511999990004"]
    assert masked((await acme.get(answer.headers["location"])).json()) == masked(answer.json())


async def test_a_list_that_takes_longer_than_the_caller_waits_is_an_operation_to_watch(
    acme: httpx.AsyncClient, vendors: Vendors
) -> None:
    held = vendors["velip"].simulation.hold()
    answer = await acme.post(LISTS, json=a_list("velip"), headers={"Prefer": "wait=0"})
    assert answer.status_code == 202
    begun = answer.json()
    href = answer.headers["location"]
    assert begun["operation"] == {"id": href.removeprefix("/v1/operations/"), "href": href}
    assert (begun["state"], begun["counts"]) == ("delivering", counts(pending=2))
    running = {
        "id": "<op>",
        "kind": "create",
        "state": "running",
        "done": False,
        "stage": "delivering",
        "counts": counts(pending=2),
        "result": {"href": f"{LISTS}/<cl>"},
        "error": None,
        "created_at": "<time>",
        "updated_at": "<time>",
    }
    assert masked((await acme.get(href)).json()) == running
    held.released.set()
    done = {"state": "succeeded", "done": True, "stage": "done", "counts": counts(accepted=2)}
    ended = await finished(acme, href)
    assert masked(ended) == running | done
    after = (await acme.get(ended["result"]["href"])).json()
    assert (after["id"], after["state"], after["operation"]) == (begun["id"], "delivered", None)


@pytest.mark.parametrize(
    ("prefer", "status"),
    [("respond-async", 202), ("wait=0", 202), ("respond-async, wait=30", 202), ("wait=30", 201), ("nonsense", 201)],
)
async def test_prefer_says_how_long_the_caller_waits(
    acme: httpx.AsyncClient, vendors: Vendors, prefer: str, status: int
) -> None:
    held = vendors["velip"].simulation.hold()
    asked = asyncio.create_task(acme.post(LISTS, json=a_list("velip"), headers={"Prefer": prefer}))
    await held.arrived.wait()
    if status == 202:
        assert (await asked).status_code == 202
        held.released.set()
        await finished(acme, (await asked).headers["location"])
        return
    assert not asked.done()
    held.released.set()
    assert (await asked).status_code == status


async def test_a_cancelled_operation_sends_no_further_batch(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    held = vendors["koreai"].simulation.hold()
    answer = await acme.post(LISTS, json=a_list("koreai", number=250), headers={"Prefer": "respond-async"})
    href = answer.headers["location"]
    cancelled = await acme.post(f"{href}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "running")
    held.released.set()
    ended = await finished(acme, href)
    assert (ended["state"], ended["counts"]) == ("cancelled", counts(rejected=250))
    page = (await acme.get(f"{LISTS}/{answer.json()['id']}/contacts", params={"limit": 1})).json()
    assert [fault["code"] for fault in page["items"][0]["faults"]] == ["delivery.cancelled"]
    assert [one.phones for one in ledger("koreai").lists.values()] == [[]]


async def test_a_reference_is_unique_until_its_list_is_deleted(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, gateway: Gateway
) -> None:
    first = await create(acme, reference="crm-unique")
    before = await gateway.rows()
    second = await acme.post(LISTS, json=a_list(reference="crm-unique"))
    assert problem(second) == refusal(409, "list.reference_taken")
    assert second.headers["location"] == f"{LISTS}/{first['id']}"
    assert pointers(second) == {("/reference", "list.reference_taken")}
    assert await gateway.rows() == before
    assert (await create(globex, reference="crm-unique", name="Another tenant's"))["reference"] == "crm-unique"
    assert (await acme.delete(f"{LISTS}/{first['id']}")).status_code == 200
    assert (await create(acme, reference="crm-unique", name="Again"))["id"] != first["id"]


async def test_the_newest_lists_come_first_page_by_page(running_vendors: Vendors, open_gateway: OpenGateway) -> None:
    exotel = {"exotel": destination(running_vendors["exotel"])}
    async with open_gateway({"acme": Tenant(exotel)}) as gateway:
        client = await gateway.client("acme")
        made = [(await create(client, name=f"List {number}"))["id"] for number in range(4)]
        found: list[list[str]] = []
        cursor: str | None = None
        while not found or cursor is not None:
            page = (await client.get(LISTS, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
            assert page.keys() == {"items", "next_cursor"}
            assert all(one["deliveries"][0]["attempts"] == [] for one in page["items"])
            found.append([one["id"] for one in page["items"]])
            cursor = page["next_cursor"]
    assert found == [made[:1:-1], made[1::-1]]
