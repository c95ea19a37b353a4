"""The gateway as a whole: configuration, database, transport and the work that runs. Web and command line drive it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from gateway import settings
from gateway.accounts import Accounts
from gateway.delivery import Courier
from gateway.operations import Operations
from gateway.registry import Registry
from gateway.settings import Config, ConfigError, Tenant
from gateway.store.database import Database
from gateway.store.operations import DatabaseLocks
from gateway.transport import Transport, production_transport

log = structlog.get_logger("gateway")


class Host:
    """Everything a request handler or a command needs."""

    def __init__(self, registry: Registry, config: Config, database: Database, transport: Transport) -> None:
        self.registry, self.config, self.database, self.transport = registry, config, database, transport
        self.accounts = Accounts(transport, DatabaseLocks(database.run))
        self.operations = Operations(database)
        self.courier = Courier(database, self.accounts, config.server)

    def tenant(self, name: str) -> Tenant:
        return self.config.tenants[name]

    def reload(self, path: Path) -> None:
        """Read the file again. A bad one is logged with every fault, and the old one keeps running."""
        try:
            fresh = settings.load(path, self.registry.adapters)
        except ConfigError as error:
            log.error("configuration refused, the old one stays", faults=[str(fault) for fault in error.faults])
            return
        if fresh.database != self.config.database:
            log.warning("the database of the new configuration is used after a restart")
        self.config = fresh
        self.courier.server = fresh.server
        log.info("configuration loaded", file=str(path))


@asynccontextmanager
async def running(
    registry: Registry, config: Config, make_transport: Callable[[], Any] = production_transport
) -> AsyncIterator[Host]:
    """A host with its database open; on leaving, running work may end."""
    database = Database(config.database)
    transport = Transport(make_transport)
    try:
        await database.prepare()
        host = Host(registry, config, database, transport)
        yield host
        await host.operations.drain(config.server.wait + 5)
    finally:
        await transport.close()
        await database.close()
