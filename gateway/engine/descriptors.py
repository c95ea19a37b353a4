"""Open files and sockets that are a sign of life: a forked child must not keep them open after its parent's death."""

import contextlib
import os

_held: set[int] = set()


def keep_from_children(descriptor: int) -> None:
    """A child of a fork closes it at once. A program that is executed never has it: Python opens all that way."""
    _held.add(descriptor)


def forget(descriptor: int) -> None:
    """Call it before the descriptor is closed: its number is given to others."""
    _held.discard(descriptor)


def _close_in_child() -> None:
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
