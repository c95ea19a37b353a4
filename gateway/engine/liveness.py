"""Who is dead: each executor holds a lock for as long as it lives, and the operating system or the server lets it go.

No lease, no heartbeat, no clock: a process that is slow or stopped is alive, and its work is not given away.
"""

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.engine.addresses import database_file


class Liveness(Protocol):
    """The lock of this executor, and the way to the locks of others."""

    @property
    def executor(self) -> str: ...

    @property
    def lost(self) -> bool:
        """Whether this executor's lock was lost while the process lives: others may act as if it were dead."""
        ...

    async def start(self) -> None:
        """Take this executor's lock. From now on others can tell whether it lives."""
        ...

    def seize(self, executor: str) -> AbstractAsyncContextManager[bool]:
        """Whether `executor` is dead and its lock is held here until the end of the block.

        False when it lives, when a peer is about to take over its work, or when it is this executor.
        """
        ...

    async def close(self) -> None:
        """Let the lock go: for the others, this executor is dead."""
        ...


def new_executor() -> str:
    """A name for a process that no other has, ever."""
    return f"ex_{secrets.token_hex(10)}"


def open_liveness(url: str, on_lost: Callable[[], None], executor: str | None = None) -> Liveness:
    """The liveness of a process that works on the database of this URL; not started yet.

    `on_lost` is called once, in the event loop, when the lock was lost although the process lives: stop sending.
    PostgreSQL needs a direct or a session-pooled connection: a pooler that shares a session between transactions
    would share the lock as well.
    """
    path = database_file(url)
    name = executor or new_executor()
    if path is not None:
        from gateway.engine.file_liveness import FileLiveness

        return FileLiveness(path.with_name(f"{path.name}.executors"), name, on_lost)
    from gateway.engine.session_liveness import SessionLiveness

    return SessionLiveness(url, name, on_lost)
