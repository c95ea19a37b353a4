"""The engine on DBOS Transact: a workflow is nothing but an operation's identifier. The only module that knows dbos.

Two ways into DBOS are used. A client, which is an ordinary object, for all that is asked and written: its calls fail
when the database is away, and it leaves the event loop alone. The singleton of the process for running workflows only.
"""

import asyncio
import contextvars
import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from dbos import DBOS, DBOSClient, DBOSConfig
from dbos import error as dbos_error

from gateway.engine.addresses import database_file, libpq_url
from gateway.engine.liveness import Liveness
from gateway.engine.port import EngineInUse, Ledger, Work

T = TypeVar("T")

APPLICATION = "contact-list-gateway"
VERSION = "1"  # by hand: DBOS would hash the code, and leave the work of the day before a change where it is
SCHEMA = "gateway_engine"
QUEUE = "operations"
WORKFLOW = "work_on_operation"

_WAITING = ["ENQUEUED", "DELAYED"]
_RUNNING = ["PENDING"]
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_PAGE = 500  # ended workflows deleted in one go
_STUBBORN = 5.0  # seconds for cancelled work to end
_LOOKS, _MOMENT = 250, 0.02  # how often to look whether DBOS has written down an end, and seconds between

_log = structlog.get_logger(__name__)


class Backlog:
    """What waits, runs and has ended, in the tables of DBOS. Blocking; safe to call from several threads.

    Submitting and deleting exclude each other within a process. Between processes they cannot meet: what an executor
    has ended is deleted by itself, or by the one who holds its lock.
    """

    def __init__(self, url: str, executor: str) -> None:
        self._client = DBOSClient(
            system_database_url=url,
            dbos_system_schema=SCHEMA,
            system_database_pool_size=2,
            application_name=APPLICATION,
            retry_connection_errors=False,
        )
        self._executor = executor
        self._lock = threading.Lock()

    def submit(self, operation_id: str, lane: str, ended: Callable[[str], bool]) -> None:
        """Make the operation wait for its turn, unless it waits or runs. `ended` knows ends not written down yet."""
        with self._lock:
            for _ in range(_LOOKS):
                self._client.enqueue(
                    {
                        "workflow_name": WORKFLOW,
                        "queue_name": QUEUE,
                        "workflow_id": operation_id,
                        "queue_partition_key": lane,
                        "app_version": VERSION,
                    },
                    operation_id,
                )
                found = self._list(workflow_ids=[operation_id])
                if not found:
                    continue
                _, status, executor = found[0]
                if status in _RUNNING and executor == self._executor and ended(operation_id):
                    threading.Event().wait(_MOMENT)
                    continue
                if status not in _ENDED or self._again(operation_id, lane):
                    return
            raise RuntimeError(
                f"Operation {operation_id} has ended, and the engine did not write it down: submit again."
            )

    def _again(self, operation_id: str, lane: str) -> bool:
        """Put an ended workflow back into the queue; False when it changed at this moment."""
        try:
            self._client.rewind_workflow(
                operation_id, application_version=VERSION, queue_name=QUEUE, queue_partition_key=lane
            )
        except dbos_error.DBOSException:
            return False
        return True

    def revive(self, dead: str) -> int:
        """Give back to the queue what a dead executor worked on, and delete what it had ended. Only under its lock."""
        with self._lock:
            found = self._list(executor_id=dead, status=_RUNNING + _ENDED)
            running = [name for name, status, _ in found if status in _RUNNING]
            if running:
                self._client.resume_workflows(running, queue_name=QUEUE)
            self._delete(found)
        return len(running)

    def tidy(self) -> tuple[set[str], set[str]]:
        """Delete what has ended here: (what runs here, every executor that has something running or ended)."""
        with self._lock:
            found = self._list(status=_RUNNING + _ENDED)
            self._delete([one for one in found if one[2] == self._executor])
        running = {name for name, status, executor in found if status in _RUNNING and executor == self._executor}
        return running, {executor for *_, executor in found if executor is not None}

    def _delete(self, found: list[tuple[str, str, str | None]]) -> None:
        ended = [name for name, status, _ in found if status in _ENDED]
        for start in range(0, len(ended), _PAGE):
            self._client.delete_workflows(ended[start : start + _PAGE])

    def close(self) -> None:
        self._client.destroy()

    def _list(self, **wanted: Any) -> list[tuple[str, str, str | None]]:
        """Identifier, status and executor of workflows."""
        found = self._client.list_workflows(load_input=False, load_output=False, **wanted)
        return [(one.workflow_id, one.status, one.executor_id) for one in found]


