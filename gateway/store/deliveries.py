"""Deliveries and their remote lists in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from gateway.canonical import LossEntry, Profile
from gateway.contract import RemoteList, Style
from gateway.store.database import Prepared, from_json, inserting, timestamp, to_json
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


def add_delivery(connection: Connection, list_id: str, new: NewDelivery, now: str | None = None) -> StoredDelivery:
    """Store a delivery with its planned remote lists; as it stands then."""
    now = now or timestamp()
    values = {
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
    }
    _ADD(connection, **values)
    add_parts(connection, new.id, 1, new.keys)
    return StoredDelivery(
        id=new.id,
        list_id=list_id,
        destination=new.destination,
        fallbacks=new.fallbacks,
        adapter=new.adapter,
        activation=new.activation,
        style=new.style,
        profile=new.profile,
        options=dict(new.options),
        losses=list(new.losses),
        detail=None,
        superseded_by=None,
        moved_to=None,
        created_at=now,
    )


_ADD: Final = inserting(
    deliveries,
    "id",
    "list_id",
    "destination",
    "fallbacks",
    "adapter",
    "activation",
    "style",
    "profile",
    "options",
    "losses",
    "operation_id",
    "created_at",
    "updated_at",
)
_ADD_PART: Final = inserting(remote_lists, "delivery_id", "part", "key", "extra", "deleted")
_OF_LIST: Final = Prepared(
    select(deliveries).where(deliveries.c.list_id == bindparam("list_id")).order_by(deliveries.c.id)
)
_REMOTES: Final = Prepared(
    select(remote_lists).where(remote_lists.c.delivery_id == bindparam("delivery_id")).order_by(remote_lists.c.part)
)
_SAVE_REMOTE: Final = Prepared(
    update(remote_lists)
    .where(remote_lists.c.delivery_id == bindparam("of_delivery"), remote_lists.c.part == bindparam("the_part"))
    .values({name: bindparam(name) for name in ("remote_id", "name", "count", "extra")})
)


def add_parts(connection: Connection, delivery_id: str, first: int, keys: Sequence[str]) -> None:
    """Plan further remote lists of a delivery, numbered from `first`."""
    for part, key in enumerate(keys, start=first):
        _ADD_PART(connection, delivery_id=delivery_id, part=part, key=key, extra="{}", deleted=False)


def losses_text(losses: Sequence[LossEntry]) -> str:
    return to_json([loss.model_dump(mode="json") for loss in losses])


def of_list(connection: Connection, list_id: str) -> list[StoredDelivery]:
    return [_delivery(row) for row in _OF_LIST(connection, list_id=list_id).mappings()]


def get_delivery(connection: Connection, delivery_id: str) -> StoredDelivery:
    return _delivery(connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).mappings().one())


def _delivery(row: RowMapping | Mapping[str, Any]) -> StoredDelivery:
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
    return [_remote(row) for row in _REMOTES(connection, delivery_id=delivery_id).mappings()]


def _remote(row: RowMapping | Mapping[str, Any]) -> StoredRemote:
    remote = None
    if row["remote_id"] is not None:
        remote = RemoteList(row["remote_id"], row["name"] or "", row["key"], row["count"], from_json(row["extra"]))
    return StoredRemote(row["part"], row["key"], remote, bool(row["deleted"]))


def save_remote(connection: Connection, delivery_id: str, part: int, remote: RemoteList) -> None:
    values = {"remote_id": remote.id, "name": remote.name, "count": remote.count, "extra": to_json(dict(remote.extra))}
    _SAVE_REMOTE(connection, of_delivery=delivery_id, the_part=part, **values)


def save_remotes(connection: Connection, delivery_id: str, made: Mapping[int, RemoteList]) -> None:
    """Keep the remote lists of several parts, all or none."""
    for part, remote in made.items():
        save_remote(connection, delivery_id, part, remote)


def mark_deleted(connection: Connection, delivery_id: str, part: int) -> None:
    query = update(remote_lists).where(remote_lists.c.delivery_id == delivery_id, remote_lists.c.part == part)
    connection.execute(query.values(deleted=True))
