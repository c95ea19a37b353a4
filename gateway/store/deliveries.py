"""Deliveries and their remote lists in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from gateway.canonical import LossEntry, Profile
from gateway.contract import RemoteList, Style
from gateway.store.database import from_json, timestamp, to_json
from gateway.store.lists import profile_of, profile_text
from gateway.store.schema import deliveries, remote_lists


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
    moved_to: str | None
    created_at: str

    @property
    def live(self) -> bool:
        """Whether it has not been handed on to another destination, nor moved away with its contacts."""
        return self.superseded_by is None and self.moved_to is None


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
    operation_id: str


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
            "losses": losses_text(new.losses),
            "operation_id": new.operation_id,
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


def losses_text(losses: Sequence[LossEntry]) -> str:
    return to_json([loss.model_dump(mode="json") for loss in losses])


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
        row["moved_to"],
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


def save_remotes(connection: Connection, delivery_id: str, made: Mapping[int, RemoteList]) -> None:
    """Keep the remote lists of several parts, all or none."""
    for part, remote in made.items():
        save_remote(connection, delivery_id, part, remote)


def mark_deleted(connection: Connection, delivery_id: str, part: int) -> None:
    query = update(remote_lists).where(remote_lists.c.delivery_id == delivery_id, remote_lists.c.part == part)
    connection.execute(query.values(deleted=True))
