"""A tenant with a destination at every vendor, each named after it, before simulators in their usual mood."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import stamina

from tests.gateway.conftest import LIMITS, OpenGateway, Tenant, Vendors, destination
from tests.gateway.migrating.stage import Stage

OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture(autouse=True)
def _no_backing_off() -> Iterator[None]:
    """Retries without the waits between them, for these tests only: the switch is one for the whole process."""
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def moods(vendors: Vendors) -> Iterator[Vendors]:
    """The simulators; what a test sets on them is as before after it."""
    before = {name: dict(vars(one.simulation)) for name, one in vendors.items()}
    yield vendors
    for name, one in vendors.items():
        for switch, value in before[name].items():
            if isinstance(value, bool | int | str | None):
                setattr(one.simulation, switch, value)
        for switch in vars(one.simulation).keys() - before[name].keys():
            delattr(one.simulation, switch)


@pytest.fixture
def open_stage(open_gateway: OpenGateway, moods: Vendors) -> OpenStage:
    """Open a gateway of one's own: `limits`, `options` by vendor change its destination."""

    @asynccontextmanager
    async def opened(
        limits: dict[str, dict[str, Any]] | None = None,
        options: dict[str, dict[str, Any]] | None = None,
        more: dict[str, dict[str, Any]] | None = None,
        routes: list[dict[str, Any]] | None = None,
        **server: Any,
    ) -> AsyncIterator[Stage]:
        every = {}
        for name, one in moods.items():
            changes: dict[str, Any] = {"limits": LIMITS | (limits or {}).get(name, {})}
            if name in (options or {}):
                changes["options"] = {**one.simulation.options, **(options or {})[name]}
            every[name] = destination(one, **changes)
        tenants = {"acme": Tenant(every | (more or {}), routes or []), "globex": Tenant(every)}
        async with open_gateway(tenants, **server) as gateway:
            yield Stage(gateway, await gateway.client("acme"), moods)

    return opened


@pytest.fixture
async def stage(open_stage: OpenStage) -> AsyncIterator[Stage]:
    async with open_stage(options={"velip": {"foreign_numbers": True}}) as opened:
        yield opened
