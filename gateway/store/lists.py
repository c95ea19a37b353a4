"""Lists in the database, without their contacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from gateway.canonical import ListHead, Profile
from gateway.store.database import Prepared, from_json, inserting, timestamp, to_json
from gateway.store.schema import lists


class ReferenceTaken(Exception):
    """The tenant has a list with this reference already."""

    def __init__(self, list_id: str) -> None:
        super().__init__(list_id)
        self.list_id = list_id


@dataclass(frozen=True, slots=True)
class StoredList:
    """A list without its contacts."""

    id: str
    tenant: str
    head: ListHead
    profile: Profile
    source: dict[str, Any] | None
    staged: bool
    corrected: int
    next_seq: int
    created_at: str
    updated_at: str
    deleted_at: str | None
    remains: str | None
    moved_to: str | None
    migration_id: str | None


def profile_text(profile: Profile) -> str:
    return to_json([profile.count, sorted(profile.fields), list(profile.attributes)])


def profile_of(text: str) -> Profile:
    count, fields, attributes = from_json(text)
    return Profile(count, frozenset(fields), tuple(attributes))


def add_list(
    connection: Connection,
    list_id: str,
    tenant: str,
    head: ListHead,
    profile: Profile,
    source: Mapping[str, Any] | None,
    staged: bool,
    stands_at: tuple[int, int] = (1, 1),
    now: str | None = None,
) -> None:
    """Store a new list; `ReferenceTaken` when the tenant has one of this reference.

    `stands_at`: the numbers of its next contact and its next chunk.
    """
    now = now or timestamp()
    values = {
        "id": list_id,
        "tenant": tenant,
        "name": head.name,
        "reference": head.reference,
        "head": head.model_dump_json(),
        "profile": profile_text(profile),
        "source": to_json(source) if source is not None else None,
        "staged": staged,
        "next_seq": stands_at[0],
        "next_chunk": stands_at[1],
        "corrected": 0,
        "created_at": now,
        "updated_at": now,
    }
    if head.reference is None:
        _ADD(connection, **values)
        return
    taken = by_reference(connection, tenant, head.reference)
    if taken is not None:
        raise ReferenceTaken(taken)
    try:
        with connection.begin_nested():
            _ADD(connection, **values)
    except IntegrityError:  # another process took it at this very moment
        raise ReferenceTaken(by_reference(connection, tenant, head.reference) or "") from None


_GET_QUERY: Final = select(lists).where(lists.c.id == bindparam("list_id"), lists.c.tenant == bindparam("of_tenant"))
_GET: Final = Prepared(_GET_QUERY)
_GET_TO_CHANGE: Final = Prepared(_GET_QUERY.with_for_update())
_TOUCH: Final = Prepared(
    update(lists).where(lists.c.id == bindparam("list_id")).values(updated_at=bindparam("updated_at"))
)
_ADD: Final = inserting(
    lists,
    "id",
    "tenant",
    "name",
    "reference",
    "head",
    "profile",
    "source",
    "staged",
    "next_seq",
    "next_chunk",
    "corrected",
    "created_at",
    "updated_at",
)


def by_reference(connection: Connection, tenant: str, reference: str) -> str | None:
    query = select(lists.c.id).where(
        lists.c.tenant == tenant, lists.c.reference == reference, lists.c.deleted_at.is_(None)
    )
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def get_list(connection: Connection, tenant: str, list_id: str, *, to_change: bool = False) -> StoredList | None:
    """The tenant's list, deleted ones too; None when it is not this tenant's."""
    row = (_GET_TO_CHANGE if to_change else _GET)(connection, list_id=list_id, of_tenant=tenant).mapping()
    return _list(row) if row else None


def any_list(connection: Connection, list_id: str) -> StoredList | None:
    """The list, whoever's it is."""
    row = connection.execute(select(lists).where(lists.c.id == list_id)).mappings().first()
    return _list(row) if row else None


def _list(row: RowMapping | Mapping[str, Any]) -> StoredList:
    return StoredList(
        row["id"],
        row["tenant"],
        ListHead.model_validate_json(row["head"]),
        profile_of(row["profile"]),
        from_json(row["source"]) if row["source"] else None,
        bool(row["staged"]),
        row["corrected"],
        row["next_seq"],
        row["created_at"],
        row["updated_at"],
        row["deleted_at"],
        row["remains"],
        row["moved_to"],
        row["migration_id"],
    )


def page_of_lists(connection: Connection, tenant: str, after: str, limit: int) -> list[StoredList]:
    """The tenant's lists that are not deleted, newest first, below the id `after` ("" for the first page)."""
    query = select(lists).where(lists.c.tenant == tenant, lists.c.deleted_at.is_(None))
    if after:
        query = query.where(lists.c.id < after)
    rows = connection.execute(query.order_by(lists.c.id.desc()).limit(limit)).mappings()
    return [_list(row) for row in rows]


def change_list(connection: Connection, list_id: str, **values: Any) -> str:
    """Change what is said, and the time of the last change, which is returned."""
    now = timestamp()
    if values:
        connection.execute(update(lists).where(lists.c.id == list_id).values(updated_at=now, **values))
    else:
        _TOUCH(connection, list_id=list_id, updated_at=now)
    return now


def claim_staged(connection: Connection, list_id: str) -> bool:
    """Take a list out of `staged`, once: True for the one caller that did."""
    query = update(lists).where(lists.c.id == list_id, lists.c.staged.is_(True))
    return connection.execute(query.values(staged=False, updated_at=timestamp())).rowcount == 1


def describe(connection: Connection, list_id: str, profile: Profile, source: Mapping[str, Any]) -> None:
    """What is known of a list once its file has been read."""
    change_list(connection, list_id, profile=profile_text(profile), source=to_json(source))


def add_corrected(connection: Connection, list_id: str, number: int) -> None:
    """Count rows that came again, corrected, and are good now."""
    connection.execute(update(lists).where(lists.c.id == list_id).values(corrected=lists.c.corrected + number))


def discard(connection: Connection, list_id: str) -> None:
    """Remove a list with all that belongs to it, as if it had never been."""
    connection.execute(delete(lists).where(lists.c.id == list_id))
