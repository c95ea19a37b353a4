"""Finding one number in all that is stored, and taking it out. Each function is one small transaction."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec
import phonenumbers
from sqlalchemy import Column, Connection, Select, Table, and_, func, insert, select, tuple_, update

from gateway.canonical import Contact, Fault, Outcome
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.canonical.lists import ListHead
from gateway.encoding import REDACTED
from gateway.ingest import Phone, Rejected, normalise_phone
from gateway.ingest.phones import known_region
from gateway.store import chunk_writing
from gateway.store import chunks as contacts
from gateway.store import operations as work
from gateway.store.chunks import Chunk, Mark, Place
from gateway.store.database import new_id, timestamp
from gateway.store.retention import Next, blank, is_empty
from gateway.store.schema import (
    attempts,
    audit,
    chunks,
    deliveries,
    idempotency,
    lists,
    migrations,
    operations,
    remote_lists,
    uploads,
)

PAGE: Final = 20
TEXTS: Final = 500
_GAP: Final = "[^0-9A-Za-z]{0,4}"


class Number:
    """One number, and how it is recognised in a text: with or without country code, however it is cut up."""

    def __init__(self, e164: str) -> None:
        self.e164 = e164
        parsed = phonenumbers.parse(e164)
        national = phonenumbers.national_significant_number(parsed)
        core, code = _GAP.join(national), _GAP.join(str(parsed.country_code))
        lead = rf"\(?(?:(?:\+|00){_GAP})?(?:{code}{_GAP})?(?:0{_GAP})?"
        self._text = re.compile(rf"(?<![0-9]){lead}{core}(?![0-9])")
        self._bytes = re.compile("[^0-9A-Za-z]{0,12}".join(national).encode())

    def may_be_in(self, body: bytes | None) -> bool:
        """False only when it is not in these bytes of texts in UTF-8, or in one byte a letter."""
        return body is not None and self._bytes.search(body) is not None

    def is_in(self, text: str | None) -> bool:
        return text is not None and self._text.search(text) is not None

    def masked(self, text: str) -> str:
        return self._text.sub(REDACTED, text)

    def is_spelled(self, text: str, region: str | None) -> bool:
        """Whether the text as a whole is this number to somebody in this country."""
        found = normalise_phone(text.strip(), known_region(region))
        return isinstance(found, Phone) and found.e164 == self.e164


class Spot(NamedTuple):
    """A chunk, and whose it is."""

    tenant: str
    list_id: str
    no: int


@dataclass(slots=True)
class Seen:
    """What of a number stands in a chunk. `people`: chunk, delivery, part, remote id, outcome of who is at a vendor."""

    place: Spot
    contacts: int = 0
    rows: int = 0
    mentions: int = 0
    people: list[tuple[Spot, str, int | None, str | None, Outcome]] = field(default_factory=list)
    waiting: dict[str, Any] | None = None

    @property
    def any(self) -> bool:
        return bool(self.contacts or self.rows or self.mentions)


def look(
    connection: Connection,
    number: Number,
    tenants: Collection[str],
    regions: Mapping[str, str | None],
    after: Spot,
) -> tuple[list[Seen], Spot | None]:
    """What stands in the next chunks, and where to go on."""
    texts = (chunks.c.is_row, chunks.c.body, chunks.c.marks, chunks.c.detail, chunks.c.faults)
    query = select(lists.c.tenant, chunks.c.list_id, chunks.c.no, lists.c.head, *texts).join_from(chunks, lists)
    query = query.where(tuple_(chunks.c.list_id, chunks.c.no) > tuple_(after.list_id, after.no))
    page = connection.execute(query.order_by(chunks.c.list_id, chunks.c.no).limit(PAGE)).all()
    found = []
    for tenant, list_id, no, head, is_row, body, marks, *words in page:
        if tenant not in tenants:
            continue
        if is_row or any(map(number.may_be_in, (body, marks, *(word and word.encode() for word in words)))):
            region = ListHead.model_validate_json(head).default_region or regions.get(tenant)
            chunk = contacts.load(connection, list_id, no)
            seen, _ = _examine(connection, Spot(tenant, list_id, no), chunk, number, region)
            found += [seen] if seen.any else []
    return found, Spot(*page[-1][:3]) if len(page) == PAGE else None


def _examine(
    connection: Connection, place: Spot, chunk: Chunk, number: Number, region: str | None
) -> tuple[Seen, dict[int, str]]:
    """What of the number a chunk holds, and how: `self`, `row`, `mention` or `words` by seq."""
    seen, kinds = Seen(place), {}
    for seq, item in chunk.items:
        mark = chunk.mark(seq)
        kind = _kind(item, mark, number, region)
        if kind is None:
            continue
        kinds[seq] = kind
        if kind == "self":
            seen.contacts += 1
            if mark.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN) and chunk.place.delivery_id is not None:
                seen.people.append((place, chunk.place.delivery_id, chunk.place.part, mark.remote_id, mark.outcome))
        elif kind == "row":
            seen.rows += 1
        else:
            seen.mentions += 1
    if kinds:
        seen.waiting = _waiting(connection, place, chunk)
    return seen, kinds


def _kind(item: Contact | Rejected, mark: Mark, number: Number, region: str | None) -> str | None:
    words = [mark.detail, *(fault.detail for fault in mark.faults)]
    if isinstance(item, Contact):
        if item.phone == number.e164:
            return "self"
        texts: list[str | None] = [*(getattr(item, name) for name in TEXT_FIELDS), *item.attributes.values()]
        if any(map(number.is_in, [*texts, *item.attributes])):
            return "mention"
    elif not is_empty(item):
        cells = json.dumps(item.cells, ensure_ascii=False)
        faults = (fault.detail for fault in item.faults)
        if any(map(number.is_in, (item.phone_text, item.id, cells, *faults))):
            return "row"
        if number.is_spelled(item.phone_text, region):
            return "row"
    return "words" if any(map(number.is_in, words)) else None


def _waiting(connection: Connection, place: Spot, chunk: Chunk) -> dict[str, Any] | None:
    """Why this chunk must not change just now: its batch is being sent."""
    operation = work.running_operation(connection, place.list_id)
    there = chunk.place
    if operation is None or there.delivery_id is None:
        return None
    where = contacts.place_in(there.delivery_id, there.part, there.batch)
    if not connection.execute(select(func.sum(chunks.c.pending)).where(where)).scalar_one():
        return None
    why = "it is about to be sent: wait for the operation, or cancel it"
    return {"tenant": place.tenant, "list": place.list_id, "operation": operation, "why": why}


def apply(connection: Connection, place: Spot, number: Number, region: str | None, told: str) -> Seen:
    """Take the number out of a chunk, if it may change just now. Counts stay, but what was pending is rejected."""
    overwrite(connection)
    query = select(lists.c.head).where(lists.c.id == place.list_id).with_for_update()
    head = connection.execute(query).scalar_one_or_none()
    here = and_(chunks.c.list_id == place.list_id, chunks.c.no == place.no)
    if head is None or connection.execute(select(chunks.c.no).where(here)).first() is None:
        return Seen(place)
    chunk = contacts.load(connection, place.list_id, place.no, to_change=True)
    where = ListHead.model_validate_json(head).default_region or region
    seen, kinds = _examine(connection, place, chunk, number, where)
    if seen.waiting is not None or not seen.any:
        return seen
    writer = chunk_writing.writer(connection, place.list_id, "")
    kept = []
    for seq, item in chunk.items:
        kind, mark = kinds.get(seq), chunk.mark(seq)
        if kind == "self":
            row, erased = blank(item, mark, told)
            there = chunk.place._replace(rest=Mark(mark.outcome), is_row=True)
            if mark.outcome is Outcome.PENDING:
                why = (Fault("delivery.cancelled", None, told),)
                erased = Mark(Outcome.REJECTED, None, why, told, True)
                row = Rejected(row=item.row, faults=why, cells={})
                there = Place(rest=Mark(Outcome.REJECTED), is_row=True)  # of no delivery: nobody shall send it
            writer.add_at(seq, there, row, erased)
            chunk.marks.pop(seq, None)
            continue
        if kind == "row":
            item, chunk.marks[seq] = blank(item, mark, told)
        elif kind == "mention" and isinstance(item, Contact):
            item = _masked(item, seq, number)
        kept.append((seq, item))
    chunk.items = kept
    chunk.marks = {seq: _without(mark, number) for seq, mark in chunk.marks.items()}
    chunk.place = chunk.place._replace(rest=_without(chunk.place.rest, number))
    contacts.save(connection, chunk, body=True)
    writer.finish()
    chunk_writing.write(connection, writer, writer.take())
    return seen


def _masked(item: Contact, seq: int, number: Number) -> Contact:
    """Somebody else's contact in whose fields the number stood."""
    texts = {name: getattr(item, name) for name in TEXT_FIELDS}
    changed: dict[str, Any] = {name: number.masked(text) for name, text in texts.items() if number.is_in(text)}
    if "id" in changed:
        changed |= {"id": None, "key": f"erased-{seq}"}
    attributes = {
        name if not number.is_in(name) else f"erased_{place}": number.masked(value)
        for place, (name, value) in enumerate(item.attributes.items())
    }
    return msgspec.structs.replace(item, **changed, attributes=attributes)


