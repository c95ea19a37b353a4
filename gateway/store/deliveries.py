"""Deliveries, their remote lists, and the attempts: what was about to leave, and what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, insert, select, update

from gateway.canonical import LossEntry, Profile, Verdict
from gateway.contract import RemoteList, Style
from gateway.store.database import from_json, new_id, timestamp, to_json
from gateway.store.lists import profile_of, profile_text
from gateway.store.schema import attempts, contacts, deliveries, remote_lists


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One list on its way to one destination. `fallbacks` are the destinations that may still be tried."""

    id: str
    list_id: str
    destination: str
    fallbacks: tuple[str, ...]
    adapter: str
    activation: str
    style: Style
    profile: Profile
    options: dict[str, Any]
    losses: list[LossEntry]
    detail: str | None
    superseded_by: str | None
    created_at: str


@dataclass(frozen=True, slots=True)
class StoredRemote:
    """A remote list of a delivery: planned (`remote` None), or there."""

    part: int
    key: str
    remote: RemoteList | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery about to be stored; `keys` are our keys of its remote lists, in order."""

    id: str
    destination: str
    fallbacks: tuple[str, ...]
    adapter: str
    activation: str
    style: Style
    profile: Profile
    options: Mapping[str, Any]
    losses: Sequence[LossEntry]
    keys: Sequence[str]


def add_delivery(connection: Connection, list_id: str, new: NewDelivery) -> None:
    now = timestamp()
    connection.execute(
        insert(deliveries),
        {
            "id": new.id,
            "list_id": list_id,
            "destination": new.destination,
            "fallbacks": to_json(new.fallbacks),
            "adapter": new.adapter,
            "activation": new.activation,
            "style": new.style.value,
            "profile": profile_text(new.profile),
            "options": to_json(new.options),
            "losses": to_json([loss.model_dump(mode="json") for loss in new.losses]),
            "created_at": now,
            "updated_at": now,
        },
    )
    add_parts(connection, new.id, 1, new.keys)


def add_parts(connection: Connection, delivery_id: str, first: int, keys: Sequence[str]) -> None:
    """Plan further remote lists of a delivery, numbered from `first`."""
    rows = [
        {"delivery_id": delivery_id, "part": part, "key": key, "extra": "{}", "deleted": False}
        for part, key in enumerate(keys, start=first)
    ]
    if rows:
        connection.execute(insert(remote_lists), rows)


def assign(connection: Connection, list_id: str, places: Iterable[tuple[int, int, int]]) -> None:
    """Put contacts into batches: (seq, part, batch) of each."""
    query = update(contacts).where(contacts.c.list_id == list_id, contacts.c.seq == bindparam("at"))
    rows = [{"at": seq, "part": part, "batch": batch} for seq, part, batch in places]
    if rows:
        connection.execute(query.values(part=bindparam("part"), batch=bindparam("batch")), rows)


def of_list(connection: Connection, list_id: str) -> list[StoredDelivery]:
    query = select(deliveries).where(deliveries.c.list_id == list_id).order_by(deliveries.c.id)
    return [_delivery(row) for row in connection.execute(query).mappings()]


def get_delivery(connection: Connection, delivery_id: str) -> StoredDelivery:
    return _delivery(connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).mappings().one())


def _delivery(row: RowMapping) -> StoredDelivery:
    return StoredDelivery(
        row["id"],
        row["list_id"],
        row["destination"],
        tuple(from_json(row["fallbacks"])),
        row["adapter"],
        row["activation"],
        Style(row["style"]),
        profile_of(row["profile"]),
        from_json(row["options"]),
        [LossEntry.model_validate(loss) for loss in from_json(row["losses"])],
        row["detail"],
        row["superseded_by"],
        row["created_at"],
    )


def change_delivery(connection: Connection, delivery_id: str, **values: Any) -> None:
    query = update(deliveries).where(deliveries.c.id == delivery_id)
    connection.execute(query.values(updated_at=timestamp(), **values))


def remotes_of(connection: Connection, delivery_id: str) -> list[StoredRemote]:
    query = select(remote_lists).where(remote_lists.c.delivery_id == delivery_id).order_by(remote_lists.c.part)
    return [_remote(row) for row in connection.execute(query).mappings()]


def _remote(row: RowMapping) -> StoredRemote:
    remote = None
    if row["remote_id"] is not None:
        remote = RemoteList(row["remote_id"], row["name"] or "", row["key"], row["count"], from_json(row["extra"]))
    return StoredRemote(row["part"], row["key"], remote, row["deleted"])


def save_remote(connection: Connection, delivery_id: str, part: int, remote: RemoteList) -> None:
    query = update(remote_lists).where(remote_lists.c.delivery_id == delivery_id, remote_lists.c.part == part)
    values = {"remote_id": remote.id, "name": remote.name, "count": remote.count, "extra": to_json(dict(remote.extra))}
    connection.execute(query.values(**values))


def mark_deleted(connection: Connection, delivery_id: str, part: int) -> None:
    query = update(remote_lists).where(remote_lists.c.delivery_id == delivery_id, remote_lists.c.part == part)
    connection.execute(query.values(deleted=True))


def batches_of(connection: Connection, delivery_id: str) -> list[tuple[int, int]]:
    """(part, batch) of every batch of a delivery, in order."""
    query = (
        select(contacts.c.part, contacts.c.batch)
        .where(contacts.c.delivery_id == delivery_id, contacts.c.batch.is_not(None))
        .distinct()
        .order_by(contacts.c.part, contacts.c.batch)
    )
    return [(part, batch) for part, batch in connection.execute(query)]


def intend(connection: Connection, values: Mapping[str, Any]) -> str:
    """Record that a request is about to leave; the attempt's id."""
    attempt_id = new_id("at")
    connection.execute(insert(attempts), {"id": attempt_id, "started_at": timestamp(), **values})
    return attempt_id


def conclude(
    connection: Connection, attempt_id: str, verdict: Verdict, status: int | None, reply: str | None, detail: str
) -> None:
    query = update(attempts).where(attempts.c.id == attempt_id)
    connection.execute(
        query.values(verdict=verdict.value, status=status, reply=reply, detail=detail or None, finished_at=timestamp())
    )


def attempts_of(connection: Connection, delivery_id: str) -> list[dict[str, Any]]:
    query = select(attempts).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]
