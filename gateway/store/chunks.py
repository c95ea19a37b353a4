"""Contacts in the database, by the chunk: up to a thousand contacts of one list that share a place, in one row.

What a chunk holds never changes (but for removal and erasure). What became of its contacts stands beside it: one
outcome for the rest, and marks for those that have another. So a batch is settled by one small update, and ten million
contacts are ten thousand rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.exc import NoResultFound

from gateway.canonical import Contact, Counts, Fault, Outcome
from gateway.ingest import Rejected
from gateway.store.database import Prepared
from gateway.store.schema import chunks

SIZE: Final = 1_000
"""Contacts of one chunk at most."""

Item = Contact | Rejected


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """What became of a contact. `by_vendor`: rejected by a vendor, or never sent."""

    outcome: Outcome
    remote_id: str | None = None
    faults: tuple[Fault, ...] = ()
    detail: str | None = None
    by_vendor: bool = False


class Place(NamedTuple):
    """Where contacts belong, and what they are as long as nobody says otherwise."""

    delivery_id: str | None = None
    part: int | None = None
    batch: int | None = None
    rest: Mark = Mark(Outcome.PENDING)
    is_row: bool = False


@dataclass(slots=True)
class Chunk:
    """One chunk, read whole. `items` are in the order of their seqs."""

    list_id: str
    no: int
    place: Place
    marks: dict[int, Mark]
    items: list[tuple[int, Item]]

    def mark(self, seq: int) -> Mark:
        return self.marks.get(seq) or self.place.rest

    def stored(self, seq: int, item: Item) -> "StoredContact":
        return StoredContact(self.list_id, seq, self.no, self.place, self.mark(seq), item)


class StoredContact(NamedTuple):
    """One contact (or row that is none) as it stands."""

    list_id: str
    seq: int
    chunk: int
    place: Place
    mark: Mark
    item: Item

    @property
    def contact_id(self) -> str:
        return f"ct_{self.list_id.removeprefix('cl_')}_{self.seq}"

    def contact(self) -> Contact:
        assert isinstance(self.item, Contact)
        return self.item


_encode = msgspec.msgpack.Encoder().encode
contacts_in = msgspec.msgpack.Decoder(list[tuple[int, Contact]]).decode
_rows = msgspec.msgpack.Decoder(list[tuple[int, Rejected]]).decode
_marks = msgspec.msgpack.Decoder(dict[int, Mark]).decode
_faults = msgspec.json.Decoder(tuple[Fault, ...]).decode


def row_of(chunk: Chunk) -> dict[str, Any]:
    """A chunk as its columns."""
    place = chunk.place
    chunk.items.sort(key=_seq)
    return {
        "list_id": chunk.list_id,
        "no": chunk.no,
        "delivery_id": place.delivery_id,
        "part": place.part,
        "batch": place.batch,
        "first_seq": chunk.items[0][0],
        "last_seq": chunk.items[-1][0],
        "is_row": place.is_row,
        "body": _encode(chunk.items),
        **_state_of(chunk),
    }


_seq = itemgetter(0)


def _state_of(chunk: Chunk) -> dict[str, Any]:
    """The columns that say what became of a chunk's contacts."""
    rest, marks = chunk.place.rest, chunk.marks
    tally = Counter(mark.outcome for mark in marks.values())
    tally[rest.outcome] += len(chunk.items) - len(marks)
    by_vendor = sum(mark.by_vendor for mark in marks.values())
    return {
        **{outcome.value: tally[outcome] for outcome in Outcome},
        "by_vendor": by_vendor + (len(chunk.items) - len(marks) if rest.by_vendor else 0),
        **_rest_of(rest),
        "marks": _encode(marks) if marks else None,
    }


def _rest_of(rest: Mark) -> dict[str, Any]:
    return {
        "rest": rest.outcome.value,
        "faults": msgspec.json.encode([rest.faults, rest.by_vendor]).decode() if rest.faults else None,
        "detail": rest.detail,
    }


