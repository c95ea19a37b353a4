"""Creating a list and appending to one: everything is planned and stored, durably, before anything is sent."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import Connection

from gateway import bookkeeping as books
from gateway.bookkeeping import Filling, OpenList
from gateway.canonical import Contact, ListHead, Outcome, Profile
from gateway.canonical.faults import fault
from gateway.host import Host
from gateway.ingest import Earlier, Intake, Suppressed
from gateway.planning import (
    Chain,
    Draft,
    Router,
    activation_of,
    check_vendor_options,
    destination_of,
    draft,
    profiles_of,
    refuse_losses,
    refuse_missing_targets,
)
from gateway.problem import ErrorItem, Problem
from gateway.routing import Reroutings
from gateway.settings import Tenant
from gateway.store import chunk_writing, chunks, keys, suppressions
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store import reroutings as switched
from gateway.store.chunk_writing import Writer
from gateway.store.chunks import Mark, Place
from gateway.store.database import Database, new_id
from gateway.store.lists import ReferenceTaken
from gateway.store.retention import is_emptied

_ASIDE: Mapping[Outcome, Place] = {
    Outcome.REJECTED: Place(rest=Mark(Outcome.REJECTED), is_row=True),
    Outcome.DUPLICATE: Place(rest=Mark(Outcome.DUPLICATE)),
    Outcome.SUPPRESSED: Place(rest=Mark(Outcome.SUPPRESSED)),
}
_UNROUTED = Place(rest=Mark(Outcome.REJECTED, None, (fault("route.none"),)))


@dataclass(frozen=True, slots=True)
class Planned:
    """A list that is ready to be stored: who goes where is said contact by contact."""

    head: ListHead
    intake: Intake
    router: Router
    profiles: Mapping[Chain, Profile]
    drafts: Mapping[Chain, Draft]
    now: datetime

    @property
    def staged(self) -> bool:
        """Whether something is held back until the list is activated."""
        return any(
            activation_of(one.destination.adapter, self.head, self.now) == "held" for one in self.drafts.values()
        )

    @property
    def profile(self) -> Profile:
        """Of all contacts that take part."""
        known = self.profiles.values()
        fields: frozenset[str] = frozenset().union(*(one.fields for one in known))
        attributes = dict.fromkeys(name for one in known for name in one.attributes)
        return Profile(sum(one.count for one in known), fields, tuple(attributes))


def plan(host: Host, tenant: Tenant, head: ListHead, intake: Intake, reroutings: Reroutings) -> Planned:
    """Check and route a list. Raises `Problem` for what refuses it as a whole; nothing is stored or sent.

    `reroutings` are those that it follows; none for a list that must go where it says.
    """
    if intake.received == 0:
        raise Problem("list.empty", "send at least one contact")
    check_head(host, tenant, head, reroutings)
    router = Router(tenant, head, intake.kept, reroutings)
    profiles = profiles_of(router, intake)
    refuse_missing_targets(tenant, profiles, reroutings)
    now = datetime.now(UTC)
    drafts = {
        chain: draft(destination_of(tenant, chain[0]), chain[1:], head, profile, now)
        for chain, profile in profiles.items()
        if chain
    }
    return Planned(head, intake, router, profiles, drafts, now)


def check_head(host: Host, tenant: Tenant, head: ListHead, reroutings: Reroutings) -> None:
    """What can be said against a list before its contacts are known.

    A destination may be gone from the configuration when another one stands in for all of it: callers still name it.
    """
    check_vendor_options(head, host.registry.adapters.values())
    if head.destination is None:
        return
    rule = reroutings.get(head.destination)
    if rule is None or rule.mode != "full":
        destination_of(tenant, head.destination)


def fill(planned: Planned, writer: Writer, fillings: Mapping[Chain, Filling]) -> Iterator[list[dict[str, Any]]]:
    """Every row of the sender in its order, at its place: the chunks to be stored, a few at a time."""
    for outcome, items in planned.intake.runs():
        if outcome is not Outcome.PENDING:
            writer.add_all(_ASIDE[outcome], items)
        else:
            for chain, contacts in planned.router.runs(cast("Sequence[Contact]", items)):
                if chain:
                    fillings[chain].put_all(contacts)
                else:
                    writer.add_all(_UNROUTED, contacts)
        if len(writer.rows) >= books.BLOCK:
            yield writer.take()
    writer.finish()
    yield writer.take()
    refuse_losses(planned.head, planned.drafts.values())


@dataclass(frozen=True, slots=True)
class Created:
    list_id: str
    operation_id: str

    @property
    def href(self) -> str:
        return f"/v1/contact-lists/{self.list_id}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Which delivery each draft becomes: a new one, or an earlier one of the list that it joins."""

    ids: Mapping[Chain, str]
    joined: Mapping[Chain, OpenList]

    def fillings(self, planned: Planned, writer: Writer) -> dict[Chain, Filling]:
        return {chain: Filling(writer, one, self.ids[chain]) for chain, one in planned.drafts.items()}


def lay_out(connection: Connection, list_id: str, planned: Planned) -> Layout:
    """Decide which drafts join earlier deliveries; those go on where these end."""
    joined: dict[Chain, OpenList] = {}
    for chain, one in planned.drafts.items():
        found = books.open_list(connection, list_id, one)
        if found is not None:
            joined[chain] = found
            one.join(found.part, found.last_batch, found.room)
    ids = {chain: joined[chain].delivery.id if chain in joined else new_id("dl") for chain in planned.drafts}
    return Layout(ids, joined)


