"""What a delivery writes down: receipts, suppressions, fallbacks, plans. Each function is one transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from gateway.canonical import Contact, Outcome, added_up
from gateway.canonical.faults import fault
from gateway.contract import Item, Receipt, RemoteList
from gateway.planning import Draft, activation_of, remote_key
from gateway.store import attempts, chunk_writing, chunks, suppressions
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store.chunk_writing import Writer
from gateway.store.chunks import Mark, Place
from gateway.store.database import Database, Prepared
from gateway.store.deliveries import NewDelivery, StoredDelivery, StoredRemote
from gateway.store.schema import chunks as table

BLOCK = 5
"""Full chunks that are written at once."""
IN_MEMORY = 5
"""Chunks of a batch that are kept in memory; a longer batch is read anew each time that it is gone through."""


def load(connection: Connection, tenant: str, delivery: StoredDelivery) -> tuple[store.StoredList, list[StoredRemote]]:
    stored_list = store.get_list(connection, tenant, delivery.list_id)
    assert stored_list is not None
    return stored_list, stored.remotes_of(connection, delivery.id)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a delivery stands: its remote lists, and (part, batch) of what has pending contacts, in order."""

    remotes: list[StoredRemote]
    batches: list[tuple[int, int]]
    tried: set[tuple[int | None, int | None]]


def standing(connection: Connection, delivery_id: str) -> Standing:
    batches = [(part, batch) for part, batch, pending in chunks.batches_of(connection, delivery_id) if pending]
    return Standing(stored.remotes_of(connection, delivery_id), batches, attempts.tried(connection, delivery_id))


class StoredContacts:
    """The contacts of a batch, read from the database chunk by chunk whenever they are gone through."""

    def __init__(self, database: Database, list_id: str, numbers: list[int], length: int) -> None:
        self._database, self._list_id, self._numbers, self._length = database, list_id, numbers, length
        self._kept: list[Contact] | None = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Contact]:
        if self._kept is not None:
            return iter(self._kept)
        if len(self._numbers) > IN_MEMORY:
            return self._read()
        self._kept = list(self._read())
        return iter(self._kept)

    def _read(self) -> Iterator[Contact]:
        for number in self._numbers:
            yield from self._database.call(_to_send, self._list_id, number)


def _to_send(connection: Connection, list_id: str, number: int) -> list[Contact]:
    chunk = chunks.load(connection, list_id, number)
    if not chunk.marks and not chunk.place.is_row:
        return [cast("Contact", item) for _, item in chunk.items]
    return [
        item
        for seq, item in chunk.items
        if isinstance(item, Contact) and chunk.mark(seq).outcome is not Outcome.SUPPRESSED
    ]


def batch_of(connection: Connection, delivery_id: str, part: int, batch: int) -> tuple[list[int], int, int]:
    """Of a batch: the numbers of its chunks, how many contacts they send, and how many of those are pending."""
    rows = list(_BATCH(connection, of_delivery=delivery_id, of_part=part, of_batch=batch))
    return [no for no, _, _ in rows], sum(number for _, number, _ in rows), sum(pending for _, _, pending in rows)


_SENT: Any = sum(table.c[one.value] for one in Outcome if one is not Outcome.SUPPRESSED)
_BATCH: Final = Prepared(select(table.c.no, _SENT, table.c.pending).where(chunks.BATCH).order_by(table.c.no))


def withhold(connection: Connection, tenant: str, delivery: StoredDelivery, part: int, batch: int) -> None:
    """Mark the contacts of a batch, which is about to be sent for the first time, that were suppressed meanwhile."""
    if not suppressions.page(connection, tenant, "", 1):
        return
    for list_id, no in chunks.numbers_of(connection, chunks.place_in(delivery.id, part, batch)):
        chunk = chunks.load(connection, list_id, no, to_change=True)
        people = {seq: item for seq, item in chunk.items if isinstance(item, Contact)}
        barred = suppressions.suppressed(connection, tenant, {contact.phone for contact in people.values()})
        if barred:
            chunk.marks |= {seq: Mark(Outcome.SUPPRESSED) for seq, contact in people.items() if contact.phone in barred}
            chunks.save(connection, chunk)


