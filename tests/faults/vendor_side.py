"""A vendor that is watched: when each request came, from which process, how many at once. It can be slow, or hold."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.contract.simulation import Ledger, Simulation
from gateway.registry import load
from gateway.sandbox import RunningSimulation, serving
from tests.connections import owner_of
from tests.faults.scenarios import PROFILES, VENDORS

Act = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Watched:
    """ASGI middleware. `starts` are monotonic seconds; `senders` process ids, where `pids` may have sent.

    `before` and `after` are called once, at the request of that number (from 1), before and after the vendor acts.
    """

    app: ASGIApp
    delay: float = 0.0
    pids: Callable[[], list[int]] = list
    starts: list[float] = field(default_factory=list)
    senders: list[int | None] = field(default_factory=list)
    before: dict[int, Act] = field(default_factory=dict)
    after: dict[int, Act] = field(default_factory=dict)
    under_way: int = 0
    most: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.starts.append(time.monotonic())
        self.senders.append(owner_of(scope["client"][1], pids) if (pids := self.pids()) else None)
        number = len(self.starts)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self._act(number, scope, receive, send)
        finally:
            self.under_way -= 1

    async def _act(self, number: int, scope: Scope, receive: Receive, send: Send) -> None:
        messages = []

        async def keep(message: object) -> None:
            messages.append(message)

        if number in self.before:
            await self.before.pop(number)()
        await self.app(scope, receive, keep)
        await asyncio.sleep(self.delay)
        if number in self.after:
            await self.after.pop(number)()
        for message in messages:
            await send(message)  # type: ignore[arg-type]


@dataclass(slots=True)
class Vendor:
    """A watched vendor with its address."""

    running: RunningSimulation
    watched: Watched

    @property
    def simulation(self) -> Simulation:
        return self.running.simulation

    @property
    def ledger(self) -> Ledger:
        return self.simulation.ledger

    def most_within(self, seconds: float) -> int:
        """How many requests at most came in any so many seconds."""
        starts = self.watched.starts
        return max((sum(start <= one < start + seconds for one in starts) for start in starts), default=0)

    async def has_seen(self, number: int, patience: float = 30.0) -> None:
        """Wait for so many requests in all."""
        async with asyncio.timeout(patience):
            while len(self.watched.starts) < number:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@asynccontextmanager
async def vendor(name: str, delay: float = 0.0) -> AsyncIterator[Vendor]:
    """A fresh simulator on a free port."""
    simulation = load(entry_points=False).simulators[name].create()
    PROFILES[VENDORS.index(name)].prepare(simulation)
    watched = Watched(simulation.app, delay)
    async with serving(watched) as url:
        yield Vendor(RunningSimulation(name, url + simulation.base_path, simulation), watched)