class DbosEngine:
    """The port's engine. One at a time in a process (DBOS is a singleton), any number one after the other.

    `url` is the database of the gateway: SQLite gets a second file beside it, PostgreSQL a schema. `liveness` is
    started before the engine and closed after it, by the owner of both. `per_lane` and `workers` bound what runs at
    once here, `poll` is the pause of the queue and `look` the pause of the search for the dead, in seconds.
    `per_lane`, `workers` and `poll` are shared by all processes on the database: the last one started sets them, and
    DBOS goes by the earlier ones for its first poll.
    """

    def __init__(
        self,
        url: str,
        liveness: Liveness,
        ledger: Ledger,
        work: Work,
        *,
        per_lane: int = 2,
        workers: int = 8,
        poll: float = 0.2,
        look: float = 1.0,
    ) -> None:
        self._file = database_file(url)
        self._url = libpq_url(url) if self._file is None else f"sqlite:///{self._file}.engine"
        self._liveness, self._ledger, self._work = liveness, ledger, work
        self._per_lane, self._workers, self._poll, self._look = min(per_lane, workers), workers, poll, look
        self._closing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[None]] = set()
        self._ended: set[str] = set()  # worked on to the end here, and perhaps not yet written down by DBOS

    @property
    def executor(self) -> str:
        return self._liveness.executor

    async def start(self) -> None:
        """Begin to work. EngineInUse when another engine of this process has not been closed."""
        _occupy(self)
        self.loop, self._context = asyncio.get_running_loop(), contextvars.copy_context()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="engine")
        try:
            self._backlog = await self._call(self._launch)
        except BaseException:
            await self._call(DBOS.destroy)
            self._threads.shutdown(wait=False)
            _vacate(self)
            raise
        self._looking = asyncio.create_task(self._look_for_dead(), name="engine")

    async def submit(self, operation_id: str, lane: str) -> None:
        await self._call(self._backlog.submit, operation_id, lane, self._ended.__contains__)

    async def close(self, grace: float) -> None:
        """After this nothing of the engine runs. Work that ignores being cancelled is given up after 5 s more."""
        if self._closing or _running is not self:
            return
        self._closing = True
        self._looking.cancel()
        await asyncio.wait([self._looking])
        await self._call(self._stop_queue)
        if self._working:
            await asyncio.wait(self._working, timeout=grace)
        left = set(self._tasks)
        for task in left:
            task.cancel()
        if left:
            _, stubborn = await asyncio.wait(left, timeout=_STUBBORN)
            if stubborn:
                _log.error("work_ignores_the_end", tasks=len(stubborn))
        try:
            await self._call(self._settle)
        except Exception as error:
            _log.warning("engine_not_settled", error=type(error).__name__)
        await self._call(DBOS.destroy)
        await self._call(self._backlog.close)
        self._threads.shutdown(wait=False)
        _vacate(self)

    async def work_on(self, operation_id: str) -> None:
        """The body of the workflow, on the loop of DBOS: run the work on the gateway's loop, and wait for it."""
        work = self._guarded(operation_id)
        try:
            # In the context of start(), or the work would find itself inside a workflow.
            running = self._context.copy().run(asyncio.run_coroutine_threadsafe, work, self.loop)
        except RuntimeError:  # the gateway's loop is closed: the process ends, and this stays for another
            work.close()
            await _never()
            return
        await asyncio.wrap_future(running)

    async def _guarded(self, operation_id: str) -> None:
        """The work, whatever it raises. Cancelled when the engine closes: then the workflow stays as running."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self._closing or self._liveness.lost:
            await _never()  # it keeps its place, so that the queue hands out no more
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        self._ended.discard(operation_id)
        try:
            await self._work(operation_id)
        except asyncio.CancelledError as error:
            if self._closing:
                raise
            _log.error("work_failed", operation=operation_id, exc_info=error)
        except Exception as error:
            _log.error("work_failed", operation=operation_id, exc_info=error)
        self._ended.add(operation_id)

    async def _look_for_dead(self) -> None:
        while not self._liveness.lost:
            try:
                owners = await self._tidy() | set(await self._ledger.owners())
                for executor in sorted(owners - {self.executor}):
                    await self._take_over(executor)
            except Exception as error:
                _log.warning("look_failed", exc_info=error)
            await asyncio.sleep(self._look)

    async def _take_over(self, executor: str) -> None:
        async with self._liveness.seize(executor) as seized:
            if not seized:
                return
            taken = await self._ledger.take_over(executor, self.executor)
            revived = await self._call(self._backlog.revive, executor)
            for operation_id, lane in taken:
                await self.submit(operation_id, lane)
            _log.info("took_over", dead=executor, by=self.executor, operations=len(taken), running=revived)

    async def _tidy(self) -> set[str]:
        """Delete what has ended here; every executor that the engine's tables know."""
        before = set(self._ended)
        running, executors = await self._call(self._backlog.tidy)
        self._ended -= before - running
        return executors

    def _settle(self) -> None:
        """Let DBOS write down the ends of this process, and delete them."""
        for _ in range(_LOOKS):
            running, _executors = self._backlog.tidy()
            if not self._ended & running:
                return
            threading.Event().wait(_MOMENT)

    async def _call(self, blocking: Callable[..., T], *arguments: Any) -> T:
        # Never DBOS's own coroutines: they replace the loop's default executor by one that ends with DBOS.
        return await asyncio.get_running_loop().run_in_executor(self._threads, blocking, *arguments)

    def _launch(self) -> Backlog:
        if self._file is not None:
            _write_ahead(f"{self._file}.engine")
        self._run_dbos()
        known = DBOS.retrieve_queue(QUEUE) is not None
        DBOS.register_queue(
            QUEUE,
            worker_concurrency=self._workers,
            partition_worker_concurrency=self._per_lane,
            polling_interval_sec=self._poll,
            on_conflict="always_update",
        )
        if not known:  # a new database: DBOS would find the queue a second later
            self._stop_queue()
            DBOS.destroy()
            self._run_dbos()
        return Backlog(self._url, self.executor)

    def _run_dbos(self) -> None:
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._url,
            "dbos_system_schema": SCHEMA,
            "application_version": VERSION,
            "executor_id": self.executor,
            "sys_db_pool_size": 5,
            "log_level": "WARNING",
            "enable_otlp": False,
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 0.2,  # nothing is asked meanwhile: how long closing waits
        }
        if self._file is None:
            config["db_engine_kwargs"] = {"connect_args": {"application_name": f"gateway engine {self.executor}"}}
        _hush()
        self._dbos = DBOS(config=config)
        DBOS.launch()

    def _stop_queue(self) -> None:
        """Take nothing more from the queue, which DBOS.destroy alone could catch in the middle of handing work out."""
        for event in self._dbos.background_thread_stop_events:
            event.set()
        for thread in threading.enumerate():
            if thread.name.startswith("queue-worker-"):
                _join(thread)


