"""Handler of `/v1/operations/{id}/events`: the operation as server-sent events, until it is done.

The database is asked again and again, since the work may be done by another process.
"""

import hashlib
import time
from collections.abc import AsyncIterator

import anyio
from sqlalchemy import Connection
from sse_starlette import EventSourceResponse, ServerSentEvent

from gateway.problem import Problem
from gateway.resources import OperationOut, operation_out
from gateway.store import operations as work
from gateway.web.call import Answer, Call

EVENT_STREAM = "text/event-stream"
QUICKEST, SLOWEST, SLOWING = 0.25, 1.0, 1.5
"""Seconds between two looks: at first and after each change, at most, and by how much each pause is longer."""
SHARE = 10
"""A look that took long is followed by a pause of so many times its length: watching must not slow the work."""
HEARTBEAT = 15
"""Seconds between comments that keep proxies from closing a silent connection."""
FAREWELL = 5.0
"""Seconds that a stream has to end by itself when the server stops; shorter than the server's own patience."""


async def events(call: Call) -> Answer:
    """The stream; 204 for a client that comes back although it has seen the last event, which ends its reconnecting."""
    first = await _look(call)
    if first is None:
        raise Problem("not_found", "there is no such operation")
    if not call.likes(EVENT_STREAM):
        raise Problem("not_acceptable", f"{EVENT_STREAM} can be given")
    if first.done and call.request.headers.get("last-event-id") == _id(first):
        return Answer(204)
    leaving = anyio.Event()
    response = EventSourceResponse(
        _follow(call, first, leaving), ping=HEARTBEAT, shutdown_event=leaving, shutdown_grace_period=FAREWELL
    )
    return Answer(200, whole=response)


async def _look(call: Call) -> OperationOut | None:
    return await call.host.database.run(_read, call.tenant.name, call.path("operation_id"))


def _read(connection: Connection, tenant: str, operation_id: str) -> OperationOut | None:
    found = work.get_operation(connection, tenant, operation_id)
    return None if found is None else operation_out(connection, found)


async def _follow(call: Call, first: OperationOut, leaving: anyio.Event) -> AsyncIterator[ServerSentEvent]:
    """The operation at once and after each change, until it is done or gone, or the server stops."""
    shown, pause = first, QUICKEST
    yield _event(first)
    while not shown.done:
        with anyio.move_on_after(pause):
            await leaving.wait()
        if leaving.is_set():
            return
        started = time.monotonic()
        found = await _look(call)
        took = time.monotonic() - started
        if found is None:
            return
        if _id(found) != _id(shown):
            shown, pause = found, QUICKEST
            yield _event(found)
        else:
            pause = min(pause * SLOWING, SLOWEST)
        pause = max(pause, SHARE * took)


def _event(one: OperationOut) -> ServerSentEvent:
    return ServerSentEvent(one.model_dump_json(), event="operation", id=_id(one))


def _id(one: OperationOut) -> str:
    """Equal for equal states, in whatever process: a digest of all but the time of the last change."""
    return hashlib.sha256(one.model_dump_json(exclude={"updated_at"}).encode()).hexdigest()[:16]
