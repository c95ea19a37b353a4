"""The wall clock of a process, set forward and back. The monotonic clock goes on as it does on a real machine."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo

_OWN = ("gateway", "adapters", "jwt")
_time, _time_ns = time.time, time.time_ns


class _Kind(type):
    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, datetime)


class _Shifted(datetime, metaclass=_Kind):
    """`datetime` for the modules that ask it for the time: what comes out is an ordinary one."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.fromtimestamp(time.time(), tz)


class Clock:
    """What the modules of gateway, adapters and tokens read, `offset` seconds away from the truth."""

    def __init__(self) -> None:
        self.offset = 0.0

    def install(self) -> None:
        """From now on, for every module that is loaded by now."""
        time.time = lambda: _time() + self.offset
        time.time_ns = lambda: _time_ns() + int(self.offset * 1e9)
        _exchange(datetime, _Shifted)

    @staticmethod
    def uninstall() -> None:
        time.time, time.time_ns = _time, _time_ns
        _exchange(_Shifted, datetime)


def _exchange(old: type, new: type) -> None:
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in _OWN and getattr(module, "datetime", None) is old:
            module.datetime = new  # type: ignore[attr-defined]


@contextmanager
def movable() -> Iterator[Clock]:
    """A clock that a test may set."""
    clock = Clock()
    clock.install()
    try:
        yield clock
    finally:
        clock.uninstall()
