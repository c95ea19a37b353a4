"""The channel: rate and concurrency, tokens, the credential lock, and the attempt that is written down first."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.breaker import Breaker
from gateway.canonical import Verdict
from gateway.channel import Account, Channel, CredentialLocked, Gate
from gateway.contract import (
    Auth,
    Credential,
    Json,
    Limits,
    NotAuthorised,
    Reply,
    Request,
    Settings,
    Step,
    Token,
    Unclear,
)
from gateway.encoding import Encoded
from gateway.registry import load
from tests.harness import MemoryLocks

LIMITS = Limits(batch_size=10, contacts_per_list=10, requests_per_minute=3, concurrency=2)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_no_sixty_seconds_hold_more_requests_than_the_rate() -> None:
    clock = Clock()
    gate = Gate(LIMITS, clock, clock.sleep)
    starts = []
    for number in range(10):
        async with gate.pass_through():
            starts.append(clock.now)
        clock.now += number % 3
    for start in starts:
        assert sum(start <= other < start + 60 for other in starts) <= 3


async def test_no_more_requests_run_at_once_than_allowed() -> None:
    gate = Gate(replace(LIMITS, requests_per_minute=1_000))
    running, most = 0, 0

    async def one() -> None:
        nonlocal running, most
        async with gate.pass_through():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(one() for _ in range(20)))
    assert most == 2


class Key(Settings):
    key: SecretStr


class Line:
    """A transport whose next answer is written down, and which says what it saw."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.answer: Reply | Exception = Reply(200, b"{}")

    async def send(self, base_url: str, encoded: Encoded, authorisation: Any, timeout: float) -> Reply:
        body = b"".join(encoded.content.chunks()).decode() if encoded.content else ""
        self.log.append(f"sent {encoded.target} {dict(authorisation)} {body}")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Book:
    """A recorder that shares its log with the line, so that the order shows."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def intend(self, step: Step[Any], encoded: Encoded, account: str, limits: Limits) -> int:
        self.log.append(f"intended {step.name} {encoded.digest[:4]}")
        return 1

    async def conclude(self, attempt: int, verdict: Verdict, reply: Reply | None, detail: str) -> None:
        self.log.append(f"concluded {attempt} {verdict}")


def channel(log: list[str], *, locks: bool = False, lives: timedelta | None = None, **changes: Any) -> Channel:
    made: list[str] = []

    def token(key: Key, now: datetime, nonce: str) -> Token:
        made.append(nonce)
        return Token(SecretStr(f"{key.key.get_secret_value()}-{len(made)}"), lives and now + lives)

    adapter = replace(
        next(iter(load(entry_points=False).adapters.values())),
        auth=Auth("Authorization", "Bearer ", token, locks),
        secrets_in_body=("key",),
    )
    account = Account(
        adapter, "https://vendor.example", Key(key=SecretStr("s3cret")), LIMITS, Gate(LIMITS), Breaker("vendor")
    )
    return Channel(account, Line(log), MemoryLocks(), Book(log), **changes)  # type: ignore[arg-type]


def call(body: Any = None) -> Step[Any]:
    request = Request("POST", "/lists", body=body)
    return Step(name="create", request=request, read=lambda reply: reply.status, success=lambda: Reply(200))


async def test_the_intent_is_recorded_before_the_bytes_and_the_verdict_after() -> None:
    log: list[str] = []
    assert await channel(log).send(call(), lambda reply: reply.status) == 200
    assert [line.split()[0] for line in log] == ["intended", "sent", "concluded"]
    assert log[-1] == "concluded 1 accepted"


async def test_an_unclear_end_is_recorded_as_unknown() -> None:
    log: list[str] = []
    line = channel(log)
    line.transport.answer = Unclear("reset")  # type: ignore[attr-defined]
    with pytest.raises(Unclear):
        await line.send(call(), lambda reply: reply.status)
    assert log[-1] == "concluded 1 unknown"


async def test_a_token_is_used_until_shortly_before_it_expires() -> None:
    log: list[str] = []
    now = datetime(2026, 1, 1, tzinfo=UTC)
    line = channel(log, lives=timedelta(hours=1), now=lambda: now)
    for minutes in (0, 30, 59.6):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        await line.send(call(), lambda reply: reply.status)
    sent = [entry.split("Bearer ")[1].split("'")[0] for entry in log if entry.startswith("sent")]
    assert sent == ["s3cret-1", "s3cret-1", "s3cret-2"]


async def test_a_refused_credential_is_locked_and_nothing_more_leaves_until_a_check() -> None:
    log: list[str] = []
    line = channel(log, locks=True)

    def refuse(_: Reply) -> int:
        raise NotAuthorised("unknown token", code="102")

    with pytest.raises(NotAuthorised):
        await line.send(call(), refuse)
    before = len(log)
    with pytest.raises(CredentialLocked, match="unknown token"):
        await line.send(call(), lambda reply: reply.status)
    assert len(log) == before
    assert await replace(line, ignore_lock=True).send(call(), lambda reply: reply.status) == 200


async def test_a_secret_goes_into_a_body_only_where_the_adapter_declares_it() -> None:
    log: list[str] = []
    line = channel(log)
    await line.send(call(Json({"tsid": Credential("key")})), lambda reply: reply.status)
    assert log[1].endswith('{"tsid":"s3cret"}')
    line.account.adapter = replace(line.account.adapter, secrets_in_body=())
    with pytest.raises(ValueError, match="not declared"):
        await line.send(call(Json({"tsid": Credential("key")})), lambda reply: reply.status)


async def test_a_secret_never_goes_into_an_address() -> None:
    log: list[str] = []
    step = replace(call(), request=Request("GET", "/lists", query=(("tsid", Credential("key")),)))
    with pytest.raises(ValueError, match="address"):
        await channel(log).send(step, lambda reply: reply.status)
    assert log == []