def apply_receipt(
    connection: Connection, delivery: StoredDelivery, part: int, batch: int, receipt: Receipt, remote: RemoteList
) -> set[Outcome]:
    """Give each contact of a batch the outcome of the receipt, and keep the remote list. The outcomes there are now."""
    write_receipt(connection, delivery.list_id, delivery.id, part, batch, receipt, remote)
    outcomes = chunks.outcomes_in(connection, delivery.id, part, batch)
    if Outcome.PENDING not in outcomes:
        attempts.clear_answers(connection, delivery.id, part, batch)
    return outcomes


def write_receipt(
    connection: Connection,
    list_id: str,
    delivery_id: str,
    part: int,
    batch: int,
    receipt: Receipt,
    remote: RemoteList,
    *,
    alike: bool = False,
) -> str:
    """As `apply_receipt`, without looking at what there is then; the time at which the list changed.

    `alike`: it is known that no contact of the batch has a mark of its own.
    """
    rest = _mark(Item(receipt.rest), receipt)
    if receipt.items or not chunks.settle_whole(connection, delivery_id, part, batch, rest, alike=alike):
        for of_list, no in chunks.numbers_of(connection, chunks.place_in(delivery_id, part, batch)):
            chunks.decide(connection, of_list, no, rest, lambda contact: _mark_of(contact, receipt))
    stored.save_remote(connection, delivery_id, part, remote)
    return store.change_list(connection, list_id)


def _mark_of(contact: Contact, receipt: Receipt) -> Mark | None:
    item = receipt.items.get(contact.key)
    return None if item is None else _mark(item, receipt)


def _mark(item: Item, receipt: Receipt) -> Mark:
    explained = (item.fault,) if item.fault else ()
    refused = item.outcome is Outcome.REJECTED
    if refused and not explained:
        explained = (fault("vendor.refused", detail=receipt.detail),)
    return Mark(item.outcome, item.remote_id, explained, receipt.detail or None, refused)


def settle(connection: Connection, delivery: StoredDelivery, part: int | None, batch: int | None, becomes: Mark) -> int:
    """Give all contacts of a batch (None: of the delivery) that are still pending one outcome; how many they were."""
    where = chunks.place_in(delivery.id, part, batch)
    number = chunks.settle(connection, where, Outcome.PENDING, becomes)
    store.change_list(connection, delivery.list_id)
    return number


def leave_open(connection: Connection, delivery: StoredDelivery, detail: str) -> None:
    """What may have taken effect and has no outcome is unknown: nobody will look it up any more."""
    for part, batch in attempts.tried(connection, delivery.id):
        if part is not None:
            settle(connection, delivery, part, batch, Mark(Outcome.UNKNOWN, detail=detail))


def took_nothing(connection: Connection, delivery: StoredDelivery) -> bool:
    _, each, _ = chunks.counts(connection, delivery.list_id)
    counts = each.get(delivery.id)
    return counts is None or (counts.accepted == 0 and counts.unknown == 0)


def store_draft(
    connection: Connection,
    list_id: str,
    delivery_id: str,
    planned: Draft,
    operation_id: str,
    now: str | None = None,
) -> StoredDelivery:
    """Store a planned delivery with the keys of its remote lists."""
    adapter = planned.destination.adapter
    keys = [remote_key(delivery_id, part) for part in range(1, planned.parts + 1)]
    new = NewDelivery(
        delivery_id,
        planned.destination.name,
        planned.fallbacks,
        adapter.name,
        activation_of(adapter, planned.head, planned.now),
        planned.plan.style,
        planned.profile,
        planned.given_options,
        planned.losses,
        keys,
        operation_id,
    )
    return stored.add_delivery(connection, list_id, new, now)


