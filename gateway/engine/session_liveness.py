"""Liveness on several machines: a session of PostgreSQL for each executor, with an advisory lock for life."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

from gateway.engine.addresses import libpq_url
from gateway.engine.descriptors import forget, keep_from_children

_CONNECT = 10  # seconds

# Seconds and counts by which either side finds out that the other machine is gone: within 5 + 3 * 2.
_CLIENT: dict[str, Any] = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
_SERVER = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3"}

_log = structlog.get_logger(__name__)


class SessionLiveness:
    """Holds `pg_advisory_lock` of the executor's name on a connection of its own.

    The connection must reach the server directly or through a session pooler: a transaction pooler gives the session,
    and the lock with it, to others.
    """

    def __init__(self, url: str, executor: str, on_lost: Callable[[], None]) -> None:
        self._url, self._executor, self._on_lost = libpq_url(url), executor, on_lost
        self._connection: AsyncConnection | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._asking = asyncio.Lock()
        self._lost = False

    @property
    def executor(self) -> str:
        return self._executor

    @property
    def lost(self) -> bool:
        return self._lost

    async def start(self) -> None:
        connection = await AsyncConnection.connect(
            self._url,
            autocommit=True,
            application_name=f"gateway executor {self._executor}",
            connect_timeout=_CONNECT,
            **_CLIENT,
        )
        try:
            await _stay(connection)
            if not await _ask(connection, "SELECT pg_try_advisory_lock(%s)", _key(self._executor)):
                raise RuntimeError(f"Executor {self._executor} lives already: its lock is held by another session.")
        except BaseException:
            await connection.close()
            raise
        self._descriptor = connection.fileno()
        keep_from_children(self._descriptor)
        self._connection = connection
        self._resume(connection)

    @asynccontextmanager
    async def seize(self, executor: str) -> AsyncIterator[bool]:
        key = _key(executor)
        # A session may take its own lock again, so this one must not ask for it.
        if executor == self._executor or self._lost or not await self._query("SELECT pg_try_advisory_lock(%s)", key):
            yield False
            return
        try:
            yield True
        finally:
            if not self._lost:
                await self._query("SELECT pg_advisory_unlock(%s)", key)

    async def close(self) -> None:
        async with self._asking:
            await self._pause()
            if self._connection is not None:
                forget(self._descriptor)
                await self._connection.close()
                self._connection = None

    async def _query(self, query: str, key: int) -> bool:
        """Ask in the life's session. The watch holds the connection, so it is paused meanwhile."""
        async with self._asking:
            connection = self._connection
            if connection is None:
                return False
            await self._pause()
            try:
                return await _ask(connection, query, key)
            except psycopg.Error as error:
                self._lose(error)
                raise
            finally:
                self._resume(connection)

    async def _pause(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])

    def _resume(self, connection: AsyncConnection) -> None:
        if not self._lost:
            self._watcher = asyncio.create_task(self._watch(connection), name="liveness")

    async def _watch(self, connection: AsyncConnection) -> None:
        """Wait on the socket: nothing is ever sent to this session but its end."""
        try:
            async with aclosing(connection.notifies()) as notifications:
                async for _ in notifications:
                    pass
        except psycopg.Error as error:
            self._lose(error)

    def _lose(self, error: psycopg.Error) -> None:
        if not self._lost:
            self._lost = True
            forget(self._descriptor)
            _log.error("liveness_lost", executor=self._executor, why=type(error).__name__)
            self._on_lost()


async def _stay(connection: AsyncConnection) -> None:
    """Have the server notice a machine that vanished, and not close a session because it is idle."""
    for name, value in _SERVER.items():
        await connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    await connection.execute(  # no such setting before PostgreSQL 14
        "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
    )


async def _ask(connection: AsyncConnection, query: str, key: int) -> bool:
    row = await (await connection.execute(query.encode(), (key,))).fetchone()
    return row is not None and bool(row[0])


def _key(executor: str) -> int:
    """A signed 64-bit number of the executor's name."""
    digest = hashlib.sha256(f"contact-list-gateway executor {executor}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
