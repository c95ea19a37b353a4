"""A gateway on a real socket with a real database file, before simulators of all vendors on real sockets."""

import json
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.engine.default import DefaultDialect

from gateway import opening, settings
from gateway.contract.simulation import Ledger
from gateway.host import Host
from gateway.registry import Registry, load
from gateway.sandbox import RunningSimulation, sandbox, serving
from gateway.store.schema import metadata
from gateway.web.app import create_app

Vendors = Mapping[str, RunningSimulation]
LIMITS = {"requests_per_minute": 100_000, "visibility_delay": 0.02, "timeout": 5.0}


@dataclass(slots=True)
class Tenant:
    """A tenant of a test: `destinations` are tables of the configuration file, credentials as plain values."""

    destinations: Mapping[str, Mapping[str, Any]]
    routes: list[dict[str, Any]] = field(default_factory=list)
    default_region: str | None = "BR"


@dataclass(slots=True)
class Gateway:
    """A running gateway. Its clients share the connections of one socket pool each."""

    url: str
    host: Host
    config: Path
    stack: AsyncExitStack
    clients: dict[str | None, httpx.AsyncClient] = field(default_factory=dict)

    async def client(self, tenant: str | None) -> httpx.AsyncClient:
        """A caller with the tenant's key; None: one without any."""
        if tenant not in self.clients:
            headers = {} if tenant is None else {"Authorization": f"Bearer {key_of(tenant)}"}
            client = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False, verify=False)
            self.clients[tenant] = await self.stack.enter_async_context(client)
        return self.clients[tenant]

    async def rows(self, *tables: str) -> dict[str, int]:
        """How many rows each table holds."""
        names = tables or tuple(metadata.tables)
        return {
            name: await self.host.database.run(
                lambda connection, name=name: connection.execute(
                    select(func.count()).select_from(metadata.tables[name])
                ).scalar_one()
            )
            for name in names
        }

    async def table(self, name: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        query = select(metadata.tables[name])
        return await self.host.database.run(
            lambda connection: [dict(row) for row in connection.execute(query).mappings()]
        )


def key_of(tenant: str) -> str:
    return f"key-of-{tenant}-0123456789"


def destination(vendor: RunningSimulation, **changes: Any) -> dict[str, Any]:
    """A destination for a running simulator, fast enough for tests."""
    return {**vendor.destination(), "limits": LIMITS} | changes


def write_configuration(folder: Path, tenants: Mapping[str, Tenant], **server: Any) -> Path:
    """`gateway.toml` and the files of its secrets."""
    folder.mkdir(parents=True, exist_ok=True)

    def secret(name: str, value: Any) -> str:
        (folder / name).write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
        return f"file:{name}"

    lines = ["[server]", *(f"{name} = {toml(value)}" for name, value in server.items())]
    for name, tenant in tenants.items():
        lines += [f"[tenants.{name}]", f"api_keys = [{toml(secret(f'{name}.key', key_of(name)))}]"]
        lines += [f"default_region = {toml(tenant.default_region)}"] if tenant.default_region else []
        for label, table in tenant.destinations.items():
            references = {each: secret(f"{name}.{label}.{each}", value) for each, value in table["credentials"].items()}
            lines += [f"[tenants.{name}.destinations.{label}]"]
            lines += [f"{each} = {toml(value)}" for each, value in ({**table} | {"credentials": references}).items()]
        for route in tenant.routes:
            lines += [f"[[tenants.{name}.routes]]", *(f"{each} = {toml(value)}" for each, value in route.items())]
    path = folder / "gateway.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(name)} = {toml(member)}" for name, member in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load(entry_points=False)


@pytest.fixture(scope="session")
async def running_vendors(registry: Registry) -> AsyncIterator[Vendors]:
    async with sandbox(registry.simulators) as running:
        yield running


@pytest.fixture
def vendors(running_vendors: Vendors) -> Vendors:
    """The simulators, with empty ledgers and no faults."""
    for one in running_vendors.values():
        one.simulation.reset()
    return running_vendors


@pytest.fixture
def ledger(vendors: Vendors) -> Callable[[str], Ledger]:
    """What a vendor holds: the oracle."""
    return lambda name: vendors[name].simulation.ledger


OpenGateway = Callable[..., AbstractAsyncContextManager[Gateway]]


def new_database(server: str) -> str:
    """The URL of an empty database of its own on this server."""
    name = f"gateway_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    parts = urlsplit(server)
    return parts._replace(path=f"/{name}").geturl()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    return new_database(request.getfixturevalue("postgresql"))


@pytest.fixture(scope="session")
def default_database(request: pytest.FixtureRequest) -> Callable[[], dict[str, str]]:
    """Which database a gateway of the tests has: SQLite, or with GATEWAY_TESTS_ON=postgresql one of that kind."""
    if os.environ.get("GATEWAY_TESTS_ON", "sqlite") == "sqlite":
        return dict
    server: str = request.getfixturevalue("postgresql")
    return lambda: {"database": new_database(server)}


@pytest.fixture(scope="session")
def open_gateway(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory, default_database: Callable[[], dict[str, str]]
) -> OpenGateway:
    """Start a gateway of one's own: `async with open_gateway(tenants, wait=0.0) as gateway`."""

    @asynccontextmanager
    async def opened(tenants: Mapping[str, Tenant], **server: Any) -> AsyncIterator[Gateway]:
        server = server if "database" in server else {**default_database(), **server}
        path = write_configuration(tmp_path_factory.mktemp("gateway"), tenants, **({"wait": 20.0} | server))
        config = settings.load(path, registry.adapters)
        known: list[Host] = []

        @asynccontextmanager
        async def open_host() -> AsyncIterator[Host]:
            async with opening.running(registry, config) as running:
                known.append(running)
                yield running

        async with serving(create_app(open_host), lifespan="on") as url, AsyncExitStack() as stack:
            yield Gateway(url, known[0], path, stack)

    return opened


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """An entry for every commit from now on, whichever database it is of."""
    counted: list[None] = []
    real = DefaultDialect.do_commit

    def count(dialect: DefaultDialect, connection: Any) -> None:
        counted.append(None)
        real(dialect, connection)

    monkeypatch.setattr(DefaultDialect, "do_commit", count)
    return counted
