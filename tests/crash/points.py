"""Where a gateway's life can end.

A *point* is counted inside one life: the n-th commit that wrote something (the gateway's own or the engine's), or the
n-th vendor request. Commits that only read change nothing and are not counted.
"""

from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Kind(StrEnum):
    """How a life ends: SIGKILL, at one of these moments."""

    UNCOMMITTED = "uncommitted"
    """The work of a transaction is done, its commit is not: before the intent, before the verdict."""
    COMMITTED = "committed"
    """Right after a commit: the intent is durable and nothing has left."""
    BEFORE = "before"
    """A vendor request is about to leave."""
    LEFT = "left"
    """The bytes have left; the vendor acts after the gateway is dead."""
    ACTED = "acted"
    """The vendor has acted, and its reply has not been sent."""
    REPLIED = "replied"
    """The reply is in hand, and not recorded."""
    MOMENT = "moment"
    """Any moment; the number is in thousandths of the time that the history takes when nobody kills."""


INSIDE = (Kind.UNCOMMITTED, Kind.COMMITTED, Kind.BEFORE, Kind.REPLIED)
"""Set as traps in the life itself; the vendor sees to LEFT and ACTED, the driver to MOMENT."""
OF_COMMITS = (Kind.UNCOMMITTED, Kind.COMMITTED)


@dataclass(frozen=True, slots=True)
class Point:
    """One moment of one life; the first number is 1."""

    kind: Kind
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"
