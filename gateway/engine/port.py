"""What the gateway asks of a durable engine, and what the engine asks of the gateway. No library of an engine here."""

from collections.abc import Awaitable, Callable
from typing import Protocol

Work = Callable[[str], Awaitable[None]]
"""`work(operation_id)` brings the operation to its end and records how it ended, failures too.

It is called again after a crash, also for an operation that had just ended: it looks at the row first. It never runs
twice at the same time. It begins by making this executor the owner of the row, because the process that submitted the
operation need not be the one that works on it. When the engine closes, what has not ended in time is cancelled.
"""


class Ledger(Protocol):
    """The tables of operations, which are the truth."""

    async def owners(self) -> list[str]:
        """The executors that own unfinished operations, the living and the dead."""
        ...

    async def take_over(self, dead: str, by: str) -> list[tuple[str, str]]:
        """Give everything unfinished that `dead` owned to `by`, in one transaction: (operation id, lane) of each."""
        ...


class Engine(Protocol):
    """Carries "work on operation O" through the death of processes."""

    @property
    def executor(self) -> str:
        """The name of this process as an owner of operations; no two processes ever have the same."""
        ...

    async def start(self) -> None:
        """Begin to work, and to look for executors that died."""
        ...

    async def submit(self, operation_id: str, lane: str) -> None:
        """Have the operation worked on, by this process or a peer; durable when this returns.

        Lanes (tenants) get turns. Nothing happens when the operation waits already or is being worked on; one whose
        work has ended is worked on once more.
        """
        ...

    async def close(self, grace: float) -> None:
        """Take no new work, and give what runs `grace` seconds; what does not end is left to another process."""
        ...


class EngineInUse(RuntimeError):
    """A second engine was started in a process that can hold only one at a time."""
