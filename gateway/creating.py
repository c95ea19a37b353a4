"""Creating a list and appending to one: everything is planned and stored, durably, before anything is sent."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Connection

from gateway import bookkeeping as books
from gateway.canonical import Contact, DuplicatePolicy, Fault, ListHead, Outcome
from gateway.canonical.faults import fault
from gateway.host import Host
from gateway.ingest import Intake, Rejected
from gateway.planning import (
    Draft,
    Group,
    activation_of,
    check_vendor_options,
    destination_of,
    draft,
    profile_of,
    refuse_losses,
    route,
)
from gateway.problem import ErrorItem, Problem
from gateway.settings import Tenant
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.database import new_id
from gateway.store.lists import NewContact, ReferenceTaken, pack


@dataclass(frozen=True, slots=True)
class Planned:
    """A list that is ready to be stored: its drafts and the contacts that go nowhere."""

    head: ListHead
    intake: Intake
    drafts: list[Draft]
    unrouted: list[Contact]
    now: datetime

    @property
    def staged(self) -> bool:
        """Whether something is held back until the list is activated."""
        return any(activation_of(one.destination.adapter, self.head, self.now) == "held" for one in self.drafts)


def plan(host: Host, tenant: Tenant, head: ListHead, intake: Intake) -> Planned:
    """Check and route a list. Raises `Problem` for what refuses it as a whole; nothing is stored or sent."""
    if intake.received == 0:
        raise Problem("list.empty", "send at least one contact")
    check_vendor_options(head, host.registry.adapters.values())
    if head.destination is not None:
        destination_of(tenant, head.destination)
    groups, unrouted = route(tenant, head, intake.contacts)
    now = datetime.now(UTC)
    drafts = [_draft(tenant, head, group, now) for group in groups]
    refuse_losses(head, drafts)
    return Planned(head, intake, drafts, unrouted, now)


def _draft(tenant: Tenant, head: ListHead, group: Group, now: datetime) -> Draft:
    first, *rest = group.chain
    return draft(destination_of(tenant, first), tuple(rest), head, group.contacts, now)


@dataclass(frozen=True, slots=True)
class Created:
    list_id: str
    operation_id: str


async def create(
    host: Host, tenant: Tenant, head: ListHead, intake: Intake, idempotency_key: str | None = None
) -> Created:
    """Store a list and start its delivery. When this returns, list and operation are durable and nothing is lost."""
    planned = plan(host, tenant, head, intake)
    try:
        created = await host.database.run(_store, tenant.name, planned, idempotency_key)
    except ReferenceTaken as taken:  # without an id when another process took it at the same moment
        found: str | None = taken.list_id or None
        if found is None and head.reference is not None:
            found = await host.database.run(store.by_reference, tenant.name, head.reference)
        raise _reference_taken(head, found or "") from None
    start_delivery(host, tenant, created)
    return created


def start_delivery(host: Host, tenant: Tenant, created: Created) -> None:
    host.operations.start(
        created.operation_id, lambda is_cancelled: host.courier.deliver(tenant, created.list_id, is_cancelled)
    )


def _reference_taken(head: ListHead, list_id: str) -> Problem:
    return Problem(
        "list.reference_taken",
        f"the reference {head.reference} belongs to {list_id or 'another list'}; append to it, or delete it first",
        [ErrorItem(pointer="/reference", code="list.reference_taken", detail="unique per tenant")],
        headers={"Location": f"/v1/contact-lists/{list_id}"},
    )


def _store(connection: Connection, tenant: str, planned: Planned, idempotency_key: str | None) -> Created:
    created = Created(new_id("cl"), new_id("op"))
    source = planned.intake.info.model_dump(mode="json")
    profile = profile_of(planned.intake.contacts)
    store.add_list(connection, created.list_id, tenant, planned.head, profile, source, planned.staged)
    _store_contacts(connection, created.list_id, planned)
    work.add_operation(connection, created.operation_id, tenant, created.list_id, "create")
    if idempotency_key is not None:
        work.key_operation(connection, tenant, idempotency_key, created.operation_id)
    return created


def _store_contacts(connection: Connection, list_id: str, planned: Planned) -> None:
    """Deliveries first, then every row of the sender in its order, each with its outcome so far."""
    rows: list[NewContact] = []
    for one in planned.drafts:
        open_list = books.open_list(connection, list_id, one)
        if open_list is not None:
            delivery_id, places = open_list.delivery_id, open_list.places(one)
            books.join_delivery(connection, open_list, one)
        else:
            delivery_id = books.store_draft(connection, list_id, one, planned.head, planned.now)
            places = one.places()
        rows += [
            _row(contact, Outcome.PENDING, delivery_id=delivery_id, part=part, batch=batch)
            for part, batch, contact in places
        ]
        rows += [
            _row(contact, Outcome.REJECTED, faults, delivery_id=delivery_id, by_vendor=True)
            for contact, faults in one.refused
        ]
    rows += [_row(contact, Outcome.REJECTED, [fault("route.none")]) for contact in planned.unrouted]
    rows += [_row(contact, Outcome.DUPLICATE) for contact in planned.intake.duplicates]
    rows += [_rejected_row(one) for one in planned.intake.rejected]
    store.add_contacts(connection, list_id, sorted(rows, key=lambda row: row.row))


def _row(
    contact: Contact,
    outcome: Outcome,
    faults: Sequence[Fault] = (),
    *,
    delivery_id: str | None = None,
    part: int | None = None,
    batch: int | None = None,
    by_vendor: bool = False,
) -> NewContact:
    return NewContact(
        contact.row, contact.key, contact.phone, outcome, pack(contact), faults, delivery_id, part, batch, by_vendor
    )


def _rejected_row(one: Rejected) -> NewContact:
    return NewContact(one.row, None, None, Outcome.REJECTED, pack(one), one.faults)


async def append(host: Host, tenant: Tenant, one: store.StoredList, intake: Intake) -> Created:
    """Add contacts to a list: they are routed and delivered as the list's own were."""
    if one.deleted_at:
        raise Problem("not_found", "the list is deleted")
    known = dict.fromkeys(await host.database.run(_known, one.id))
    fresh = _against(intake, {phone for phone, _ in known}, {key for _, key in known}, one.head.duplicates)
    planned = plan(host, tenant, one.head, fresh)
    created = await host.database.run(_store_appended, tenant.name, one, planned)
    start_delivery(host, tenant, created)
    return created


