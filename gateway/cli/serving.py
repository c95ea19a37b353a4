"""`gateway serve` and `gateway sandbox`: processes that run until they are told to stop."""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
import uvicorn

from gateway import logs, opening, registry, settings
from gateway.host import Host
from gateway.sandbox import sandbox as simulators
from gateway.sandbox_config import FIRST_PORT, write_config
from gateway.web.app import create_app

log = structlog.get_logger("gateway")


def _end() -> None:
    """This process can do no work any more: let whoever started it start another one."""
    log.error("the lock of this process is lost; it ends, and others do its work")
    os.kill(os.getpid(), signal.SIGTERM)


M_ARENA_MAX = -8
"""Of glibc's mallopt(3)."""


def _share_memory() -> None:
    """Let all threads take memory from one place: else each keeps what it has freed for itself, about 10 MiB in all.

    They take turns anyway, by the interpreter's lock. Another C library has no such knob, and needs none.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


_YOUNG: Final = 10_000
"""New objects after which the garbage collector looks at them; a small call makes a few thousand."""


def serve(path: Path) -> None:
    """Run the gateway until SIGTERM or SIGINT."""
    _share_memory()
    known = registry.load(simulators=False)  # a server needs no room for them
    config = settings.load(path, known.adapters)
    logs.configure(config.server.log_level)

    @asynccontextmanager
    async def open_host() -> AsyncIterator[Host]:
        try:
            async with opening.running(known, config, engine=True, on_lost=_end) as running:
                loop = asyncio.get_running_loop()
                if hasattr(signal, "SIGHUP"):
                    loop.add_signal_handler(signal.SIGHUP, running.reload, path)
                gc.collect()
                gc.freeze()  # what is there now stays: looking through it again and again takes a tenth of the time
                gc.set_threshold(_YOUNG, 20, 50)
                yield running
        except Exception:
            log.exception("the gateway cannot start, or did not end in order")
            raise

    uvicorn.run(
        create_app(open_host),
        host=config.server.host,
        port=config.server.port,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",  # its library is not even imported
        timeout_graceful_shutdown=30,
    )


def sandbox(folder: Path) -> None:
    """Run the simulators until interrupted."""

    async def run() -> None:
        known = registry.load().simulators
        ports = {name: FIRST_PORT + place for place, name in enumerate(known)}
        async with simulators(known, ports) as running:
            path = write_config(folder, running, port=8080)
            for one in running.values():
                print(f"{one.name:12} {one.base_url}")
            print(f"configuration: {path} (the API key of its tenant demo is in {folder / 'api_key'})")
            print(f"in another terminal: gateway serve --config {path}")
            await asyncio.Event().wait()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        print("stopped")
