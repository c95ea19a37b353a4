"""A gateway where another destination may stand in for one, and what is asked of and told by it."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx

from gateway.contract.simulation import Ledger
from tests.gateway.conftest import LIMITS, Gateway, OpenGateway, Tenant, Vendors, destination, key_of
from tests.gateway.web.shapes import masked, people

MAIN, NEXT, SPARE = "velip", "exotel", "koreai"
"""The vendors of the destinations `main`, `next` and `spare`."""
BY = f"key {hashlib.sha256(key_of('acme').encode()).hexdigest()[:8]}"
ROUTES = [{"when": {"tag": "spare"}, "to": ["spare", "main"]}, {"to": ["main", "spare"]}]
Opened = Callable[..., AbstractAsyncContextManager[tuple[Gateway, httpx.AsyncClient]]]


@asynccontextmanager
async def opening(
    open_gateway: OpenGateway,
    vendors: Vendors,
    url: str,
    gone: str = "",
    routes: list[dict[str, Any]] = ROUTES,
    limits: dict[str, int] | None = None,
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    """A gateway with its caller; `gone` is a destination that its configuration does not have."""
    every = {
        "main": destination(vendors[MAIN]),
        "next": destination(vendors[NEXT], limits=LIMITS | (limits or {})),
        "spare": destination(vendors[SPARE]),
    }
    kept = {name: one for name, one in every.items() if name != gone}
    async with open_gateway({"acme": Tenant(kept, routes)}, database=url) as gateway:
        yield gateway, await gateway.client("acme")


async def put(client: httpx.AsyncClient, source: str = "main", **body: Any) -> httpx.Response:
    return await client.put(f"/v1/reroutings/{source}", json=body)


async def switched(client: httpx.AsyncClient, source: str = "main", **body: Any) -> dict[str, Any]:
    answer = await put(client, source, **body)
    assert answer.status_code == 200, answer.text
    return masked(answer.json())


def change(mode: str, target: str = "next", source: str = "main", **fields: Any) -> dict[str, Any]:
    told = {"source": source, "target": target, "mode": mode, "percent": None, "in_force": mode != "off"}
    return told | {"migration": None, "by": BY, "at": "<time>"} | fields


def phones(ledger: Ledger) -> list[str]:
    return [phone.lstrip("+") for one in ledger.lists.values() for phone in one.phones]


def digits(number: int, first: int = 1) -> list[str]:
    return [one["phone"][1:] for one in people(number, first)]


def went_to(one: dict[str, Any]) -> dict[str, int]:
    return {each["destination"]: each["counts"]["accepted"] for each in one["deliveries"]}
