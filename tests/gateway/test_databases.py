"""SQLite and PostgreSQL: the same calls, the same answers. The PostgreSQL server is a real one, started here."""

import re
from pathlib import Path
from typing import Any

from tests.gateway.conftest import OpenGateway, Tenant, Vendors, destination, new_database

CONTACTS = [
    {"id": "A-1", "phone": "+5511999990001", "first_name": "Ana", "attributes": {"plan": "plus"}},
    {"id": "A-2", "phone": "21988880002", "priority": 3},
    {"id": "A-3", "phone": "+5511999990001"},
    {"id": "A-4", "phone": "12"},
    {"id": "A-5", "phone": "+5531977770006", "company": "Flor & Cia", "tag": "gold"},
]


async def story(open_gateway: OpenGateway, vendors: Vendors, database: str) -> list[Any]:
    """A list's life: every call's status and answer, without the identifiers and times that differ."""
    tenants = {"acme": Tenant({"exotel": destination(vendors["exotel"])}), "other": Tenant({})}
    told: list[Any] = []
    async with open_gateway(tenants, database=database) as gateway:
        client, stranger = await gateway.client("acme"), await gateway.client("other")

        async def tell(method: str, path: str, by: Any = client, **details: Any) -> Any:
            answer = await by.request(method, path, **details)
            told.append((answer.status_code, plain(answer.json() if answer.content else None)))
            return answer

        body = {"name": "Renewals", "reference": "r-1", "destination": "exotel", "contacts": CONTACTS}
        key = {"Idempotency-Key": "k-1"}
        created = await tell("POST", "/v1/contact-lists", json=body, headers=key)
        path = f"/v1/contact-lists/{created.json()['id']}"
        replayed = await tell("POST", "/v1/contact-lists", json=body, headers=key)
        assert replayed.headers["idempotent-replayed"] == "true"
        await tell("POST", "/v1/contact-lists", json=body)
        await tell("GET", path, by=stranger)
        page = await tell("GET", f"{path}/contacts?limit=2")
        await tell("GET", f"{path}/contacts?limit=2&cursor={page.json()['next_cursor']}")
        await tell("GET", f"{path}/rejections")
        more = {"contacts": [{"phone": "+5541966660009"}, {"phone": "+5511999990001"}]}
        await tell("POST", f"{path}/contacts", json=more)
        await tell("DELETE", f"{path}/contacts/{page.json()['items'][0]['contact_id']}")
        await tell("PATCH", path, json={"name": "Renewals B"})
        await tell("GET", path)
        await tell("GET", "/v1/contact-lists?limit=1")
        await tell("DELETE", path)
        await tell("POST", "/v1/contact-lists", json={**body, "contacts": CONTACTS[:1]})
        rows = await gateway.rows()
        del rows["turns"]  # one for each second in which something left
        told.append(rows)
    return told


def plain(value: Any) -> Any:
    """The answer without what differs from run to run."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items() if name not in ("reply", "target", "next_cursor")}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, str):
        text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", value)
        text = re.sub(r"\b(cl|dl|ct|op|at)_[0-9a-z_]+", r"\1_ID", text)
        return re.sub(r"\bg[0-9a-z]{14}\b|\b[0-9a-f]{32,64}\b", "KEY", text)
    return value


async def test_both_databases_tell_the_same_story(
    open_gateway: OpenGateway, vendors: Vendors, tmp_path: Path, postgresql: str
) -> None:
    on_sqlite = await story(open_gateway, vendors, f"sqlite:///{tmp_path / 'story.db'}")
    for one in vendors.values():
        one.simulation.reset()
    on_postgresql = await story(open_gateway, vendors, new_database(postgresql))
    assert on_postgresql == on_sqlite
    assert [status for status, _ in on_sqlite[:-1]] == [
        201,
        201,
        409,
        404,
        200,
        200,
        200,
        201,
        204,
        200,
        200,
        200,
        200,
        201,
    ]


async def test_a_list_outlives_the_process(open_gateway: OpenGateway, vendors: Vendors, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'kept.db'}"
    tenants = {"acme": Tenant({"exotel": destination(vendors["exotel"])})}
    async with open_gateway(tenants, database=database) as gateway:
        client = await gateway.client("acme")
        body = {"name": "Renewals", "destination": "exotel", "contacts": CONTACTS}
        created = (await client.post("/v1/contact-lists", json=body)).json()
    async with open_gateway(tenants, database=database) as gateway:
        found = (await (await gateway.client("acme")).get(f"/v1/contact-lists/{created['id']}")).json()
    assert found == created
