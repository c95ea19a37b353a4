"""Lists and their contacts in the database."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.canonical import Contact, Counts, Fault, ListHead, Outcome, Profile
from gateway.store.database import from_json, timestamp, to_json
from gateway.store.schema import contacts, lists

PAGE = 1_000
_contact = msgspec.msgpack.Decoder(Contact)
_anything = msgspec.msgpack.Decoder()
pack = msgspec.msgpack.encode


class ReferenceTaken(Exception):
    """The tenant has a list with this reference already."""

    def __init__(self, list_id: str) -> None:
        super().__init__(list_id)
        self.list_id = list_id


@dataclass(frozen=True, slots=True)
class StoredList:
    """A list without its contacts."""

    id: str
    tenant: str
    head: ListHead
    profile: Profile
    source: dict[str, Any] | None
    staged: bool
    created_at: str
    updated_at: str
    deleted_at: str | None
    remains: str | None


@dataclass(frozen=True, slots=True)
class NewContact:
    """A contact about to be stored. `body` is the packed Contact or Rejected row."""

    row: int
    key: str | None
    phone: str | None
    outcome: Outcome
    body: bytes
    faults: Sequence[Fault] = ()
    delivery_id: str | None = None
    part: int | None = None
    batch: int | None = None
    by_vendor: bool = False


@dataclass(frozen=True, slots=True)
class StoredContact:
    """One contact as it stands."""

    list_id: str
    seq: int
    row: int
    phone: str | None
    outcome: Outcome
    delivery_id: str | None
    part: int | None
    batch: int | None
    remote_id: str | None
    key: str | None
    faults: list[Fault]
    detail: str | None
    body: bytes

    @property
    def contact_id(self) -> str:
        return f"ct_{self.list_id.removeprefix('cl_')}_{self.seq}"

    def contact(self) -> Contact:
        return _contact.decode(self.body)

    def raw(self) -> Any:
        return _anything.decode(self.body)


def profile_text(profile: Profile) -> str:
    return to_json([profile.count, sorted(profile.fields), list(profile.attributes)])


def profile_of(text: str) -> Profile:
    count, fields, attributes = from_json(text)
    return Profile(count, frozenset(fields), tuple(attributes))


def add_list(
    connection: Connection,
    list_id: str,
    tenant: str,
    head: ListHead,
    profile: Profile,
    source: Mapping[str, Any] | None,
    staged: bool,
) -> None:
    """Store a new list; `ReferenceTaken` when the tenant has one of this reference."""
    now = timestamp()
    values = {
        "id": list_id,
        "tenant": tenant,
        "name": head.name,
        "reference": head.reference,
        "head": head.model_dump_json(),
        "profile": profile_text(profile),
        "source": to_json(source) if source is not None else None,
        "staged": staged,
        "next_seq": 1,
        "created_at": now,
        "updated_at": now,
    }
    taken = by_reference(connection, tenant, head.reference) if head.reference is not None else None
    if taken is not None:
        raise ReferenceTaken(taken)
    try:
        connection.execute(insert(lists), values)
    except IntegrityError:
        raise ReferenceTaken("") from None


def by_reference(connection: Connection, tenant: str, reference: str) -> str | None:
    query = select(lists.c.id).where(
        lists.c.tenant == tenant, lists.c.reference == reference, lists.c.deleted_at.is_(None)
    )
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def add_contacts(connection: Connection, list_id: str, people: Iterable[NewContact]) -> None:
    """Append contacts to a list, in order."""
    seq: int = connection.execute(select(lists.c.next_seq).where(lists.c.id == list_id).with_for_update()).scalar_one()
    rows: list[dict[str, Any]] = []
    for one in people:
        rows.append(
            {
                "list_id": list_id,
                "seq": seq,
                "row": one.row,
                "key": one.key,
                "phone": one.phone,
                "outcome": one.outcome.value,
                "delivery_id": one.delivery_id,
                "part": one.part,
                "batch": one.batch,
                "by_vendor": one.by_vendor,
                "faults": faults_text(one.faults),
                "body": one.body,
            }
        )
        seq += 1
        if len(rows) >= PAGE:
            connection.execute(insert(contacts), rows)
            rows = []
    if rows:
        connection.execute(insert(contacts), rows)
    connection.execute(update(lists).where(lists.c.id == list_id).values(next_seq=seq, updated_at=timestamp()))


def faults_text(faults: Sequence[Fault]) -> str | None:
    return to_json(list(faults)) if faults else None


def get_list(connection: Connection, tenant: str, list_id: str) -> StoredList | None:
    """The tenant's list, deleted ones too; None when it is not this tenant's."""
    row = connection.execute(select(lists).where(lists.c.id == list_id, lists.c.tenant == tenant)).mappings().first()
    return _list(row) if row else None


def _list(row: RowMapping) -> StoredList:
    return StoredList(
        row["id"],
        row["tenant"],
        ListHead.model_validate_json(row["head"]),
        profile_of(row["profile"]),
        from_json(row["source"]) if row["source"] else None,
        row["staged"],
        row["created_at"],
        row["updated_at"],
        row["deleted_at"],
        row["remains"],
    )


def page_of_lists(connection: Connection, tenant: str, after: str, limit: int) -> list[StoredList]:
    """The tenant's lists that are not deleted, newest first, below the id `after` ("" for the first page)."""
    query = select(lists).where(lists.c.tenant == tenant, lists.c.deleted_at.is_(None))
    if after:
        query = query.where(lists.c.id < after)
    rows = connection.execute(query.order_by(lists.c.id.desc()).limit(limit)).mappings()
    return [_list(row) for row in rows]


