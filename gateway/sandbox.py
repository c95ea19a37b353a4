"""Simulators on real sockets, each on a port of its own, in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.contract.simulation import Simulation, Simulator, forget, remember


class _CuttableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which lets a simulator cut its connection in the middle."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = transport.get_extra_info("peername")[:2]
        remember(self._peer, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        forget(self._peer)
        super().connection_lost(exc)


@asynccontextmanager
async def serving(
    app: ASGIApp, host: str = "127.0.0.1", port: int = 0, *, lifespan: Literal["on", "off"] = "off"
) -> AsyncIterator[str]:
    """Serve an app on a free port; yields its base URL."""
    # with the protocol named: asyncio switches Nagle's delay off (40 ms an answer) only where it sees TCP
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    config = uvicorn.Config(
        app,
        http=_CuttableProtocol,
        lifespan=lifespan,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
        bound_host, bound_port = listener.getsockname()[:2]
        yield f"http://{bound_host}:{bound_port}"
    finally:
        server.should_exit = True
        server.force_exit = lifespan == "off"  # forced, uvicorn skips the end of the lifespan: nothing would be closed
        await task


@dataclass(frozen=True, slots=True)
class RunningSimulation:
    """A simulator with its address. `destination` is a configuration for it, with plain credentials."""

    name: str
    base_url: str
    simulation: Simulation

    def destination(self) -> dict[str, Any]:
        return {
            "adapter": self.name,
            "base_url": self.base_url,
            "credentials": dict(self.simulation.credentials),
            "options": dict(self.simulation.options),
        }


@asynccontextmanager
async def sandbox(
    simulators: Mapping[str, Simulator], ports: Mapping[str, int] | None = None
) -> AsyncIterator[dict[str, RunningSimulation]]:
    """Run these simulators; yields them by name."""
    async with AsyncExitStack() as stack:
        running = {}
        for name, simulator in simulators.items():
            simulation = simulator.create()
            url = await stack.enter_async_context(serving(simulation.app, port=(ports or {}).get(name, 0)))
            running[name] = RunningSimulation(name, url + simulation.base_path, simulation)
        yield running
