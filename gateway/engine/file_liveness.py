"""Liveness on one machine: a locked file for each executor, beside the SQLite database."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from gateway.engine.descriptors import forget, keep_from_children

_WATCH = 0.5  # seconds between looks at our own file

_log = structlog.get_logger(__name__)


class FileLiveness:
    """Holds `<folder>/<executor>` locked. Needs a local file system, as SQLite does."""

    def __init__(self, folder: Path, executor: str, on_lost: Callable[[], None]) -> None:
        self._folder, self._executor, self._on_lost = folder, executor, on_lost
        self._descriptor: int | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._lost = False

    @property
    def executor(self) -> str:
        return self._executor

    @property
    def lost(self) -> bool:
        return self._lost

    async def start(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = _lock(self._folder / self._executor)
        if self._descriptor is None:
            raise RuntimeError(f"Executor {self._executor} lives already: its file in {self._folder} is locked.")
        self._watcher = asyncio.create_task(self._watch(self._descriptor), name="liveness")

    @asynccontextmanager
    async def seize(self, executor: str) -> AsyncIterator[bool]:
        path = self._folder / executor
        # An executor without a file was taken over before, or the folder is new: its lock is free to take all the same.
        descriptor = None if executor == self._executor else _lock(path)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                _remove(path, descriptor)

    async def close(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        if self._descriptor is not None:
            _remove(self._folder / self._executor, self._descriptor)
            self._descriptor = None

    async def _watch(self, descriptor: int) -> None:
        """A deleted file is a lost lock: a peer that looks makes a new one, and finds it free."""
        while True:
            await asyncio.sleep(_WATCH)
            if not _is_at(self._folder / self._executor, descriptor):
                break
        self._lost = True
        _log.error("liveness_lost", executor=self._executor, why="the lock file was removed")
        self._on_lost()


def _lock(path: Path) -> int | None:
    """The descriptor of the file, locked; None when another holds it. The file is made when it is not there."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    keep_from_children(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _drop(descriptor)
        return None
    if not _is_at(path, descriptor):  # its holder removed it between our opening and our locking
        _drop(descriptor)
        return None
    return descriptor


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove(path: Path, descriptor: int) -> None:
    """Remove the file and then unlock it: whoever opened it meanwhile sees that it is gone."""
    if _is_at(path, descriptor):
        path.unlink(missing_ok=True)
    _drop(descriptor)


def _drop(descriptor: int) -> None:
    forget(descriptor)
    os.close(descriptor)
