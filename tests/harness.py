"""What the tests of adapters share: made-up contacts and jobs, and a talk with a simulator over a real socket."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.canonical import Contact, ListHead, Profile
from gateway.channel import Account, Channel, Gate
from gateway.contract import AnyAdapter, Batch, Exchange, Job
from gateway.contract.simulation import Ledger, Simulation
from gateway.driver import Patience, run
from gateway.registry import load
from gateway.sandbox import sandbox
from gateway.transport import Transport

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def contact(row: int = 1, **fields: Any) -> Contact:
    """A contact with a valid number of its own, and what else the test gives it."""
    phone = fields.pop("phone", f"+55119{row:08d}")
    key = fields.pop("key", fields.get("id") or f"k{row}")
    return Contact(row=row, key=key, phone=phone, phone_text=fields.pop("phone_text", phone), **fields)


def contacts(number: int, **fields: Any) -> list[Contact]:
    return [contact(row, **fields) for row in range(1, number + 1)]


def profile_of(people: Sequence[Contact]) -> Profile:
    fields = {name for one in people for name in one.__struct_fields__ if getattr(one, name) not in (None, {}, "")}
    names = dict.fromkeys(name for one in people for name in one.attributes)
    return Profile(len(people), frozenset(fields - {"row", "key", "region", "phone_text"}), tuple(names))


def head(**fields: Any) -> ListHead:
    return ListHead.model_validate({"name": "Spring renewals", **fields})


def job(adapter: AnyAdapter, people: Sequence[Contact], options: Any = None, **details: Any) -> Job[Any]:
    """A job for these people. `options` is a dict for the adapter's options model; `head` a ListHead or dict."""
    given = details.pop("head", {})
    values: dict[str, Any] = {
        "head": given if isinstance(given, ListHead) else head(**given),
        "profile": profile_of(people),
        "options": adapter.options.model_validate(options or {}),
        "key": "k7f3a9c2e5b1d4x",
        "now": NOW,
    }
    return Job(**(values | details))


def batch(people: Sequence[Contact], number: int = 1) -> Batch:
    return Batch(number, f"k7f3a9c2e5b1d4x-{number}", list(people))


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
        return job(self.adapter, people, {**self.simulation.options, **(options or {})}, **details)

    async def talk(self, exchange: Exchange[Any], seconds: float = 10.0, attempts: int = 3, **changes: Any) -> Any:
        """Drive an exchange over the socket, with real waits. `changes` replace fields of the channel."""
        patience = Patience.of(seconds, attempts=attempts, first_wait=0.01, longest_wait=0.05)
        return await run(exchange, replace(self.channel, **changes), patience)


@asynccontextmanager
async def bench(name: str, credentials: dict[str, Any] | None = None, **limits: Any) -> AsyncIterator[Bench]:
    """The adapter `name` beside its simulator; `limits` override the adapter's (the rate is unlimited by default)."""
    registry = load([f"adapters.{name}"], entry_points=False)
    adapter = registry.adapters[name]
    own = replace(adapter.limits, **{"requests_per_minute": 100_000, "timeout": 5.0, **limits})
    transport = Transport()
    try:
        async with sandbox(registry.simulators) as running:
            there = running[name]
            secrets = adapter.credentials.model_validate({**there.simulation.credentials, **(credentials or {})})
            account = Account(adapter, there.base_url, secrets, own, Gate(own))
            yield Bench(adapter, there.simulation, Channel(account, transport, MemoryLocks()))
    finally:
        await transport.close()


def digits(numbers: Iterable[str]) -> list[str]:
    """Numbers without their plus sign, sorted: what the ledgers of different vendors have in common."""
    return sorted(number.lstrip("+") for number in numbers)