def change_list(connection: Connection, list_id: str, **values: Any) -> None:
    connection.execute(update(lists).where(lists.c.id == list_id).values(updated_at=timestamp(), **values))


def claim_staged(connection: Connection, list_id: str) -> bool:
    """Take a list out of `staged`, once: True for the one caller that did."""
    query = update(lists).where(lists.c.id == list_id, lists.c.staged.is_(True))
    return connection.execute(query.values(staged=False, updated_at=timestamp())).rowcount == 1


def counts(connection: Connection, list_id: str) -> tuple[Counts, dict[str, Counts], dict[str | None, int]]:
    """Of a list: its counts, those of each delivery, and by delivery how many a vendor refused or never got."""
    query = select(contacts.c.delivery_id, contacts.c.outcome, contacts.c.by_vendor, func.count()).where(
        contacts.c.list_id == list_id
    )
    total: dict[str, int] = defaultdict(int)
    each: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    refused: dict[str | None, int] = defaultdict(int)
    grouped = query.group_by(contacts.c.delivery_id, contacts.c.outcome, contacts.c.by_vendor)
    for delivery_id, outcome, by_vendor, number in connection.execute(grouped):
        total[outcome] += number
        if delivery_id is not None:
            each[delivery_id][outcome] += number
        if by_vendor and outcome == Outcome.REJECTED:
            refused[delivery_id] += number
    return Counts.of(total.items()), {name: Counts.of(one.items()) for name, one in each.items()}, dict(refused)


def page_of_contacts(
    connection: Connection, list_id: str, outcome: str | None, after: int, limit: int
) -> list[StoredContact]:
    query = select(contacts).where(contacts.c.list_id == list_id, contacts.c.seq > after)
    if outcome is not None:
        query = query.where(contacts.c.outcome == outcome)
    return [_stored(row) for row in connection.execute(query.order_by(contacts.c.seq).limit(limit)).mappings()]


