"""The audit of passthrough calls."""

from sqlalchemy import Connection, insert, update

from gateway.store.database import new_id, timestamp
from gateway.store.schema import audit


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
