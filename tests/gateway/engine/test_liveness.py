"""Who is dead: told by the locks alone."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from gateway.engine.liveness import Liveness, new_executor, open_liveness
from tests.gateway.engine.conftest import PATIENCE, StartPeer, until


async def started(url: str, stack: AsyncExitStack, lost: list[str] | None = None) -> Liveness:
    liveness = open_liveness(url, lambda: (lost if lost is not None else []).append(liveness.executor))
    await liveness.start()
    stack.push_async_callback(liveness.close)
    return liveness


async def seized(by: Liveness, executor: str) -> bool:
    async with by.seize(executor) as answer:
        return answer


async def until_seized(by: Liveness, executor: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await seized(by, executor):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_living_are_not_dead_and_the_closed_are(url: str) -> None:
    async with AsyncExitStack() as stack:
        one, other = await started(url, stack), await started(url, stack)
        assert not await seized(one, other.executor)
        assert not await seized(one, one.executor)  # never oneself
        await other.close()
        await until_seized(one, other.executor)  # the server ends a session in its own time
        assert not one.lost


async def test_a_killed_process_is_dead(url: str, start_peer: StartPeer) -> None:
    peer = await start_peer("bare")
    async with AsyncExitStack() as stack:
        one = await started(url, stack)
        assert not await seized(one, peer.executor)
        await peer.kill()
        await until_seized(one, peer.executor)


async def test_a_dead_one_is_seized_by_one_at_a_time(url: str) -> None:
    async with AsyncExitStack() as stack:
        one, other = await started(url, stack), await started(url, stack)
        async with one.seize("ex_gone") as first:
            assert (first, await seized(other, "ex_gone")) == (True, False)
        assert await seized(other, "ex_gone")


async def test_two_processes_cannot_have_one_name(url: str) -> None:
    async with AsyncExitStack() as stack:
        one = await started(url, stack)
        twin = open_liveness(url, lambda: None, one.executor)
        with pytest.raises(RuntimeError, match="lives already"):
            await twin.start()
        assert not await seized(await started(url, stack), one.executor)


async def test_nothing_is_left_of_the_dead_and_the_closed(url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await started(url, stack)
        assert await seized(one, "ex_gone")
        if url.startswith("sqlite"):
            assert [path.name for path in (tmp_path / "gateway.db.executors").iterdir()] == [one.executor]
    if url.startswith("sqlite"):
        assert list((tmp_path / "gateway.db.executors").iterdir()) == []
    else:
        await until(lambda: advisory_locks(url) == 0)


def advisory_locks(url: str) -> int:
    """How many are held in the database."""
    query = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE locktype = 'advisory'"
    with psycopg.connect(url) as connection:
        row = connection.execute(f"{query} AND datname = current_database()".encode()).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_the_end_of_the_session_is_told(url: str) -> None:
    lost: list[str] = []
    async with AsyncExitStack() as stack:
        one, other = await started(url, stack, lost), await started(url, stack, lost)
        with psycopg.connect(url, autocommit=True) as connection:
            named = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
            assert connection.execute(named, (f"gateway executor {one.executor}",)).fetchall() == [(True,)]
        await until(lambda: lost == [one.executor])
        assert (one.lost, other.lost) == (True, False)
        await until_seized(other, one.executor)
        assert not await seized(one, "ex_gone")  # who is dead for the others takes nothing over


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_the_loss_of_the_file_is_told(url: str, tmp_path: Path) -> None:
    lost: list[str] = []
    async with AsyncExitStack() as stack:
        one, other = await started(url, stack, lost), await started(url, stack, lost)
        (tmp_path / "gateway.db.executors" / one.executor).unlink()
        await until(lambda: lost == [one.executor])
        assert (one.lost, other.lost) == (True, False)


async def test_a_forked_child_does_not_keep_a_killed_process_alive(url: str, start_peer: StartPeer) -> None:
    peer = await start_peer("forking")
    child = int(await peer.says("child"))
    try:
        async with AsyncExitStack() as stack:
            one = await started(url, stack)
            assert not await seized(one, peer.executor)
            await peer.kill()
            await until_seized(one, peer.executor)
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_the_file_of_a_killed_process_is_removed_when_its_work_was_taken_over(
    url: str, start_peer: StartPeer, tmp_path: Path
) -> None:
    dying, living = await asyncio.gather(start_peer("bare", "op_1"), start_peer("quick"))
    await dying.kill()
    await living.says("ended", "op_1")
    await until(lambda: [path.name for path in (tmp_path / "gateway.db.executors").iterdir()] == [living.executor])


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:", "mysql://host/name"])
def test_a_database_that_cannot_outlive_the_process_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="use sqlite:///PATH"):
        open_liveness(address, lambda: None)


def test_every_executor_has_a_name_of_its_own() -> None:
    assert len({new_executor() for _ in range(1000)}) == 1000
