"""Where lists come from: our own store, or a vendor's list that is read and adopted first."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from gateway import bookkeeping as books
from gateway.canonical import DuplicatePolicy, ListHead, Outcome
from gateway.canonical.lists import DailyWindow, Schedule
from gateway.contract import ActivationKind, Job, Page, RemoteContact, RemoteList, Style, Verb
from gateway.host import Host
from gateway.ingest import Intake, JsonRow, Normaliser, Source, SourceInfo, collect
from gateway.managing import destination_of, require, talk
from gateway.migrating.readings import Reading
from gateway.migrating.wishes import SourceIn
from gateway.planning import merged_options, remote_key
from gateway.problem import ErrorItem, Problem
from gateway.settings import Destination, Tenant
from gateway.store import chunk_writing, moves
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store.chunks import Mark, Place
from gateway.store.database import new_id, timestamp
from gateway.store.deliveries import NewDelivery, StoredDelivery
from gateway.store.lists import StoredList

MOST_LISTS = 1_000
"""Lists of one migration."""
VENDOR = "vendor"
"""The format of a list that was read from its vendor."""
_PAGES_WITHOUT_NEWS = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """One list of a migration as it stands: those of its deliveries that move, with their remote lists."""

    one: StoredList
    deliveries: tuple[StoredDelivery, ...]
    remotes: dict[str, tuple[stored.StoredRemote, ...]]
    whole: bool
    """Whether nothing of the list stays where it is."""

    @property
    def adopted(self) -> bool:
        """Whether somebody else put the list at its vendor."""
        return _is_adopted(self.one)

    def strangers(self, reading: Reading, invalid: int) -> int:
        """How many contacts the vendor shows that the list does not have, `invalid` being its rows that are none."""
        read_there = (self.one.source or {}).get("format") == VENDOR
        return max(reading.unlooked - (invalid if read_there else 0), 0)

    def there(self, delivery: StoredDelivery) -> list[RemoteList]:
        """The remote lists of a delivery that are at the vendor."""
        return [one.remote for one in self.remotes[delivery.id] if one.remote is not None and not one.deleted]

    def job(self, delivery: StoredDelivery, destination: Destination) -> Job[Any]:
        """The job under which contacts of this delivery were sent."""
        return Job(
            head=self.one.head,
            profile=delivery.profile,
            options=merged_options(destination, delivery.options),
            key=remote_key(delivery.id, 1),
            now=datetime.fromisoformat(delivery.created_at),
            start=delivery.activation in ("started", "scheduled"),
        )


def _is_adopted(one: StoredList) -> bool:
    return bool((one.source or {}).get("adopted"))


def load(connection: Connection, tenant: str, list_id: str, which: Sequence[str]) -> Unit:
    """A list with the deliveries that move."""
    one = store.get_list(connection, tenant, list_id)
    assert one is not None
    live = [each for each in stored.of_list(connection, list_id) if each.live]
    moving = tuple(each for each in live if each.id in which)
    remotes = {each.id: tuple(stored.remotes_of(connection, each.id)) for each in moving}
    return Unit(one, moving, remotes, len(moving) == len(live))


async def units_of(
    host: Host, tenant: Tenant, source: SourceIn, target: str, operation_id: str
) -> list[tuple[str, list[str]]]:
    """(list, its deliveries that move). Raises `Problem` when there is nothing to move."""
    if source.destination is not None and source.remote_list is not None:
        there = destination_of(tenant, source.destination)
        return [await _remote(host, tenant, there, source.remote_list, operation_id)]
    if source.destination is not None:
        destination_of(tenant, source.destination)
    found = await host.database.run(moves.lists_at, tenant.name, source.destination)
    if source.list is not None:
        found = [(list_id, which) for list_id, which in found if list_id == source.list]
        if not found:
            raise await _why_not(host, tenant, source.list)
    kept = []
    for list_id, which in found:
        elsewhere = [
            one.id
            for one in await host.database.run(stored.of_list, list_id)
            if one.id in which and one.destination != target
        ]
        if elsewhere:
            kept.append((list_id, elsewhere))
    if not kept:
        raise Problem("migration.nothing", f"nothing that lies there can be moved to {target}: it has all already")
    if len(kept) > MOST_LISTS:
        raise Problem(
            "migration.too_many", f"{len(kept)} lists; one migration moves {MOST_LISTS} at most: move list by list"
        )
    return kept


async def _why_not(host: Host, tenant: Tenant, list_id: str) -> Problem:
    one = await host.database.run(store.get_list, tenant.name, list_id)
    if one is None or one.deleted_at:
        item = ErrorItem(pointer="/source/list", code="not_found", detail="there is no such list")
        return Problem("not_found", "there is no such list", [item])
    if one.moved_to:
        return Problem("migration.moved", f"the list was moved before: it goes on as {one.moved_to}")
    return Problem("migration.nothing", "no destination has this list")


async def read(host: Host, tenant: Tenant, unit: Unit, operation_id: str) -> dict[str, Reading]:
    """By delivery, what its vendor shows; nothing for vendors that show no contacts."""
    readings = {}
    for delivery in unit.deliveries:
        destination = destination_of(tenant, delivery.destination)
        if destination.adapter.read is not None and (there := unit.there(delivery)):
            options = merged_options(destination, delivery.options)
            readings[delivery.id] = await read_lists(host, destination, options, there, operation_id)
    return readings


async def read_lists(
    host: Host, destination: Destination, options: Any, remotes: Sequence[RemoteList], operation_id: str
) -> Reading:
    """All contacts of these remote lists, page by page."""
    reading = Reading()
    for remote in remotes:
        why = await _read_list(host, destination, options, remote, reading, operation_id)
        if why:
            reading.incomplete = why
    return reading


async def _read_list(
    host: Host, destination: Destination, options: Any, remote: RemoteList, reading: Reading, operation_id: str
) -> str:
    """Read one list to its end; why it is not the end, if it is not."""
    cursor: str | None = None
    idle = 0
    while True:
        exchange = require(destination, Verb.READ)(remote, options, cursor, destination.limits.page_size)
        page: Page[RemoteContact] = await talk(host, destination, Verb.READ, exchange, None, operation_id)
        await asyncio.to_thread(reading.add, page.items)
        idle = 0 if page.items else idle + 1
        if page.incomplete or page.next_cursor is None:
            return page.incomplete
        if page.next_cursor == cursor or idle >= _PAGES_WITHOUT_NEWS:
            return f"the vendor turns in a circle after {len(reading)} contacts"
        cursor = page.next_cursor


async def _remote(
    host: Host, tenant: Tenant, destination: Destination, remote_id: str, operation_id: str
) -> tuple[str, list[str]]:
    """A list at a vendor: ours, or one that is adopted now."""
    known = await host.database.run(moves.list_of_remote, tenant.name, destination.name, remote_id)
    if known is not None:
        one = await host.database.run(store.get_list, tenant.name, known[0])
        if one is not None and not (_is_adopted(one) and destination.adapter.read is not None):
            return known[0], [known[1]]
    adapter = destination.adapter
    if adapter.read is None:
        what = adapter.capability(Verb.READ).note
        raise Problem(
            "migration.unreadable",
            f"{destination.name}: {what}. Give the vendor's export of this list as a file instead",
            [ErrorItem(pointer="/source/remote_list", code="migration.unreadable", detail=what)],
        )
    remote = await _named(host, destination, remote_id, operation_id)
    reading = await _read_unchanged(host, destination, remote, operation_id)
    intake = await asyncio.to_thread(_take_in, reading, tenant)
    head = ListHead(name=remote.name or remote_id, destination=destination.name, schedule=_hours(reading))
    return await adopt(host, tenant, destination, head, remote, intake, known)


async def _read_unchanged(host: Host, destination: Destination, remote: RemoteList, operation_id: str) -> Reading:
    """A whole list, or as much as its vendor shows of it every time; 409 for one that changes while it is read."""
    reading = await read_lists(host, destination, destination.options, [remote], operation_id)
    if not reading.incomplete:
        return reading
    again = await read_lists(host, destination, destination.options, [remote], operation_id)
    if again.incomplete and again.digest() != reading.digest():
        raise Problem("migration.changed", f"{destination.name}: {again.incomplete}")
    return again


async def _named(host: Host, destination: Destination, remote_id: str, operation_id: str) -> RemoteList:
    """The remote list of this id as the vendor lists it; 422 when it lists it no more."""
    if destination.adapter.browse is None:
        return RemoteList(remote_id, remote_id)
    cursor = None
    while True:
        exchange = destination.adapter.browse(destination.options, None, cursor, destination.limits.page_size)
        page: Page[RemoteList] = await talk(host, destination, Verb.BROWSE, exchange, None, operation_id)
        for one in page.items:
            if one.id == remote_id:
                return one
        if page.next_cursor is None or page.next_cursor == cursor:
            break
        cursor = page.next_cursor
    item = ErrorItem(pointer="/source/remote_list", code="migration.vanished", detail="the vendor has no such list")
    raise Problem("migration.vanished", f"{destination.name} has no list {remote_id}", [item])


def _hours(reading: Reading) -> Schedule:
    """The calling hours, where every contact has the same."""
    windows = {one.window for one in reading.contacts}
    if len(windows) != 1 or (only := windows.pop()) is None:
        return Schedule()
    return Schedule(daily_window=DailyWindow.model_validate({"start": only[0], "end": only[1], "time_zone": only[2]}))


def _take_in(reading: Reading, tenant: Tenant) -> Intake:
    """The vendor's contacts as our own: every one is taken in or refused with its faults."""
    rows: Iterator[Any] = (JsonRow(place, one.fields) for place, one in enumerate(reading.contacts, start=1))
    source = Source.of_rows(SourceInfo(format=VENDOR), rows)
    return collect(source, Normaliser(tenant.default_region), DuplicatePolicy.KEEP_ALL)


