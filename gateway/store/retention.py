"""What is removed because it is old, a page at a time: each function is one small transaction.

Counts stay what they were: of a contact that is removed its row, its outcome and the codes of its faults remain.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Index, Text, cast, delete, exists, func, or_, select, tuple_, update

from gateway.canonical import Fault
from gateway.ingest import Rejected
from gateway.store import chunks as contacts
from gateway.store.chunks import Chunk, Item, Mark
from gateway.store.operations import UNFINISHED
from gateway.store.schema import attempts, audit, chunks, deliveries, idempotency, lists, operations, remote_lists

INDEXES: tuple[Index, ...] = (Index("idempotency_by_age", idempotency.c.created_at),)
"""What finds the old rows of a table whose keys do not tell their age."""
PAGE: Final = 500
CHUNKS: Final = 20
"""Chunks of one transaction."""
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"

Next = tuple[int, Any]
"""How many there were on a page, and where the next one begins; None: there is none."""


def id_at(prefix: str, moment: datetime) -> str:
    """The lowest identifier that can have been made at this time: identifiers sort by the time of making."""
    number = int(moment.timestamp() * 1000) << 80
    return f"{prefix}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def moment_of(timestamp: str) -> datetime:
    return datetime.fromisoformat(timestamp).astimezone(UTC)


def old_keys(connection: Connection, before: str, after: Any, dry: bool) -> Next:
    """Idempotency keys claimed before a time. One whose operation is at work stays."""
    key = tuple_(idempotency.c.created_at, idempotency.c.tenant, idempotency.c.key)
    query = select(idempotency.c.created_at, idempotency.c.tenant, idempotency.c.key).where(
        idempotency.c.created_at < before, key > tuple_(*(after or ("", "", ""))), ~_at_work(idempotency.c.operation_id)
    )
    found = [tuple(row) for row in connection.execute(query.order_by(*key.clauses).limit(PAGE))]
    if found and not dry:
        connection.execute(delete(idempotency).where(key.in_(found)))
    return len(found), found[-1] if len(found) == PAGE else None


def _at_work(operation_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(operations.c.id == operation_id, operations.c.state.in_(UNFINISHED))


def old_audit(connection: Connection, before: str, after: Any, dry: bool) -> Next:
    """Audited calls from before a time."""
    query = select(audit.c.id).where(audit.c.id > (after or ""), audit.c.id < id_at("au", moment_of(before)))
    found = list(connection.execute(query.order_by(audit.c.id).limit(PAGE)).scalars())
    if found and not dry:
        connection.execute(delete(audit).where(audit.c.id.in_(found)))
    return len(found), found[-1] if len(found) == PAGE else None


def old_operations(connection: Connection, before: str, after: Any, dry: bool) -> Next:
    """Operations that ended before a time. The last of its kind stays with its list: what may be done depends on it."""
    newer = operations.alias()
    is_last = ~exists().where(
        newer.c.list_id == operations.c.list_id, newer.c.kind == operations.c.kind, newer.c.no > operations.c.no
    )
    query = select(
        operations.c.id,
        operations.c.updated_at < before,
        operations.c.state.in_(UNFINISHED),
        is_last & exists().where(lists.c.id == operations.c.list_id),
    ).where(operations.c.id > (after or ""), operations.c.id < id_at("op", moment_of(before)))
    page = connection.execute(query.order_by(operations.c.id).limit(PAGE)).all()
    found = [name for name, old, unfinished, needed in page if old and not unfinished and not needed]
    if found and not dry:
        connection.execute(delete(operations).where(operations.c.id.in_(found)))
    return len(found), page[-1][0] if len(page) == PAGE else None


def old_attempts(connection: Connection, before: str, after: Any, dry: bool) -> Next:
    """Attempts begun before a time. Those of a list on which anything is open stay: they say what must not be sent."""
    query = select(attempts.c.id, attempts.c.started_at, deliveries.c.list_id)
    query = query.join_from(attempts, deliveries, deliveries.c.id == attempts.c.delivery_id, isouter=True)
    page = connection.execute(query.where(attempts.c.id > (after or 0)).order_by(attempts.c.id).limit(PAGE)).all()
    old = [(number, list_id) for number, started_at, list_id in page if started_at < before]
    settled = {list_id: list_id is None or is_settled(connection, list_id) for list_id in {one for _, one in old}}
    found = [number for number, list_id in old if settled[list_id]]
    if found and not dry:
        connection.execute(delete(attempts).where(attempts.c.id.in_(found)))
    return len(found), page[-1][0] if len(page) == PAGE and len(old) == PAGE else None


def is_settled(connection: Connection, list_id: str) -> bool:
    """Whether nothing about a list is open any more: nothing held back, at work, on its way to another vendor, pending
    or unknown.

    Of a deleted list only work that goes on counts: nobody can send or settle the rest.
    """
    busy = select(operations.c.id).where(operations.c.list_id == list_id, operations.c.state.in_(UNFINISHED))
    if connection.execute(busy.limit(1)).first() is not None:
        return False
    staged, deleted_at, migration_id = connection.execute(
        select(lists.c.staged, lists.c.deleted_at, lists.c.migration_id).where(lists.c.id == list_id)
    ).one()
    if migration_id is not None:
        return False
    if deleted_at is not None:
        return True
    open_ = select(chunks.c.no).where(chunks.c.list_id == list_id, (chunks.c.pending > 0) | (chunks.c.unknown > 0))
    return not staged and connection.execute(open_.limit(1)).first() is None


def due_lists(connection: Connection, before: str, after: str, whole: bool) -> tuple[list[str], str | None]:
    """Lists that nobody changed since a time and that are settled; and where to go on.

    `whole` False: only those of which contacts came since their contacts were removed.
    """
    since = func.coalesce(lists.c.deleted_at, lists.c.updated_at)
    query = select(lists.c.id, since).where(lists.c.id > after, lists.c.id < id_at("cl", moment_of(before)))
    if not whole:
        head, tail = _FIRST.split("{number}")
        known = lists.c.remains.like("%" + head + cast(lists.c.next_seq - 1, Text) + tail + "%")
        query = query.where(lists.c.next_seq > 1, or_(lists.c.remains.is_(None), ~known))
    page = connection.execute(query.order_by(lists.c.id).limit(PAGE)).all()
    due = [list_id for list_id, changed in page if changed < before and is_settled(connection, list_id)]
    return due, page[-1][0] if len(page) == PAGE else None


_FIRST: Final = "names and numbers of the first {number} contacts were removed here"
_TOLD: Final = re.compile(r"(; )?" + _FIRST.format(number=r"\d+") + r" on [\d-]+ \(retention\)")


def removed_on(moment: datetime) -> str:
    """What is told of a contact that is removed."""
    return f"removed here on {moment.date().isoformat()} (retention)"


def empty_some(connection: Connection, list_id: str, after: int, moment: datetime, dry: bool) -> Next:
    """Remove the contacts of the next chunks of a settled list: how many they were. At the end the list says so."""
    if not dry and not _locked(connection, list_id):
        return 0, None
    where = (chunks.c.list_id == list_id, chunks.c.no > after)
    page = connection.execute(select(chunks.c.no).where(*where).order_by(chunks.c.no).limit(CHUNKS)).scalars().all()
    number = 0
    for no in page:
        chunk = contacts.load(connection, list_id, no)
        people = sum(not is_empty(item) for _, item in chunk.items)
        if people and not dry:
            contacts.save(connection, emptied(chunk, removed_on(moment)), body=True)
        number += people
    if len(page) == CHUNKS:
        return number, page[-1]
    if not dry:
        _tell(connection, list_id, moment)
    return number, None


def _locked(connection: Connection, list_id: str) -> bool:
    """Whether the list is there and still settled; nobody adds to it until the transaction ends."""
    query = select(lists.c.id).where(lists.c.id == list_id).with_for_update()
    return connection.execute(query).first() is not None and is_settled(connection, list_id)


def _tell(connection: Connection, list_id: str, moment: datetime) -> None:
    query = select(lists.c.next_seq, lists.c.remains).where(lists.c.id == list_id)
    next_seq, remains = connection.execute(query).one()
    sentence = f"{_FIRST.format(number=next_seq - 1)} on {moment.date().isoformat()} (retention)"
    told = "; ".join(filter(None, (_TOLD.sub("", remains or ""), sentence)))
    connection.execute(update(lists).where(lists.c.id == list_id).values(remains=told))


def is_empty(item: Item) -> bool:
    return isinstance(item, Rejected) and not (item.cells or item.phone_text or item.id)


def is_emptied(remains: str | None) -> bool:
    """Whether these words on a list say that its contacts were removed."""
    return _TOLD.search(remains or "") is not None


def blank(item: Item, mark: Mark, told: str) -> tuple[Rejected, Mark]:
    """A contact or row without anybody's data: it can be neither sent nor compared, and its outcome stands."""
    faults = item.faults if isinstance(item, Rejected) else mark.faults
    kept = Mark(mark.outcome, None, _without_words(mark.faults, told), told, mark.by_vendor)
    return Rejected(row=item.row, faults=_without_words(faults, told), cells={}), kept


