"""Removing what is old, by the rules of `[retention]`, and erasing one number everywhere it stands."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from gateway.settings import Config
from gateway.settings import Retention as Rules
from gateway.store import old_moves
from gateway.store import retention as store
from gateway.store.database import Database, timestamp
from gateway.store.erasing import Number, Seen, Spot, apply, at_vendor, look, mask_texts, reading, record
from gateway.store.retention import Next

log = structlog.get_logger("gateway.retention")

_VACUUM: Final = "VACUUM chunks, attempts, deliveries, operations, lists, idempotency, migrations, migration_rows"
EVERY: Final = 3600.0
FIRST: Final = 60.0
"""Seconds between two rounds of removing, and before the first one of a process."""


class Removed(BaseModel):
    """How many of each kind were removed, or would be."""

    model_config = ConfigDict(frozen=True)

    contacts: int = 0
    lists: int = 0
    rows: int = Field(0, description="of migrations: names and numbers")
    migrations: int = 0
    attempts: int = 0
    operations: int = 0
    idempotency: int = 0
    audit: int = 0


async def keep_removing(database: Database, rules: Callable[[], Rules]) -> None:
    """Remove what is old, once an hour, as long as the process lives; what fails is tried again an hour later."""
    await asyncio.sleep(FIRST)
    while True:
        try:
            await retain(database, rules())
        except (DBAPIError, OSError) as error:
            log.error("removing of old data failed, it goes on in an hour", exc_info=error)
        await asyncio.sleep(EVERY)


async def retain(database: Database, rules: Rules, now: datetime | None = None, *, dry: bool = False) -> Removed:
    """Remove what is older than the rules allow, in small transactions; `dry`: only count it."""
    moment = now or datetime.now(UTC)

    def before(days: int) -> str:
        return timestamp(moment - timedelta(days=days))

    done: dict[str, int] = {}
    if rules.lists is not None:
        done["lists"] = await _lists(database, before(rules.lists), dry)
        done["migrations"] = await _migrations(database, before(rules.lists), dry)
    if rules.contacts is not None:
        done["contacts"] = await _contacts(database, before(rules.contacts), moment, dry)
        done["rows"] = await _rows(database, before(rules.contacts), moment, dry)
    pages: list[tuple[str, int | None, Callable[..., Next]]] = [
        ("attempts", rules.attempts, store.old_attempts),
        ("operations", rules.operations, store.old_operations),
        ("idempotency", rules.idempotency, store.old_keys),
        ("audit", rules.audit, store.old_audit),
    ]
    for kind, days, page in pages:
        if days is not None:
            done[kind] = await _pages(database, page, before(days), dry)
    removed = Removed(**done)
    if not dry and any(done.values()):
        log.info("old data removed", **removed.model_dump())
    return removed


async def _pages(database: Database, page: Callable[..., Next], before: str, dry: bool) -> int:
    number, after = await database.run(page, before, None, dry)
    total = number
    while after is not None:
        number, after = await database.run(page, before, after, dry)
        total += number
    return total


async def _due(database: Database, before: str, *, whole: bool) -> list[str]:
    found, after = await database.run(store.due_lists, before, "", whole)
    while after is not None:
        more, after = await database.run(store.due_lists, before, after, whole)
        found += more
    return found


async def _lists(database: Database, before: str, dry: bool) -> int:
    due = await _due(database, before, whole=True)
    for list_id in due:
        while not await database.run(store.drop_some, list_id, dry):
            pass
        if not dry:
            log.info("list removed", list=list_id)
    return len(due)


async def _contacts(database: Database, before: str, moment: datetime, dry: bool) -> int:
    total = 0
    for list_id in await _due(database, before, whole=False):
        number, after = await database.run(store.empty_some, list_id, 0, moment, dry)
        while after is not None:
            some, after = await database.run(store.empty_some, list_id, after, moment, dry)
            number += some
        total += number
        if not dry:
            log.info("contacts removed", list=list_id, contacts=number)
    return total


async def _due_moves(database: Database, before: str, *, whole: bool) -> list[str]:
    found, after = await database.run(old_moves.due_moves, before, "", whole)
    while after is not None:
        more, after = await database.run(old_moves.due_moves, before, after, whole)
        found += more
    return found


async def _migrations(database: Database, before: str, dry: bool) -> int:
    due = await _due_moves(database, before, whole=True)
    for move_id in due:
        while not await database.run(old_moves.drop_some, move_id, dry):
            pass
        if not dry:
            log.info("migration removed", migration=move_id)
    return len(due)


async def _rows(database: Database, before: str, moment: datetime, dry: bool) -> int:
    """Names and numbers in the rows of migrations go with those of their lists."""
    total = 0
    for move_id in await _due_moves(database, before, whole=False):
        number, after = await database.run(old_moves.empty_some, move_id, (), moment, dry)
        while after is not None:
            some, after = await database.run(old_moves.empty_some, move_id, after, moment, dry)
            number += some
        total += number
        if number and not dry:
            log.info("rows of a migration emptied", migration=move_id, rows=number)
    return total


class AtVendor(BaseModel):
    """A remote list that held the number when it was sent. The gateway deletes nothing there."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    list: str
    destination: str
    remote_list: str | None
    remote_id: str | None = Field(description="the vendor's id of the contact, where it gave one")
    outcome: str


