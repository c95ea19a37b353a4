"""What waits for SQLite's one writer is committed together, and each piece still stands or falls alone."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from gateway.store.database import Database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    one = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    await one.run(lambda connection: connection.exec_driver_sql("CREATE TABLE words (word TEXT)"))
    yield one
    await one.close()


def add(connection: Connection, word: str, error: Exception | None = None) -> str:
    connection.exec_driver_sql("INSERT INTO words VALUES (?)", (word,))
    if error is not None:
        raise error
    return word


async def words(database: Database) -> list[str]:
    return await database.run(
        lambda connection: [word for (word,) in connection.exec_driver_sql("SELECT word FROM words ORDER BY word")]
    )


async def at_once(database: Database, *pieces: tuple[Any, ...]) -> list[Any]:
    """Give the database all of them while it is held up by something else: they wait together."""
    free = threading.Event()
    holding = asyncio.create_task(database.run(lambda _: free.wait(30)))
    await asyncio.sleep(0.05)
    waiting = [asyncio.create_task(database.run(add, *one)) for one in pieces]
    await asyncio.sleep(0.05)
    free.set()
    await holding
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_waits_is_one_commit(database: Database, commits: list[None]) -> None:
    commits.clear()
    assert await at_once(database, ("a",), ("b",), ("c",)) == ["a", "b", "c"]
    assert len(commits) == 2, "that of the work which held it up, and one"
    assert await words(database) == ["a", "b", "c"]


async def test_a_piece_that_raises_is_taken_back_alone(database: Database) -> None:
    wrong = ValueError("no")
    assert await at_once(database, ("a",), ("b", wrong), ("c",)) == ["a", wrong, "c"]
    assert await words(database) == ["a", "c"]


async def test_a_database_that_fails_fails_them_all_and_keeps_nothing(database: Database) -> None:
    full = OperationalError("INSERT", None, Exception("database or disk is full"))
    assert await at_once(database, ("a",), ("b", full), ("c",)) == [full, full, full]
    assert await words(database) == []
    assert await database.run(add, "later") == "later"


async def test_what_nobody_waits_for_any_more_is_not_begun(database: Database) -> None:
    free = threading.Event()
    holding = asyncio.create_task(database.run(lambda _: free.wait(30)))
    await asyncio.sleep(0.05)
    given_up, kept = (asyncio.create_task(database.run(add, word)) for word in ("given up", "kept"))
    await asyncio.sleep(0.05)
    given_up.cancel()
    await asyncio.wait({given_up})
    free.set()
    await holding
    assert (await kept, await words(database)) == ("kept", ["kept"])


async def test_threads_and_loops_are_each_told(database: Database) -> None:
    """Two loops and a thread that blocks; one of the loops ends before its work does."""
    free, left = threading.Event(), threading.Event()
    holding = asyncio.create_task(database.run(lambda _: free.wait(30)))
    await asyncio.sleep(0.05)

    unheard = database.run(add, "unheard")

    async def begin() -> None:
        unheard.send(None)  # as far as its first wait

    def other_loop() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        loop.close()
        left.set()

    threads = [
        asyncio.create_task(asyncio.to_thread(one)) for one in (other_loop, lambda: database.call(add, "thread"))
    ]
    here = asyncio.create_task(database.run(add, "here"))
    await asyncio.to_thread(left.wait, 5)
    free.set()
    await holding
    await asyncio.gather(here, *threads)
    unheard.close()
    assert await words(database) == ["here", "thread", "unheard"]
