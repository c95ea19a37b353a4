"""An adapter beside its simulator on a real socket, driven verb by verb. What adapters' own tests use as well."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from gateway.breaker import Breaker
from gateway.canonical import Contact, Verdict
from gateway.certification import samples
from gateway.channel import Account, Channel, Gate
from gateway.contract import AnyAdapter, Batch, Exchange, Job, Limits, Opened, Receipt, RemoteList, Reply, Step, Style
from gateway.contract.simulation import Ledger, Simulation, Simulator
from gateway.driver import Patience, run
from gateway.encoding import Encoded, encode
from gateway.registry import load
from gateway.sandbox import sandbox
from gateway.transport import Transport


class MemoryLocks:
    """Credential locks for one test."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    async def reason(self, owner: str) -> str | None:
        return self.reasons.get(owner)

    async def lock(self, owner: str, reason: str) -> None:
        self.reasons.setdefault(owner, reason)

    async def unlock(self, owner: str) -> None:
        self.reasons.pop(owner, None)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request that left and the reply that came, None when none did."""

    step: str
    request: bytes
    reply: Reply | None


@dataclass(slots=True)
class Tape:
    """A recorder that keeps every turn of a talk; requests without secrets."""

    turns: list[Turn] = field(default_factory=list)
    steps: list[Step[Any]] = field(default_factory=list)

    async def intend(self, step: Step[Any], encoded: Encoded, account: str, limits: Limits) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    async def conclude(self, attempt: int, verdict: Verdict, reply: Reply | None, detail: str) -> None:
        step = self.steps[attempt]
        self.turns.append(Turn(step.name, written(step), reply))


def written(step: Step[Any]) -> bytes:
    """A step's request in bytes, `***` where a credential belongs."""
    encoded = encode(step.request)
    try:
        body = b"".join(encoded.content.chunks()) if encoded.content else b""
    finally:
        encoded.close()
    headers = "".join(f"{name}: {value}\n" for name, value in encoded.headers)
    return f"{encoded.method} {encoded.target}\n{headers}\n".encode() + body


@dataclass(slots=True)
class Bench:
    """An adapter and its simulator on a real socket."""

    adapter: AnyAdapter
    simulation: Simulation
    channel: Channel

    @property
    def ledger(self) -> Ledger:
        return self.simulation.ledger

    @property
    def options(self) -> Any:
        return self.adapter.options.model_validate(dict(self.simulation.options))

    def job(self, people: Sequence[Contact], options: dict[str, Any] | None = None, **details: Any) -> Job[Any]:
        """A job with the simulator's own options, changed by `options`."""
        return samples.job(self.adapter, people, {**self.simulation.options, **(options or {})}, **details)

    def people(self, scenario: samples.Scenario) -> list[Contact]:
        return scenario.people(samples.country_of(self.adapter, self.options))

    async def talk(self, exchange: Exchange[Any], seconds: float = 10.0, attempts: int = 3, **changes: Any) -> Any:
        """Drive an exchange over the socket, with real waits. `changes` replace fields of the channel."""
        patience = Patience.of(seconds, attempts=attempts, first_wait=0.01, longest_wait=0.05)
        return await run(exchange, replace(self.channel, **changes), patience)

    async def deliver(self, job: Job[Any], batch: Batch, **changes: Any) -> tuple[RemoteList, Receipt]:
        """One remote list with one batch in it, the way that the adapter's plan takes."""
        remote, receipt = await self.talk(opening(self.adapter, job, batch), **changes)
        return remote, receipt


def opening(adapter: AnyAdapter, job: Job[Any], batch: Batch) -> Exchange[tuple[RemoteList, Receipt]]:
    """Make a remote list with its first batch: `deliver`, or `create` and `append`, as the plan says."""
    if adapter.how(job.head, job.profile, job.options, adapter.limits).style is Style.DELIVER:
        assert adapter.deliver is not None, "the plan says deliver"
        opened: Opened = yield from adapter.deliver(job, batch)
        return opened.remote, opened.receipt
    assert adapter.create is not None, "the plan says create and append"
    assert adapter.append is not None, "the plan says create and append"
    remotes: tuple[RemoteList, ...] = yield from adapter.create((job,))
    receipt: Receipt = yield from adapter.append(job, remotes[0], batch)
    return remotes[0], receipt


def now() -> datetime:
    """The time, in whole seconds: simulators compare schedules with their own clock."""
    return datetime.now(UTC).replace(microsecond=0)


@asynccontextmanager
async def bench(name: str, credentials: dict[str, Any] | None = None, **limits: Any) -> AsyncIterator[Bench]:
    """This repository's adapter `name` beside its simulator; see `beside`."""
    registry = load([f"adapters.{name}"], entry_points=False)
    async with beside(registry.adapters[name], registry.simulators[name], credentials, **limits) as running:
        yield running


@asynccontextmanager
async def beside(
    adapter: AnyAdapter, simulator: Simulator, credentials: dict[str, Any] | None = None, **limits: Any
) -> AsyncIterator[Bench]:
    """An adapter and its simulator; `limits` override the adapter's (the rate is unlimited by default)."""
    own = replace(adapter.limits, **{"requests_per_minute": 100_000, "timeout": 5.0, **limits})
    transport = Transport()
    try:
        async with sandbox({adapter.name: simulator}) as running:
            there = running[adapter.name]
            secrets = adapter.credentials.model_validate({**there.simulation.credentials, **(credentials or {})})
            account = Account(adapter, there.base_url, secrets, own, Gate(own), Breaker(adapter.name))
            yield Bench(adapter, there.simulation, Channel(account, transport, MemoryLocks()))
    finally:
        await transport.close()


def digits(numbers: Iterable[str]) -> list[str]:
    """Numbers without their plus sign, sorted: what the ledgers of different vendors have in common."""
    return sorted(number.lstrip("+") for number in numbers)
