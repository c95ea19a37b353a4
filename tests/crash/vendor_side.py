"""The vendor of a history: a simulator on a real socket that can let its caller be killed around its own act."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.contract.simulation import Ledger, Simulation, Simulator
from gateway.sandbox import RunningSimulation, serving
from tests.crash.points import Kind, Point

Kill = Callable[[int], Awaitable[None]]
"""Kills the gateway that has this local port."""


@dataclass(slots=True)
class Vendor:
    """One vendor for one history."""

    running: RunningSimulation
    switch: "KillSwitch"

    @property
    def ledger(self) -> Ledger:
        return self.running.simulation.ledger

    def arm(self, point: Point, kill: Kill) -> None:
        """Set a trap for the n-th request from now on."""
        self.switch.point, self.switch.kill, self.switch.seen = point, kill, 0

    async def quiet(self) -> None:
        """Wait until every request that arrived is dealt with."""
        await self.switch.idle.wait()
        await self.running.simulation.quiet()


@dataclass(slots=True)
class KillSwitch:
    """ASGI middleware: at the armed request the caller is killed before the vendor acts (LEFT) or after (ACTED)."""

    app: ASGIApp
    point: Point | None = None
    kill: Kill | None = None
    seen: int = 0
    under_way: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self.under_way += 1
        self.idle.clear()
        try:
            await self._handle(scope, receive, send)
        finally:
            self.under_way -= 1
            if not self.under_way:
                self.idle.set()

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen += 1
        if self.point is None or self.point.number != self.seen or self.kill is None:
            await self.app(scope, receive, send)
            return
        point, self.point = self.point, None
        messages = await _whole(receive)

        async def replay() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        if point.kind is Kind.LEFT:
            await self._strike(scope)
        await self.app(scope, replay, _unheard)
        if point.kind is Kind.ACTED:
            await self._strike(scope)

    async def _strike(self, scope: Scope) -> None:
        assert self.kill is not None
        await self.kill(scope["client"][1])


async def _whole(receive: Receive) -> list[Message]:
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


async def _unheard(_: Message) -> None:
    """The reply goes to nobody."""


@asynccontextmanager
async def vendor(simulator: Simulator, prepare: Callable[[Simulation], None]) -> AsyncIterator[Vendor]:
    """A fresh simulator on a free port."""
    simulation = simulator.create()
    prepare(simulation)
    switch = KillSwitch(simulation.app)
    async with serving(switch) as url:
        yield Vendor(RunningSimulation(simulator.name, url + simulation.base_path, simulation), switch)
