"""Migrations in the database: what was asked, planned and done, list by list and row by row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, select, update

from gateway.store.database import from_json, timestamp, to_json
from gateway.store.schema import deliveries, lists, migration_lists, migration_rows, migrations, remote_lists

BLOCK: Final = 1_000
"""Rows that are stored together."""


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """What there is to say of one contact. `digest` is of the contact at the source, `found` of the one at the target.

    `compared` is `equal`, `different`, `missing`, `unexpected` or `unverified`; "" for those that do not move.
    """

    fate: str
    contact_id: str = ""
    row: int = 0
    key: str = ""
    phone: str = ""
    why: str = ""
    losses: str = ""
    outcome: str = ""
    compared: str = ""
    digest: str = ""
    found: str = ""


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[Row]).decode
_JSON = ("source", "wishes", "plan", "error")
_JSON_OF_LIST = ("deliveries", "plan", "proof", "result")


@dataclass(frozen=True, slots=True)
class Move:
    """A migration. `certificate` is the signed text, byte by byte."""

    id: str
    tenant: str
    state: str
    source: dict[str, Any]
    target: str
    wishes: dict[str, Any]
    by: str
    plan: dict[str, Any] | None
    digest: str | None
    error: dict[str, Any] | None
    certificate: str | None
    operation_id: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class MovingList:
    """One list of a migration. `deliveries` are those of it that move; `stage` says how far it has come."""

    migration_id: str
    no: int
    list_id: str
    deliveries: list[str]
    stage: str
    plan: dict[str, Any] | None
    proof: dict[str, Any] | None
    target_list_id: str | None
    result: dict[str, Any] | None


def add(
    connection: Connection,
    move_id: str,
    tenant: str,
    state: str,
    source: Mapping[str, Any],
    target: str,
    wishes: Mapping[str, Any],
    by: str,
    operation_id: str,
) -> None:
    now = timestamp()
    values = {"id": move_id, "tenant": tenant, "state": state, "source": to_json(source), "target": target}
    values |= {"wishes": to_json(wishes), "by": by, "operation_id": operation_id, "created_at": now, "updated_at": now}
    connection.execute(insert(migrations), values)


def get(connection: Connection, tenant: str, move_id: str, *, to_change: bool = False) -> Move | None:
    query = select(migrations).where(migrations.c.id == move_id, migrations.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if to_change else query).mappings().first()
    return _move(row) if row else None


def page(connection: Connection, tenant: str, after: str, limit: int) -> list[Move]:
    """The tenant's migrations, newest first, below the id `after` ("" for the first page)."""
    query = select(migrations).where(migrations.c.tenant == tenant)
    if after:
        query = query.where(migrations.c.id < after)
    return [_move(row) for row in connection.execute(query.order_by(migrations.c.id.desc()).limit(limit)).mappings()]


def _move(row: RowMapping) -> Move:
    values = dict(row)
    for name in _JSON:
        values[name] = from_json(values[name]) if values[name] else None
    return Move(**values)


def change(connection: Connection, move_id: str, **values: Any) -> None:
    """Change a migration; structured values may be given as they are."""
    for name in _JSON:
        if values.get(name) is not None:
            values[name] = to_json(values[name])
    connection.execute(update(migrations).where(migrations.c.id == move_id).values(updated_at=timestamp(), **values))