class Waiting(BaseModel):
    """Why nothing is erased yet."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    list: str
    operation: str | None
    why: str


class Erased(BaseModel):
    """What was erased, or would be. Nothing at all when `waiting` names a list."""

    model_config = ConfigDict(frozen=True)

    contacts: int = 0
    rows: int = Field(0, description="rejected rows that held it")
    mentions: int = Field(
        0, description="other contacts in whose fields it stood, stored texts about requests, rows of migrations"
    )
    lists: list[str] = Field(default_factory=list)
    at_vendors: list[AtVendor] = Field(default_factory=list)
    waiting: list[Waiting] = Field(default_factory=list)
    cleaned: bool = Field(False, description="the database keeps no old copy in its files")


async def erase(
    database: Database, config: Config, phone: str, tenants: Collection[str], *, dry: bool = False
) -> Erased:
    """Erase one number (E.164) from all that is stored of these tenants; suppressions stay. `dry`: only look.

    Nothing is erased while it is about to be sent, or a file that may hold it is just being read: see `waiting`.
    """
    number = Number(phone)
    regions = {name: tenant.default_region for name, tenant in config.tenants.items()}
    found = await _look(database, number, tenants, regions)
    waiting = [Waiting(**one) for one in await database.run(reading, number, tenants)]
    waiting += [Waiting(**one) for one in await database.run(old_moves.busy, tenants)]
    waiting += [Waiting(**one.waiting) for one in found if one.waiting is not None]
    people = [person for one in found for person in one.people]
    vendors = [AtVendor(**one) for one in await database.run(at_vendor, people)]
    told = f"erased on {datetime.now(UTC).date().isoformat()}"
    mentions = await _texts(database, number, tenants, dry=True)
    mentions += await _moves(database, number, tenants, regions, told, dry=True)
    erased = Erased(
        contacts=sum(one.contacts for one in found),
        rows=sum(one.rows for one in found),
        mentions=sum(one.mentions for one in found) + mentions,
        lists=sorted({one.place.list_id for one in found}),
        at_vendors=list(dict.fromkeys(vendors)),
        waiting=list(dict.fromkeys(waiting)),
    )
    if dry or erased.waiting:
        return erased
    for one in found:
        changed = await database.run(apply, one.place, number, regions.get(one.place.tenant), told)
        if changed.waiting is not None:  # a batch of it has begun meanwhile
            return erased.model_copy(update={"waiting": [Waiting(**changed.waiting)]})
    await _texts(database, number, tenants, dry=False)
    await _moves(database, number, tenants, regions, told, dry=False)
    for tenant in tenants:
        mine = [one for one in found if one.place.tenant == tenant]
        await database.run(record, tenant, len({one.place.list_id for one in mine}), sum(o.contacts for o in mine))
    cleaned = await asyncio.to_thread(clean, database.engine)
    log.info("a number was erased", lists=len(erased.lists), contacts=erased.contacts, cleaned=cleaned)
    return erased.model_copy(update={"cleaned": cleaned})


async def _look(
    database: Database, number: Number, tenants: Collection[str], regions: Mapping[str, str | None]
) -> list[Seen]:
    found: list[Seen] = []
    after: Spot | None = Spot("", "", 0)
    while after is not None:
        some, after = await database.run(look, number, tenants, regions, after)
        found += some
    return found


async def _texts(database: Database, number: Number, tenants: Collection[str], *, dry: bool) -> int:
    total = 0
    for table in ("attempts", "deliveries", "operations", "lists", "idempotency", "migrations"):
        after: Any = ()
        while after is not None:
            some, after = await database.run(mask_texts, table, number, tenants, after, dry)
            total += some
    return total


async def _moves(
    database: Database,
    number: Number,
    tenants: Collection[str],
    regions: Mapping[str, str | None],
    told: str,
    *,
    dry: bool,
) -> int:
    total, after = await database.run(old_moves.erase_some, number, tenants, regions, (), dry, told)
    while after is not None:
        some, after = await database.run(old_moves.erase_some, number, tenants, regions, after, dry, told)
        total += some
    return total


def clean(engine: Engine) -> bool:
    """Have the database's files forget what was overwritten; False when others were at work and it was not done.

    SQLite's file is written anew: it needs as much room again, and writers wait meanwhile. PostgreSQL frees the room
    of dead rows, which later rows overwrite.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(_VACUUM)
        return True
    try:
        return _rewrite(engine)
    except OperationalError:
        return False


def _rewrite(engine: Engine) -> bool:
    with engine.connect() as connection:
        return _vacuum(connection)


def _vacuum(connection: Connection) -> bool:
    import sqlite3

    driver: Any = connection.connection.dbapi_connection
    try:
        driver.execute("PRAGMA secure_delete = ON")
        driver.execute("VACUUM")
        busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:  # somebody writes, or reads, for longer than we wait
        return False
    return not busy