def _rest(row: Mapping[str, Any]) -> Mark:
    outcome = Outcome(row["rest"])
    faults, by_vendor = _told(row["faults"]) if row["faults"] else ((), False)
    return Mark(outcome, None, faults, row["detail"], by_vendor)


_told = msgspec.json.Decoder(tuple[tuple[Fault, ...], bool]).decode


def _chunk(row: Mapping[str, Any]) -> Chunk:
    place = Place(row["delivery_id"], row["part"], row["batch"], _rest(row), bool(row["is_row"]))
    items = (_rows if row["is_row"] else contacts_in)(row["body"])
    marks = _marks(row["marks"]) if row["marks"] else {}
    return Chunk(row["list_id"], row["no"], place, marks, items)  # type: ignore[arg-type]


def load(connection: Connection, list_id: str, no: int, *, to_change: bool = False) -> Chunk:
    """One chunk; `to_change` keeps others from changing it meanwhile."""
    row = (_LOAD_TO_CHANGE if to_change else _LOAD)(connection, of_list=list_id, the_no=no).mapping()
    if row is None:
        raise NoResultFound(f"there is no chunk {no} of {list_id}")
    return _chunk(row)


_LOAD_QUERY: Final = select(chunks).where(chunks.c.list_id == bindparam("of_list"), chunks.c.no == bindparam("the_no"))
_LOAD: Final = Prepared(_LOAD_QUERY)
_LOAD_TO_CHANGE: Final = Prepared(_LOAD_QUERY.with_for_update())


def save(connection: Connection, chunk: Chunk, *, body: bool = False) -> None:
    """Store what became of a chunk's contacts (with `body`: the contacts too); a chunk without any goes."""
    this = and_(chunks.c.list_id == chunk.list_id, chunks.c.no == chunk.no)
    if not chunk.items:
        connection.execute(delete(chunks).where(this))
        return
    values = row_of(chunk) if body else _state_of(chunk)
    connection.execute(update(chunks).where(this).values(**values))


def place_in(delivery_id: str, part: int | None = None, batch: int | None = None) -> ColumnElement[bool]:
    """The condition for the chunks of a batch, a part, or a whole delivery."""
    conditions = [chunks.c.delivery_id == delivery_id]
    if part is not None:
        conditions.append(chunks.c.part == part)
    if batch is not None:
        conditions.append(chunks.c.batch == batch)
    return and_(*conditions)


def numbers_of(connection: Connection, where: Any) -> list[tuple[str, int]]:
    """(list id, no) of the chunks that fulfil a condition, in order."""
    query = select(chunks.c.list_id, chunks.c.no).where(where).order_by(chunks.c.list_id, chunks.c.no)
    return [(list_id, no) for list_id, no in connection.execute(query)]


def settle(connection: Connection, where: Any, was: Outcome, becomes: Mark) -> int:
    """Give every contact of these chunks that is `was` another mark, one without a vendor's id; how many they were."""
    settled = 0
    whole = and_(where, chunks.c[was.value] > 0, chunks.c.marks.is_(None))
    size = chunks.c[was.value]
    if becomes.outcome is not was:
        number = connection.execute(select(func.sum(size)).where(whole)).scalar_one() or 0
        values = {becomes.outcome.value: size, was.value: 0, "by_vendor": size if becomes.by_vendor else 0}
        connection.execute(update(chunks).where(whole).values(**values, **_rest_of(becomes)))
        settled += int(number)
    for list_id, no in numbers_of(connection, and_(where, chunks.c[was.value] > 0, chunks.c.marks.is_not(None))):
        chunk = load(connection, list_id, no, to_change=True)
        seqs = [seq for seq, _ in chunk.items if chunk.mark(seq).outcome is was]
        settled += len(seqs)
        if chunk.place.rest.outcome is was:
            chunk.place = chunk.place._replace(rest=becomes)
        chunk.marks = {seq: mark for seq, mark in chunk.marks.items() if mark.outcome is not was} | {
            seq: becomes for seq in seqs if chunk.place.rest is not becomes
        }
        save(connection, chunk)
    return settled