def get_contact(connection: Connection, list_id: str, contact_id: str) -> StoredContact | None:
    prefix, _, seq = contact_id.rpartition("_")
    if prefix != f"ct_{list_id.removeprefix('cl_')}" or not seq.isascii() or not seq.isdigit() or len(seq) > 9:
        return None
    query = select(contacts).where(contacts.c.list_id == list_id, contacts.c.seq == int(seq))
    row = connection.execute(query).mappings().first()
    return _stored(row) if row else None


def remove_contact(connection: Connection, list_id: str, seq: int) -> None:
    connection.execute(delete(contacts).where(contacts.c.list_id == list_id, contacts.c.seq == seq))
    change_list(connection, list_id)


def _stored(row: RowMapping) -> StoredContact:
    return StoredContact(
        row["list_id"],
        row["seq"],
        row["row"],
        row["phone"],
        Outcome(row["outcome"]),
        row["delivery_id"],
        row["part"],
        row["batch"],
        row["remote_id"],
        row["key"],
        [Fault(**fault) for fault in from_json(row["faults"])] if row["faults"] else [],
        row["detail"],
        row["body"],
    )


def batch_contacts(
    connection: Connection, delivery_id: str, part: int | None, batch: int | None, outcome: Outcome = Outcome.PENDING
) -> list[tuple[int, Contact]]:
    """The contacts of a batch (None: of the whole delivery) with this outcome, each with its seq, in order."""
    query = (
        select(contacts.c.seq, contacts.c.body)
        .where(_in_batch(delivery_id, part, batch), contacts.c.outcome == outcome.value)
        .order_by(contacts.c.seq)
    )
    return [(seq, _contact.decode(body)) for seq, body in connection.execute(query)]


def phones_and_keys(connection: Connection, list_id: str) -> Iterator[tuple[str | None, str | None]]:
    """Phone and key of every contact of a list that takes part: what an append is compared with."""
    query = select(contacts.c.phone, contacts.c.key).where(
        contacts.c.list_id == list_id, contacts.c.outcome.not_in([Outcome.REJECTED.value, Outcome.DUPLICATE.value])
    )
    yield from ((phone, key) for phone, key in connection.execute(query))  # `tuples()` is deprecated


def _in_batch(delivery_id: str, part: int | None, batch: int | None) -> Any:
    conditions = [contacts.c.delivery_id == delivery_id]
    if part is not None:
        conditions.append(contacts.c.part == part)
    if batch is not None:
        conditions.append(contacts.c.batch == batch)
    return and_(*conditions)


def settle(
    connection: Connection,
    delivery_id: str,
    part: int | None,
    batch: int | None,
    outcome: Outcome,
    *,
    was: Outcome,
    faults: Sequence[Fault] = (),
    detail: str = "",
) -> int:
    """Give all contacts of a batch (None: of the delivery) that are still `was` one outcome; how many they were."""
    query = update(contacts).where(_in_batch(delivery_id, part, batch), contacts.c.outcome == was.value)
    values = {
        "outcome": outcome.value,
        "faults": faults_text(faults),
        "detail": detail or None,
        "by_vendor": outcome is Outcome.REJECTED,
    }
    return connection.execute(query.values(**values)).rowcount


def settle_each(connection: Connection, list_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give single contacts their outcome: rows of `at` (the contact's seq) and the columns of `SETTLED`."""
    query = update(contacts).where(contacts.c.list_id == list_id, contacts.c.seq == bindparam("at"))
    if rows:
        connection.execute(query.values({name: bindparam(name) for name in SETTLED}), rows)


SETTLED = ("outcome", "remote_id", "faults", "detail", "by_vendor")


def move(connection: Connection, delivery_id: str, target: str) -> None:
    """Hand every contact of a delivery to another one, pending again and not yet cut into batches."""
    connection.execute(
        update(contacts)
        .where(contacts.c.delivery_id == delivery_id)
        .values(
            delivery_id=target,
            part=None,
            batch=None,
            outcome=Outcome.PENDING.value,
            faults=None,
            detail=None,
            by_vendor=False,
        )
    )
