"""`gateway serve` and `gateway sandbox`: processes that run until they are told to stop."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
import uvicorn

from gateway import logs, memory, opening, registry, settings
from gateway.host import Host
from gateway.sandbox import sandbox as simulators
from gateway.sandbox_config import FIRST_PORT, write_config
from gateway.web.app import create_app

log = structlog.get_logger("gateway")


def _end() -> None:
    """This process can do no work any more: let whoever started it start another one."""
    log.error("the lock of this process is lost; it ends, and others do its work")
    os.kill(os.getpid(), signal.SIGTERM)


def serve(path: Path) -> None:
    """Run the gateway until SIGTERM or SIGINT."""
    memory.share()
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
                memory.settle()
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