def set_lists(connection: Connection, move_id: str, found: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Which lists move, and which of their deliveries."""
    connection.execute(delete(migration_lists).where(migration_lists.c.migration_id == move_id))
    rows = [
        {"migration_id": move_id, "no": no, "list_id": list_id, "deliveries": to_json(list(which)), "stage": "planned"}
        for no, (list_id, which) in enumerate(found, start=1)
    ]
    if rows:
        connection.execute(insert(migration_lists), rows)


def lists_of(connection: Connection, move_id: str) -> list[MovingList]:
    query = select(migration_lists).where(migration_lists.c.migration_id == move_id).order_by(migration_lists.c.no)
    return [_moving(row) for row in connection.execute(query).mappings()]


def _moving(row: RowMapping) -> MovingList:
    values = dict(row)
    for name in _JSON_OF_LIST:
        values[name] = from_json(values[name]) if values[name] else None
    return MovingList(**values)


def change_list(connection: Connection, one: MovingList, **values: Any) -> None:
    for name in _JSON_OF_LIST:
        if values.get(name) is not None:
            values[name] = to_json(values[name])
    where = and_(migration_lists.c.migration_id == one.migration_id, migration_lists.c.no == one.no)
    connection.execute(update(migration_lists).where(where).values(**values))


def note(connection: Connection, one: MovingList, name: str, value: Any) -> None:
    """Add a value to what is recorded of a list, beside what others have recorded since it was read."""
    where = and_(migration_lists.c.migration_id == one.migration_id, migration_lists.c.no == one.no)
    kept = connection.execute(select(migration_lists.c.result).where(where).with_for_update()).scalar_one()
    change_list(connection, one, result={**(from_json(kept) if kept else {}), name: value})


def claim(connection: Connection, move_id: str, list_id: str) -> str | None:
    """Let nobody else work on a list; the migration that does already, if any."""
    query = select(lists.c.migration_id).where(lists.c.id == list_id).with_for_update()
    other: str | None = connection.execute(query).scalar_one_or_none()
    if other is None or other == move_id:
        connection.execute(update(lists).where(lists.c.id == list_id).values(migration_id=move_id))
        return None
    return other


def release(connection: Connection, move_id: str) -> None:
    """Others may work on the lists again."""
    connection.execute(update(lists).where(lists.c.migration_id == move_id).values(migration_id=None))


def adopters(connection: Connection) -> list[str]:
    """The processes that are just taking lists over from vendors, dead or alive."""
    query = select(lists.c.migration_id).where(lists.c.deleted_at.is_not(None), lists.c.migration_id.is_not(None))
    return [owner for (owner,) in connection.execute(query.distinct()) if not owner.startswith("mg_")]


def discard_adopted(connection: Connection, dead: Sequence[str]) -> None:
    """Remove what dead processes had begun to take over from a vendor: nobody has seen it."""
    connection.execute(delete(lists).where(lists.c.deleted_at.is_not(None), lists.c.migration_id.in_(dead)))


def has_rows(connection: Connection, move_id: str, phase: str, list_no: int) -> int:
    """How many blocks of rows there are."""
    where = and_(_rows_of(move_id, phase), migration_rows.c.list_no == list_no)
    return int(connection.execute(select(func.count()).where(where)).scalar_one())


def _rows_of(move_id: str, phase: str) -> Any:
    return and_(migration_rows.c.migration_id == move_id, migration_rows.c.phase == phase)


def drop_rows(connection: Connection, move_id: str, phase: str, list_no: int | None = None) -> None:
    where = _rows_of(move_id, phase)
    if list_no is not None:
        where = and_(where, migration_rows.c.list_no == list_no)
    connection.execute(delete(migration_rows).where(where))


def add_rows(connection: Connection, move_id: str, phase: str, list_no: int, no: int, some: Iterable[Row]) -> None:
    """Store one block of rows."""
    values = {"migration_id": move_id, "phase": phase, "list_no": list_no, "no": no, "body": encode(list(some))}
    connection.execute(insert(migration_rows), values)


def blocks(connection: Connection, move_id: str, phase: str) -> list[tuple[int, int]]:
    """(list, block) of all rows of a phase, in order."""
    query = select(migration_rows.c.list_no, migration_rows.c.no).where(_rows_of(move_id, phase))
    found = connection.execute(query.order_by(migration_rows.c.list_no, migration_rows.c.no))
    return [(list_no, no) for list_no, no in found]


def block(connection: Connection, move_id: str, phase: str, list_no: int, no: int) -> list[Row]:
    where = and_(_rows_of(move_id, phase), migration_rows.c.list_no == list_no, migration_rows.c.no == no)
    body = connection.execute(select(migration_rows.c.body).where(where)).scalar_one_or_none()
    return [] if body is None else decode(body)


def each_block(connection: Connection, move_id: str, phase: str) -> Iterator[list[Row]]:
    for list_no, no in blocks(connection, move_id, phase):
        yield block(connection, move_id, phase, list_no, no)


def lists_at(connection: Connection, tenant: str, destination: str | None) -> list[tuple[str, list[str]]]:
    """(list, deliveries) of everything that lies at a destination, or at any; the oldest first."""
    query = (
        select(deliveries.c.list_id, deliveries.c.id)
        .join(lists, lists.c.id == deliveries.c.list_id)
        .where(lists.c.tenant == tenant, lists.c.deleted_at.is_(None))
        .where(deliveries.c.superseded_by.is_(None), deliveries.c.moved_to.is_(None))
    )
    if destination is not None:
        query = query.where(deliveries.c.destination == destination)
    found: dict[str, list[str]] = {}
    for list_id, delivery_id in connection.execute(query.order_by(deliveries.c.list_id, deliveries.c.id)):
        found.setdefault(list_id, []).append(delivery_id)
    return list(found.items())


def list_of_remote(connection: Connection, tenant: str, destination: str, remote_id: str) -> tuple[str, str] | None:
    """(list, delivery) that a remote list of a destination belongs to."""
    query = (
        select(deliveries.c.list_id, deliveries.c.id)
        .join(lists, lists.c.id == deliveries.c.list_id)
        .join(remote_lists, remote_lists.c.delivery_id == deliveries.c.id)
        .where(lists.c.tenant == tenant, lists.c.deleted_at.is_(None), deliveries.c.destination == destination)
        .where(remote_lists.c.remote_id == remote_id, remote_lists.c.deleted.is_(False))
        .where(deliveries.c.superseded_by.is_(None), deliveries.c.moved_to.is_(None))
    )
    row = connection.execute(query.limit(1)).first()
    return (row[0], row[1]) if row else None


def unproven(connection: Connection, list_id: str) -> str | None:
    """The migration that made a list whose source may still be calling, for all that is known and said."""
    query = select(migration_lists.c.migration_id, migration_lists.c.proof, migrations.c.state)
    query = query.join(migrations, migrations.c.id == migration_lists.c.migration_id)
    for move_id, proof, state in connection.execute(query.where(migration_lists.c.target_list_id == list_id)):
        known = from_json(proof) if proof else {"proven": False}
        if state != "rolled_back" and not known["proven"] and not known.get("by"):
            return str(move_id)
    return None


LOOSED: Final = "loosed"
"""Of a list's result: where its letting loose was asked for on the way back."""
DELETED: Final = "deleted"
"""Of a list's result: what of the old list was deleted at its vendor, as planned."""


def left_stopped(connection: Connection, list_id: str) -> bool:
    """Whether a list has come back from its last migration without being let loose again."""
    query = select(migration_lists.c.stage, migration_lists.c.result).where(migration_lists.c.list_id == list_id)
    row = connection.execute(query.order_by(migration_lists.c.migration_id.desc()).limit(1)).first()
    return row is not None and row[0] == "returned" and not (from_json(row[1]) if row[1] else {}).get(LOOSED)
