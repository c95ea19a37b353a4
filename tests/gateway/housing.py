"""A list in a gateway on either database, for tests of what is kept and what goes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.store.database import Database
from gateway.store.schema import metadata
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination

ROOT = Path(__file__).parents[2]
ANA, RUI, EVA = "+5511999990001", "+5521988880002", "+5531977770006"
PEOPLE = [
    {"id": "A-1", "phone": ANA, "first_name": "Ana-Planted", "attributes": {"plan": "plus"}},
    {"id": "A-2", "phone": "21 98888-0002", "last_name": "Rui-Planted"},
    {"id": "A-3", "phone": ANA, "company": "Again-Planted"},
    {"id": "A-4", "phone": "12", "first_name": "Short-Planted"},
    {"id": "A-5", "phone": EVA, "tag": "gold", "attributes": {"other": "(11) 99999-0001"}},
]
WHOLE = {"received": 5, "accepted": 3, "rejected": 1, "suppressed": 0, "duplicate": 1, "pending": 0, "unknown": 0}


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@dataclass(slots=True)
class House:
    """A gateway with one list of PEOPLE that was delivered."""

    gateway: Gateway
    list_id: str

    @property
    def database(self) -> Database:
        return self.gateway.host.database

    async def get(self, path: str = "", **headers: str) -> Any:
        client = await self.gateway.client("acme")
        return await client.get(f"/v1/contact-lists/{self.list_id}{path}", headers=headers)

    async def say(self, statement: str, **values: Any) -> None:
        await self.database.run(lambda connection: connection.execute(text(statement), values))

    async def dump(self) -> str:
        """Everything that is stored, as text."""
        tables = {name: await self.gateway.table(name) for name in metadata.tables if name != "suppressions"}
        return repr(tables)

    async def contents(self) -> dict[str, list[dict[str, Any]]]:
        return {name: await self.gateway.table(name) for name in metadata.tables if name != "turns"}


@pytest.fixture
def house(open_gateway: OpenGateway, vendors: Vendors, url: str) -> Any:
    @asynccontextmanager
    async def opened(contacts: list[dict[str, Any]] = PEOPLE, vendor: str = "exotel") -> AsyncIterator[House]:
        tenants = {"acme": Tenant({"main": destination(vendors[vendor])}), "other": Tenant({})}
        async with open_gateway(tenants, database=url) as gateway:
            client = await gateway.client("acme")
            body = {"name": "Renewals", "reference": "r-1", "destination": "main", "contacts": contacts}
            created = await client.post("/v1/contact-lists", json=body, headers={"Idempotency-Key": "k-1"})
            yield House(gateway, created.json()["id"])

    return opened