def store_deliveries(connection: Connection, list_id: str, operation_id: str, planned: Planned, layout: Layout) -> None:
    """Store the deliveries of contacts that are stored, and what the list is now."""
    for chain, one in planned.drafts.items():
        if chain in layout.joined:
            books.join_delivery(connection, layout.joined[chain], one)
        else:
            books.store_draft(connection, list_id, layout.ids[chain], one, operation_id)
    if planned.staged:
        store.change_list(connection, list_id, staged=True)
    if planned.intake.info.corrections:
        store.add_corrected(connection, list_id, planned.intake.valid)


async def create(
    host: Host, tenant: Tenant, head: ListHead, intake: Intake, idempotency_key: str | None = None
) -> Created:
    """Store a list and start its delivery. When this returns, list and operation are durable and nothing is lost."""
    created = Created(new_id("cl"), new_id("op"))

    def write(connection: Connection) -> None:
        planned = plan(host, tenant, head, intake, switched.in_force(connection, tenant.name, to_act=True))
        add_list(connection, tenant, head, created.list_id, planned.profile, intake.info.model_dump(mode="json"))
        _write_all(connection, created, planned)
        work.add_operation(
            connection, created.operation_id, tenant.name, created.list_id, "create", host.operations.owner
        )
        if idempotency_key is not None:
            keys.key_operation(connection, tenant.name, idempotency_key, created.operation_id)

    await host.database.run(write)
    host.operations.start(created.operation_id)
    return created


def _write_all(connection: Connection, created: Created, planned: Planned) -> None:
    layout = lay_out(connection, created.list_id, planned)
    writer = chunk_writing.writer(connection, created.list_id, created.operation_id)
    for rows in fill(planned, writer, layout.fillings(planned, writer)):
        chunk_writing.write(connection, writer, rows)
    store_deliveries(connection, created.list_id, created.operation_id, planned, layout)


def add_list(
    connection: Connection,
    tenant: Tenant,
    head: ListHead,
    list_id: str,
    profile: Profile,
    source: Mapping[str, Any] | None,
) -> None:
    """Store the list itself; 409 when the tenant has one of its reference."""
    try:
        store.add_list(connection, list_id, tenant.name, head, profile, source, staged=False)
    except ReferenceTaken as taken:
        raise _reference_taken(head, taken.list_id) from None


def _reference_taken(head: ListHead, list_id: str) -> Problem:
    return Problem(
        "list.reference_taken",
        f"the reference {head.reference} belongs to {list_id or 'another list'}; append to it, or delete it first",
        [ErrorItem(pointer="/reference", code="list.reference_taken", detail="unique per tenant")],
        headers={"Location": f"/v1/contact-lists/{list_id}"},
    )


async def append(host: Host, tenant: Tenant, one: store.StoredList, intake: Intake, key: str | None = None) -> Created:
    """Add contacts to a list: they are routed and delivered as the list's own were.

    `intake` was judged against what the list held when it was read; when that changed since, it is a 409.
    """
    created = Created(one.id, new_id("op"))

    def write(connection: Connection) -> None:
        refuse_if_changed(connection, one)
        planned = plan(host, tenant, one.head, intake, switched.in_force(connection, tenant.name, to_act=True))
        _write_all(connection, created, planned)
        work.add_operation(connection, created.operation_id, tenant.name, one.id, "append", host.operations.owner)
        if key is not None:
            keys.key_operation(connection, tenant.name, key, created.operation_id)

    await host.database.run(write)
    host.operations.start(created.operation_id)
    return created


def refuse_if_changed(connection: Connection, one: store.StoredList) -> None:
    """409 when contacts came to the list, or are just coming, since it was read; 404 when it was deleted."""
    reading = work.reading_operation(connection, one.id)
    if reading is not None:
        raise Problem("list.busy", "a file for this list is just being read", operation=reading)
    now = store.get_list(connection, one.tenant, one.id, to_change=True)
    if now is None or now.deleted_at:
        raise Problem("not_found", "the list is deleted")
    refuse_if_emptied(now)
    refuse_if_moving(now)
    if now.next_seq != one.next_seq:
        raise Problem("list.busy", "other contacts were appended at this very moment; send yours again")


def refuse_if_emptied(one: store.StoredList) -> None:
    """409 when nobody can tell any more whose numbers a list held: they would be called again."""
    if is_emptied(one.remains):
        raise Problem("list.emptied", "make a new list: nobody knows any more which numbers this one had")


def refuse_if_moving(one: store.StoredList) -> None:
    """409 while a migration works on the list, and when its contacts are at another vendor since."""
    if one.migration_id is not None:
        raise Problem("list.busy", f"the migration {one.migration_id} works on this list")
    if one.moved_to is not None:
        raise Problem("migration.moved", f"the list goes on as {one.moved_to}")


class StoredNumbers(Earlier):
    """What a list holds already, read chunk by chunk."""

    def __init__(self, database: Database, list_id: str) -> None:
        self._database, self._list_id = database, list_id

    def numbers(self) -> Iterable[tuple[str, str]]:
        for no in self._database.call(chunks.taking_part, self._list_id):
            yield from self._database.call(chunks.numbers, self._list_id, no)


class StoredSuppressions(Suppressed):
    """The tenant's do-not-contact numbers."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._call: Callable[..., Any] = database.call
        self._tenant = tenant
        self._any: bool = bool(database.call(suppressions.page, tenant, "", 1))

    def among(self, phones: Collection[str]) -> Collection[str]:
        found: set[str] = self._call(suppressions.suppressed, self._tenant, phones) if self._any else set()
        return found
