"""Migrations that are old, and one number in what migrations keep: each function is one small transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, delete, func, or_, select, tuple_, update

from gateway.canonical.lists import ListHead
from gateway.store.erasing import Number, overwrite
from gateway.store.moves import Row, decode, encode
from gateway.store.operations import UNFINISHED
from gateway.store.retention import PAGE, Next, id_at, is_settled, moment_of, removed_on
from gateway.store.schema import lists, migration_lists, migration_rows, migrations, operations

WORKING: Final = ("planning", "applying", "rolling_back")
BLOCKS: Final = 20
"""Blocks of rows of one transaction."""
_REMOVED: Final = "removed here on "
"""How `removed_on` begins."""
_KEY: Final = (
    migration_rows.c.migration_id,
    migration_rows.c.phase,
    migration_rows.c.list_no,
    migration_rows.c.no,
)
Place = tuple[str, str, int, int]
"""Migration, phase, list, block."""


def due_moves(connection: Connection, before: str, after: str, whole: bool) -> tuple[list[str], str | None]:
    """Migrations that nobody changed since a time; and where to go on.

    `whole`: those that touched nothing, or of which every list is gone. Else: those whose lists are settled and as old.
    """
    query = select(migrations.c.id).where(migrations.c.id > after, migrations.c.id < id_at("mg", moment_of(before)))
    query = query.where(migrations.c.updated_at < before, migrations.c.state.not_in(WORKING))
    page = list(connection.execute(query.order_by(migrations.c.id).limit(PAGE)).scalars())
    due = [one for one in page if (_is_over(connection, one) if whole else _is_quiet(connection, one, before))]
    return due, page[-1] if len(page) == PAGE else None


def _lists_of(connection: Connection, move_id: str) -> list[tuple[str, str]]:
    """(list, time of its last change) of every list, at either side, that is still here."""
    mine = select(migration_lists.c.list_id).where(migration_lists.c.migration_id == move_id)
    theirs = select(migration_lists.c.target_list_id).where(
        migration_lists.c.migration_id == move_id, migration_lists.c.target_list_id.is_not(None)
    )
    since = func.coalesce(lists.c.deleted_at, lists.c.updated_at)
    found = connection.execute(select(lists.c.id, since).where(or_(lists.c.id.in_(mine), lists.c.id.in_(theirs))))
    return [(list_id, changed) for list_id, changed in found]


def _is_quiet(connection: Connection, move_id: str, before: str) -> bool:
    found = _lists_of(connection, move_id)
    return all(changed < before and is_settled(connection, list_id) for list_id, changed in found)


def _is_over(connection: Connection, move_id: str) -> bool:
    begun = select(migration_lists.c.no).where(
        migration_lists.c.migration_id == move_id,
        or_(migration_lists.c.stage != "planned", migration_lists.c.proof.is_not(None)),
    )
    if connection.execute(begun.limit(1)).first() is None:
        return True
    return not _lists_of(connection, move_id)


def drop_some(connection: Connection, move_id: str, dry: bool) -> bool:
    """Remove a migration, some of its rows at a time; True when it is gone."""
    if dry or not _locked(connection, move_id):
        return True
    key = tuple_(*_KEY)
    page = [tuple(row) for row in connection.execute(_places(move_id).limit(BLOCKS * 10))]
    if page:
        connection.execute(delete(migration_rows).where(key.in_(page)))
        return False
    connection.execute(delete(operations).where(operations.c.list_id == move_id))
    connection.execute(delete(migrations).where(migrations.c.id == move_id))
    return True


def _locked(connection: Connection, move_id: str) -> bool:
    """Whether nobody works on the migration; nobody begins to until the transaction ends."""
    query = select(migrations.c.state).where(migrations.c.id == move_id).with_for_update()
    state = connection.execute(query).scalar_one_or_none()
    busy = select(operations.c.id).where(operations.c.list_id == move_id, operations.c.state.in_(UNFINISHED))
    return state is not None and state not in WORKING and connection.execute(busy.limit(1)).first() is None


def _places(move_id: str) -> Any:
    """Its blocks, the last one first: as long as the first one is as it was, there is something to do."""
    query = select(*_KEY).where(migration_rows.c.migration_id == move_id)
    return query.order_by(*(column.desc() for column in _KEY))


def empty_some(connection: Connection, move_id: str, after: Sequence[Any], moment: datetime, dry: bool) -> Next:
    """Take names and numbers out of the next blocks of rows (`after` (): from the end): how many rows they had."""
    if not dry and not _locked(connection, move_id):
        return 0, None
    if not after and _is_empty(connection, move_id):
        return 0, None
    query = _places(move_id)
    if after:
        query = query.where(tuple_(*_KEY) < tuple_(*after))
    page: list[Any] = [tuple(row) for row in connection.execute(query.limit(BLOCKS))]
    number = 0
    for place in page:
        rows = _load(connection, place)
        number += sum(not row.why.startswith(_REMOVED) for row in rows)
        if not dry:
            _save(connection, place, [_blank(row, removed_on(moment)) for row in rows])
    return number, page[-1] if len(page) == BLOCKS else None


def _is_empty(connection: Connection, move_id: str) -> bool:
    first = connection.execute(_places(move_id).order_by(None).order_by(*_KEY).limit(1)).first()
    return first is None or all(row.why.startswith(_REMOVED) for row in _load(connection, tuple(first)))


def _blank(row: Row, told: str) -> Row:
    """The row without anybody's data: what became of it stays. A digest of a number is as good as the number."""
    return msgspec.structs.replace(row, key="", phone="", why=told, digest="", found="")


