"""One engine in this process: once, in turn, to the end."""

import asyncio
import logging
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import create_engine, text

from gateway.engine import dbos_engine
from gateway.engine.dbos_engine import DbosEngine
from gateway.engine.liveness import open_liveness
from gateway.engine.port import EngineInUse
from tests.gateway.engine.conftest import OpenEngine, until
from tests.gateway.engine.rows import Rows


def workflows(url: str) -> dict[str, int]:
    """How many rows each table of the engine holds, the empty ones left out."""
    if url.startswith("sqlite"):
        engine, schema = create_engine(f"{url}.engine"), None
    else:
        engine, schema = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1)), dbos_engine.SCHEMA
    with engine.begin() as connection:
        names = sa.inspect(connection).get_table_names(schema)
        prefix = f"{schema}." if schema else ""
        found = {name: connection.execute(text(f"SELECT count(*) FROM {prefix}{name}")).scalar_one() for name in names}
    engine.dispose()
    return {name: count for name, count in found.items() if count}


FURNITURE = {"application_versions": 1, "dbos_migrations": 1, "queues": 1}


async def test_submitted_twice_is_worked_on_once(open_engine: OpenEngine, rows: Rows) -> None:
    gate = asyncio.Event()
    seen: list[str] = []

    async def work(operation: str) -> None:
        seen.append(operation)
        await gate.wait()

    async with open_engine(work) as running:
        await running.engine.submit("op_1", "lane")
        await running.engine.submit("op_1", "lane")
        await until(lambda: seen == ["op_1"])
        await running.engine.submit("op_1", "lane")
        await running.engine.submit("op_2", "other")
        await until(lambda: len(seen) == 2)
        gate.set()
    assert seen == ["op_1", "op_2"]


async def test_submitted_after_its_end_it_is_worked_on_again(open_engine: OpenEngine) -> None:
    seen: list[str] = []
    ended = asyncio.Event()

    async def work(operation: str) -> None:
        seen.append(operation)
        asyncio.get_running_loop().call_soon(ended.set)

    async with open_engine(work, look=0.01) as running:
        for round in range(1, 6):
            ended.clear()
            await running.engine.submit("op_1", "lane")
            await until(ended.is_set)  # the engine has not written down the end yet
            assert seen == ["op_1"] * round


@pytest.mark.parametrize("status", ["ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"])
async def test_whatever_end_it_had_it_is_worked_on_again(open_engine: OpenEngine, url: str, status: str) -> None:
    seen: list[str] = []

    async def work(operation: str) -> None:
        seen.append(operation)

    async with open_engine(work, look=60.0) as running:
        await running.engine.submit("op_1", "lane")
        await until(lambda: bool(seen))
        await until(lambda: workflows(url).get("workflow_output") == 1)
        engine = running.engine._backlog._client._sys_db.engine
        table = running.engine._backlog._client._sys_db.tables.workflow_status
        with engine.begin() as connection:
            assert connection.execute(sa.update(table).values(status=status, queue_name=None)).rowcount == 1
        await running.engine.submit("op_1", "lane")
        await until(lambda: len(seen) == 2)


async def test_a_lane_with_one_operation_does_not_wait_for_a_hundred_of_another(open_engine: OpenEngine) -> None:
    begun: list[str] = []
    gate = asyncio.Event()

    async def work(operation: str) -> None:
        begun.append(operation)
        if operation.startswith("a"):
            await gate.wait()

    async with open_engine(work, per_lane=2, workers=4, grace=0.0) as running:
        for number in range(100):
            await running.engine.submit(f"a{number}", "A")
        await running.engine.submit("b", "B")
        await until(lambda: "b" in begun and len(begun) >= 3)
        assert len(begun) == 3  # two of A hold their places, and no third began
        gate.set()
        await until(lambda: len(begun) > 20)


async def test_work_that_raises_ends_and_the_engine_goes_on(open_engine: OpenEngine, url: str) -> None:
    seen: list[str] = []

    async def work(operation: str) -> None:
        seen.append(operation)
        if operation == "op_1":
            raise ValueError("about +5511999990001")
        if operation == "op_2":
            raise asyncio.CancelledError

    async with open_engine(work) as running:
        for name in ("op_1", "op_2", "op_3"):
            await running.engine.submit(name, name)
        await until(lambda: sorted(seen) == ["op_1", "op_2", "op_3"])
        await until(lambda: workflows(url) == FURNITURE)
    assert len(seen) == 3


async def test_work_runs_on_the_loop_and_in_the_context_of_the_gateway(open_engine: OpenEngine) -> None:
    from dbos import DBOS

    found: list[Any] = []

    async def work(operation: str) -> None:
        found.append((asyncio.get_running_loop(), DBOS.workflow_id))
        await asyncio.to_thread(lambda: None)

    async with open_engine(work) as running:
        await running.engine.submit("op_1", "lane")
        await until(lambda: bool(found))
    assert found == [(asyncio.get_running_loop(), None)]
    assert await asyncio.to_thread(lambda: "the loop's own threads outlive the engine")


