"""Version 0001: one row for each contact. These tables had no `alembic_version`."""

from alembic import op
from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, PrimaryKeyConstraint, Text, text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables as that release did."""
    _lists()
    _deliveries()
    _work()


def _lists() -> None:
    op.create_table(
        "lists",
        Column("id", Text, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("reference", Text),
        Column("head", Text, nullable=False),
        Column("profile", Text, nullable=False),
        Column("source", Text),
        Column("staged", Boolean, nullable=False),
        Column("next_seq", Integer, nullable=False),
        Column("created_at", Text, nullable=False),
        Column("updated_at", Text, nullable=False),
        Column("deleted_at", Text),
        Column("remains", Text),
    )
    op.create_index("lists_of_tenant", "lists", ["tenant", "id"])
    there = text("deleted_at IS NULL AND reference IS NOT NULL")
    op.create_index(
        "lists_reference", "lists", ["tenant", "reference"], unique=True, sqlite_where=there, postgresql_where=there
    )
    op.create_table(
        "contacts",
        Column("list_id", Text, ForeignKey("lists.id", ondelete="CASCADE"), nullable=False),
        Column("seq", Integer, nullable=False),
        Column("row", Integer, nullable=False),
        Column("key", Text),
        Column("phone", Text),
        Column("outcome", Text, nullable=False),
        Column("delivery_id", Text),
        Column("part", Integer),
        Column("batch", Integer),
        Column("remote_id", Text),
        Column("by_vendor", Boolean, nullable=False),
        Column("faults", Text),
        Column("detail", Text),
        Column("body", LargeBinary, nullable=False),
        PrimaryKeyConstraint("list_id", "seq"),
    )
    op.create_index("contacts_outcome", "contacts", ["list_id", "outcome", "seq"])
    op.create_index("contacts_of_batch", "contacts", ["delivery_id", "part", "batch", "seq"])


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        Column("id", Text, primary_key=True),
        Column("list_id", Text, ForeignKey("lists.id", ondelete="CASCADE"), nullable=False),
        Column("destination", Text, nullable=False),
        Column("fallbacks", Text, nullable=False),
        Column("adapter", Text, nullable=False),
        Column("activation", Text, nullable=False),
        Column("style", Text, nullable=False),
        Column("profile", Text, nullable=False),
        Column("options", Text, nullable=False),
        Column("losses", Text, nullable=False),
        Column("detail", Text),
        Column("superseded_by", Text),
        Column("created_at", Text, nullable=False),
        Column("updated_at", Text, nullable=False),
    )
    op.create_index("deliveries_of_list", "deliveries", ["list_id", "id"])
    op.create_table(
        "remote_lists",
        Column("delivery_id", Text, ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False),
        Column("part", Integer, nullable=False),
        Column("key", Text, nullable=False),
        Column("remote_id", Text),
        Column("name", Text),
        Column("count", Integer),
        Column("extra", Text, nullable=False),
        Column("deleted", Boolean, nullable=False),
        PrimaryKeyConstraint("delivery_id", "part"),
    )
    op.create_table(
        "attempts",
        Column("id", Text, primary_key=True),
        Column("delivery_id", Text, nullable=False),
        Column("part", Integer),
        Column("batch", Integer),
        Column("step", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("verdict", Text),
        Column("status", Integer),
        Column("reply", Text),
        Column("detail", Text),
        Column("started_at", Text, nullable=False),
        Column("finished_at", Text),
    )
    op.create_index("attempts_of_delivery", "attempts", ["delivery_id", "id"])


def _work() -> None:
    op.create_table(
        "operations",
        Column("id", Text, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("list_id", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("stage", Text, nullable=False),
        Column("error", Text),
        Column("created_at", Text, nullable=False),
        Column("updated_at", Text, nullable=False),
    )
    op.create_index("operations_of_list", "operations", ["list_id", "id"])
    op.create_table(
        "idempotency",
        Column("tenant", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("operation_id", Text),
        Column("status", Integer),
        Column("headers", Text),
        Column("body", LargeBinary),
        Column("created_at", Text, nullable=False),
        PrimaryKeyConstraint("tenant", "key"),
    )
    op.create_table(
        "credential_locks",
        Column("owner", Text, primary_key=True),
        Column("reason", Text, nullable=False),
        Column("since", Text, nullable=False),
        Column("checked_at", Text),
    )
    op.create_table(
        "audit",
        Column("id", Text, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("destination", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("path", Text, nullable=False),
        Column("digest", Text, nullable=False),
        Column("status", Integer),
        Column("at", Text, nullable=False),
    )
