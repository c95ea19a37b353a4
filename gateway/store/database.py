"""The database: SQLite in one thread, PostgreSQL in a few. Work is a function of a connection, in a transaction."""

import asyncio
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Table, bindparam, create_engine, event, insert
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.sql.base import Executable

T = TypeVar("T")
_TOGETHER: Final = 64
"""Pieces of work that share a commit at most, when so many are waiting."""
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


class Rows:
    """What a prepared statement found, or how many rows it changed."""

    def __init__(self, cursor: Any) -> None:
        self.rowcount: int = cursor.rowcount
        self._names = None if cursor.description is None else [column[0] for column in cursor.description]
        self._rows: list[tuple[Any, ...]] = [] if self._names is None else cursor.fetchall()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    def first(self) -> tuple[Any, ...] | None:
        """The first row, if there is one."""
        return self._rows[0] if self._rows else None

    def value(self) -> Any:
        """The first column of the first row; None without any."""
        return self._rows[0][0] if self._rows else None

    def mappings(self) -> list[dict[str, Any]]:
        """The rows by the names of their columns."""
        names = self._names or []
        return [dict(zip(names, row, strict=True)) for row in self._rows]

    def mapping(self) -> dict[str, Any] | None:
        """The first row by the names of its columns, if there is one."""
        row = self.first()
        return None if row is None else dict(zip(self._names or [], row, strict=True))


class Prepared:
    """A statement that is compiled once for each kind of database and then given to its driver: what small calls run
    all day. Values come as the driver gives them: SQLite knows no booleans.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, list[str] | None, dict[str, Any]]] = {}

    def __call__(self, connection: Connection, **values: Any) -> Rows:
        """Run it; every bound parameter that has no value of its own is named."""
        dialect = connection.dialect
        known = self._compiled.get(dialect.name)
        if known is None:
            made = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]
            known = (str(made), made.positiontup, dict(made.params))
            self._compiled[dialect.name] = known
        text, order, fixed = known
        given: Any = {**fixed, **values}
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text, given if order is None else tuple([given[name] for name in order]))
            return Rows(cursor)
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(  # as SQLAlchemy itself tells it
                text, None, error, dialect.loaded_dbapi.Error, hide_parameters=True, dialect=dialect
            ) from error
        finally:
            cursor.close()


def inserting(table: Table, *columns: str) -> Prepared:
    """An INSERT of one row with these columns."""
    return Prepared(insert(table).values({name: bindparam(name) for name in columns}))


@dataclass(slots=True)
class _Piece:
    """Work that waits for the database's thread, and where its end is told: in the thread itself, or in a loop."""

    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    future: "Future[Any] | asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop | None = None
    result: Any = None
    error: BaseException | None = None

    def perform(self, connection: Connection) -> Any:
        return self.work(connection, *self.arguments, **self.named)

    def tell(self) -> None:
        if self.future.done():  # cancelled meanwhile
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _tell(pieces: Sequence[_Piece]) -> None:
    for piece in pieces:
        piece.tell()


class Database:
    """Runs work on the database without holding up the event loop.

    SQLite has one writer, so all work goes through one thread; what waits there is committed together, each piece in a
    savepoint of its own: a commit costs the disk as much for one as for many. What was begun is brought to its end,
    whoever was waiting for it.
    """

    def __init__(self, url: str) -> None:
        self._one_writer = url.startswith("sqlite")
        self._threads = ThreadPoolExecutor(1 if self._one_writer else 4, thread_name_prefix="database")
        self._waiting: deque[_Piece] = deque()
        self._called = False
        """Whether the thread will look at what is waiting."""
        self.engine = _sqlite(url) if self._one_writer else _postgresql(url)

    async def run(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """`work(connection, ...)` in one transaction, in the database's thread. Durable when this returns."""
        if not self._one_writer:
            return await asyncio.wrap_future(self._threads.submit(self._transact, work, arguments, named))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._add(_Piece(work, arguments, named, future, loop))
        return await future

    def call(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """As `run`, for work in other threads: blocks until it is done. Never from within other work."""
        if not self._one_writer:
            return self._threads.submit(self._transact, work, arguments, named).result()
        future: Future[T] = Future()
        self._add(_Piece(work, arguments, named, future))
        return future.result()

    def _add(self, piece: _Piece) -> None:
        self._waiting.append(piece)
        if not self._called:
            self._called = True
            self._threads.submit(self._drain)

    def _transact(self, work: Callable[..., T], arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
        with self.engine.begin() as connection:
            return work(connection, *arguments, **named)

    def _drain(self) -> None:
        """Do all that is waiting. What is added once `_called` is down calls anew, so nothing is overlooked."""
        self._called = False
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), _TOGETHER))]
            pieces = [piece for piece in taken if not piece.future.cancelled()]
            try:
                if len(pieces) == 1:
                    (piece,) = pieces
                    piece.result = self._transact(piece.work, piece.arguments, piece.named)
                elif pieces:
                    self._transact_all(pieces)
            except BaseException as error:
                for piece in pieces:
                    piece.error = error
            _tell([piece for piece in pieces if piece.loop is None])
            for loop in {piece.loop: None for piece in pieces if piece.loop is not None}:
                with suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                    loop.call_soon_threadsafe(_tell, [piece for piece in pieces if piece.loop is loop])

    def _transact_all(self, pieces: Sequence[_Piece]) -> None:
        """Many pieces, one commit. One that raises is taken back alone; a failing database fails them all."""
        with self.engine.begin() as connection:
            cursor = connection.connection.cursor()
            for piece in pieces:
                cursor.execute("SAVEPOINT piece")
                try:
                    piece.result = piece.perform(connection)
                except (OperationalError, InterfaceError):
                    raise
                except Exception as error:
                    piece.error = error
                    cursor.execute("ROLLBACK TO piece")
                cursor.execute("RELEASE piece")

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
