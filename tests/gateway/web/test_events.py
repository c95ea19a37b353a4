"""The events of an operation: at once, at each change, also those of another process, and never longer than needed."""

import asyncio
import itertools
import json
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.web import events_api
from gateway.web.openapi import document
from tests.gateway.conftest import OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.shapes import LISTS, a_list, counts, finished, masked, problem, refusal, until
from tests.gateway.web.test_process import ENDED, served


class Stream:
    """The events of an open stream, in order; each is its fields, `data` decoded. Comments are kept apart."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments: list[str] = []
        self._lines = answer.aiter_lines()

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        event: dict[str, Any] = {}
        async for line in self._lines:
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(value)
            elif line:
                event[name] = json.loads(value) if name == "data" else value
            elif event:
                yield event
                event = {}


@asynccontextmanager
async def opened(client: httpx.AsyncClient, href: str, **headers: str) -> AsyncIterator[Stream]:
    async with client.stream("GET", f"{href}/events", headers={"Accept": "text/event-stream"} | headers) as answer:
        yield Stream(answer)


async def begin(client: httpx.AsyncClient, vendor: str, **fields: Any) -> str:
    """Where the operation of a new list is watched."""
    answer = await client.post(LISTS, json=a_list(vendor, **fields), headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


async def done_operation(client: httpx.AsyncClient) -> str:
    """Where an operation stands that is done."""
    href = await begin(client, "velip")
    await finished(client, href)
    return href


async def test_every_change_is_told_until_the_operation_is_done(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    first, third = (vendors["koreai"].simulation.hold("addContacts", skip) for skip in (0, 1))
    href = await begin(acme, "koreai", number=250)
    await first.arrived.wait()
    async with opened(acme, href) as stream:
        assert stream.answer.status_code == 200
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-store"
        events = []
        async for event in stream:
            events.append(event)
            first.released.set()
            if event["data"]["counts"]["accepted"]:
                third.released.set()
    told = [event["data"] for event in events]
    running = {
        "id": href.removeprefix("/v1/operations/"),
        "kind": "create",
        "state": "running",
        "done": False,
        "stage": "delivering",
        "counts": counts(pending=250),
        "result": told[0]["result"],
        "error": None,
        "created_at": "<time>",
        "updated_at": "<time>",
    }
    assert masked(told[0]) == masked(running)
    assert told[-1] == (await acme.get(href)).json()
    assert (told[-1]["state"], told[-1]["counts"]) == ("succeeded", counts(accepted=250))
    assert [one["done"] for one in told] == [False] * (len(told) - 1) + [True]
    shown = [(one["state"], one["stage"], one["counts"]) for one in told]
    assert all(one != other for one, other in itertools.pairwise(shown))
    accepted = [one["counts"]["accepted"] for one in told]
    assert accepted == sorted(accepted)
    assert 0 < accepted[-2] < 250, "progress in between is told"
    assert {event["event"] for event in events} == {"operation"}
    assert len({event["id"] for event in events}) == len(events)


async def test_what_is_done_is_told_once_and_the_stream_ends(acme: httpx.AsyncClient) -> None:
    href = await done_operation(acme)
    async with opened(acme, href) as stream:
        events = [event async for event in stream]
    assert [event["data"] for event in events] == [(await acme.get(href)).json()]


async def test_a_client_that_comes_back_gets_the_state_at_once_and_a_204_when_it_has_seen_the_last(
    acme: httpx.AsyncClient, vendors: Vendors
) -> None:
    held = vendors["velip"].simulation.hold()
    href = await begin(acme, "velip")
    await held.arrived.wait()
    async with opened(acme, href) as stream:
        first = await anext(aiter(stream))
    async with opened(acme, href, **{"Last-Event-ID": first["id"]}) as stream:
        each = aiter(stream)
        events = [await anext(each)]
        held.released.set()
        events += [event async for event in each]
    assert events[0] == first
    assert (events[-1]["data"]["done"], events[-1]["data"]["counts"]) == (True, counts(accepted=2))
    for last_event, status in ((first["id"], 200), ("nonsense", 200), (events[-1]["id"], 204)):
        async with opened(acme, href, **{"Last-Event-ID": last_event}) as stream:
            again = [event async for event in stream]
            assert (stream.answer.status_code, again) == (status, events[-1:] if status == 200 else [])


async def test_an_operation_of_nobody_has_no_events(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    href = await done_operation(acme)
    details = []
    for client, one in ((globex, href), (acme, "/v1/operations/op_nobody")):
        answer = await client.get(f"{one}/events", headers={"Accept": "text/event-stream"})
        assert problem(answer) == refusal(404, "not_found")
        details.append(answer.json()["detail"])
    assert details == ["there is no such operation"] * 2


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("text/*", 200),
        ("application/json, text/event-stream;q=0.1", 200),
        ("application/json", 406),
        ("text/event-stream;q=0, */*", 406),
        ("text/csv", 406),
    ],
)
async def test_events_are_given_to_those_who_accept_them(acme: httpx.AsyncClient, accept: str, status: int) -> None:
    answer = await acme.get(f"{await done_operation(acme)}/events", headers={"Accept": accept})
    assert answer.status_code == status
    if status == 406:
        assert problem(answer) == refusal(406, "not_acceptable")


async def test_a_query_is_refused_and_head_tells_the_headers_only(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    held = vendors["velip"].simulation.hold()
    href = await begin(acme, "velip")
    assert problem(await acme.get(f"{href}/events?since=1")) == refusal(400, "request.invalid")
    head = await acme.head(f"{href}/events")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
    held.released.set()
    await finished(acme, href)


async def test_a_silent_stream_has_heartbeats(
    acme: httpx.AsyncClient, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_api, "HEARTBEAT", 0.05)
    held = vendors["velip"].simulation.hold()
    href = await begin(acme, "velip")
    await held.arrived.wait()

    async def beats() -> bool:
        return len(stream.comments) > 1

    async def all_of(stream: Stream) -> list[dict[str, Any]]:
        return [event async for event in stream]

    async with opened(acme, href) as stream:
        reading = asyncio.create_task(all_of(stream))
        await until(beats)
        held.released.set()
        events = await reading
    assert [event["data"]["done"] for event in events] == [False, True]
    assert all(comment.startswith("ping") for comment in stream.comments)


def streaming() -> list[asyncio.Task[Any]]:
    """Tasks that feed streams, in this process, which is the gateway's too."""
    return [task for task in asyncio.all_tasks() if "EventSourceResponse" in task.get_name()]


