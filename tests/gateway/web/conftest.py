"""One gateway with several tenants for all tests of the API, and its callers."""

import logging
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial

import httpx
import pytest
import stamina
import structlog

from gateway import logs
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.rerouted import Opened, opening
from tests.gateway.web.suppressing import PATH


@pytest.fixture(autouse=True)
def _no_backing_off() -> Iterator[None]:
    """Retries without the waits between them, for these tests only: the switch is one for the whole process."""
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture(scope="session", autouse=True)
def _logs() -> None:
    """Logs as the gateway writes them, from warnings up."""
    structlog.configure(
        processors=[logs.where_it_happened, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.__stderr__),
    )


@pytest.fixture(scope="session")
async def gateway_of_all(running_vendors: Vendors, open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    every = {name: destination(one) for name, one in running_vendors.items()}
    nowhere = destination(running_vendors["exotel"], base_url="http://127.0.0.1:9")
    routes = [
        {"when": {"reference": "refused-*"}, "to": ["nowhere", "koreai"]},
        {"when": {"reference": "storm-*"}, "to": ["exotel", "koreai"]},
        {"when": {"reference": "doubt-*"}, "to": ["indigitall", "koreai"]},
        {"when": {"reference": "canary-*", "percent": 30}, "to": ["velip"]},
        {"when": {"reference": "canary-*"}, "to": ["koreai"]},
        {"when": {"country": ["IN"]}, "to": ["exotel"]},
        {"when": {"country": ["BR"], "channel": "voice"}, "to": ["velip", "koreai"]},
    ]
    tenants = {
        "acme": Tenant(every),
        "globex": Tenant({"exotel": every["exotel"]}, default_region=None),
        "routed": Tenant(every | {"nowhere": nowhere}, routes),
    }
    async with open_gateway(tenants) as gateway:
        yield gateway


@pytest.fixture
def gateway(gateway_of_all: Gateway, vendors: Vendors) -> Gateway:
    """The gateway, before vendors that hold nothing yet, with every circuit closed."""
    for tenant in gateway_of_all.host.config.tenants.values():
        for one in tenant.destinations.values():
            gateway_of_all.host.accounts.account(one).breaker.succeeded()
    return gateway_of_all


@pytest.fixture
async def acme(gateway: Gateway) -> httpx.AsyncClient:
    """A tenant with a destination at each vendor and no route."""
    return await gateway.client("acme")


@pytest.fixture
async def globex(gateway: Gateway) -> httpx.AsyncClient:
    """Another tenant, at Exotel only, without a default region."""
    return await gateway.client("globex")


@pytest.fixture
async def nobody_suppressed(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    """Neither tenant has numbers that it suppresses."""
    for client in (acme, globex):
        answer = await client.delete(PATH, params={"all": "true"})
        assert (answer.status_code, answer.json()["total"]) == (200, 0)


@pytest.fixture
def opened(open_gateway: OpenGateway, vendors: Vendors, url: str) -> Opened:
    """A gateway on either database, where another destination may stand in for one."""
    return partial(opening, open_gateway, vendors, url)


@pytest.fixture
async def routed(gateway: Gateway) -> httpx.AsyncClient:
    """A tenant with routes."""
    return await gateway.client("routed")
