"""The engine that starts when there is something for it: when it does, when not, and that it ends in every state."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.engine.dbos_engine import DbosEngine
from gateway.engine.deferred import DeferredEngine
from gateway.engine.liveness import open_liveness
from gateway.engine.port import Engine
from tests.gateway.engine.conftest import StartPeer, until
from tests.gateway.engine.rows import Rows

CALL = contextvars.ContextVar("CALL", default="none")


@dataclass
class Opened:
    """A deferred engine around the real one, what it worked on, and how often the real one was made."""

    engine: DeferredEngine
    rows: Rows
    made: list[Engine] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)

    async def add(self, operation: str) -> None:
        self.rows.add(operation, "lane", self.engine.executor)
        await self.engine.submit(operation, "lane")


Open = Callable[[], AbstractAsyncContextManager[Opened]]


@pytest.fixture
def open_deferred(url: str, rows: Rows) -> Open:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Opened]:
        liveness = open_liveness(url, lambda: None)

        async def work(operation: str) -> None:
            one.contexts.append(CALL.get())
            rows.write(operation, liveness.executor, "began")
            rows.write(operation, liveness.executor, "ended")

        def make() -> Engine:
            engine = DbosEngine(url, liveness, rows, work, poll=0.05, look=0.1)
            one.made.append(engine)
            return engine

        await liveness.start()
        one = Opened(DeferredEngine(liveness, rows, make, look=0.05), rows)
        await one.engine.start()
        try:
            yield one
        finally:
            await one.engine.close(5.0)
            await liveness.close()

    return opened


async def test_nothing_starts_it_while_there_is_only_its_own_small_work(open_deferred: Open, rows: Rows) -> None:
    async with open_deferred() as one:
        rows.add("op_1", "lane", one.engine.executor)  # begun at once in this process, and never submitted
        await asyncio.sleep(0.5)
        assert (one.made, one.engine.started) == ([], False)


async def test_submits_at_the_same_time_start_it_once(open_deferred: Open, rows: Rows) -> None:
    async with open_deferred() as one:
        await asyncio.gather(*(one.add(f"op_{n}") for n in range(5)))
        await until(lambda: not rows.unfinished())
        assert (len(one.made), one.engine.started) == (1, True)
    assert sorted(rows.entries("ended")) == [(f"op_{n}", one.engine.executor, "ended") for n in range(5)]


async def test_work_is_done_outside_the_context_of_the_call_that_started_it(open_deferred: Open, rows: Rows) -> None:
    async with open_deferred() as one:
        token = CALL.set("a call")
        try:
            await one.add("op_1")
        finally:
            CALL.reset(token)  # tests may share a context
        await until(lambda: not rows.unfinished())
    assert one.contexts == ["none"]


async def test_the_work_of_a_dead_process_starts_it(open_deferred: Open, start_peer: StartPeer, rows: Rows) -> None:
    dead = await start_peer("hold", "op_1")
    await dead.says("began", "op_1")
    await dead.kill()
    async with open_deferred() as one:
        await until(lambda: not rows.unfinished())
        assert len(one.made) == 1
    assert rows.entries("took over", "ended") == [
        (dead.executor, one.engine.executor, "took over"),
        ("op_1", one.engine.executor, "ended"),
    ]


async def test_the_work_of_a_living_process_starts_it(open_deferred: Open, start_peer: StartPeer, rows: Rows) -> None:
    living = await start_peer("bare", "op_1")
    async with open_deferred() as one:
        await until(lambda: one.engine.started)
    assert rows.unfinished() == ["op_1"]
    assert rows.entries() == []
    assert living.process.returncode is None


class Pretended:
    """An engine of which a test says when its start ends, and how."""

    executor = "ex_1"

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.starting, self.gate = error, asyncio.Event(), asyncio.Event()
        self.submitted: list[tuple[str, str]] = []
        self.closed: list[float] = []

    async def start(self) -> None:
        self.starting.set()
        await self.gate.wait()
        if self.error:
            raise self.error

    async def submit(self, operation_id: str, lane: str) -> None:
        self.submitted.append((operation_id, lane))

    async def close(self, grace: float) -> None:
        self.closed.append(grace)


class Alone:
    """A ledger and a liveness of a process without others; `trouble` is raised as often as it says."""

    executor, lost = "ex_1", False

    def __init__(self, *trouble: Exception) -> None:
        self.trouble, self.others, self.looks = list(trouble), ["ex_1"], 0

    async def owners(self) -> list[str]:
        self.looks += 1
        if self.trouble:
            raise self.trouble.pop()
        return self.others


def deferred(alone: Alone, *engines: Pretended) -> DeferredEngine:
    """Each try to start takes the next of the engines."""
    left = list(engines)
    return DeferredEngine(alone, alone, lambda: left.pop(0), look=0.01)  # type: ignore[arg-type]


async def test_closed_before_anything_was_started() -> None:
    alone, engine = Alone(), Pretended()
    one = deferred(alone, engine)
    await one.start()
    await one.close(1.0)
    looks = alone.looks
    await asyncio.sleep(0.05)
    assert (engine.starting.is_set(), engine.closed, alone.looks) == (False, [], looks)
    with pytest.raises(RuntimeError, match="op_1 stays for another process"):
        await one.submit("op_1", "lane")


async def test_closed_while_it_is_starting() -> None:
    engine = Pretended()
    one = deferred(Alone(), engine)
    await one.start()
    submit = asyncio.create_task(one.submit("op_1", "lane"))
    await engine.starting.wait()
    close = asyncio.create_task(one.close(1.0))
    await asyncio.sleep(0.05)
    assert engine.closed == []  # a half started engine cannot be closed
    engine.gate.set()
    await asyncio.gather(close, submit)
    assert engine.closed == [1.0]


async def test_closed_while_it_runs() -> None:
    engine = Pretended()
    engine.gate.set()
    one = deferred(Alone(), engine)
    await one.start()
    await one.submit("op_1", "lane")
    await one.close(2.0)
    assert (engine.submitted, engine.closed) == ([("op_1", "lane")], [2.0])


async def test_closed_after_its_start_failed() -> None:
    engine = Pretended(OSError("away"))
    engine.gate.set()
    alone = Alone()
    one = DeferredEngine(alone, alone, lambda: engine, look=60)  # type: ignore[arg-type]
    await one.start()
    await one.submit("op_1", "lane")
    await one.close(1.0)
    assert (engine.submitted, engine.closed, one.started) == ([], [], False)


async def test_what_was_submitted_when_it_could_not_start_is_submitted_once_it_can() -> None:
    failing, working = Pretended(OSError("away")), Pretended()
    failing.gate.set()
    working.gate.set()
    one = deferred(Alone(), failing, working)
    await one.start()
    await one.submit("op_1", "lane")
    await until(lambda: working.submitted == [("op_1", "lane")])
    await one.submit("op_2", "lane")
    await one.close(1.0)
    assert (failing.submitted, working.submitted) == ([], [("op_1", "lane"), ("op_2", "lane")])


async def test_a_cancelled_submit_does_not_end_the_start() -> None:
    engine = Pretended()
    one = deferred(Alone(), engine)
    await one.start()
    submit = asyncio.create_task(one.submit("op_1", "lane"))
    await engine.starting.wait()
    submit.cancel()
    await asyncio.wait([submit])
    engine.gate.set()
    await one.submit("op_2", "lane")
    await one.close(1.0)
    assert (engine.submitted, engine.closed) == ([("op_2", "lane")], [1.0])


async def test_a_look_that_the_database_refuses_is_followed_by_another() -> None:
    engine, alone = Pretended(), Alone(OSError("away"), OSError("away"))
    engine.gate.set()
    one = deferred(alone, engine)
    await one.start()
    await until(lambda: alone.looks > 3)
    assert not engine.starting.is_set()
    alone.others = ["ex_1", "ex_2"]
    await until(lambda: one.started)
    await one.close(1.0)
    assert engine.closed == [1.0]
