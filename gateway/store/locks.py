"""Credential locks in the database."""

from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.store.database import Prepared, timestamp
from gateway.store.schema import credential_locks


class DatabaseLocks:
    """Credential locks that outlive the process. `run` is `Database.run`."""

    def __init__(self, run: Any) -> None:
        self._run = run

    async def reason(self, owner: str) -> str | None:
        found: str | None = await self._run(reason_of, owner)
        return found

    async def lock(self, owner: str, reason: str) -> None:
        await self._run(_lock, owner, reason)

    async def unlock(self, owner: str) -> None:
        await self._run(_unlock, owner)

    async def may_check(self, owner: str, now: datetime, every: float) -> bool:
        """Whether a locked credential may be checked now: at most once in `every` seconds. Claims the turn."""
        allowed: bool = await self._run(_may_check, owner, now, every)
        return allowed


def reason_of(connection: Connection, owner: str) -> str | None:
    """Why a credential is locked."""
    row = _REASON(connection, of_owner=owner).first()
    return None if row is None else str(row[0])


_REASON: Final = Prepared(select(credential_locks.c.reason).where(credential_locks.c.owner == bindparam("of_owner")))


def _lock(connection: Connection, owner: str, reason: str) -> None:
    if reason_of(connection, owner) is None:
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
