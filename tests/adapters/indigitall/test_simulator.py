"""The simulator refuses what a strict reading of the vendor's pages refuses."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from adapters.indigitall.simulator import IndigitallSimulation
from tests.harness import NOW

PATH = "/v1/application/4501/campaign/880/send/csv"
KEY = {"Authorization": "ServerKey 00000000-0000-4000-8000-000000000000"}
LAYOUT = '{"contact":{"contactCode":"{{c}}","channelType":"cloud_api"},"customFields":{"name":"{{n}}"}}'
CSV = b"c,n\r\n34600000001,Ana\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def post(simulation: IndigitallSimulation, path: str = PATH, **request: Any) -> httpx.Response:
    transport = httpx.ASGITransport(simulation.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
        return await client.post(path, **({"headers": KEY} | request))


def form(csv: bytes = CSV, layout: str = LAYOUT, **fields: str) -> dict[str, Any]:
    return {"data": {"layout": layout} | fields, "files": {"file": ("list.csv", csv, "text/csv")}}


def simulation() -> IndigitallSimulation:
    made = IndigitallSimulation()
    made.clock = lambda: NOW
    return made


async def test_a_good_send_is_answered_with_the_envelope() -> None:
    there = simulation()
    reply = await post(there, **form(scheduleAt="2026-11-21T12:00:00Z"))
    assert (reply.status_code, reply.json()) == (200, {"statusCode": 200, "message": "OK", "data": {}})
    assert (there.ledger.lists["send-1"].phones, there.ledger.calls) == (["34600000001"], [])


@pytest.mark.parametrize(
    "request_",
    [
        form(b"\xef\xbb\xbf" + CSV),
        form(b"c,n\r\n"),
        form(b"c,n\r\n34600000001\r\n"),
        form(b"c,n\r\n34600000001,\xff\r\n"),
        form(b"c,c\r\n34600000001,Ana\r\n"),
        form(b'c,n\r\n34600000001,"a ""quote"""\r\n'),
        form(b"c,n\r\n34600000001,back\\slash\r\n"),
        form(b"c,n\r\n+34600000001,Ana\r\n"),
        form(b"c,n,unused\r\n34600000001,Ana,x\r\n"),
        form(b"c\r\n34600000001\r\n"),
        form(layout="{{c}}"),
        form(layout=LAYOUT.replace("cloud_api", "whatsapp")),
        form(layout='{"contactCode":"{{c}}","channelType":"cloud_api","customFields":{"n":"{{n}}"}}'),
        form(layout=LAYOUT.replace('"name"', '"the name"')),
        form(extra="1"),
        form(scheduleAt="2026-11-21T12:00:00+00:00"),
        form(scheduleAt="2026-11-21T11:59:59Z"),
        form(scheduleAt="2027-02-21T12:00:01Z"),
        form(scheduleAt="2026-11-22T12:00:00Z", delay="PT1H"),
        form(delay="1 hour"),
        form(slicingCondition="now"),
        {"data": {"layout": LAYOUT}},
        {"content": b"{}", "headers": KEY | {"Content-Type": "application/json"}},
    ],
)
async def test_a_bad_send_is_a_400_and_messages_nobody(request_: dict[str, Any]) -> None:
    there = simulation()
    reply = await post(there, **request_)
    assert (reply.status_code, reply.json()["statusCode"]) == (400, 400)
    assert (there.ledger.lists, there.ledger.calls) == ({}, [])


ITEM = {"contactCode": "34600000001", "channelType": "cloud_api"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"contacts": [ITEM | {"customFields": {"name": "Ana"}}]}, 200),
        ({"contacts": [ITEM] * 100}, 200),
        ({"contacts": [ITEM] * 101}, 400),
        ({"contacts": []}, 400),
        ({"contacts": [{"contactCode": "34600000001"}]}, 400),
        ({"contacts": [ITEM | {"name": "Ana"}]}, 400),
        ({"contacts": [ITEM | {"customFields": {"the name": "Ana"}}]}, 400),
        ({"contacts": [ITEM | {"customFields": {"age": 7}}]}, 400),
        ({"contacts": [ITEM], "customFields": {"name": "Ana"}}, 400),
        ([ITEM], 400),
    ],
)
async def test_a_json_send_is_read_as_strictly(body: Any, status: int) -> None:
    there = simulation()
    reply = await post(there, PATH.removesuffix("csv") + "json", json=body)
    assert reply.status_code == status
    assert len(there.ledger.calls) == (len(body["contacts"]) if status == 200 else 0)


@pytest.mark.parametrize(
    ("path", "headers", "status", "message"),
    [
        (PATH, {"Authorization": "ServerKey wrong"}, 401, "Access token is not valid"),
        (PATH, {}, 401, "Access token is not valid"),
        ("/v1/elsewhere", KEY, 404, "Route POST /v1/elsewhere not found"),
        (PATH.replace("880", "7"), KEY, 404, "Campaign not found"),
        (PATH.replace("880", "881"), KEY, 400, "Operation not possible with a reactive campaign"),
    ],
)
async def test_a_request_to_the_wrong_door_is_refused(
    path: str, headers: dict[str, str], status: int, message: str
) -> None:
    reply = await post(simulation(), path, **form() | {"headers": headers})
    assert (reply.status_code, reply.json()) == (status, {"statusCode": status, "message": message})


async def test_the_switches_change_what_is_not_documented() -> None:
    there = simulation()
    there.required_variables = frozenset({"ticket"})
    assert (await post(there, **form())).status_code == 400
    there.required_variables = frozenset({"name"})
    there.success = (201, {"statusCode": 201})
    there.break_next("drop_row", "/send/csv")
    two = CSV + b"34600000002,Luis\r\n"
    assert (await post(there, **form(two))).status_code == 201
    assert there.ledger.calls == ["34600000001"]


async def test_what_was_stored_stays_until_the_reset() -> None:
    there = simulation()
    await post(there, **form(scheduleAt=(NOW + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")))
    await post(there, **form())
    assert (list(there.ledger.lists), there.ledger.calls) == (["send-1", "send-2"], ["34600000001"])
    there.reset()
    assert (there.ledger.lists, there.ledger.calls) == ({}, [])
