"""Processes that start at once: `python -m ...`, forked from a server that has imported everything before.

A start of the interpreter with all imports takes 0.8 s of a core, and the suite needs hundreds of processes. A forked
one is as real: its own memory, files, signals and end. What a start itself does is tested with `sys.executable`.
"""

import io
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from multiprocessing.context import ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

import anyio

ROOT = Path(__file__).parents[1]
Stream = int | IO[Any]
"""A descriptor, what has one, or `subprocess.DEVNULL`."""

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.preloaded"])


class Launched:
    """A process, with the names of `asyncio.subprocess.Process`."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid: int = process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended: an exit code, or a signal below zero; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        while (code := self.returncode) is None:
            await anyio.wait_readable(self._process.sentinel)
        return code


def launch(
    module: str,
    *arguments: str | Path,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.DEVNULL,
    stderr: Stream = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
) -> Launched:
    """`python -m module arguments` with these streams. It ends with the tests at the latest."""
    words = [module, *map(str, arguments)]
    surroundings = (dict(environment or os.environ), str(cwd))
    return launch_call(_run_module, words, *surroundings, stdin=stdin, stdout=stdout, stderr=stderr)


def launch_call(
    function: Callable[..., None],
    *arguments: Any,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.DEVNULL,
    stderr: Stream = subprocess.DEVNULL,
) -> Launched:
    """A process that calls a function of a module, with these streams."""
    with ExitStack() as opened:
        streams = [DupFd(_descriptor(one, opened)) for one in (stdin, stdout, stderr)]
        process = _SERVER.Process(target=_become, args=(streams, function, *arguments), daemon=True)
        process.start()
    return Launched(process)


def completed(
    module: str,
    *arguments: str | Path,
    input: bytes = b"",
    environment: Mapping[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """What `python -m module arguments` said and how it ended, once it has."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stdin.write(input)
        stdin.seek(0)
        one = launch(module, *arguments, stdin=stdin, stdout=out, stderr=err, environment=environment)
        one._process.join(timeout)
        if one.returncode is None:
            one.kill()
            raise subprocess.TimeoutExpired([module, *arguments], timeout)
        said = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
    return subprocess.CompletedProcess([module, *arguments], one.returncode, *said)


def _descriptor(one: Stream, opened: ExitStack) -> int:
    if one == subprocess.DEVNULL:
        one = os.open(os.devnull, os.O_RDWR)
        opened.callback(os.close, one)
    return one if isinstance(one, int) else one.fileno()


def _become(streams: list[Any], function: Callable[..., None], *arguments: Any) -> None:
    """In the child: take the place of a process that was started with these streams."""
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    for target, given in enumerate(streams):
        descriptor = given.detach()
        os.dup2(descriptor, target)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(open(target, mode, closefd=False), encoding="utf-8", write_through=target == 2)  # noqa: SIM115
        for target, mode in enumerate(("rb", "wb", "wb"))
    )
    function(*arguments)


def _end_with_the_tests() -> None:
    """However they end: nobody else knows of this process."""
    tests = multiprocessing.parent_process()
    assert tests is not None
    tests.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _run_module(words: list[str], environment: dict[str, str], cwd: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
