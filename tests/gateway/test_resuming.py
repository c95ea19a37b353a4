"""A process dies while the vendor still works on what it took: the next one waits for it, and sends nothing again."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import creating, opening, settings
from gateway.canonical import ListHead, Outcome
from gateway.host import Host
from gateway.ingest import Normaliser, collect, open_items
from gateway.operations import OperationLedger
from gateway.registry import Registry
from gateway.resources import OperationOut, operation_out
from gateway.store import chunks
from gateway.store import operations as work
from tests.gateway.conftest import LIMITS, Tenant, Vendors, destination, write_configuration

PEOPLE = [{"phone": f"+55119999000{place:02}", "attributes": {"plan": "gold"}} for place in range(7)]
QUEUES = {
    "exotel": {"looks_until_done": 10**9},
    "koreai": {"looks_until_added": 10**9},
}


@pytest.fixture
def slow(vendors: Vendors, request: pytest.FixtureRequest) -> Any:
    """The simulator of a vendor that takes contacts in and is not done with them."""
    simulation = vendors[request.param].simulation
    before = {name: getattr(simulation, name) for name in QUEUES[request.param]}
    for name, value in QUEUES[request.param].items():
        setattr(simulation, name, value)
    yield simulation
    for name, value in before.items():
        setattr(simulation, name, value)


async def begin(host: Host, name: str) -> creating.Created:
    """A list whose contacts the vendor has queued."""
    head = ListHead(name="Renewals", destination=name)
    intake = collect(open_items(PEOPLE), Normaliser("BR"), head.duplicates)
    created = await creating.create(host, host.tenant("acme"), head, intake)
    for _ in range(400):
        one = await host.database.run(chunks.page, created.list_id, None, 0, 10)
        if any(each.mark.detail for each in one):
            return created
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was queued")


async def ended(host: Host, operation_id: str) -> OperationOut:
    assert await host.operations.wait(operation_id, 60.0)
    one = await host.database.run(work.any_operation, operation_id)
    assert one is not None
    return await host.database.run(operation_out, one)


def writing(simulation: Any) -> int:
    """How many requests put contacts or lists there."""
    return sum(request.startswith("POST") for request in simulation.ledger.requests)


async def requests_of_a_whole_run(
    simulation: Any, name: str, registry: Registry, config: settings.Config, file: Path
) -> int:
    """What the same list takes when nobody dies; afterwards the vendor is empty and slow again."""
    kept = {attribute: getattr(simulation, attribute) for attribute in QUEUES[name]}
    let_go(name, simulation)
    server = config.server.model_copy(update={"database": f"sqlite:///{file}", "budget": 60.0})
    async with opening.running(registry, replace(config, server=server)) as host:
        head = ListHead(name="Renewals", destination=name)
        intake = collect(open_items(PEOPLE), Normaliser("BR"), head.duplicates)
        await ended(host, (await creating.create(host, host.tenant("acme"), head, intake)).operation_id)
    told = writing(simulation)
    simulation.reset()
    for attribute, value in kept.items():
        setattr(simulation, attribute, value)
    return told


def let_go(name: str, simulation: Any) -> None:
    """The vendor comes to its end with what it has queued."""
    if name == "exotel":
        simulation.looks_until_done = 0
        for upload in simulation.uploads.values():
            upload.looks = 0
    else:
        simulation.looks_until_added = 0
        for shelf in simulation._shelves.values():
            for queued in shelf.queued:
                queued.looks = 0


@pytest.mark.anyio
@pytest.mark.parametrize(("slow", "name"), [(name, name) for name in QUEUES], indirect=["slow"])
async def test_a_queued_batch_is_not_sent_again(
    slow: Any, name: str, vendors: Vendors, registry: Registry, tmp_path: Path
) -> None:
    limits = {**LIMITS, "batch_size": 3}
    tenants = {"acme": Tenant({name: destination(vendors[name], limits=limits)})}
    path = write_configuration(tmp_path, tenants, budget=0.4, settle=50.0)
    config = settings.load(path, registry.adapters)
    undisturbed = await requests_of_a_whole_run(slow, name, registry, config, tmp_path / "other.db")
    async with opening.running(registry, config) as first:
        created = await begin(first, name)
        for task in list(first.operations._tasks.values()):
            task.cancel()
    let_go(name, slow)
    async with opening.running(registry, config) as second:
        taken = await OperationLedger(second.database).take_over(first.operations.owner, second.operations.owner)
        assert taken == [(created.operation_id, "acme")]
        second.operations.start(created.operation_id)
        done = await ended(second, created.operation_id)
    assert (done.state, done.counts.accepted) == ("succeeded", len(PEOPLE))
    held = Counter(str(phone).lstrip("+") for one in slow.ledger.lists.values() for phone in one.phones)
    assert held == Counter(str(one["phone"]).lstrip("+") for one in PEOPLE)
    assert writing(slow) == undisturbed
    assert Outcome.UNKNOWN not in {Outcome(name) for name, number in done.counts if number and name != "received"}