_running: DbosEngine | None = None
_seat = threading.Lock()


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
async def _work_on_operation(operation_id: str) -> None:
    engine = _running
    if engine is None:
        await _never()
    else:
        await engine.work_on(operation_id)


def _occupy(engine: DbosEngine) -> None:
    global _running
    with _seat:
        if _running is not None and not _running.loop.is_closed():
            raise EngineInUse(
                "This process runs an engine already, and DBOS allows one: close it first, or start another process."
            )
        if _running is not None:  # its event loop ended without closing it
            DBOS.destroy()
        engine.loop = asyncio.get_running_loop()
        _running = engine


def _vacate(engine: DbosEngine) -> None:
    global _running
    with _seat:
        if _running is engine:
            _running = None


def _join(thread: threading.Thread) -> None:
    """Wait for a thread's end, also when it is only just being started, which `join` itself refuses."""
    for _ in range(_LOOKS):
        try:
            thread.join(_STUBBORN)
            return
        except RuntimeError:
            threading.Event().wait(_MOMENT)


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


def _write_ahead(path: str) -> None:
    """Readers and a writer do not hold each other up; the mode stays with the file."""
    connection = sqlite3.connect(path, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _hush() -> None:
    """Have DBOS log where the other libraries log, not on the console."""
    logger = logging.getLogger("dbos")
    if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
        logger.addHandler(logging.NullHandler())
