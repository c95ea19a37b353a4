"""How a process that works for long uses memory: one place for all threads, and a collector that looks around less."""

import contextlib
import ctypes
import gc
from typing import Final

M_ARENA_MAX = -8
"""Of glibc's mallopt(3)."""
_YOUNG: Final = 10_000
"""New objects after which the garbage collector looks at them; a small call makes a few thousand."""


def share() -> None:
    """Let all threads take memory from one place: else each keeps what it has freed for itself, about 10 MiB in all.

    They take turns anyway, by the interpreter's lock. Another C library has no such knob, and needs none.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def settle() -> None:
    """What is there now stays: looking through it again and again takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)
