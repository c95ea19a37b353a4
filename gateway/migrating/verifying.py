"""What is at the target, contact by contact, against what was to arrive: read back where the vendor allows it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection

from gateway.canonical import Contact, Counts, Outcome
from gateway.contract import RemoteContact, RemoteStatus, Verb
from gateway.host import Host
from gateway.managing import destination_of, talk
from gateway.migrating import sources
from gateway.migrating.documents import Compared, Fate, RemoteOut, TargetSide
from gateway.migrating.plans import keeper
from gateway.migrating.readings import Reading, digest_of, fields_of, match_of
from gateway.migrating.sorting import Rows
from gateway.migrating.sources import Unit
from gateway.problem import Problem
from gateway.readback import LOOKS
from gateway.settings import Destination, Tenant
from gateway.store import chunks, moves
from gateway.store import deliveries as stored
from gateway.store.chunks import Chunk, StoredContact
from gateway.store.database import Database
from gateway.store.moves import Move, MovingList, Row
from gateway.store.operations import StoredOperation

NOTHING = "nothing of this list moves"


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A list at the target as far as it can be looked at."""

    unit: Unit
    destination: Destination
    counts: Counts
    reading: Reading | None
    remotes: list[RemoteOut]
    why: str

    @property
    def held(self) -> bool:
        return all(one.activation == "held" for one in self.unit.deliveries)


async def verify(host: Host, tenant: Tenant, move: Move, moving: MovingList, one: StoredOperation) -> None:
    """Compare, keep a row for each contact, and what they add up to; the list is verified then."""
    result = dict(moving.result or {})
    if moving.target_list_id is None:
        result |= {"compared": Compared().model_dump(), "target": None}
    else:
        result |= await _look_and_compare(host, tenant, move, moving, one)
    await host.database.run(moves.change_list, moving, stage="verified", result=result)


async def _look_and_compare(
    host: Host, tenant: Tenant, move: Move, moving: MovingList, one: StoredOperation
) -> dict[str, Any]:
    """Compare; what does not show may only not show yet, so it is looked at again over the visibility delay."""
    delay = destination_of(tenant, move.target).limits.visibility_delay
    for pause in (0.0, *(delay * share for share in LOOKS)):
        await asyncio.sleep(pause)
        arrived = await _look(host, tenant, move, str(moving.target_list_id), one)
        await host.database.run(moves.drop_rows, move.id, "moved", moving.no)
        told = await asyncio.to_thread(_compare, host, moving, arrived)
        if not told["compared"]["missing"]:
            break
    return told


async def _look(host: Host, tenant: Tenant, move: Move, list_id: str, one: StoredOperation) -> _Arrived:
    unit, counts = await host.database.run(_standing, tenant.name, list_id)
    destination = destination_of(tenant, move.target)
    why, readings = "", dict[str, Reading]()
    try:
        readings = await sources.read(host, tenant, unit, one.id)
    except Problem as problem:
        why = problem.detail
    reading = next(iter(readings.values()), None)
    if reading is not None:
        why = reading.incomplete
    elif not why:
        why = f"{destination.name}: {destination.adapter.capability(Verb.READ).note}"
    remotes = [out for delivery in unit.deliveries for out in await _counted(host, unit, delivery, destination, one)]
    return _Arrived(unit, destination, counts, reading, remotes, why)


def _standing(connection: Connection, tenant: str, list_id: str) -> tuple[Unit, Counts]:
    which = [one.id for one in stored.of_list(connection, list_id) if one.live]
    return sources.load(connection, tenant, list_id, which), chunks.counts(connection, list_id)[0]


async def _counted(
    host: Host, unit: Unit, delivery: stored.StoredDelivery, destination: Destination, one: StoredOperation
) -> list[RemoteOut]:
    """The remote lists of a delivery, with the vendor's own count where it gives one."""
    status, counted = destination.adapter.status, []
    for remote in unit.there(delivery):
        count = None
        if status is not None:
            try:
                exchange = status(remote, destination.options)
                shown: RemoteStatus = await talk(host, destination, Verb.STATUS, exchange, delivery, one.id)
                count = shown.count
            except Problem:
                count = None  # the certificate then says no count
        counted.append(RemoteOut(id=remote.id, name=remote.name, count=count))
    return counted


