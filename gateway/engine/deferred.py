"""An engine that is started when there is something for it: its library takes tens of MiB and a second to import.

Small work needs no engine, so most processes of most days never start theirs.
"""

import asyncio
import contextvars
from collections.abc import Callable

import structlog

from gateway.engine.liveness import Liveness
from gateway.engine.port import Engine, Ledger

_log = structlog.get_logger(__name__)


class DeferredEngine:
    """The port's engine around another one, which `make` gives: called in a thread, once for each try to start.

    It is started by the first operation that is submitted, or when another executor, dead or alive, owns something
    unfinished: the dead one's is to be taken over, the living one's to be helped with. Until then that is asked once
    in `look` seconds. Whatever waits in the tables of an engine is unfinished in the ledger, so nothing waits unseen.
    """

    def __init__(self, liveness: Liveness, ledger: Ledger, make: Callable[[], Engine], *, look: float = 1.0) -> None:
        self._liveness, self._ledger, self._make, self._look = liveness, ledger, make, look
        self._starting: asyncio.Task[Engine] | None = None
        self._owed: list[tuple[str, str]] = []  # (operation id, lane) submitted when the engine could not start
        self._closing = False

    @property
    def executor(self) -> str:
        return self._liveness.executor

    @property
    def started(self) -> bool:
        """Whether the engine runs."""
        return self._starting is not None and not _failed(self._starting) and self._starting.done()

    async def start(self) -> None:
        """Begin to look; the engine itself is not started yet."""
        self._context = contextvars.copy_context()
        self._watching = asyncio.create_task(self._watch(), name="deferred engine")

    async def submit(self, operation_id: str, lane: str) -> None:
        """As the port says. An operation that the engine cannot start for stays ours, and is submitted when it can."""
        if self._closing:
            raise RuntimeError(f"The engine is closed: operation {operation_id} stays for another process.")
        try:
            engine = await self._started()
        except Exception as error:
            _log.error("engine_not_started", operation=operation_id, exc_info=error)
            self._owed.append((operation_id, lane))
            return
        await engine.submit(operation_id, lane)

    async def close(self, grace: float) -> None:
        """As the port says; an engine that is just being started is first waited for."""
        self._closing = True
        self._watching.cancel()
        await asyncio.wait([self._watching])
        if self._starting is None:
            return
        await asyncio.wait([self._starting])
        if self.started:
            await self._starting.result().close(grace)

    async def _started(self) -> Engine:
        """The engine. All who ask share one start; one that failed is tried again by the next who asks."""
        if self._starting is None or _failed(self._starting):
            # In the context of start(): the engine works in it for life, and a call's ends with the call.
            self._starting = asyncio.create_task(self._start(), name="engine start", context=self._context.copy())
        return await asyncio.shield(self._starting)

    async def _start(self) -> Engine:
        engine = await asyncio.to_thread(self._make)
        await engine.start()
        _log.info("engine_started", executor=self.executor)
        return engine

    async def _watch(self) -> None:
        """Look until the engine runs and has all that is owed: from then on it looks for the dead itself."""
        while not self._liveness.lost:
            try:
                if self.started or self._owed or await self._others():
                    engine = await self._started()
                    while self._owed:
                        await engine.submit(*self._owed[0])
                        del self._owed[0]
                    return
            except Exception as error:
                _log.warning("look_failed", exc_info=error)
            await asyncio.sleep(self._look)

    async def _others(self) -> bool:
        """Whether somebody else owns something unfinished."""
        return bool(set(await self._ledger.owners()) - {self.executor})


def _failed(start: asyncio.Task[Engine]) -> bool:
    return start.done() and (start.cancelled() or start.exception() is not None)
