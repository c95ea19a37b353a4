"""Operations, idempotency keys, credential locks and the audit of passthrough calls."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.store.database import from_json, new_id, timestamp, to_json
from gateway.store.schema import audit, credential_locks, idempotency, operations


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """A running or finished piece of work on a list."""

    id: str
    tenant: str
    list_id: str
    kind: str
    state: str
    stage: str
    error: dict[str, Any] | None
    created_at: str
    updated_at: str

    @property
    def done(self) -> bool:
        return self.state in ("succeeded", "failed", "cancelled")


def add_operation(connection: Connection, operation_id: str, tenant: str, list_id: str, kind: str) -> None:
    now = timestamp()
    connection.execute(
        insert(operations),
        {
            "id": operation_id,
            "tenant": tenant,
            "list_id": list_id,
            "kind": kind,
            "state": "running",
            "stage": "delivering",
            "created_at": now,
            "updated_at": now,
        },
    )


def change_operation(connection: Connection, operation_id: str, **values: Any) -> None:
    if "error" in values and values["error"] is not None:
        values["error"] = to_json(values["error"])
    query = update(operations).where(operations.c.id == operation_id)
    connection.execute(query.values(updated_at=timestamp(), **values))


def get_operation(connection: Connection, tenant: str, operation_id: str) -> StoredOperation | None:
    query = select(operations).where(operations.c.id == operation_id, operations.c.tenant == tenant)
    row = connection.execute(query).mappings().first()
    return _operation(row) if row else None


def running_operation(connection: Connection, list_id: str) -> str | None:
    query = select(operations.c.id).where(operations.c.list_id == list_id, operations.c.state == "running")
    found: str | None = connection.execute(query.order_by(operations.c.id.desc()).limit(1)).scalar_one_or_none()
    return found


def last_of(connection: Connection, list_id: str, kinds: Sequence[str]) -> str | None:
    """The kind of the list's newest operation among these kinds."""
    query = select(operations.c.kind).where(operations.c.list_id == list_id, operations.c.kind.in_(kinds))
    found: str | None = connection.execute(query.order_by(operations.c.id.desc()).limit(1)).scalar_one_or_none()
    return found


def _operation(row: RowMapping) -> StoredOperation:
    values = dict(row)
    values["error"] = from_json(values["error"]) if values["error"] else None
    return StoredOperation(**values)


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


def claim_key(connection: Connection, tenant: str, key: str, digest: str) -> StoredAnswer | None:
    """Claim an idempotency key. None: it is ours, go on. Else what the first request with it left."""
    found = get_key(connection, tenant, key)
    if found is None:
        try:
            with connection.begin_nested():
                values = {"tenant": tenant, "key": key, "digest": digest, "created_at": timestamp()}
                connection.execute(insert(idempotency), values)
        except IntegrityError:  # another process claimed it at this very moment
            return get_key(connection, tenant, key)
        return None
    abandoned = (
        update(idempotency)
        .where(_key(tenant, key), idempotency.c.operation_id.is_(None), idempotency.c.status.is_(None))
        .where(idempotency.c.created_at < timestamp(datetime.now(UTC) - ABANDONED))
    )
    taken_over = connection.execute(abandoned.values(digest=digest, created_at=timestamp())).rowcount
    return None if taken_over else found


def get_key(connection: Connection, tenant: str, key: str) -> StoredAnswer | None:
    query = select(idempotency).where(idempotency.c.tenant == tenant, idempotency.c.key == key)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    headers = from_json(row["headers"]) if row["headers"] else {}
    return StoredAnswer(row["digest"], row["operation_id"], row["status"], headers, row["body"])


def _key(tenant: str, key: str) -> Any:
    return (idempotency.c.tenant == tenant) & (idempotency.c.key == key)


def key_operation(connection: Connection, tenant: str, key: str, operation_id: str) -> None:
    """Tie a key to its operation: from now on a repeat is pointed there."""
    connection.execute(update(idempotency).where(_key(tenant, key)).values(operation_id=operation_id))


def keep_answer(
    connection: Connection, tenant: str, key: str, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    values = {"status": status, "headers": to_json(dict(headers)), "body": body}
    connection.execute(update(idempotency).where(_key(tenant, key)).values(**values))


def release_unused_key(connection: Connection, tenant: str, key: str) -> None:
    """Forget a key whose request ended before anything was stored under it."""
    connection.execute(delete(idempotency).where(_key(tenant, key), idempotency.c.operation_id.is_(None)))


class DatabaseLocks:
    """Credential locks that outlive the process. `run` is `Database.run`."""

    def __init__(self, run: Any) -> None:
        self._run = run

    async def reason(self, owner: str) -> str | None:
        found: str | None = await self._run(_reason, owner)
        return found

    async def lock(self, owner: str, reason: str) -> None:
        await self._run(_lock, owner, reason)

    async def unlock(self, owner: str) -> None:
        await self._run(_unlock, owner)

    async def may_check(self, owner: str, now: datetime, every: float) -> bool:
        """Whether a locked credential may be checked now: at most once in `every` seconds. Claims the turn."""
        allowed: bool = await self._run(_may_check, owner, now, every)
        return allowed


def _reason(connection: Connection, owner: str) -> str | None:
    query = select(credential_locks.c.reason).where(credential_locks.c.owner == owner)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def _lock(connection: Connection, owner: str, reason: str) -> None:
    if _reason(connection, owner) is None:
        with suppress(IntegrityError), connection.begin_nested():  # another process may lock it at the same moment
            connection.execute(insert(credential_locks), {"owner": owner, "reason": reason, "since": timestamp()})


def _unlock(connection: Connection, owner: str) -> None:
    connection.execute(delete(credential_locks).where(credential_locks.c.owner == owner))


def _may_check(connection: Connection, owner: str, now: datetime, every: float) -> bool:
    query = select(credential_locks.c.checked_at).where(credential_locks.c.owner == owner)
    checked_at = connection.execute(query.with_for_update()).scalar_one_or_none()
    if checked_at and (now - datetime.fromisoformat(checked_at)).total_seconds() < every:
        return False
    claim = update(credential_locks).where(credential_locks.c.owner == owner)
    connection.execute(claim.values(checked_at=timestamp(now)))
    return True


def add_audit(connection: Connection, tenant: str, destination: str, method: str, path: str, digest: str) -> str:
    """Record a passthrough call before it leaves; its id."""
    audit_id = new_id("au")
    connection.execute(
        insert(audit),
        {
            "id": audit_id,
            "tenant": tenant,
            "destination": destination,
            "method": method,
            "path": path,
            "digest": digest,
            "at": timestamp(),
        },
    )
    return audit_id


def finish_audit(connection: Connection, audit_id: str, status: int | None) -> None:
    connection.execute(update(audit).where(audit.c.id == audit_id).values(status=status))
