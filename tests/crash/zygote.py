"""A process that has imported everything once and forks a gateway for every life: `python -m tests.crash.zygote`.

Orders come as JSON lines on standard input; what becomes of lives goes out as JSON lines on standard output.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx
import uvicorn
from starlette.applications import Starlette

import gateway.engine.dbos_engine
import gateway.engine.file_liveness  # noqa: F401 - here and once, so that no life has to
from gateway import logs, opening, registry, settings
from gateway.host import Host
from gateway.web.app import create_app
from tests.crash.points import Kind, Point
from tests.crash.traps import SABOTAGE, Traps, hurry

TRUSTED = httpx.create_ssl_context(trust_env=False)


def tell(**event: Any) -> None:
    os.write(sys.stdout.fileno(), json.dumps(event).encode() + b"\n")


class _Told(uvicorn.Server):
    """A server that says when it answers."""

    life: int

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            tell(life=self.life, event="serving", port=sockets[0].getsockname()[1])


def live(order: dict[str, Any], known: registry.Registry) -> None:
    """One life: what `gateway serve` does, on a free port, with its trap set."""
    trace = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    point = Point(Kind(order["kind"]), order["number"]) if order["kind"] else None
    for name in order["sabotage"]:
        SABOTAGE[name]()
    config = settings.load(Path(order["config"]), known.adapters)
    logs.configure("error")
    hurry()
    Traps(trace, point).set()

    @asynccontextmanager
    async def open_host() -> AsyncIterator[Host]:
        async with opening.running(known, config, engine=True) as running:
            yield running

    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    options = uvicorn.Config(create_app(open_host), log_config=None, access_log=False, lifespan="on")
    server = _Told(options)
    server.life = order["life"]
    server.run(sockets=[listener])


def warm_up() -> None:
    """What every life would do again: load the server, read certificates (40 ms), look for garbage (100 ms)."""
    config = uvicorn.Config(Starlette(), log_config=None, lifespan="on")
    config.load()
    config.get_loop_factory()
    httpx.create_ssl_context = lambda **_: TRUSTED
    gc.collect()
    gc.freeze()


def _fork(order: dict[str, Any], known: registry.Registry) -> int:
    pid = os.fork()
    if not pid:
        _become(order, known)
    return pid


def _become(order: dict[str, Any], known: registry.Registry) -> NoReturn:
    status = 1
    try:
        nothing, errors = os.open(os.devnull, os.O_RDONLY), os.open(order["log"], os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(nothing, 0)
        os.dup2(errors, 2)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        live(order, known)
        status = 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        sys.stderr.flush()
    finally:
        os._exit(status)


def main() -> None:
    """Fork on order until standard input ends; then no life is left behind."""
    known = registry.load(entry_points=False)
    warm_up()
    if threading.active_count() > 1:
        raise SystemExit(f"threads before the first fork: {threading.enumerate()}")
    lives: dict[int, int] = {}
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    tell(event="ready")
    pending = b""
    while True:
        readable, _, _ = select.select([0, wake], [], [])
        if wake in readable:
            os.read(wake, 1024)
            _reap(lives)
        if 0 in readable:
            received = os.read(0, 65536)
            if not received:
                break
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = _fork(order, known)
                lives[pid] = order["life"]
                tell(life=order["life"], event="born", pid=pid)
    for pid in lives:
        os.kill(pid, signal.SIGKILL)


def _reap(lives: dict[int, int]) -> None:
    while lives:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        tell(life=lives.pop(pid), event="ended", status=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
