"""Opening a host: database, liveness, engine; and closing it so that running work may end or stays for another."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from gateway import working
from gateway.engine.deferred import DeferredEngine
from gateway.engine.liveness import Liveness, open_liveness
from gateway.engine.port import Engine
from gateway.host import Host
from gateway.late_transport import LateTransport
from gateway.operations import OperationLedger
from gateway.registry import Registry
from gateway.retention import keep_removing
from gateway.settings import Config
from gateway.store import moves, uploads
from gateway.store.database import Database


@asynccontextmanager
async def running(
    registry: Registry,
    config: Config,
    make_transport: Callable[[], Any] | None = None,
    *,
    engine: bool = False,
    on_lost: Callable[[], None] = lambda: None,
) -> AsyncIterator[Host]:
    """A host with its database open; on leaving, running work may end.

    `on_lost` is told when others take this process for dead: its work is theirs, and it does none any more.
    `engine`: also finish what dead processes left, and let tenants take turns with their long lists. It starts when
    there is such work.
    """
    async with AsyncExitStack() as stack:
        database = Database(config.database)
        stack.push_async_callback(database.close)
        await database.prepare()

        def lost() -> None:
            host.operations.stop_sending()
            on_lost()

        liveness = open_liveness(config.database, lost)
        await liveness.start()
        stack.push_async_callback(liveness.close)
        transport = LateTransport(make_transport)
        stack.push_async_callback(transport.close)
        host = Host(registry, config, database, transport, liveness.executor)
        host.works_by(partial(working.perform, host), partial(working.abandon, host))
        stack.push_async_callback(host.operations.drain, config.server.wait + 5)
        if engine:
            await _start_engine(host, liveness)
            await stack.enter_async_context(_removing(host))
        yield host


@asynccontextmanager
async def _removing(host: Host) -> AsyncIterator[None]:
    """What is old is removed meanwhile, by the rules of the configuration as it then is."""
    task = asyncio.create_task(keep_removing(host.database, lambda: host.config.retention), name="retention")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _start_engine(host: Host, liveness: Liveness) -> None:
    url, ledger = host.config.database, OperationLedger(host.database)

    def make() -> Engine:
        from gateway.engine.dbos_engine import DbosEngine  # takes a second and 30 MiB: only when there is work for it

        return DbosEngine(url, liveness, ledger, host.operations.run)

    await _discard_orphans(host, liveness)
    engine = DeferredEngine(liveness, ledger, make)
    await engine.start()
    host.operations.engine = engine


async def _discard_orphans(host: Host, liveness: Liveness) -> None:
    """Uploads and lists of vendors whose taking in was broken off by the death of a process belong to nobody."""
    dead = []
    owners = await host.database.run(uploads.owners) + await host.database.run(moves.adopters)
    for owner in dict.fromkeys(owners):
        async with liveness.seize(owner) as seized:
            dead += [owner] if seized else []
    if dead:
        await host.database.run(uploads.discard_orphans, dead)
        await host.database.run(moves.discard_adopted, dead)
