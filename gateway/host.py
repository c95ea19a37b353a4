"""The gateway as a whole: configuration, database, transport and the work that runs. Web and command line drive it."""

import asyncio
from pathlib import Path
from weakref import WeakValueDictionary

import structlog

from gateway import settings
from gateway.accounts import Accounts
from gateway.delivery import Courier
from gateway.late_transport import Sends
from gateway.operations import Abandon, Operations, Perform
from gateway.registry import Registry
from gateway.settings import Config, ConfigError, Tenant
from gateway.store.database import Database
from gateway.store.locks import DatabaseLocks

log = structlog.get_logger("gateway")


async def _unable(*_: object) -> None:
    raise RuntimeError("this host was not told how to work")


class Host:
    """Everything a request handler or a command needs. `executor` names this process as an owner of work."""

    def __init__(self, registry: Registry, config: Config, database: Database, transport: Sends, executor: str) -> None:
        self.registry, self.config, self.database, self.transport = registry, config, database, transport
        self.accounts = Accounts(transport, DatabaseLocks(database.run), database, executor)
        self.operations = Operations(database, executor, _unable, _unable)
        self.courier = Courier(database, self.accounts, config.server)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def works_by(self, perform: Perform, abandon: Abandon) -> None:
        """How operations are done, and given up."""
        self.operations.perform, self.operations.abandon = perform, abandon

    def tenant(self, name: str) -> Tenant:
        return self.config.tenants[name]

    def turn(self, list_id: str) -> asyncio.Lock:
        """Held by whoever reads a list in order to add to it."""
        return self._turns.setdefault(list_id, asyncio.Lock())

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
