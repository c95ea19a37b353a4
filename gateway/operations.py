"""Running pieces of work: started, watched for a while, cancelled, and begun again after a crash.

Their state is in the database. Small ones run at once in this process; long ones, and those that a dead process left,
go through the engine. What the database cannot take down just now waits until it can.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from gateway.dispatch import Cancelled, Interrupted, Leg
from gateway.engine.port import Engine
from gateway.problem import Problem
from gateway.store import operations as store
from gateway.store.attempts import Displaced
from gateway.store.database import Database
from gateway.store.operations import StoredOperation

log = structlog.get_logger("gateway.operations")
T = TypeVar("T")

Perform = Callable[[StoredOperation, Leg], Awaitable[None]]
"""Does the work of an operation. Raises `Problem` when it cannot be done."""

Abandon = Callable[[StoredOperation], Awaitable[None]]
"""Settles what an operation that cannot go on leaves behind."""

REFUSALS: Final = (OperationalError, InterfaceError)
"""The database does not take something just now: locked, full, gone. Anything else that it says is our own fault."""
MOST_RUNS: Final = 20
"""An operation that so many processes began and none ended is given up: it may be what kills them."""
_TURN: Final = 0.05
_LONGEST_PAUSE: Final = 30.0
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
"""Why a file cannot grow: the disk is full."""


class Operations:
    """The operations of this process, which is their `owner`."""

    def __init__(self, database: Database, owner: str, perform: Perform, abandon: Abandon) -> None:
        self.owner = owner
        self.engine: Engine | None = None
        self._database, self.perform, self.abandon = database, perform, abandon
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._stopping = False

    @property
    def working(self) -> bool:
        """Whether this process still begins work."""
        return not self._stopping

    def start(self, operation_id: str) -> None:
        """Begin at once, in this process; the operation must be stored already."""
        self._tasks[operation_id] = asyncio.create_task(self.run(operation_id), name=operation_id)

    def adopt(self, operation_id: str, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Have other work on an operation waited for as its own is; it is stored as begun by this process."""
        task = asyncio.create_task(work, name=operation_id)
        self._tasks[operation_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(operation_id, None))
        return task

    async def submit(self, operation_id: str, tenant: str) -> None:
        """Have it done by whichever process gets to it, tenants taking turns; durable when this returns."""
        if self.engine is None:
            self.start(operation_id)
        else:
            await self.engine.submit(operation_id, tenant)

    async def run(self, operation_id: str, *, resumed: bool = False) -> None:
        """Bring an operation to its end, and record it. What this process cannot end stays for another one.

        `resumed`: something of it may have left already.
        """
        task = asyncio.current_task()
        assert task is not None
        self._tasks[operation_id] = task
        try:
            await self._run(operation_id, resumed)
        except (Displaced, Interrupted):
            log.info("operation left to another process", operation=operation_id)
        finally:
            self._tasks.pop(operation_id, None)

    async def _run(self, operation_id: str, again: bool) -> None:
        pause = 0.2
        while True:
            try:
                one = await self._database.run(store.begin, operation_id, self.owner)
                if one is not None:
                    await self._take_turn(one)
                    ending = await self._end_of(one, resumed=again or one.runs > 1)
                    await self._database.run(store.finish, operation_id, ending)
                return
            except (*REFUSALS, OSError) as error:
                if isinstance(error, OSError) and error.errno not in FULL:
                    raise
                again = True
                log.error("the database does not take this down; trying again", operation=operation_id, exc_info=error)
            if self._stopping:
                raise Interrupted
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _take_turn(self, one: StoredOperation) -> None:
        """Work on one list is done in the order in which it was asked for."""
        while await self._database.run(store.is_before, one):
            if self._stopping:
                raise Interrupted
            await asyncio.sleep(_TURN)

    async def _end_of(self, one: StoredOperation, *, resumed: bool) -> dict[str, Any]:
        """The state (and error) with which an operation ends."""
        leg = Leg(one.id, resumed, lambda: self._go_on(one.id))
        try:
            if one.runs > MOST_RUNS:
                raise Problem("internal", f"given up: begun {one.runs} times and never ended")
            await self.perform(one, leg)
        except Cancelled:
            return {"state": "cancelled"}
        except Problem as problem:
            await self.abandon(one)
            return {"state": "failed", "error": problem.kept()}
        except (Displaced, Interrupted, *REFUSALS):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            log.exception("operation failed", operation=one.id)
            await self.abandon(one)
            detail = f"the gateway failed ({type(error).__name__}); its log has the details"
            return {"state": "failed", "error": Problem("internal", detail).kept()}
        return {"state": "succeeded"}

    async def _go_on(self, operation_id: str) -> None:
        if self._stopping:
            raise Interrupted
        now = await self._database.run(store.any_operation, operation_id)
        if now is None or now.owner != self.owner:
            raise Displaced
        if now.cancelling:
            raise Cancelled

    async def wait(self, operation_id: str, seconds: float) -> bool:
        """Whether the operation ended within the time, here or in another process."""
        deadline = asyncio.get_running_loop().time() + seconds
        pause = 0.02
        while True:
            left = deadline - asyncio.get_running_loop().time()
            task = self._tasks.get(operation_id)
            if task is not None and left > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(task), left)
                left = deadline - asyncio.get_running_loop().time()
            now = await self._database.run(store.any_operation, operation_id)
            if now is None or now.done:
                return True
            if left <= 0:
                return False
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 2, 0.5)

    async def cancel(self, operation_id: str) -> None:
        """Let no further batch leave, whichever process works on it."""
        await self._database.run(store.cancel, operation_id)

    async def drain(self, seconds: float) -> None:
        """Let running work end, for at most this long; what does not end stays for the next process."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=seconds)
        self._stopping = True
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=1.0)
        for task in list(self._tasks.values()):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))
        if self.engine is not None:
            await self.engine.close(seconds)

    @property
    def stopped(self) -> bool:
        """Whether nothing leaves from here any more: the process ends, or others take it for dead."""
        return self._stopping

    def stop_sending(self) -> None:
        """Others take this process for dead: nothing more may leave from here."""
        self._stopping = True
        for task in list(self._tasks.values()):
            task.cancel()


class OperationLedger:
    """The operations' table as the engine sees it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owners(self) -> list[str]:
        return await self._database.run(store.owners)

    async def take_over(self, dead: str, by: str) -> list[tuple[str, str]]:
        return await self._database.run(store.take_over, dead, by)
