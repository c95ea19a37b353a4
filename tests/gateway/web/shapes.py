"""What tests of the API share: lists to send, answers with their ids and times masked, and how to wait for work."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import httpx
import pytest

from gateway.web.call import Answer, Call

LISTS = "/v1/contact-lists"
_MASKS = (
    (re.compile(r"\b(cl|dl|op|at)_[0-9a-z]{26}\b"), r"<\1>"),
    (re.compile(r"\bct_[0-9a-z]{26}_(\d+)\b"), r"<ct \1>"),
    (re.compile(r"\bg[0-9a-z]{14}\b"), "<key>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"), "<time>"),
)
NOTHING = {"received": 0, "accepted": 0, "rejected": 0, "suppressed": 0, "duplicate": 0, "pending": 0, "unknown": 0}


def masked(value: Any) -> Any:
    """The answer with what differs from run to run replaced by its kind: `<cl>`, `<ct 2>`, `<time>`, `<key>`."""
    if isinstance(value, str):
        for pattern, mask in _MASKS:
            value = pattern.sub(mask, value)
        return value
    if isinstance(value, dict):
        return {name: masked(member) for name, member in value.items()}
    if isinstance(value, list):
        return [masked(member) for member in value]
    return value


def counts(**outcomes: int) -> dict[str, int]:
    return NOTHING | outcomes | {"received": sum(outcomes.values())}


def people(number: int, first: int = 1, **fields: Any) -> list[dict[str, Any]]:
    """Contacts with Brazilian numbers of their own."""
    return [{"phone": f"+55119{row:08d}", **fields} for row in range(90_000_000 + first, 90_000_000 + first + number)]


def a_list(destination: str | None = "exotel", number: int = 2, **fields: Any) -> dict[str, Any]:
    """A list as JSON."""
    given = {"name": "Spring renewals", "contacts": people(number)} | fields
    return given | ({"destination": destination} if destination else {})


async def create(client: httpx.AsyncClient, destination: str | None = "exotel", **fields: Any) -> dict[str, Any]:
    """A list that was created and delivered while we waited."""
    answer = await client.post(LISTS, json=a_list(destination, **fields))
    assert answer.status_code == 201, answer.text
    return answer.json()


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The members of a problem that programs act on; that it is one is asserted."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body.keys() == {"type", "title", "status", "detail", "code", "outcome", "retryable", "errors", "operation"}
    assert body["status"] == answer.status_code
    return {name: body[name] for name in ("status", "code", "outcome", "retryable")}


def refusal(status: int, code: str, outcome: str = "rejected", retryable: bool = False) -> dict[str, Any]:
    return {"status": status, "code": code, "outcome": outcome, "retryable": retryable}


def pointers(answer: httpx.Response) -> set[tuple[str, str]]:
    return {(one["pointer"], one["code"]) for one in answer.json()["errors"]}


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 20.0) -> Any:
    """The first truthy answer; fails when there is none in time."""
    end = time.monotonic() + seconds
    while not (found := await condition()):
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.01)
    return found


async def finished(client: httpx.AsyncClient, operation: str) -> dict[str, Any]:
    """The operation at this address once it is done."""

    async def done() -> dict[str, Any] | None:
        found = (await client.get(operation)).json()
        return found if found["done"] else None

    return await until(done)


def answer_late(monkeypatch: pytest.MonkeyPatch, api: ModuleType) -> None:
    """From now on these calls are answered when the work they began has ended, whoever waits for it."""
    answer = api._when_done

    async def late(call: Call, begun: Any, *arguments: Any) -> Answer:
        assert await call.host.operations.wait(begun.operation_id, 60)
        return await answer(call, begun, *arguments)

    monkeypatch.setattr(api, "_when_done", late)
