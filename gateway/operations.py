"""Running pieces of work: started, watched for a while, cancelled. Their state is in the database."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from gateway.store import operations as store
from gateway.store.database import Database

log = structlog.get_logger("gateway.operations")

IsCancelled = Callable[[], bool]


class Operations:
    """The operations of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()

    def start(self, operation_id: str, work: Callable[[IsCancelled], Awaitable[None]]) -> None:
        """Run the work; the operation must be stored already."""
        task = asyncio.create_task(self._run(operation_id, work), name=operation_id)
        self._tasks[operation_id] = task
        task.add_done_callback(lambda _: self._forget(operation_id))

    async def _run(self, operation_id: str, work: Callable[[IsCancelled], Awaitable[None]]) -> None:
        values: dict[str, object] = {"state": "succeeded", "stage": "done"}
        try:
            await work(lambda: operation_id in self._cancelled)
        except Exception as error:
            log.exception("operation failed", operation=operation_id)
            detail = f"the gateway failed ({type(error).__name__}); its log has the details"
            values = {"state": "failed", "stage": "done", "error": {"code": "internal", "detail": detail}}
        else:
            if operation_id in self._cancelled:
                values["state"] = "cancelled"
        await self._database.run(store.change_operation, operation_id, **values)

    def _forget(self, operation_id: str) -> None:
        self._tasks.pop(operation_id, None)
        self._cancelled.discard(operation_id)

    async def wait(self, operation_id: str, seconds: float) -> bool:
        """Whether the operation ended within the time."""
        task = self._tasks.get(operation_id)
        if task is None:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), seconds)
        return task.done()

    def cancel(self, operation_id: str) -> bool:
        """Let no further batch leave; False when the operation is not running here."""
        if operation_id not in self._tasks:
            return False
        self._cancelled.add(operation_id)
        return True

    async def drain(self, seconds: float) -> None:
        """Let running work end, for at most this long; what does not end is stopped between two requests."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for operation_id, task in list(self._tasks.items()):
            self._cancelled.add(operation_id)
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(task), seconds)
