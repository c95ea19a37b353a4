"""A tenant's do-not-contact numbers in the database. Numbers are E.164 and compared as they are."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from sqlalchemy import Connection, Text, bindparam, delete, func, literal, select
from sqlalchemy.dialects import sqlite

from gateway.store.database import Prepared, timestamp
from gateway.store.schema import suppressions

_ASKED_AT_ONCE: Final = 500
_COUNTED: Final = {"preserve_rowcount": True}
"""Of an INSERT the library forgets otherwise how many rows it made."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One number, and since when nobody may contact it."""

    phone: str
    added_at: str


def add(connection: Connection, tenant: str, phones: Collection[str]) -> int:
    """Suppress these numbers; how many of them were not suppressed before. A repeated one counts once."""
    _one_writer(connection, tenant)
    numbers, now = list(dict.fromkeys(phones)), timestamp()
    if not numbers:
        return 0
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # 2 MiB that a gateway on SQLite has no use for

        # one statement for all: row by row it takes nearly twice as long
        each = func.unnest(literal(numbers, postgresql.ARRAY(Text)))
        chosen = select(literal(tenant, Text), each, literal(now, Text))
        statement = postgresql.insert(suppressions).from_select(["tenant", "phone", "added_at"], chosen)
        return connection.execute(statement.on_conflict_do_nothing().execution_options(**_COUNTED)).rowcount
    rows = [{"tenant": tenant, "phone": phone, "added_at": now} for phone in numbers]
    insert = sqlite.insert(suppressions).on_conflict_do_nothing()
    return connection.execute(insert.execution_options(**_COUNTED), rows).rowcount


def remove(connection: Connection, tenant: str, phones: Collection[str]) -> int:
    """Suppress these numbers no longer; how many of them had been."""
    _one_writer(connection, tenant)
    mine = suppressions.c.tenant == tenant
    return sum(
        connection.execute(delete(suppressions).where(mine, suppressions.c.phone.in_(some))).rowcount
        for some in _some(set(phones))
    )


def remove_next(connection: Connection, tenant: str, after: str, until: str, limit: int) -> tuple[int, str | None]:
    """Remove up to `limit` numbers above `after` that were there at the time `until`; how many, and the last of them.

    The last is None when there are no more.
    """
    query = select(suppressions.c.phone).where(
        suppressions.c.tenant == tenant, suppressions.c.phone > after, suppressions.c.added_at <= until
    )
    found = list(connection.execute(query.order_by(suppressions.c.phone).limit(limit)).scalars())
    return remove(connection, tenant, found), found[-1] if len(found) == limit else None


def suppressed(connection: Connection, tenant: str, phones: Collection[str]) -> set[str]:
    """Those of these numbers that the tenant has suppressed."""
    if not phones or _ANY(connection, of_tenant=tenant).first() is None:
        return set()
    mine = suppressions.c.tenant == tenant
    found: set[str] = set()
    for some in _some(phones):
        found.update(
            connection.execute(select(suppressions.c.phone).where(mine, suppressions.c.phone.in_(some))).scalars()
        )
    return found


_ANY: Final = Prepared(select(suppressions.c.phone).where(suppressions.c.tenant == bindparam("of_tenant")).limit(1))


def page(connection: Connection, tenant: str, after: str, limit: int, phone: str | None = None) -> list[Suppression]:
    """The tenant's suppressed numbers above `after` ("" for the first page) in order; only `phone` when it is given."""
    query = select(suppressions.c.phone, suppressions.c.added_at).where(
        suppressions.c.tenant == tenant, suppressions.c.phone > after
    )
    if phone is not None:
        query = query.where(suppressions.c.phone == phone)
    rows = connection.execute(query.order_by(suppressions.c.phone).limit(limit))
    return [Suppression(number, added_at) for number, added_at in rows]


def total(connection: Connection, tenant: str) -> int:
    """How many numbers the tenant has suppressed."""
    query = select(func.count()).select_from(suppressions).where(suppressions.c.tenant == tenant)
    return connection.execute(query).scalar_one()


def _some(phones: Collection[str]) -> Iterator[list[str]]:
    rest = iter(phones)
    while some := list(islice(rest, _ASKED_AT_ONCE)):
        yield some


def _one_writer(connection: Connection, tenant: str) -> None:
    """Let one transaction at a time write a tenant's numbers: two that hold each other's numbers would deadlock."""
    if connection.dialect.name == "postgresql":
        key = func.hashtextextended(f"suppressions {tenant}", 0)
        connection.execute(select(func.pg_advisory_xact_lock(key)))
