"""What runs in the process of a life: `gateway serve` on a free port, with its trap set."""

import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from gateway import logs, opening, registry, settings
from gateway.host import Host
from gateway.web.app import create_app
from tests.crash.points import Kind, Point
from tests.crash.traps import SABOTAGE, Traps, hurry

KNOWN = registry.load(entry_points=False)
TRUSTED = httpx.create_ssl_context(trust_env=False)
"""Reading certificates takes 40 ms, and no life meets any."""


class _Told(uvicorn.Server):
    """A server that says on standard output where it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            os.write(1, json.dumps({"port": sockets[0].getsockname()[1]}).encode() + b"\n")


def live(order: dict[str, Any]) -> None:
    """`order`: the configuration, the file of its trace, the kind and number of its trap, what is taken out."""
    trace = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    point = Point(Kind(order["kind"]), order["number"]) if order["kind"] else None
    for name in order["sabotage"]:
        SABOTAGE[name]()
    httpx.create_ssl_context = lambda **_: TRUSTED
    config = settings.load(Path(order["config"]), KNOWN.adapters)
    logs.configure("error")
    hurry()
    Traps(trace, point).set()

    @asynccontextmanager
    async def open_host() -> AsyncIterator[Host]:
        async with opening.running(KNOWN, config, engine=True) as running:
            yield running

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    options = uvicorn.Config(create_app(open_host), log_config=None, access_log=False, lifespan="on")
    _Told(options).run(sockets=[listener])
