"""The database: SQLite in one thread, PostgreSQL in a few. Work is a function of a connection, in a transaction."""

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, create_engine, event

T = TypeVar("T")
_latest = 0
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """A new identifier such as `cl_...`: 26 characters after the prefix, sorted by the time of making."""
    global _latest
    number = _latest = max((time.time_ns() // 1_000_000 << 80) | secrets.randbits(80), _latest + 1)
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def timestamp(moment: datetime | None = None) -> str:
    """ISO 8601 in UTC with microseconds: texts sort as times do."""
    return (moment or datetime.now(UTC)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def from_json(text: str) -> Any:
    return msgspec.json.decode(text)


class Database:
    """Runs work on the database without holding up the event loop."""

    def __init__(self, url: str) -> None:
        sqlite = url.startswith("sqlite")
        self._threads = ThreadPoolExecutor(1 if sqlite else 4, thread_name_prefix="database")
        self.engine = _sqlite(url) if sqlite else _postgresql(url)

    async def run(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """`work(connection, ...)` in one transaction, in the database's thread. Durable when this returns."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._transact, work, arguments, named)

    def _transact(self, work: Callable[..., T], arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
        with self.engine.begin() as connection:
            return work(connection, *arguments, **named)

    def call(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """As `run`, for work in other threads: blocks until it is done. Never from within other work."""
        return self._threads.submit(self._transact, work, arguments, named).result()

    async def prepare(self) -> None:
        """Make the tables, or bring older ones up to date. Raises `DatabaseTooNew`."""
        from gateway.store import upgrading  # which needs this module

        await asyncio.get_running_loop().run_in_executor(self._threads, upgrading.prepare, self.engine)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        self.engine.dispose()


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # the driver's own idea of a transaction ends at a savepoint
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut, so an intent does
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 10000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # or two processes that read before they write would deadlock

    return engine


def _postgresql(url: str) -> Engine:
    return create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1), hide_parameters=True, pool_pre_ping=True
    )
