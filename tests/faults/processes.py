"""Two processes of `gateway serve` on one database, restarted when a test has killed one."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.faults.lane import SERVER
from tests.faults.vendor_side import Vendor
from tests.gateway.conftest import Tenant, key_of, write_configuration
from tests.launcher import Launched, launch

START = 60.0
"""Seconds that a process may take until it answers."""


@dataclass(slots=True)
class Served:
    """One process."""

    process: Launched
    url: str
    log: Path
    client: httpx.AsyncClient

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    async def kill(self) -> None:
        if self.is_alive:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        await self.process.wait()
        await self.client.aclose()

    async def get(self, path: str) -> Any:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def events(self) -> list[str]:
        """What it has logged, by name."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["event"] for line in lines if line.startswith("{")]

    async def answers(self) -> None:
        async with asyncio.timeout(START):
            while True:
                assert self.is_alive, self.log.read_text(encoding="utf-8")[-3000:]
                try:
                    if (await self.client.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)


@dataclass(slots=True)
class Pair:
    """The processes of one database and one configuration."""

    folder: Path
    database: str
    vendors: Mapping[str, Vendor]
    limits: Mapping[str, Mapping[str, Any]]
    arguments: tuple[str, ...] = ()
    lives: list[Served] = field(default_factory=list)

    async def start(self, *arguments: str) -> Served:
        """One process more, with these arguments of the launcher; not waited for."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        folder = self.folder / f"{port}"
        tables = {
            name: {**one.running.destination(), "limits": dict(self.limits[name])} for name, one in self.vendors.items()
        }
        config = write_configuration(folder, {"acme": Tenant(tables)}, port=port, database=self.database, **SERVER)
        log = folder / "log"
        with log.open("wb") as stderr:
            words = (config, *self.arguments, *arguments)
            process = launch("tests.faults.served", *words, stdout=stderr, stderr=stderr)
        url = f"http://127.0.0.1:{port}"
        headers = {"Authorization": f"Bearer {key_of('acme')}"}
        client = httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False)
        self.lives.append(one := Served(process, url, log, client))
        return one

    async def ready(self) -> tuple[Served, Served]:
        """Two that live and answer."""
        self.lives = [one for one in self.lives if one.is_alive]
        while len(self.lives) < 2:
            await self.start()
        for one in self.lives:
            await one.answers()
        return self.lives[0], self.lives[1]

    def pids(self) -> list[int]:
        return [one.pid for one in self.lives if one.is_alive]

    def by_pid(self, pid: int | None) -> tuple[Served, Served]:
        """The process of this id, and the other one."""
        (mine,) = [one for one in self.lives if one.pid == pid]
        (other,) = [one for one in self.lives if one.pid != pid]
        return mine, other


@asynccontextmanager
async def pair(
    folder: Path,
    database: str,
    vendors: Mapping[str, Vendor],
    limits: Mapping[str, Mapping[str, Any]],
    *arguments: str,
) -> AsyncIterator[Pair]:
    """`vendors` by destination, each with its limits; nothing is started yet."""
    one = Pair(folder, database, vendors, limits, arguments)
    for each in vendors.values():
        each.watched.pids = one.pids
    try:
        yield one
    finally:
        for life in one.lives:
            await life.kill()
