"""Databases of one's own on both servers, engines in this process, and processes that can be killed."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psycopg
import pytest

from gateway.engine.dbos_engine import DbosEngine
from gateway.engine.liveness import Liveness, open_liveness
from tests.gateway.engine.rows import Rows
from tests.launcher import Launched, launch

PATIENCE = 20  # seconds: longer than anything here takes


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(PATIENCE):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@dataclass
class Peer:
    """A process of tests.gateway.engine.peer."""

    process: Launched
    told: asyncio.StreamReader
    ear: IO[bytes]
    """What it hears; it ends when this is closed."""
    executor: str = ""
    said: list[list[str]] = field(default_factory=list)

    async def says(self, *words: str) -> str:
        """The last word of the next line that begins with these; other lines wait to be asked for."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for line in self.said:
                    if line[: len(words)] == list(words):
                        self.said.remove(line)
                        return line[-1]
                if not (line := (await self.told.readline()).decode().split()):
                    break
                self.said.append(line)
        raise AssertionError(f"the process ended without saying {' '.join(words)}")

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def end(self) -> int:
        """Close its standard input, as a supervisor asks it to end."""
        self.ear.close()
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@dataclass
class Running:
    """An engine in this process, and what it did."""

    engine: DbosEngine
    liveness: Liveness
    rows: Rows
    url: str

    async def add(self, operation: str, lane: str = "lane") -> None:
        self.rows.add(operation, lane, self.engine.executor)
        await self.engine.submit(operation, lane)


Works = Callable[[str], Awaitable[None]]
OpenEngine = Callable[..., AbstractAsyncContextManager[Running]]
StartPeer = Callable[..., Awaitable[Peer]]


@pytest.fixture(scope="session")
def prepared_postgresql(postgresql: str) -> str:
    """The name of a database that an engine has used before, to be copied: making its tables takes half a second."""
    asyncio.run(prepare(create_database(postgresql, "prepared")))
    return "prepared"


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine's file of such a database."""
    path = tmp_path_factory.mktemp("prepared") / "gateway.db"
    asyncio.run(prepare(f"sqlite:///{path}"))
    return path.with_name("gateway.db.engine")


async def prepare(url: str) -> None:
    rows, liveness = Rows(url), open_liveness(url, lambda: None)
    await liveness.start()
    engine = DbosEngine(url, liveness, rows, lambda _: asyncio.sleep(0))
    try:
        await engine.start()
    finally:
        await engine.close(0)
        await liveness.close()
        rows.close()


def create_database(server: str, name: str, template: str = "template1") -> str:
    """The URL of a new database on the server."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("prepared_sqlite"), tmp_path / "gateway.db.engine")
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    server, prepared = request.getfixturevalue("postgresql"), request.getfixturevalue("prepared_postgresql")
    return create_database(server, f"own_{secrets.token_hex(6)}", prepared)


@pytest.fixture
def rows(url: str) -> Iterator[Rows]:
    opened = Rows(url)
    yield opened
    opened.close()


@pytest.fixture
def open_engine(url: str, rows: Rows) -> OpenEngine:
    """`async with open_engine(work)`: an engine on the test's database. Without `work` it ends everything at once."""

    @asynccontextmanager
    async def opened(work: Works | None = None, grace: float = 5.0, **details: Any) -> AsyncIterator[Running]:
        liveness = open_liveness(url, lambda: None)

        async def end_at_once(operation: str) -> None:
            rows.write(operation, liveness.executor, "began")
            rows.write(operation, liveness.executor, "ended")

        await liveness.start()
        engine = DbosEngine(url, liveness, rows, work or end_at_once, **({"poll": 0.05, "look": 0.1} | details))
        try:
            await engine.start()
            yield Running(engine, liveness, rows, url)
        finally:
            await engine.close(grace)
            await liveness.close()

    return opened


def _pipe(stack: AsyncExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe()
    return stack.enter_context(os.fdopen(reading, "rb")), stack.enter_context(os.fdopen(writing, "wb"))


@pytest.fixture
async def start_peer(url: str, rows: Rows) -> AsyncIterator[StartPeer]:
    """`await start_peer("hold", "op_1")`: a process that has said that it is ready."""
    async with AsyncExitStack() as stack:

        async def start(kind: str, *operations: str) -> Peer:
            heard, ear = _pipe(stack)
            told, mouth = _pipe(stack)
            process = launch("tests.gateway.engine.peer", url, kind, *operations, stdin=heard, stdout=mouth)
            heard.close()
            mouth.close()
            words = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(words)
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, told)
            stack.callback(transport.close)
            peer = Peer(process, words, ear)
            stack.push_async_callback(peer.kill)
            peer.executor = await peer.says("ready")
            return peer

        yield start