def _compare(host: Host, moving: MovingList, arrived: _Arrived) -> dict[str, Any]:
    rows = Rows(keeper(host, moving, "moved"))
    tally: Counter[str] = Counter()
    refused, there, together = 0, 0, sha256()
    for each in _pieces(host.database, arrived):
        for row in _rows_of(each, arrived):
            refused += row.fate == Fate.REFUSED
            if row.compared:
                tally[row.compared] += 1
            if row.compared in ("equal", "different", "unverified"):
                there += 1
                together.update(bytes.fromhex(row.found or row.digest))
            rows.add(row)
    if arrived.reading is not None:
        for phone, digest in arrived.reading.unlooked_rows():
            tally["unexpected"] += 1
            why = "the target shows this contact, and it was not to arrive there"
            rows.add(Row(fate="", phone=phone, why=why, compared="unexpected", found=digest.hex()))
    rows.flush()
    read = "nothing has left yet" if arrived.held else "read back" if arrived.reading else "from our attempts"
    side = TargetSide.model_validate(
        {
            "list_id": arrived.unit.one.id,
            "destination": arrived.destination.name,
            "remote_lists": [one.model_dump() for one in arrived.remotes],
            "outcomes": arrived.counts.model_dump(),
            "contacts": there,
            "digest": together.hexdigest(),
            "read": read,
            "why": arrived.why or None,
        }
    )
    return {"target": side.model_dump(mode="json"), "compared": Compared(**tally).model_dump(), "refused": refused}


Piece = tuple[Chunk, list[StoredContact]]


def _pieces(database: Database, arrived: _Arrived) -> Iterator[Piece]:
    list_id = arrived.unit.one.id
    for _, no in database.call(chunks.numbers_of, chunks.of_list(list_id)):
        chunk = database.call(chunks.load, list_id, no)
        yield chunk, [chunk.stored(seq, item) for seq, item in chunk.items]


def _rows_of(piece: Piece, arrived: _Arrived) -> Iterable[Row]:
    """A row for each contact of a chunk, compared with what the target shows."""
    chunk, people = piece
    delivery = next((one for one in arrived.unit.deliveries if one.id == chunk.place.delivery_id), None)
    expected: dict[int, RemoteContact] = {}
    shown: dict[int, Any] = {}
    if arrived.reading is not None and delivery is not None and arrived.destination.adapter.echo is not None:
        job = arrived.unit.job(delivery, arrived.destination)
        echo = arrived.destination.adapter.echo
        taken = [one for one in people if isinstance(one.item, Contact) and one.mark.outcome is Outcome.ACCEPTED]
        expected = {one.seq: echo(job, one.contact()) for one in taken}
        wanted = [(match_of(e.key, str(e.fields["phone"])), str(e.fields["phone"])) for e in expected.values()]
        shown = dict(zip(expected, arrived.reading.find(wanted), strict=True))
    for one in people:
        yield _row(one, expected.get(one.seq), shown.get(one.seq), arrived.reading)


def _row(one: StoredContact, expected: RemoteContact | None, found: Any, reading: Reading | None) -> Row:
    item, mark = one.item, one.mark
    refused = mark.outcome is Outcome.REJECTED and one.place.batch is None
    why = "; ".join(f"{fault.code}: {fault.detail}" if fault.detail else fault.code for fault in mark.faults)
    compared, at_target = "", ""
    if mark.outcome is Outcome.ACCEPTED:
        compared = "unverified"
        if expected is not None and found is not None:
            at_target = found.digest.hex()
            compared = "equal" if found.digest == digest_of(expected.fields) else "different"
        elif expected is not None and reading is not None and not reading.incomplete:
            compared, why = "missing", "accepted by the target, which does not show it"
    known = isinstance(item, Contact)
    return Row(
        fate=(Fate.REFUSED if refused else Fate.MOVES).value,
        contact_id=one.contact_id,
        row=item.row,
        key=item.key if isinstance(item, Contact) else "",
        phone=item.phone if isinstance(item, Contact) else "",
        why=why or mark.detail or "",
        outcome=mark.outcome.value,
        compared=compared,
        digest=digest_of(fields_of(item)).hex() if known and isinstance(item, Contact) else "",
        found=at_target,
    )