def decide(connection: Connection, list_id: str, no: int, rest: Mark, of: Callable[[Contact], Mark | None]) -> None:
    """Give each contact of a chunk its mark: what `of` says, else `rest`. Suppressed ones stay what they are."""
    chunk = load(connection, list_id, no, to_change=True)
    marks = {}
    for seq, item in chunk.items:
        assert isinstance(item, Contact)
        mark = chunk.marks.get(seq)
        if mark is None or mark.outcome is not Outcome.SUPPRESSED:
            mark = of(item)
        if mark is not None and mark != rest:
            marks[seq] = mark
    chunk.place, chunk.marks = chunk.place._replace(rest=rest), marks
    save(connection, chunk)


def settle_whole(
    connection: Connection, delivery_id: str, part: int, batch: int, becomes: Mark, *, alike: bool = False
) -> bool:
    """Settle a batch of which every contact is alike, without reading it; False when some have marks.

    `alike`: it is known that none has.
    """
    place = {"of_delivery": delivery_id, "of_part": part, "of_batch": batch}
    if not alike and _MARKED(connection, **place).first():
        return False
    shares = {f"is_{outcome.value}": int(outcome is becomes.outcome) for outcome in Outcome}
    _SETTLE(connection, **place, **shares, is_by_vendor=int(becomes.by_vendor), **_rest_of(becomes))
    return True


def outcomes_in(connection: Connection, delivery_id: str, part: int, batch: int) -> set[Outcome]:
    """The outcomes that there are in a batch."""
    numbers = _OUTCOMES(connection, of_delivery=delivery_id, of_part=part, of_batch=batch).first() or ()
    return {outcome for outcome, number in zip(Outcome, numbers, strict=True) if number}


BATCH: Final = and_(
    chunks.c.delivery_id == bindparam("of_delivery"),
    chunks.c.part == bindparam("of_part"),
    chunks.c.batch == bindparam("of_batch"),
)
"""The condition for the chunks of the batch `of_delivery`, `of_part`, `of_batch`."""
_SIZE: Any = sum(chunks.c[outcome.value] for outcome in Outcome)
_SUMS: Final = [func.sum(chunks.c[outcome.value]) for outcome in Outcome]
_MARKED: Final = Prepared(select(chunks.c.no).where(BATCH, chunks.c.marks.is_not(None)).limit(1))
_SETTLE: Final = Prepared(
    update(chunks)
    .where(BATCH)
    .values({outcome.value: _SIZE * bindparam(f"is_{outcome.value}") for outcome in Outcome})
    .values(by_vendor=_SIZE * bindparam("is_by_vendor"))
    .values({name: bindparam(name) for name in ("rest", "faults", "detail")})
)
_OUTCOMES: Final = Prepared(select(*_SUMS).where(BATCH))
_COUNTS: Final = Prepared(
    select(chunks.c.delivery_id, func.sum(chunks.c.by_vendor), *_SUMS)
    .where(chunks.c.list_id == bindparam("of_list"))
    .group_by(chunks.c.delivery_id)
)


def counts(connection: Connection, list_id: str) -> tuple[Counts, dict[str, Counts], dict[str | None, int]]:
    """Of a list: its counts, those of each delivery, and by delivery how many a vendor refused or never got."""
    total: Counter[str] = Counter()
    each: dict[str, Counts] = {}
    refused: dict[str | None, int] = {}
    for delivery_id, by_vendor, *numbers in _COUNTS(connection, of_list=list_id):
        tally = {outcome.value: int(number) for outcome, number in zip(Outcome, numbers, strict=True)}
        total.update(tally)
        if delivery_id is not None:
            each[delivery_id] = Counts.of(tally.items())
        refused[delivery_id] = int(by_vendor)
    return Counts.of(total.items()), each, refused