def _known(connection: Connection, list_id: str) -> list[tuple[str | None, str | None]]:
    return list(store.phones_and_keys(connection, list_id))


def _against(
    intake: Intake, phones: Iterable[str | None], keys: Iterable[str | None], policy: DuplicatePolicy
) -> Intake:
    """The intake without the numbers that the list has already; what was sent cannot be taken back for a later row."""
    phones, keys = set(phones), set(keys)
    kept, repeated = [], []
    for contact in intake.contacts:
        if policy is not DuplicatePolicy.KEEP_ALL and contact.phone in phones:
            repeated.append(contact)
        else:
            kept.append(msgspec.structs.replace(contact, key=_free(contact.key, keys)))
            keys.add(kept[-1].key)
    return replace(intake, contacts=kept, duplicates=[*intake.duplicates, *repeated])


def _free(key: str, taken: set[str | None]) -> str:
    return next(name for name in _variants(key) if name not in taken)


def _variants(key: str) -> Iterator[str]:
    yield key
    number = 2
    while True:
        yield f"{key}-{number}"
        number += 1


def _store_appended(connection: Connection, tenant: str, one: store.StoredList, planned: Planned) -> Created:
    created = Created(one.id, new_id("op"))
    if planned.staged:
        store.change_list(connection, one.id, staged=True)
    _store_contacts(connection, one.id, planned)
    work.add_operation(connection, created.operation_id, tenant, one.id, "append")
    return created
