"""Idempotency keys in the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from gateway.store.database import Prepared, from_json, inserting, timestamp, to_json
from gateway.store.schema import idempotency, operations


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is known of an idempotency key: whose payload, and the first answer once there is one."""

    digest: str
    operation_id: str | None
    status: int | None
    headers: dict[str, str]
    body: bytes | None


ABANDONED = timedelta(minutes=15)
"""A key without an operation and without an answer is free again after this: its request died before it stored a list,
and nothing is sent before that. Longer than any upload may take."""


def claim_key(connection: Connection, tenant: str, key: str, digest: str, owner: str) -> StoredAnswer | None:
    """Claim an idempotency key. None: it is ours, go on. Else what the first request with it left."""
    found = get_key(connection, tenant, key)
    if found is None:
        try:
            with connection.begin_nested():
                values = {"tenant": tenant, "key": key, "digest": digest, "owner": owner, "created_at": timestamp()}
                _CLAIM(connection, **values)
        except IntegrityError:  # another process claimed it at this very moment
            return get_key(connection, tenant, key)
        return None
    abandoned = (
        update(idempotency)
        .where(_key(tenant, key), _unstored())
        .where(idempotency.c.created_at < timestamp(datetime.now(UTC) - ABANDONED))
    )
    taken_over = connection.execute(abandoned.values(digest=digest, owner=owner, created_at=timestamp())).rowcount
    return None if taken_over else found


def get_key(connection: Connection, tenant: str, key: str) -> StoredAnswer | None:
    row = _GET(connection, of_tenant=tenant, the_key=key).mapping()
    if row is None:
        return None
    headers = from_json(row["headers"]) if row["headers"] else {}
    return StoredAnswer(row["digest"], row["operation_id"], row["status"], headers, row["body"])


def _key(tenant: str, key: str) -> Any:
    return (idempotency.c.tenant == tenant) & (idempotency.c.key == key)


def key_operation(connection: Connection, tenant: str, key: str, operation_id: str) -> None:
    """Tie a key to its operation: from now on a repeat is pointed there."""
    _TIE(connection, of_tenant=tenant, the_key=key, operation_id=operation_id)


def claim_for(connection: Connection, tenant: str, key: str, digest: str, owner: str, operation_id: str) -> None:
    """Claim a key that nobody has used, and tie it to its operation at once; IntegrityError when somebody has."""
    now = timestamp()
    named = {"tenant": tenant, "key": key, "digest": digest, "owner": owner, "created_at": now}
    _CLAIM_FOR(connection, **named, operation_id=operation_id)


def keep_answer(
    connection: Connection, tenant: str, key: str, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    values = {"status": status, "headers": to_json(dict(headers)), "body": body}
    _ANSWER(connection, of_tenant=tenant, the_key=key, **values)


def release_unused_key(connection: Connection, tenant: str, key: str) -> None:
    """Forget a key whose request was refused: before anything was stored under it, or by its operation."""
    failed = select(operations.c.id).where(operations.c.state == "failed")
    refused = idempotency.c.operation_id.is_(None) | idempotency.c.operation_id.in_(failed)
    connection.execute(delete(idempotency).where(_key(tenant, key), refused))


_THIS: Final = (idempotency.c.tenant == bindparam("of_tenant")) & (idempotency.c.key == bindparam("the_key"))
_COLUMNS: Final = ("tenant", "key", "digest", "owner", "created_at")
_CLAIM: Final = inserting(idempotency, *_COLUMNS)
_CLAIM_FOR: Final = inserting(idempotency, *_COLUMNS, "operation_id")
_GET: Final = Prepared(select(idempotency).where(_THIS))
_TIE: Final = Prepared(update(idempotency).where(_THIS).values(operation_id=bindparam("operation_id")))
_ANSWER: Final = Prepared(
    update(idempotency).where(_THIS).values({name: bindparam(name) for name in ("status", "headers", "body")})
)


def _unstored() -> Any:
    return idempotency.c.operation_id.is_(None) & idempotency.c.status.is_(None)


def owners(connection: Connection) -> list[str]:
    """Every process that claimed a key and has stored nothing under it yet."""
    return list(connection.execute(select(idempotency.c.owner).where(_unstored()).distinct()).scalars())


def release_keys_of(connection: Connection, dead: str) -> None:
    """Forget the keys under which a dead process had stored nothing: nothing was sent for them."""
    connection.execute(delete(idempotency).where(idempotency.c.owner == dead, _unstored()))