async def test_closing_lets_running_work_end(open_engine: OpenEngine, rows: Rows, url: str) -> None:
    gate = asyncio.Event()
    ended: list[str] = []

    async def work(operation: str) -> None:
        gate.set()
        await asyncio.sleep(0.3)
        ended.append(operation)

    async with open_engine(work, grace=10.0) as running:
        await running.engine.submit("op_1", "lane")
        await until(gate.is_set)
    assert ended == ["op_1"]
    assert workflows(url) == FURNITURE


async def test_closing_cancels_what_does_not_end_and_the_next_engine_does_it(
    open_engine: OpenEngine, rows: Rows
) -> None:
    began = asyncio.Event()
    cancelled: list[str] = []

    async def hold(operation: str) -> None:
        began.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(operation)
            raise

    async with open_engine(hold, grace=0.05, per_lane=1) as running:
        await running.add("op_1")
        await running.add("op_2")
        await until(began.is_set)
    assert "op_1" in cancelled
    async with open_engine() as second:
        await until(lambda: not rows.unfinished())
    assert sorted(rows.entries("ended")) == [(name, second.engine.executor, "ended") for name in ("op_1", "op_2")]


async def test_nothing_begins_while_the_engine_closes(open_engine: OpenEngine, rows: Rows) -> None:
    begun: list[str] = []
    gate = asyncio.Event()

    async def work(operation: str) -> None:
        begun.append(operation)
        if operation == "first":
            await gate.wait()

    async with open_engine(work) as running:
        await running.add("first")
        await until(lambda: begun == ["first"])
        closing = asyncio.create_task(running.engine.close(10.0))
        await asyncio.sleep(0)
        await running.add("second", "other")
        await asyncio.sleep(0.3)
        gate.set()
        await closing
    assert begun == ["first"]
    assert rows.unfinished() == ["first", "second"]


async def test_an_executor_that_lost_its_lock_begins_nothing(
    open_engine: OpenEngine, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_engine() as running:
        monkeypatch.setattr(running.liveness, "_lost", True)
        await running.add("op_1")
        await asyncio.sleep(0.4)
        assert rows.entries() == []
    async with open_engine():
        await until(lambda: not rows.unfinished())


async def test_ended_work_leaves_nothing_behind(open_engine: OpenEngine, rows: Rows, url: str) -> None:
    async with open_engine(per_lane=8, workers=8) as running:
        for number in range(60):
            await running.add(f"op_{number}", f"lane_{number % 12}")
        await until(lambda: not rows.unfinished())
        await until(lambda: workflows(url) == FURNITURE)
    assert workflows(url) == FURNITURE


async def test_two_engines_at_once_in_one_process_are_refused(open_engine: OpenEngine, rows: Rows, url: str) -> None:
    async with open_engine() as running:
        liveness = open_liveness(url, lambda: None)
        await liveness.start()
        with pytest.raises(EngineInUse, match="close it first, or start another process"):
            await DbosEngine(url, liveness, rows, lambda _: asyncio.sleep(0)).start()
        await liveness.close()
        await running.add("op_1")
        await until(lambda: not rows.unfinished())


def test_an_engine_whose_loop_ended_does_not_stand_in_the_way(url: str, rows: Rows) -> None:
    async def forgotten() -> None:
        liveness = open_liveness(url, lambda: None)
        await liveness.start()
        await DbosEngine(url, liveness, rows, lambda _: asyncio.sleep(0), poll=0.05, look=0.1).start()

    async def next_one() -> None:
        liveness = open_liveness(url, lambda: None)

        async def work(operation: str) -> None:
            rows.write(operation, liveness.executor, "ended")

        await liveness.start()
        engine = DbosEngine(url, liveness, rows, work, poll=0.05, look=0.1)
        await engine.start()
        rows.add("op_1", "lane", engine.executor)
        await engine.submit("op_1", "lane")
        await until(lambda: not rows.unfinished())
        await engine.close(1.0)
        await liveness.close()

    asyncio.run(forgotten())
    asyncio.run(next_one())


async def test_an_engine_that_could_not_start_stands_in_nobodys_way(open_engine: OpenEngine, rows: Rows) -> None:
    liveness = open_liveness("sqlite:////nowhere/at/all.db", lambda: None, "ex_nowhere")
    with pytest.raises(Exception, match="unable to open database file"):
        await DbosEngine("sqlite:////nowhere/at/all.db", liveness, rows, lambda _: asyncio.sleep(0)).start()
    async with open_engine() as running:
        await running.add("op_1")
        await until(lambda: not rows.unfinished())


async def test_the_engine_says_nothing_of_its_own(open_engine: OpenEngine, capfd: pytest.CaptureFixture[str]) -> None:
    async with open_engine() as running:
        await running.add("op_1")
        await until(lambda: not running.rows.unfinished())
    said = capfd.readouterr()
    assert [line for line in (said.out + said.err).splitlines() if "dbos" in line.lower()] == []
    assert logging.getLogger("dbos").level == logging.WARNING
