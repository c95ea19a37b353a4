"""`Idempotency-Key`: one key, one payload, one effect. The vendor's ledger is the oracle."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, update

from gateway.contract.simulation import Ledger
from gateway.store.database import timestamp
from gateway.store.schema import idempotency
from tests.gateway.conftest import Gateway, Vendors
from tests.gateway.web.shapes import LISTS, a_list, create, finished, people, pointers, problem, refusal


async def asked(ledger: Ledger) -> bool:
    return bool(ledger.requests)


def keyed(key: str, **headers: str) -> dict[str, str]:
    return {"Idempotency-Key": key} | headers


async def test_the_same_request_again_gets_the_first_answer_and_sends_nothing(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], gateway: Gateway
) -> None:
    first = await acme.post(LISTS, json=a_list("velip"), headers=keyed("k-replay"))
    rows, requests = await gateway.rows(), list(ledger("velip").requests)
    again = await acme.post(LISTS, json=a_list("velip"), headers=keyed('"k-replay"'))
    assert (again.status_code, again.content, again.headers["location"]) == (
        first.status_code,
        first.content,
        first.headers["location"],
    )
    assert again.headers["content-type"] == "application/json"
    assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
    assert (await gateway.rows(), ledger("velip").requests) == (rows, requests)


async def test_two_equal_requests_at_once_send_once(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    held = vendors["velip"].simulation.hold()
    body, headers = a_list("velip", name="At once"), keyed("k-at-once")
    answers = []
    for each in asyncio.as_completed([acme.post(LISTS, json=body, headers=headers) for _ in range(4)]):
        answers.append(await each)
        if len(answers) == 3:
            held.released.set()
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    for answer in answers:
        if answer.status_code == 409:
            assert problem(answer) == refusal(409, "idempotency.in_flight", retryable=True)
    assert [len(one.phones) for one in ledger("velip").lists.values()] == [2]


async def test_a_repeat_while_the_first_is_at_work_points_at_its_operation(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    held = vendors["velip"].simulation.hold()
    first = asyncio.create_task(acme.post(LISTS, json=a_list("velip"), headers=keyed("k-at-work")))
    await held.arrived.wait()
    repeat = await acme.post(LISTS, json=a_list("velip"), headers=keyed("k-at-work"))
    assert problem(repeat) == refusal(409, "idempotency.in_flight", retryable=True)
    operation = repeat.json()["operation"]
    assert repeat.headers["location"] == f"/v1/operations/{operation}"
    held.released.set()
    assert (await finished(acme, repeat.headers["location"]))["result"]["href"] == (await first).headers["location"]


async def test_a_202_is_replayed_with_its_operation(acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]) -> None:
    headers = keyed("k-async", Prefer="respond-async")
    first = await acme.post(LISTS, json=a_list("velip"), headers=headers)
    await finished(acme, first.headers["location"])
    again = await acme.post(LISTS, json=a_list("velip"), headers=headers)
    assert (again.status_code, again.headers["location"]) == (202, first.headers["location"])
    assert len(ledger("velip").lists) == 1


def form(boundary: str, head: dict[str, Any], file: bytes) -> dict[str, Any]:
    parts = [
        b'Content-Disposition: form-data; name="list"\r\n\r\n' + json.dumps(head).encode(),
        b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n' + file,
    ]
    mark = boundary.encode()
    content = b"".join(b"--" + mark + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + mark + b"--\r\n"
    return {"content": content, "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (
            form("one", {"name": "A"}, b"phone\n+5511999990001\n"),
            form("two", {"name": "A"}, b"phone\n+5511999990001\n"),
            201,
        ),
        (
            form("one", {"name": "A"}, b"phone\n+5511999990001\n"),
            form("one", {"name": "A"}, b"phone\n+5511999990002\n"),
            422,
        ),
        (
            form("one", {"name": "A"}, b"phone\n+5511999990001\n"),
            form("one", {"name": "B"}, b"phone\n+5511999990001\n"),
            422,
        ),
        ({"json": a_list()}, {"json": a_list(name="Other")}, 422),
        (
            {"content": b"phone\n+5511999990001\n", "headers": {"Content-Type": "text/csv"}, "params": {"name": "A"}},
            {"content": b"phone\n+5511999990001\n", "headers": {"Content-Type": "text/csv"}, "params": {"name": "B"}},
            422,
        ),
        (
            {"content": b"phone\n+5511999990001\n", "headers": {"Content-Type": "text/csv"}, "params": {"name": "A"}},
            form("one", {"name": "A"}, b"phone\n+5511999990001\n"),
            422,
        ),
    ],
    ids=["another boundary", "another file", "another list part", "another JSON", "another query", "another form"],
)
async def test_what_counts_as_the_same_payload(
    globex: httpx.AsyncClient, request: pytest.FixtureRequest, first: Any, second: Any, status: int
) -> None:
    key = {"Idempotency-Key": f"k-{request.node.callspec.id.replace(' ', '-')}"}
    answers = [await globex.post(LISTS, **(one | {"headers": one.get("headers", {}) | key})) for one in (first, second)]
    assert [answer.status_code for answer in answers] == [201, status], answers[1].text
    if status == 422:
        assert problem(answers[1]) == refusal(422, "idempotency.mismatch")
    else:
        assert answers[1].json()["id"] == answers[0].json()["id"]


async def test_a_refused_request_gives_its_key_back(acme: httpx.AsyncClient) -> None:
    refused = await acme.post(LISTS, json=a_list("nowhere-such"), headers=keyed("k-refused"))
    assert problem(refused) == refusal(422, "destination.unknown")
    assert (await acme.post(LISTS, json=a_list("velip"), headers=keyed("k-refused"))).status_code == 201


async def test_a_key_belongs_to_its_tenant_and_to_its_call(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    headers = keyed("k-shared")
    mine = await acme.post(LISTS, json=a_list(), headers=headers)
    theirs = await globex.post(LISTS, json=a_list(name="Theirs"), headers=headers)
    assert (mine.status_code, theirs.status_code) == (201, 201)
    append = await acme.post(mine.headers["location"] + "/contacts", json={"contacts": people(1)}, headers=headers)
    assert problem(append) == refusal(422, "idempotency.mismatch")


@pytest.mark.parametrize("key", ["", '""', "a b", "a" * 256, 'a"b', "é"])
async def test_a_key_that_is_none_is_refused(acme: httpx.AsyncClient, gateway: Gateway, key: str) -> None:
    before = await gateway.rows()
    answer = await acme.post(LISTS, json=a_list(), headers=[("Idempotency-Key", key.encode("latin-1"))])
    assert problem(answer) == refusal(400, "request.invalid")
    assert pointers(answer) == {("Idempotency-Key", "field.invalid")}
    assert await gateway.rows() == before


async def test_an_append_and_an_activation_are_replayed_too(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(acme, "voximplant")
    path = f"{LISTS}/{one['id']}"
    steps = [(f"{path}/contacts", {"contacts": people(1, first=50)}, 201), (f"{path}/activate", None, 200)]
    for place, (step, body, status) in enumerate(steps):
        answers = [await acme.post(step, json=body, headers=keyed(f"k-step-{place}")) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [status, status], answers[0].text
        assert answers[0].content == answers[1].content
        assert answers[1].headers["idempotent-replayed"] == "true"
    assert len(ledger("voximplant").calls) == 3


@pytest.mark.parametrize(("minutes", "status"), [(14, 422), (16, 201)])
async def test_a_key_whose_request_died_before_it_stored_anything_is_free_after_a_while(
    acme: httpx.AsyncClient, gateway: Gateway, minutes: int, status: int
) -> None:
    key = f"k-died-{minutes}"
    died = {"tenant": "acme", "key": key, "digest": "of another payload", "owner": "ex_dead"}
    died["created_at"] = minutes_ago(minutes)
    await gateway.host.database.run(lambda connection: connection.execute(insert(idempotency), died) and None)
    assert (await acme.post(LISTS, json=a_list("velip"), headers=keyed(key))).status_code == status


def minutes_ago(minutes: int) -> str:
    return timestamp(datetime.now(UTC) - timedelta(minutes=minutes))


async def test_an_answer_that_a_crash_has_swallowed_is_made_of_what_came_of_it(
    acme: httpx.AsyncClient, gateway: Gateway
) -> None:
    first = await acme.post(LISTS, json=a_list("velip"), headers=keyed("k-swallowed"))
    lost = update(idempotency).where(idempotency.c.key == "k-swallowed").values(status=None, body=None, headers=None)
    await gateway.host.database.run(lambda connection: connection.execute(lost) and None)
    again = await acme.post(LISTS, json=a_list("velip"), headers=keyed("k-swallowed"))
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