async def refuse_known(host: Host, tenant: Tenant, destination: Destination, remote_id: str) -> None:
    """409 when a list of a vendor is ours already, or was adopted before."""
    known = await host.database.run(moves.list_of_remote, tenant.name, destination.name, remote_id)
    if known is not None:
        here = {"Location": f"/v1/contact-lists/{known[0]}"}
        raise Problem("list.reference_taken", f"{remote_id} is known here as {known[0]}", headers=here)


async def adopt(
    host: Host,
    tenant: Tenant,
    destination: Destination,
    head: ListHead,
    remote: RemoteList,
    intake: Intake,
    known: tuple[str, str] | None = None,
) -> tuple[str, list[str]]:
    """Keep a list that somebody else put at a vendor as if it had been delivered by us."""
    if not intake.received:
        raise Problem("migration.nothing", "the list has no contacts")
    list_id, delivery_id = new_id("cl"), new_id("dl")
    try:
        await asyncio.to_thread(_store, host, tenant, destination, head, remote, intake, list_id, delivery_id, known)
    except Exception:
        await host.database.run(store.discard, list_id)
        raise
    return list_id, [delivery_id]


def _store(
    host: Host,
    tenant: Tenant,
    destination: Destination,
    head: ListHead,
    remote: RemoteList,
    intake: Intake,
    list_id: str,
    delivery_id: str,
    known: tuple[str, str] | None,
) -> None:
    call, adapter, operation_id = host.database.call, destination.adapter, new_id("op")
    profile = intake.profile()
    source = intake.info.model_copy(update={"adopted": True}).model_dump(mode="json")

    def begin(connection: Connection) -> None:
        store.add_list(connection, list_id, tenant.name, head, profile, source, staged=False)
        # not to be seen until it is whole; when this process dies before, its name tells that nobody goes on with it
        store.change_list(connection, list_id, deleted_at=timestamp(), migration_id=host.operations.owner)

    call(begin)
    dials = adapter.activation is ActivationKind.DIALS
    writer = call(chunk_writing.writer, list_id, operation_id)
    there = Place(delivery_id, 1, 1, Mark(Outcome.ACCEPTED, detail="was at the vendor before"))
    aside = {
        Outcome.REJECTED: Place(rest=Mark(Outcome.REJECTED), is_row=True),
        Outcome.DUPLICATE: Place(rest=Mark(Outcome.DUPLICATE)),
    }
    for outcome, item in intake.rows():
        writer.add(aside.get(outcome, there), item)
        if len(writer.rows) >= books.BLOCK:
            call(chunk_writing.write, writer, writer.take())
    writer.finish()
    call(chunk_writing.write, writer, writer.take())
    key = remote.key or remote_key(delivery_id, 1)
    new = NewDelivery(
        delivery_id,
        destination.name,
        (),
        adapter.name,
        "started" if dials else "passive",
        Style.DELIVER if adapter.deliver else Style.CREATE,
        profile,
        {},
        (),
        [key],
        operation_id,
    )

    def finish(connection: Connection) -> None:
        stored.add_delivery(connection, list_id, new)
        stored.save_remote(connection, delivery_id, 1, remote)
        stored.change_delivery(connection, delivery_id, detail=f"read from the vendor at {timestamp()}")
        store.change_list(connection, list_id, deleted_at=None, migration_id=None)
        if known is not None:
            _replace(connection, tenant, known[0])

    call(finish)


def _replace(connection: Connection, tenant: Tenant, known: str) -> None:
    """What was read of the same list before goes, unless a migration works on it."""
    before = store.get_list(connection, tenant.name, known, to_change=True)
    if before is not None and before.migration_id is not None:
        raise Problem("migration.conflict", f"the migration {before.migration_id} works on the list {known}")
    store.discard(connection, known)


def load_any(connection: Connection, tenant: str, list_id: str, which: Sequence[str]) -> Unit:
    """As `load`, also after the deliveries have moved away."""
    one = store.get_list(connection, tenant, list_id)
    assert one is not None
    moving = tuple(each for each in stored.of_list(connection, list_id) if each.id in which)
    return Unit(one, moving, {each.id: tuple(stored.remotes_of(connection, each.id)) for each in moving}, whole=True)