def _without_words(faults: Sequence[Fault], told: str) -> tuple[Fault, ...]:
    return tuple(Fault(fault.code, fault.column, told) for fault in faults)


def emptied(chunk: Chunk, told: str) -> Chunk:
    """The chunk without anybody's data."""
    blanks = {seq: blank(item, chunk.mark(seq), told) for seq, item in chunk.items}
    was = chunk.place.rest
    rest = Mark(was.outcome, None, _without_words(was.faults, told), told, was.by_vendor)
    return Chunk(
        chunk.list_id,
        chunk.no,
        chunk.place._replace(rest=rest, is_row=True),
        {seq: mark for seq, (_, mark) in blanks.items() if mark != rest},
        [(seq, item) for seq, (item, _) in blanks.items()],
    )


def drop_some(connection: Connection, list_id: str, dry: bool) -> bool:
    """Remove a settled list, some chunks at a time; True when it is gone. From the start it is deleted."""
    if dry or not _locked(connection, list_id):
        return True
    page = select(chunks.c.no).where(chunks.c.list_id == list_id).order_by(chunks.c.no).limit(CHUNKS * 10)
    numbers = connection.execute(page).scalars().all()
    # with the time of its last change: what is broken off here is old enough to be gone on with
    going = func.coalesce(lists.c.deleted_at, lists.c.updated_at)
    connection.execute(update(lists).where(lists.c.id == list_id).values(deleted_at=going))
    if numbers:
        connection.execute(delete(chunks).where(chunks.c.list_id == list_id, chunks.c.no.in_(numbers)))
        return False
    mine = select(deliveries.c.id).where(deliveries.c.list_id == list_id)
    connection.execute(delete(attempts).where(attempts.c.delivery_id.in_(mine)))
    connection.execute(delete(remote_lists).where(remote_lists.c.delivery_id.in_(mine)))
    connection.execute(delete(deliveries).where(deliveries.c.list_id == list_id))
    connection.execute(delete(operations).where(operations.c.list_id == list_id))
    connection.execute(delete(lists).where(lists.c.id == list_id))
    return True
