"""Traps inside a life, and the gateway with a promise taken out. The only file that knows how the gateway is made."""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from gateway import driver, readback
from gateway.canonical import Verdict
from gateway.contract import Finding, NotAuthorised, NotSent, Unclear
from gateway.store import keys
from gateway.transport import Transport
from tests.crash.points import Kind, Point


class Traps:
    """Counts the durable points of this process, writes each into the trace, and dies at the chosen one."""

    def __init__(self, trace: int, point: Point | None) -> None:
        self._trace, self._point = trace, point
        self._commits, self._requests = itertools.count(1), itertools.count(1)
        self._written: dict[int, int] = {}
        self._lock = threading.Lock()

    def set(self) -> None:
        """Wrap commits and sending; every connection of the process from here on is watched."""
        commit: Callable[[Any, Any], None] = DefaultDialect.do_commit
        send = Transport.send

        def do_commit(dialect: DefaultDialect, connection: Any) -> None:
            if not self._wrote(connection):
                commit(dialect, connection)
                return
            with self._lock:
                number = next(self._commits)
            self._note(f"commit {number} {_author()}")
            self._reach(Kind.UNCOMMITTED, number)
            commit(dialect, connection)
            self._reach(Kind.COMMITTED, number)

        async def send_request(transport: Transport, base_url: str, encoded: Any, *rest: Any, **named: Any) -> Any:
            number = next(self._requests)
            self._note(f"request {number} {encoded.method} {encoded.target.partition('?')[0]}")
            self._reach(Kind.BEFORE, number)
            try:
                return await send(transport, base_url, encoded, *rest, **named)
            finally:
                self._reach(Kind.REPLIED, number)

        DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]
        Transport.send = send_request  # type: ignore[method-assign, assignment]

    def _wrote(self, connection: Any) -> bool:
        """PostgreSQL's connections do not tell: all of their commits count."""
        raw = getattr(connection, "dbapi_connection", connection)
        changes: int | None = getattr(raw, "total_changes", None)
        if changes is None:
            return True
        before, self._written[id(raw)] = self._written.get(id(raw), 0), changes
        return bool(changes and changes != before)  # fewer: a new connection at the address of a closed one

    def _note(self, line: str) -> None:
        os.write(self._trace, f"{line}\n".encode())

    def _reach(self, kind: Kind, number: int) -> None:
        if self._point == Point(kind, number):
            self._note(f"killed {self._point}")
            os.kill(os.getpid(), signal.SIGKILL)


def _author() -> str:
    """Who commits, for the trace: the gateway's work by name, or the engine."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == "_transact":
            return str(getattr(frame.f_locals.get("work"), "__name__", "?"))
        if f"{os.sep}dbos{os.sep}" in frame.f_code.co_filename:
            return f"engine {frame.f_code.co_name}"
        frame = frame.f_back
    return "?"


def hurry() -> None:
    """Let a key whose request died before it stored anything be free again soon, not after a quarter of an hour."""
    keys.ABANDONED = timedelta(seconds=0.2)


def retry_unknown() -> None:
    """Break the gateway on purpose: what is unknown counts as never sent, and is sent again."""

    def may_repeat(step: Any, error: Exception) -> bool:
        return isinstance(error, NotSent | Unclear) and not isinstance(error, NotAuthorised)

    async def look_up(find: Any, delay: float, sleep: Any, *, known: Any, detail: str) -> Finding:
        return Finding(Verdict.NOT_SENT, known, detail=detail)

    _replace("may_repeat", driver.may_repeat, may_repeat)
    _replace("look_up", readback.look_up, look_up)


def _replace(name: str, old: object, new: object) -> None:
    """Wherever the gateway has it by this name."""
    for module in [module for path, module in sys.modules.items() if path.startswith("gateway.")]:
        if getattr(module, name, None) is old:
            setattr(module, name, new)


SABOTAGE: dict[str, Callable[[], None]] = {"retry_unknown": retry_unknown}
"""What proves that the lane sees something: the gateway with one promise taken out."""
