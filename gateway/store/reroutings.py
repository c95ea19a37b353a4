"""Reroutings in the database: which destination stands in for which, how far, since when, by whom; what shadows saw."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select

from gateway.store.database import Prepared, from_json, timestamp, to_json
from gateway.store.schema import reroutings, shadows

Mode = Literal["shadow", "percent", "full", "off"]


@dataclass(frozen=True, slots=True)
class Rerouting:
    """Since `at`, `target` stands in for `source` as `mode` says. `percent` of all numbers, with that mode only."""

    no: int
    tenant: str
    source: str
    target: str
    mode: Mode
    percent: float | None
    migration_id: str | None
    by: str
    at: str


def in_force(connection: Connection, tenant: str, *, to_act: bool = False) -> dict[str, Rerouting]:
    """The tenant's reroutings by their sources, without those that are off.

    `to_act` keeps others from changing them until the transaction ends.
    """
    if to_act:
        _hold(connection, tenant, func.pg_advisory_xact_lock_shared)
    return {row["source"]: _rerouting(row) for row in _IN_FORCE(connection, of_tenant=tenant).mappings()}


_NEWEST: Final = (
    select(func.max(reroutings.c.no)).where(reroutings.c.tenant == bindparam("of_tenant")).group_by(reroutings.c.source)
)
_IN_FORCE: Final = Prepared(
    select(reroutings).where(reroutings.c.no.in_(_NEWEST), reroutings.c.mode != "off").order_by(reroutings.c.source)
)


def history(
    connection: Connection, tenant: str, source: str | None = None, limit: int = 100, after: int = 0
) -> list[Rerouting]:
    """The tenant's changes, those of one source if it is given, newest first, below the number `after` (0: all)."""
    query = select(reroutings).where(reroutings.c.tenant == tenant)
    if source is not None:
        query = query.where(reroutings.c.source == source)
    if after:
        query = query.where(reroutings.c.no < after)
    rows = connection.execute(query.order_by(reroutings.c.no.desc()).limit(limit)).mappings()
    return [_rerouting(row) for row in rows]


def newest(connection: Connection, tenant: str, source: str, mode: Mode | None = None) -> Rerouting | None:
    """The last change of a source (into this mode, if it is given), whether in force or not."""
    query = select(reroutings).where(reroutings.c.tenant == tenant, reroutings.c.source == source)
    if mode is not None:
        query = query.where(reroutings.c.mode == mode)
    row = connection.execute(query.order_by(reroutings.c.no.desc()).limit(1)).mappings().first()
    return _rerouting(row) if row else None


def hold(connection: Connection, tenant: str) -> None:
    """Let nobody else change the tenant's reroutings, nor store a list by them, until the transaction ends."""
    _hold(connection, tenant, func.pg_advisory_xact_lock)


def add(
    connection: Connection,
    tenant: str,
    source: str,
    target: str,
    mode: Mode,
    percent: float | None,
    by: str,
    migration_id: str | None = None,
) -> Rerouting:
    """Record a change. From the end of the transaction on no list is stored by what was in force before."""
    hold(connection, tenant)
    at = timestamp()
    values: dict[str, Any] = {
        "tenant": tenant,
        "source": source,
        "target": target,
        "mode": mode,
        "percent": percent,
        "migration_id": migration_id,
        "by": by,
        "at": at,
    }
    key = connection.execute(insert(reroutings), values).inserted_primary_key
    assert key is not None
    return Rerouting(key[0], tenant, source, target, mode, percent, migration_id, by, at)


def _rerouting(row: RowMapping | Mapping[str, Any]) -> Rerouting:
    return Rerouting(**row)


def _hold(connection: Connection, tenant: str, lock: Any) -> None:
    """On SQLite there is one writer anyway: a transaction begins with the right to write."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(lock(func.hashtextextended(f"reroutings {tenant}", 0))))


def add_shadow(connection: Connection, rerouting_no: int, operation_id: str, list_id: str, report: Any) -> None:
    """Keep what a rehearsal found (plain data), once for an operation: the first report stays."""
    if has_shadow(connection, rerouting_no, operation_id):
        return
    values = {
        "rerouting_no": rerouting_no,
        "operation_id": operation_id,
        "list_id": list_id,
        "report": to_json(report),
        "at": timestamp(),
    }
    connection.execute(insert(shadows), values)


def has_shadow(connection: Connection, rerouting_no: int, operation_id: str) -> bool:
    """Whether an operation was rehearsed for this rerouting."""
    query = select(shadows.c.list_id).where(
        shadows.c.rerouting_no == rerouting_no, shadows.c.operation_id == operation_id
    )
    return connection.execute(query).first() is not None


def shadows_of(connection: Connection, rerouting_no: int) -> Iterator[tuple[str, Any]]:
    """(list id, report) of every rehearsal of a rerouting, in the order of time."""
    query = select(shadows.c.list_id, shadows.c.report).where(shadows.c.rerouting_no == rerouting_no)
    for list_id, report in connection.execute(query.order_by(shadows.c.at, shadows.c.operation_id)):
        yield list_id, from_json(report)
