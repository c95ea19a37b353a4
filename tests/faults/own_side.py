"""A gateway in this process with one watched vendor, whose database and disk can be made to fail."""

import asyncio
import errno
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import httpx
import structlog
from sqlalchemy import Connection, select

from gateway import opening, settings
from gateway.host import Host
from gateway.registry import load
from gateway.sandbox import serving
from gateway.store.schema import attempts, deliveries
from gateway.web.app import create_app
from tests.faults.judging import Told, broken_promises, story
from tests.faults.lane import SERVER, pages
from tests.faults.scenarios import Body, file_of, phone
from tests.faults.vendor_side import Vendor, vendor
from tests.gateway.conftest import Tenant, key_of, write_configuration

FAST = {"requests_per_minute": 100_000, "concurrency": 4, "visibility_delay": 0.1, "timeout": 2.0}
PAUSED = "the database does not take this down; trying again"
"""What an operation logs before it waits for the database or the disk."""
BUSY = 200
"""Milliseconds for which a locked database is waited for here; in earnest it is ten seconds."""


@dataclass(slots=True)
class Own:
    """The gateway, its one vendor, and what it logs."""

    host: Host
    client: httpx.AsyncClient
    vendor: Vendor
    path: Path
    logged: Sequence[MutableMapping[str, Any]]

    async def pragma(self, words: str) -> None:
        """Say this to the gateway's own connection."""
        await self.host.database.run(_say, f"PRAGMA {words}")

    async def fill_disk(self) -> None:
        """From now on the database may not grow."""
        await self.pragma("max_page_count = 1")

    async def free_disk(self) -> None:
        await self.pragma("max_page_count = 1000000")

    def pauses(self) -> int:
        return sum(one["event"] == PAUSED for one in self.logged)

    async def has_paused(self, times: int) -> None:
        """Wait until the operation has found so often that it cannot go on."""
        async with asyncio.timeout(30):
            while self.pauses() < times:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def send(self, body: Body, path: str = "/v1/contact-lists", **headers: str) -> httpx.Response:
        kind = {"Content-Type": body.media_type, "Prefer": "respond-async"}
        return await self.client.post(path, content=body.content, params=dict(body.query), headers=kind | headers)

    async def told(self, list_id: str, *bodies: Body) -> Told:
        """The list at rest."""
        path = f"/v1/contact-lists/{list_id}"
        shown = (await self.client.get(path)).json()
        good, rows = [number for body in bodies for number in body.good], sum(body.rows for body in bodies)
        mine = await self.host.database.run(_attempts_of, list_id)
        return Told(shown, await pages(self.client, f"{path}/contacts"), good, rows, mine)

    def broken(self, told: Told) -> list[str]:
        """The promises that were broken, with the story of it."""
        running = self.vendor.running
        found = broken_promises(told, running.simulation.ledger, self.host.registry.adapters[running.name])
        return [*found, story(told.attempts)] if found else []


def _say(connection: Connection, words: str) -> None:
    connection.exec_driver_sql(words)


def _attempts_of(connection: Connection, list_id: str) -> list[dict[str, Any]]:
    query = select(attempts).join(deliveries, deliveries.c.id == attempts.c.delivery_id)
    rows = connection.execute(query.where(deliveries.c.list_id == list_id).order_by(attempts.c.id)).mappings()
    return [dict(row) for row in rows]


@asynccontextmanager
async def own(folder: Path, name: str, delay: float = 0.0, **limits: Any) -> AsyncIterator[Own]:
    """A gateway with its SQLite database in the folder, before the vendor of this name."""
    registry, known = load(entry_points=False), []
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(vendor(name, delay))
        table = {**there.running.destination(), "limits": {**FAST, **limits}}
        config = settings.load(
            write_configuration(folder, {"acme": Tenant({name: table})}, **SERVER), registry.adapters
        )

        @asynccontextmanager
        async def open_host() -> AsyncIterator[Host]:
            async with opening.running(registry, config) as running:
                known.append(running)
                yield running

        logged = stack.enter_context(structlog.testing.capture_logs())
        url = await stack.enter_async_context(serving(create_app(open_host), lifespan="on"))
        headers = {"Authorization": f"Bearer {key_of('acme')}"}
        client = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)
        await stack.enter_async_context(client)
        one = Own(known[0], client, there, folder / "gateway.db", logged)
        await one.pragma(f"busy_timeout = {BUSY}")
        yield one


def a_file(name: str, number: int, first: int = 0, padding: int = 0, **query: str) -> Body:
    """A CSV file of so many good contacts for the destination, to be started at once."""
    good = [phone(place) for place in range(first, first + number)]
    head = {"name": "Spring renewals", "destination": name, "activation": "start"}
    return file_of(good, {**head, **query}, good, padding)


HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
for turn in range(int(sys.argv[2])):
    connection.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    if sys.argv[3] == "0":
        sys.stdin.read()
    time.sleep(float(sys.argv[3]))
    connection.execute("ROLLBACK")
    time.sleep(float(sys.argv[4]))
"""


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Another process holds the database's write lock."""
    async with _holder(path, 1, 0, 0) as process:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"held\n"
        yield


@asynccontextmanager
async def locked_now_and_then(path: Path, times: int, held: float, free: float) -> AsyncIterator[None]:
    """Another process takes the write lock so often, each time for some seconds, with others between."""
    async with _holder(path, times, held, free) as process:
        yield
        assert await process.wait() == 0


@asynccontextmanager
async def _holder(path: Path, *arguments: float) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLD, str(path), *map(str, arguments)), stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@dataclass(slots=True)
class Disk:
    """The disk of temporary files. `full` from a write on, as long as it is set."""

    full: bool = False

    def files(self, make: Callable[..., Any]) -> SimpleNamespace:
        """What a module is to have in the place of `tempfile`."""

        def made(*arguments: Any, **named: Any) -> Any:
            file = make(*arguments, **named)
            return _File(file, self)

        return SimpleNamespace(TemporaryFile=made, SpooledTemporaryFile=made)


class _File:
    """A temporary file that cannot be written while the disk is full."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self._file, self._disk = file, disk

    def write(self, data: bytes) -> int:
        if self._disk.full:
            _no_space()
        written: int = self._file.write(data)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _no_space() -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")