def _without(mark: Mark, number: Number) -> Mark:
    faults = tuple(Fault(one.code, one.column, number.masked(one.detail)) for one in mark.faults)
    detail = number.masked(mark.detail) if mark.detail else None
    return Mark(mark.outcome, mark.remote_id, faults, detail, mark.by_vendor)


def at_vendor(
    connection: Connection, people: Sequence[tuple[Spot, str, int | None, str | None, Outcome]]
) -> list[dict[str, Any]]:
    """Where the number is at vendors."""
    query = select(deliveries.c.destination, remote_lists.c.remote_id)
    query = query.join_from(deliveries, remote_lists, remote_lists.c.delivery_id == deliveries.c.id)
    told = []
    for place, delivery_id, part, remote_id, outcome in people:
        where = (deliveries.c.id == delivery_id, remote_lists.c.part == part)
        row = connection.execute(query.where(*where)).first()
        told.append(
            {
                "tenant": place.tenant,
                "list": place.list_id,
                "destination": row[0] if row else "",
                "remote_list": row[1] if row else None,
                "remote_id": remote_id,
                "outcome": outcome.value,
            }
        )
    return told


def reading(connection: Connection, number: Number, tenants: Collection[str]) -> list[dict[str, Any]]:
    """Files that may hold the number: those that are just being read, and arriving ones in which it stands."""
    of_files = operations.c.input.is_not(None) & operations.c.list_id.not_in(select(migrations.c.id))
    unfinished = operations.c.state.in_(work.UNFINISHED) & of_files
    query = select(operations.c.tenant, operations.c.list_id, operations.c.id).where(unfinished)
    why = "a file is just being read that may hold it: wait for the operation"
    found = [
        {"tenant": tenant, "list": list_id, "operation": name, "why": why}
        for tenant, list_id, name in connection.execute(query.order_by(operations.c.no))
        if tenant in tenants
    ]
    inputs = list(connection.execute(select(operations.c.input).where(unfinished)).scalars())
    why = "an upload holds it that arrives just now, or was broken off; a starting server discards broken-off ones"
    pieces = connection.execute(select(uploads.c.id, uploads.c.no).order_by(uploads.c.id, uploads.c.no)).all()
    for upload_id, no in pieces:
        if any(upload_id in text for text in inputs):
            continue
        piece = select(uploads.c.body).where(uploads.c.id == upload_id, uploads.c.no == no)
        if number.may_be_in(connection.execute(piece).scalar_one()):
            found.append({"tenant": "", "list": "", "operation": None, "why": why})
            break
    return found