async def test_a_client_that_leaves_leaves_no_task(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    held = vendors["velip"].simulation.hold()
    href = await begin(acme, "velip")
    async with opened(acme, href) as stream:
        await anext(aiter(stream))
        assert streaming()

    async def gone() -> bool:
        return not streaming()

    await until(gone)
    assert not (await acme.get(href)).json()["done"], "the tasks ended with the client, not with the operation"
    held.released.set()
    await finished(acme, href)


async def test_streams_are_counted_like_all_calls(running_vendors: Vendors, open_gateway: OpenGateway) -> None:
    async with open_gateway({"acme": Tenant({"velip": destination(running_vendors["velip"])})}) as gateway:
        client = await gateway.client("acme")
        href = await done_operation(client)
        async with opened(client, href) as stream:
            assert [event["data"]["done"] async for event in stream] == [True]
        metrics = (await client.get("/metrics")).text
    route = 'method="GET",route="/v1/operations/{operation_id}/events"'
    assert f'gateway_http_requests_total{{{route},status="200"}} 1.0' in metrics


async def test_changes_that_another_process_made_are_told(vendors: Vendors, tmp_path: Path) -> None:
    tenants = {"acme": Tenant({"velip": destination(vendors["velip"])})}
    held = vendors["velip"].simulation.hold()
    async with served(tmp_path / "served", tenants) as gateway, gateway.client("acme") as client:
        href = await begin(client, "velip")
        await held.arrived.wait()
        async with opened(client, href) as stream:
            each = aiter(stream)
            assert (await anext(each))["data"]["stage"] == "delivering"
            with sqlite3.connect(gateway.config.parent / "gateway.db", timeout=10) as database:
                operation = href.removeprefix("/v1/operations/")
                database.execute("UPDATE operations SET stage = 'elsewhere' WHERE id = ?", [operation])
            changed = (await anext(each))["data"]
    assert (changed["stage"], changed["done"]) == ("elsewhere", False)


async def test_a_stream_ends_in_order_when_the_server_stops_and_does_not_keep_it(
    vendors: Vendors, tmp_path: Path
) -> None:
    tenants = {"acme": Tenant({"velip": destination(vendors["velip"])})}
    held = vendors["velip"].simulation.hold()
    async with served(tmp_path / "served", tenants) as gateway, gateway.client("acme") as client:
        href = await begin(client, "velip")
        async with opened(client, href) as stream:
            each = aiter(stream)
            assert not (await anext(each))["data"]["done"]
            gateway.process.send_signal(signal.SIGTERM)
            rest = [event["data"]["done"] async for event in each]
        held.released.set()
        assert await gateway.process.wait() in ENDED
        log = gateway.log.read_text(encoding="utf-8")
    assert True not in rest, "the stream ended with the server, not with the operation"
    assert "Traceback" not in log
    assert "timeout graceful shutdown exceeded" not in log
    assert [line["status"] for line in gateway.lines("call") if line["route"].endswith("/events")] == [200]


async def test_after_a_restart_the_stream_goes_on_where_the_operation_stands(vendors: Vendors, tmp_path: Path) -> None:
    tenants = {"acme": Tenant({"velip": destination(vendors["velip"])})}
    async with served(tmp_path / "served", tenants) as gateway, gateway.client("acme") as client:
        href = await done_operation(client)
        async with opened(client, href) as stream:
            (last,) = [event async for event in stream]
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.process.wait()
    async with served(tmp_path / "served", tenants) as gateway, gateway.client("acme") as client:
        async with opened(client, href, **{"Last-Event-ID": "of another state"}) as stream:
            assert [event async for event in stream] == [last]
        async with opened(client, href, **{"Last-Event-ID": last["id"]}) as stream:
            assert stream.answer.status_code == 204


def test_the_stream_is_documented() -> None:
    described = document()["paths"]["/v1/operations/{operation_id}/events"]["get"]
    assert described["responses"]["200"]["content"] == {
        "text/event-stream": {
            "schema": {"type": "string", "description": "events named operation, with data as OperationOut says"}
        }
    }
    assert described["responses"].keys() == {"200", "204", "401", "404", "406", "500", "503"}
    assert [(one["name"], one["in"]) for one in described["parameters"]] == [
        ("operation_id", "path"),
        ("Last-Event-ID", "header"),
    ]