def supersede(
    connection: Connection, delivery: StoredDelivery, new_id: str, planned: Draft, operation_id: str, why: str
) -> StoredDelivery:
    """Hand all contacts of a delivery, those that its adapter refused included, to the next one, which is returned."""
    writer = chunk_writing.writer(connection, delivery.list_id, operation_id)
    filling = Filling(writer, planned, new_id)
    where = chunks.place_in(delivery.id)
    before = where & (table.c.no < writer.no)
    for one in chunks.walk(connection, where):
        if one.mark.outcome is Outcome.SUPPRESSED or not isinstance(one.item, Contact):  # the latter was erased
            writer.add_at(one.seq, Place(new_id, rest=one.mark, is_row=one.place.is_row), one.item)
        else:
            filling.put(one.item, one.seq)
        if len(writer.rows) >= BLOCK:
            chunk_writing.write(connection, writer, writer.take())
    writer.finish()
    chunk_writing.write(connection, writer, writer.take())
    chunks.drop(connection, before)
    after = store_draft(connection, delivery.list_id, new_id, planned, operation_id)
    stored.change_delivery(connection, delivery.id, superseded_by=new_id, detail=why)
    if after.activation == "held":
        store.change_list(connection, delivery.list_id, staged=True)
    return after


class Filling:
    """Puts the contacts of a planned delivery into its batches, and those that its adapter refuses aside."""

    def __init__(self, writer: Writer, planned: Draft, delivery_id: str) -> None:
        self._writer, self._planned, self._delivery_id = writer, planned, delivery_id
        self._judge = planned.judge
        self._refused = Place(delivery_id, rest=REFUSED)
        self._place = Place(delivery_id)

    def put(self, contact: Contact, seq: int) -> None:
        """A contact that is on the list already."""
        faults = self._judge(contact).faults
        if faults:
            place, mark = self._refused, replace(REFUSED, faults=faults)
        else:
            place, mark = self._next_place(1)[0], None
        self._writer.add_at(seq, place, contact, mark)

    def put_all(self, contacts: Sequence[Contact]) -> None:
        """Contacts that are new on the list."""
        begin = 0
        for at, faults in self._judge.refusals(contacts).items():
            self._carry(contacts[begin:at])
            self._writer.add(self._refused, contacts[at], replace(REFUSED, faults=faults))
            begin = at + 1
        self._carry(contacts[begin:])

    def _carry(self, contacts: Sequence[Contact]) -> None:
        begin = 0
        while begin < len(contacts):
            place, number = self._next_place(len(contacts) - begin)
            self._writer.add_all(place, contacts[begin : begin + number])
            begin += number

    def _next_place(self, most: int) -> tuple[Place, int]:
        part, batch, number = self._planned.next_places(most)
        if batch != self._place.batch or part != self._place.part:
            self._writer.close(self._place)
            self._place = Place(self._delivery_id, part, batch)
        return self._place, number


REFUSED = Mark(Outcome.REJECTED, by_vendor=True)


@dataclass(frozen=True, slots=True)
class OpenList:
    """A remote list of an earlier delivery that further contacts can be appended to."""

    delivery: StoredDelivery
    part: int
    last_batch: int
    room: int


def open_list(connection: Connection, list_id: str, planned: Draft) -> OpenList | None:
    """Where a planned delivery can join an earlier one of its list; None when it needs remote lists of its own.

    Joined only when the vendor appends, the ceiling leaves room, nothing there is unclear, and the contacts bring no
    field that the remote list was made without: whether a vendor takes other columns later is not documented.
    """
    if planned.destination.adapter.append is None:
        return None
    for delivery in reversed(stored.of_list(connection, list_id)):
        same = delivery.destination == planned.destination.name and delivery.live
        known = planned.profile.fields <= delivery.profile.fields
        if not (same and known and set(planned.profile.attributes) <= set(delivery.profile.attributes)):
            continue
        remotes = stored.remotes_of(connection, delivery.id)
        part = max((remote.part for remote in remotes if not remote.deleted), default=0)
        size: Any = sum(table.c[outcome.value] for outcome in Outcome)
        query = select(func.sum(size), func.sum(table.c.unknown), func.max(table.c.batch))
        held, unclear, last = connection.execute(query.where(chunks.place_in(delivery.id, part))).one()
        if held and not unclear and held + planned.profile.count <= planned.plan.contacts_per_list:
            return OpenList(delivery, part, last or 0, planned.plan.contacts_per_list - int(held))
    return None


def join_delivery(connection: Connection, joined: OpenList, planned: Draft) -> None:
    """Add the losses of appended contacts to those of the delivery."""
    merged = added_up([*joined.delivery.losses, *planned.losses])
    stored.change_delivery(connection, joined.delivery.id, losses=stored.losses_text(merged))