def _here(place: Any) -> Any:
    return and_(*(column == value for column, value in zip(_KEY, place, strict=True)))


def _load(connection: Connection, place: Any, *, to_change: bool = False) -> list[Row]:
    query = select(migration_rows.c.body).where(_here(place))
    body = connection.execute(query.with_for_update() if to_change else query).scalar_one_or_none()
    return [] if body is None else decode(body)


def _save(connection: Connection, place: Any, rows: list[Row]) -> None:
    overwrite(connection)
    connection.execute(update(migration_rows).where(_here(place)).values(body=encode(rows)))


def busy(connection: Connection, tenants: Collection[str]) -> list[dict[str, Any]]:
    """Migrations that just work, and lists that are just taken over from a vendor: they may hold any number."""
    query = select(operations.c.tenant, operations.c.list_id, operations.c.id)
    query = query.join(migrations, migrations.c.id == operations.c.list_id).where(operations.c.state.in_(UNFINISHED))
    why = "a migration works just now and may hold it: wait for the operation, or cancel it"
    found = [
        {"tenant": tenant, "list": move_id, "operation": operation_id, "why": why}
        for tenant, move_id, operation_id in connection.execute(query.order_by(operations.c.no))
    ]
    hidden = select(lists.c.tenant, lists.c.id).where(
        lists.c.deleted_at.is_not(None),
        lists.c.migration_id.is_not(None),
        lists.c.migration_id.not_like("mg\\_%", escape="\\"),
    )
    why = (
        "a list is just being taken over from its vendor, or that was broken off; a starting server discards such lists"
    )
    found += [
        {"tenant": tenant, "list": list_id, "operation": None, "why": why}
        for tenant, list_id in connection.execute(hidden.order_by(lists.c.id))
    ]
    return [one for one in found if one["tenant"] in tenants]


def erase_some(
    connection: Connection,
    number: Number,
    tenants: Collection[str],
    regions: Mapping[str, str | None],
    after: Any,
    dry: bool,
    told: str,
) -> Next:
    """Take the number out of the next blocks of rows: in how many rows it was."""
    key = tuple_(*_KEY)
    query = select(*_KEY, migrations.c.tenant).join(migrations, migrations.c.id == migration_rows.c.migration_id)
    if after:
        query = query.where(key > tuple_(*after))
    page = connection.execute(query.order_by(*_KEY).limit(BLOCKS)).all()
    changed = 0
    for *place, tenant in page:
        if tenant not in tenants:
            continue
        region = _region(connection, place[0], place[2]) or regions.get(tenant)
        rows = _load(connection, place, to_change=not dry)
        fresh = [_without(row, number, region, told) for row in rows]
        differing = sum(before != now for before, now in zip(rows, fresh, strict=True))
        changed += differing
        if differing and not dry:
            _save(connection, place, fresh)
    return changed, tuple(page[-1][:4]) if len(page) == BLOCKS else None


def _region(connection: Connection, move_id: str, list_no: int) -> str | None:
    """The country whose national numbers the rows of this list were read as."""
    query = select(lists.c.head).join(migration_lists, migration_lists.c.list_id == lists.c.id)
    query = query.where(migration_lists.c.migration_id == move_id, migration_lists.c.no == list_no)
    head = connection.execute(query).scalar_one_or_none()
    return ListHead.model_validate_json(head).default_region if head else None


def _without(row: Row, number: Number, region: str | None, told: str) -> Row:
    if row.phone == number.e164 or number.is_in(row.phone):
        return _blank(row, told)
    if row.phone and not row.phone.startswith("+") and number.is_spelled(row.phone, region):
        return _blank(row, told)
    if number.is_in(row.key) or number.is_in(row.why):
        return msgspec.structs.replace(row, key=number.masked(row.key), why=number.masked(row.why))
    return row


__all__ = ["busy", "drop_some", "due_moves", "empty_some", "erase_some"]