_KEYS: Mapping[str, tuple[Table, tuple[str, ...], tuple[str, ...]]] = {
    "attempts": (attempts, ("id",), ("target", "reply", "detail", "answer")),
    "deliveries": (deliveries, ("id",), ("detail",)),
    "operations": (operations, ("id",), ("error",)),
    "lists": (lists, ("id",), ("remains",)),
    "idempotency": (idempotency, ("tenant", "key"), ("body",)),
    "migrations": (migrations, ("id",), ("error",)),
}


def mask_texts(
    connection: Connection, name: str, number: Number, tenants: Collection[str], after: Any, dry: bool
) -> Next:
    """Mask the number in the texts of a table about requests and answers; a whole reply that holds it goes."""
    if not dry:
        overwrite(connection)
    table, keys, columns = _KEYS[name]
    key = tuple_(*(table.c[one] for one in keys))
    query = _with_tenant(table, *(table.c[one] for one in (*keys, *columns)))
    if after:
        query = query.where(key > tuple_(*after))
    page = connection.execute(query.order_by(*(table.c[one] for one in keys)).limit(TEXTS)).mappings().all()
    changed = 0
    for row in page:
        if row["whose"] is not None and row["whose"] not in tenants:
            continue
        values = {one: _rewritten(row[one], one, number) for one in columns if _holds(row[one], number)}
        if values:
            changed += 1
            if not dry:
                this = and_(*(table.c[one] == row[one] for one in keys))
                connection.execute(update(table).where(this).values(**values))
    return changed, tuple(page[-1][one] for one in keys) if len(page) == TEXTS else None


def _holds(value: str | bytes | None, number: Number) -> bool:
    if isinstance(value, bytes | memoryview):
        return number.is_in(bytes(value).decode("latin-1"))
    return number.is_in(value)


def _rewritten(value: str | bytes, column: str, number: Number) -> str | bytes | None:
    if column == "answer":
        return None
    if isinstance(value, str):
        return number.masked(value)
    return number.masked(bytes(value).decode("latin-1")).encode("latin-1")


def _with_tenant(table: Table, *columns: Column[Any]) -> Select[Any]:
    """The columns and `whose` they are: null where nobody is named. The order of the table's key costs no sorting."""
    if "tenant" in table.c:
        return select(*columns, table.c.tenant.label("whose"))
    query = select(*columns, lists.c.tenant.label("whose"))
    if table is deliveries:
        return query.join_from(deliveries, lists, lists.c.id == deliveries.c.list_id, isouter=True)
    of_delivery = attempts.outerjoin(deliveries, deliveries.c.id == attempts.c.delivery_id)
    return query.select_from(of_delivery.outerjoin(lists, lists.c.id == deliveries.c.list_id))


def overwrite(connection: Connection) -> None:
    """Have SQLite write zeros over what goes."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def record(connection: Connection, tenant: str, of_lists: int, people: int) -> None:
    """The fact of an erasure, without the number."""
    connection.execute(
        insert(audit),
        {
            "id": new_id("au"),
            "tenant": tenant,
            "destination": "",
            "method": "ERASE",
            "path": f"lists={of_lists} contacts={people}",
            "digest": "",
            "status": None,
            "at": timestamp(),
        },
    )