def batches_of(connection: Connection, delivery_id: str) -> list[tuple[int, int, int]]:
    """(part, batch, pending contacts) of every batch of a delivery, in order."""
    where = (chunks.c.delivery_id == delivery_id, chunks.c.batch.is_not(None))
    query = select(chunks.c.part, chunks.c.batch, func.sum(chunks.c.pending)).where(*where)
    grouped = query.group_by(chunks.c.part, chunks.c.batch).order_by(chunks.c.part, chunks.c.batch)
    return [(part, batch, int(pending)) for part, batch, pending in connection.execute(grouped)]


def walk(connection: Connection, where: Any, outcome: Outcome | None = None, after: int = 0) -> Iterator[StoredContact]:
    """The contacts of these chunks of one list in order, those after a seq; a few chunks are in memory at once."""
    query = select(chunks.c.list_id, chunks.c.no, chunks.c.first_seq).where(where, chunks.c.last_seq > after)
    if outcome is not None:
        query = query.where(chunks.c[outcome.value] > 0)
    waiting: dict[int, StoredContact] = {}
    for list_id, no, first_seq in connection.execute(query.order_by(chunks.c.first_seq)).all():
        yield from _before(waiting, first_seq)
        chunk = load(connection, list_id, no)
        for seq, item in chunk.items:
            if seq > after and outcome in (None, chunk.mark(seq).outcome):
                waiting[seq] = chunk.stored(seq, item)
    yield from _before(waiting, None)


def _before(waiting: dict[int, StoredContact], seq: int | None) -> Iterator[StoredContact]:
    """Those that come before any contact of the chunks that were not read yet."""
    for one in sorted(waiting) if seq is None else sorted(at for at in waiting if at < seq):
        yield waiting.pop(one)


def page(connection: Connection, list_id: str, outcome: Outcome | None, after: int, limit: int) -> list[StoredContact]:
    """Up to `limit` contacts of a list after a seq, in order."""
    return list(islice(walk(connection, of_list(list_id), outcome, after), limit))


def get_contact(connection: Connection, list_id: str, contact_id: str) -> StoredContact | None:
    prefix, _, text = contact_id.rpartition("_")
    if prefix != f"ct_{list_id.removeprefix('cl_')}" or not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    seq = int(text)
    query = select(chunks.c.no).where(chunks.c.list_id == list_id, chunks.c.first_seq <= seq, chunks.c.last_seq >= seq)
    for (no,) in connection.execute(query).all():
        chunk = load(connection, list_id, no)
        for at, item in chunk.items:
            if at == seq:
                return chunk.stored(at, item)
    return None


def remove(connection: Connection, one: StoredContact) -> None:
    """Take a contact out of its list."""
    chunk = load(connection, one.list_id, one.chunk, to_change=True)
    chunk.items = [(seq, item) for seq, item in chunk.items if seq != one.seq]
    chunk.marks.pop(one.seq, None)
    save(connection, chunk, body=True)


_ASIDE = (Outcome.REJECTED, Outcome.DUPLICATE, Outcome.SUPPRESSED)


def taking_part(connection: Connection, list_id: str) -> list[int]:
    """The numbers of the chunks of a list that hold contacts which take part."""
    size: Any = sum(chunks.c[outcome.value] for outcome in Outcome if outcome not in _ASIDE)
    return [no for _, no in numbers_of(connection, and_(of_list(list_id), size > 0))]


def numbers(connection: Connection, list_id: str, no: int) -> list[tuple[str, str]]:
    """Phone and key of the contacts of a chunk that take part: what an append is compared with."""
    chunk = load(connection, list_id, no)
    return [
        (item.phone, item.key)
        for seq, item in chunk.items
        if isinstance(item, Contact) and chunk.mark(seq).outcome not in _ASIDE
    ]


def drop(connection: Connection, where: Any) -> None:
    """Remove these chunks with their contacts."""
    connection.execute(delete(chunks).where(where))


def of_list(list_id: str) -> ColumnElement[bool]:
    return chunks.c.list_id == list_id


def of_operation(list_id: str, operation_id: str) -> ColumnElement[bool]:
    return and_(chunks.c.list_id == list_id, chunks.c.operation_id == operation_id)
