"""The tables. Times are ISO 8601 texts in UTC, structured values JSON texts: the same on SQLite and PostgreSQL."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()

lists = Table(
    "lists",
    metadata,
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
Index("lists_of_tenant", lists.c.tenant, lists.c.id)
Index(
    "lists_reference",
    lists.c.tenant,
    lists.c.reference,
    unique=True,
    sqlite_where=lists.c.deleted_at.is_(None) & lists.c.reference.is_not(None),
    postgresql_where=lists.c.deleted_at.is_(None) & lists.c.reference.is_not(None),
)

contacts = Table(
    "contacts",
    metadata,
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
    Column("by_vendor", Boolean, nullable=False),  # rejected by a vendor, or never sent: makes a list partial
    Column("faults", Text),
    Column("detail", Text),
    Column("body", LargeBinary, nullable=False),  # msgpack: a Contact, or the Rejected row with the sender's cells
    PrimaryKeyConstraint("list_id", "seq"),
)
Index("contacts_outcome", contacts.c.list_id, contacts.c.outcome, contacts.c.seq)
Index("contacts_of_batch", contacts.c.delivery_id, contacts.c.part, contacts.c.batch, contacts.c.seq)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("list_id", Text, ForeignKey("lists.id", ondelete="CASCADE"), nullable=False),
    Column("destination", Text, nullable=False),
    Column("fallbacks", Text, nullable=False),
    Column("adapter", Text, nullable=False),
    Column("activation", Text, nullable=False),
    Column("style", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("options", Text, nullable=False),  # what vendor_options said
    Column("losses", Text, nullable=False),
    Column("detail", Text),
    Column("superseded_by", Text),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)
Index("deliveries_of_list", deliveries.c.list_id, deliveries.c.id)

remote_lists = Table(
    "remote_lists",
    metadata,
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

attempts = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("delivery_id", Text, nullable=False),
    Column("part", Integer),
    Column("batch", Integer),
    Column("step", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("verdict", Text),  # null: the intent is recorded, the outcome is not
    Column("status", Integer),
    Column("reply", Text),
    Column("detail", Text),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
)
Index("attempts_of_delivery", attempts.c.delivery_id, attempts.c.id)

operations = Table(
    "operations",
    metadata,
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
Index("operations_of_list", operations.c.list_id, operations.c.id)

idempotency = Table(
    "idempotency",
    metadata,
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

credential_locks = Table(
    "credential_locks",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("checked_at", Text),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("status", Integer),
    Column("at", Text, nullable=False),
)
