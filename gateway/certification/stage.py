"""A whole gateway before one vendor's simulator: lists are created as callers create them, the ledger is the oracle."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway import creating, opening, settings
from gateway.canonical import Contact, Counts, DuplicatePolicy, LossEntry, Mode, Outcome
from gateway.certification import samples
from gateway.certification.bench import now
from gateway.contract import AnyAdapter
from gateway.contract.simulation import Ledger, Simulation
from gateway.host import Host
from gateway.ingest import Intake, Rejected, SourceInfo
from gateway.ingest.repeats import Repeats
from gateway.ingest.spool import Spool
from gateway.registry import Registry
from gateway.resources import ListOut, contact_out, list_out
from gateway.sandbox import sandbox
from gateway.sandbox_config import write_config
from gateway.settings import Tenant
from gateway.store import attempts, chunks
from gateway.store import deliveries as stored
from gateway.store import lists as store

WHOLE, SPLIT = "whole", "split"
"""The stage's destinations: one that takes a list in one piece, and one that cuts five contacts into three batches."""
TIMEOUT = 0.6
VISIBILITY = 0.06
LIMITS: dict[str, Any] = {"requests_per_minute": 100_000, "visibility_delay": VISIBILITY, "timeout": TIMEOUT}
PIECES: dict[str, Any] = {"batch_size": 2, "contacts_per_list": 4}
PATIENT = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What the gateway says of a list, contact by contact."""

    resource: ListOut
    outcomes: Sequence[tuple[str, Outcome]]
    """Number (with its plus sign) and outcome of every row, in order."""
    details: Sequence[str]

    @property
    def counts(self) -> Counts:
        return self.resource.counts

    @property
    def losses(self) -> list[LossEntry]:
        return [loss for delivery in self.resource.deliveries for loss in delivery.losses]


@dataclass(slots=True)
class Stage:
    """A gateway with one tenant, and the simulator."""

    adapter: AnyAdapter
    simulation: Simulation
    host: Host
    tenant: Tenant

    @property
    def ledger(self) -> Ledger:
        return self.simulation.ledger

    def people(self, scenario: samples.Scenario) -> list[Contact]:
        return scenario.people(samples.country_of(self.adapter, self.tenant.destinations[WHOLE].options))

    async def send(self, scenario: samples.Scenario, destination: str = WHOLE, **changes: Any) -> Sent:
        """Create a list of this scenario and see its delivery end; `changes` replace fields of its head."""
        fields = {"activation": {"mode": Mode.START}, **scenario.head(now()), "destination": destination, **changes}
        people = self.people(scenario)
        created = await creating.create(self.host, self.tenant, samples.head(**fields), intake_of(people))
        assert await self.host.operations.wait(created.operation_id, PATIENT), "the delivery does not end"
        return await self.sent(created.list_id)

    async def sent(self, list_id: str) -> Sent:
        """How the list stands."""
        run = self.host.database.run
        one = await run(store.get_list, self.tenant.name, list_id)
        assert one is not None
        rows = [contact_out(row) for row in await run(chunks.page, list_id, None, 0, 100_000)]
        outcomes = [(row.phone, row.outcome) for row in rows]
        return Sent(await run(list_out, one), outcomes, [row.detail or "" for row in rows])

    async def attempts(self, list_id: str) -> list[dict[str, Any]]:
        """Every stored attempt of the list's deliveries."""
        found = await self.host.database.run(stored.of_list, list_id)
        return [one for each in found for one in await self.host.database.run(attempts.latest_of, each.id, 10_000)]


def intake_of(people: Sequence[Contact]) -> Intake:
    """A list as the ingest hands it on."""
    contacts, repeats = Spool(Contact), Repeats(DuplicatePolicy.KEEP_ALL)
    for person in people:
        contacts.append(person)
        repeats.add(person.phone, person.key)
    return Intake(SourceInfo(format="json", rows=len(people)), contacts, Spool(Rejected), repeats)


@asynccontextmanager
async def staged(registry: Registry, name: str, folder: Path) -> AsyncIterator[Stage]:
    """A gateway with its database in the folder, before the simulator of the adapter `name`."""
    async with sandbox({name: registry.simulators[name]}) as running:
        config = settings.load(write_config(folder, running, port=0), registry.adapters)
        tenant = config.tenants["demo"]
        own = tenant.destinations[name]
        whole = replace(own, name=WHOLE, limits=replace(own.limits, **LIMITS))
        split = replace(own, name=SPLIT, limits=replace(own.limits, **LIMITS, **PIECES))
        tenant = replace(tenant, destinations={WHOLE: whole, SPLIT: split})
        server = config.server.model_copy(update={"budget": 30.0, "settle": 0.2})
        config = replace(config, server=server, tenants={"demo": tenant})
        async with opening.running(registry, config) as opened:
            yield Stage(registry.adapters[name], running[name].simulation, opened, tenant)


def disagreements(sent: Sent, ledger: Ledger, *, blind: bool = False) -> Iterator[str]:
    """Where what the gateway says of the contacts and what the vendor holds do not agree.

    A number is on the vendor's lists at least as often as it was accepted, and at most as often as it was accepted or
    is unknown. `blind`: the vendor forgets rows and shows nobody what it holds, so only the second can be asked for.
    """
    held = Counter(number.lstrip("+") for one in ledger.lists.values() for number in one.phones)
    called = Counter(number.lstrip("+") for number in ledger.calls)
    said: dict[str, Counter[Outcome]] = {}
    for phone, outcome in sent.outcomes:
        said.setdefault(phone.lstrip("+"), Counter())[outcome] += 1
    for number in held.keys() - said.keys():
        yield f"{number} is at the vendor, and nobody sent it"
    for number, outcomes in said.items():
        accepted = outcomes[Outcome.ACCEPTED]
        most = accepted + outcomes[Outcome.UNKNOWN]
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        if outcomes[Outcome.PENDING]:
            yield f"{number} is still pending"
        if held[number] < accepted and not blind:
            yield f"{number}: {told}, but the vendor holds it {held[number]} times"
        if held[number] > most:
            yield f"{number}: {told}, but the vendor holds it {held[number]} times"
        if called[number] > most:
            yield f"{number}: {told}, but the vendor called it {called[number]} times"
    if sent.counts != Counts.of(Counter(str(outcome) for _, outcome in sent.outcomes).items()):
        yield f"the counts {sent.counts} are not those of the contacts"


def tally(sent: Sent) -> Mapping[Outcome, int]:
    return Counter(outcome for _, outcome in sent.outcomes)
