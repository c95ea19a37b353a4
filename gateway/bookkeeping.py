"""What a delivery writes down: receipts, fallbacks, plans. Each function is one transaction of the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from gateway.canonical import Contact, ListHead, LossEntry, LossKind, Outcome
from gateway.canonical.faults import fault
from gateway.contract import Receipt, RemoteList
from gateway.planning import Draft, activation_of, remote_key
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store.database import new_id, to_json
from gateway.store.deliveries import NewDelivery, StoredDelivery, StoredRemote
from gateway.store.schema import contacts


def load(connection: Connection, tenant: str, delivery: StoredDelivery) -> tuple[store.StoredList, list[StoredRemote]]:
    stored_list = store.get_list(connection, tenant, delivery.list_id)
    assert stored_list is not None
    return stored_list, stored.remotes_of(connection, delivery.id)


def remotes_and_batches(connection: Connection, delivery_id: str) -> tuple[list[StoredRemote], list[tuple[int, int]]]:
    return stored.remotes_of(connection, delivery_id), stored.batches_of(connection, delivery_id)


def apply_receipt(
    connection: Connection,
    delivery: StoredDelivery,
    part: int,
    people: list[tuple[int, Contact]],
    receipt: Receipt,
    remote: RemoteList,
) -> None:
    """Give each contact of a batch the outcome of the receipt, and keep the remote list."""
    rows = []
    for seq, contact in people:
        item = receipt.of(contact)
        explained = [item.fault] if item.fault else []
        if item.outcome is Outcome.REJECTED and not explained:
            explained = [fault("vendor.refused", detail=receipt.detail)]
        rows.append(
            {
                "at": seq,
                "outcome": item.outcome.value,
                "remote_id": item.remote_id,
                "faults": store.faults_text(explained),
                "detail": receipt.detail or None,
                "by_vendor": item.outcome is Outcome.REJECTED,
            }
        )
    store.settle_each(connection, delivery.list_id, rows)
    stored.save_remote(connection, delivery.id, part, remote)
    store.change_list(connection, delivery.list_id)


def took_nothing(connection: Connection, delivery: StoredDelivery) -> bool:
    _, each, _ = store.counts(connection, delivery.list_id)
    counts = each.get(delivery.id)
    return counts is None or (counts.accepted == 0 and counts.unknown == 0)


def everyone(connection: Connection, delivery_id: str) -> list[tuple[int, Contact]]:
    """The contacts of a delivery, those that its adapter refused beforehand included: another one may take them."""
    waiting = store.batch_contacts(connection, delivery_id, None, None, Outcome.PENDING)
    refused = store.batch_contacts(connection, delivery_id, None, None, Outcome.REJECTED)
    return sorted(waiting + refused)


def open_batches(connection: Connection, delivery_id: str) -> list[tuple[int | None, int | None]]:
    return [
        (one["part"], one["batch"]) for one in stored.attempts_of(connection, delivery_id) if one["verdict"] is None
    ]


def supersede(
    connection: Connection,
    one: store.StoredList,
    delivery: StoredDelivery,
    planned: Draft,
    people: list[tuple[int, Contact]],
    why: str,
) -> StoredDelivery:
    """Hand all contacts of a delivery to the next one, which is returned."""
    new_delivery = store_draft(connection, one.id, planned, one.head, datetime.now(UTC))
    store.move(connection, delivery.id, new_delivery)
    place_contacts(connection, one.id, planned, {contact.key: seq for seq, contact in people})
    stored.change_delivery(connection, delivery.id, superseded_by=new_delivery, detail=why)
    after = stored.get_delivery(connection, new_delivery)
    if after.activation == "held":
        store.change_list(connection, one.id, staged=True)
    return after


def store_draft(connection: Connection, list_id: str, planned: Draft, head: ListHead, now: datetime) -> str:
    """Store a planned delivery with the keys of its remote lists; its id."""
    delivery_id = new_id("dl")
    adapter = planned.destination.adapter
    stored.add_delivery(
        connection,
        list_id,
        NewDelivery(
            delivery_id,
            planned.destination.name,
            planned.fallbacks,
            adapter.name,
            activation_of(adapter, head, now),
            planned.plan.style,
            planned.profile,
            planned.given_options,
            planned.losses,
            [remote_key(delivery_id, part) for part in range(1, planned.parts + 1)],
        ),
    )
    return delivery_id


def place_contacts(connection: Connection, list_id: str, planned: Draft, seqs: dict[str, int]) -> None:
    """Put the contacts of a planned delivery into their batches, and reject those that its adapter refuses."""
    stored.assign(connection, list_id, ((seqs[contact.key], part, batch) for part, batch, contact in planned.places()))
    rows = [
        {
            "at": seqs[contact.key],
            "outcome": Outcome.REJECTED.value,
            "remote_id": None,
            "faults": store.faults_text(faults),
            "detail": None,
            "by_vendor": True,
        }
        for contact, faults in planned.refused
    ]
    store.settle_each(connection, list_id, rows)


@dataclass(frozen=True, slots=True)
class OpenList:
    """A remote list of an earlier delivery that further contacts can be appended to."""

    delivery_id: str
    losses: list[LossEntry]
    part: int
    last_batch: int

    def places(self, planned: Draft) -> Iterator[tuple[int, int, Contact]]:
        """(part, batch, contact) of everyone who is appended."""
        for place, contact in enumerate(planned.carried):
            yield self.part, self.last_batch + 1 + place // planned.plan.batch_size, contact


def open_list(connection: Connection, list_id: str, planned: Draft) -> OpenList | None:
    """Where a planned delivery can join an earlier one of its list; None when it needs remote lists of its own.

    Joined only when the vendor appends, the ceiling leaves room, nothing there is unclear, and the contacts bring no
    field that the remote list was made without: whether a vendor takes other columns later is not documented.
    """
    if planned.destination.adapter.append is None:
        return None
    for delivery in reversed(stored.of_list(connection, list_id)):
        same = delivery.destination == planned.destination.name and delivery.superseded_by is None
        known = planned.profile.fields <= delivery.profile.fields
        if not (same and known and set(planned.profile.attributes) <= set(delivery.profile.attributes)):
            continue
        query = select(contacts.c.outcome, func.max(contacts.c.batch), func.count()).where(
            contacts.c.delivery_id == delivery.id, contacts.c.part == (part := last_part(connection, delivery.id))
        )
        found = list(connection.execute(query.group_by(contacts.c.outcome)))
        held = sum(number for _, _, number in found)
        unclear = any(outcome == Outcome.UNKNOWN for outcome, _, _ in found)
        if not unclear and held and held + len(planned.carried) <= planned.plan.contacts_per_list:
            last_batch = max(batch or 0 for _, batch, _ in found)
            return OpenList(delivery.id, delivery.losses, part, last_batch)
    return None


def last_part(connection: Connection, delivery_id: str) -> int:
    return max((remote.part for remote in stored.remotes_of(connection, delivery_id) if not remote.deleted), default=0)


def join_delivery(connection: Connection, joined: OpenList, planned: Draft) -> None:
    """Add the losses of appended contacts to those of the delivery."""
    total: dict[tuple[str, LossKind, str], int | None] = {}
    for loss in [*joined.losses, *planned.losses]:
        place = (loss.field, loss.kind, loss.why)
        before = total.get(place)
        total[place] = loss.contacts if before is None or loss.contacts is None else before + loss.contacts
    merged = [
        LossEntry(field=field, kind=kind, contacts=number, why=why).model_dump(mode="json")
        for (field, kind, why), number in total.items()
    ]
    stored.change_delivery(connection, joined.delivery_id, losses=to_json(merged))
