"""The tables. Times are ISO 8601 texts in UTC, structured values JSON texts: the same on SQLite and PostgreSQL."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    event,
)

metadata = MetaData()

_partial: list[tuple[Index, ColumnElement[bool]]] = []


def _partial_index(name: str, *columns: Column[Any], where: ColumnElement[bool], unique: bool = False) -> None:
    """An index of some rows only. What it is on PostgreSQL is said there: naming it loads that dialect, 2 MiB."""
    _partial.append((Index(name, *columns, unique=unique, sqlite_where=where), where))


@event.listens_for(metadata, "before_create")
def _for_postgresql(_: MetaData, connection: Connection, **__: Any) -> None:
    if connection.dialect.name == "postgresql":
        for index, where in _partial:
            index.dialect_options["postgresql"]["where"] = where


NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""The type of a primary key that counts up."""

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
    Column("next_chunk", Integer, nullable=False),
    Column("corrected", Integer, nullable=False),  # rows that came again in a corrected rejections file, and are good
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("deleted_at", Text),
    Column("remains", Text),
    Column("moved_to", Text),  # the list that has its contacts now, at another vendor
    Column("migration_id", Text),  # which works on it just now, so that nothing else may
)
Index("lists_of_tenant", lists.c.tenant, lists.c.id)
_partial_index(
    "lists_reference",
    lists.c.tenant,
    lists.c.reference,
    unique=True,
    where=lists.c.deleted_at.is_(None) & lists.c.reference.is_not(None),
)

chunks = Table(
    "chunks",
    metadata,
    Column("list_id", Text, ForeignKey("lists.id", ondelete="CASCADE"), nullable=False),
    Column("no", Integer, nullable=False),
    Column("operation_id", Text, nullable=False),  # which wrote it
    Column("delivery_id", Text),
    Column("part", Integer),
    Column("batch", Integer),
    Column("first_seq", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    # how many of its contacts have each outcome; what has none of the marks below has the outcome `rest`
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("suppressed", Integer, nullable=False),
    Column("duplicate", Integer, nullable=False),
    Column("pending", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("by_vendor", Integer, nullable=False),  # rejected by a vendor, or never sent: these make a list partial
    Column("rest", Text, nullable=False),
    Column("faults", Text),
    Column("detail", Text),
    Column("marks", LargeBinary),  # msgpack: what single contacts have instead of rest, faults and detail
    Column("is_row", Boolean, nullable=False),  # rows that are no contacts, with the sender's cells
    Column("body", LargeBinary, nullable=False),  # msgpack: (seq, Contact or Rejected) of each
    PrimaryKeyConstraint("list_id", "no"),
)
Index("chunks_of_batch", chunks.c.delivery_id, chunks.c.part, chunks.c.batch, chunks.c.no)
Index("chunks_by_seq", chunks.c.list_id, chunks.c.first_seq, chunks.c.last_seq)

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
    Column("moved_to", Text),  # the list that has its contacts now, at another vendor
    Column("operation_id", Text, nullable=False),  # which made it
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
    Column("id", NUMBER, primary_key=True),  # counts up, whatever the clock does
    Column("account", Text, nullable=False),  # host and credential, hashed
    Column("owner", Text, nullable=False),  # the process that sends it
    Column("delivery_id", Text),
    Column("part", Integer),
    Column("batch", Integer),
    Column("purpose", Text, nullable=False),  # deliver, create, append, find, ...: the verb that is driven
    Column("round", Integer, nullable=False),  # sent anew after its absence was proven: 2
    Column("step", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("verdict", Text),  # null: the intent is recorded, the outcome is not
    Column("status", Integer),
    Column("reply", Text),
    Column("answer", LargeBinary),  # the whole reply, until its batch is settled: fed back after a crash
    Column("detail", Text),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
)
Index("attempts_of_batch", attempts.c.delivery_id, attempts.c.part, attempts.c.batch, attempts.c.id)
_partial_index(
    "attempts_open",
    attempts.c.account,
    attempts.c.started_at,
    where=attempts.c.verdict.is_(None),
)

turns = Table(  # how many requests left for an account in each second: its rate limit, shared by all processes
    "turns",
    metadata,
    Column("account", Text, nullable=False),
    Column("second", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("account", "second"),
)

operations = Table(
    "operations",
    metadata,
    Column("no", NUMBER, primary_key=True),  # the order of work on a list, whatever the clock does
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("list_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("owner", Text, nullable=False),  # the process that works on it, or has submitted it
    Column("runs", Integer, nullable=False),  # how often it was begun: more than once after a crash
    Column("cancelling", Boolean, nullable=False),
    Column("input", Text),  # what it needs besides its list: the upload it reads, and how
    Column("error", Text),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)
Index("operations_of_list", operations.c.list_id, operations.c.no)
_partial_index(
    "operations_unfinished",
    operations.c.owner,
    operations.c.no,
    where=operations.c.state.in_(["queued", "running"]),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, nullable=False),
    Column("no", Integer, nullable=False),
    Column("owner", Text, nullable=False),  # the process that received it
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id", "no"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("owner", Text, nullable=False),  # the process that answers its first request
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

suppressions = Table(
    "suppressions",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("added_at", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "phone"),
)

migrations = Table(
    "migrations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("wishes", Text, nullable=False),  # what was asked for besides source and target
    Column("by", Text, nullable=False),  # who asked
    Column("plan", Text),
    Column("digest", Text),  # of the plan
    Column("error", Text),
    Column("certificate", Text),  # the signed text, byte by byte
    Column("operation_id", Text, nullable=False),  # the newest
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)
Index("migrations_of_tenant", migrations.c.tenant, migrations.c.id)

migration_lists = Table(  # one list on its way: what is known of it at each stage
    "migration_lists",
    metadata,
    Column("migration_id", Text, ForeignKey("migrations.id", ondelete="CASCADE"), nullable=False),
    Column("no", Integer, nullable=False),
    Column("list_id", Text, nullable=False),  # the source, as it stands here
    Column("deliveries", Text, nullable=False),  # those of it that move
    Column("stage", Text, nullable=False),
    Column("plan", Text),
    Column("proof", Text),  # that the source is quiet
    Column("target_list_id", Text),
    Column("result", Text),
    PrimaryKeyConstraint("migration_id", "no"),
)
Index("migration_lists_of_list", migration_lists.c.list_id)
Index("migration_lists_of_target", migration_lists.c.target_list_id)

migration_rows = Table(  # what there is to say of single contacts, up to a thousand in a row
    "migration_rows",
    metadata,
    Column("migration_id", Text, ForeignKey("migrations.id", ondelete="CASCADE"), nullable=False),
    Column("phase", Text, nullable=False),  # plan, or certificate
    Column("list_no", Integer, nullable=False),
    Column("no", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # msgpack
    PrimaryKeyConstraint("migration_id", "phase", "list_no", "no"),
)

reroutings = Table(  # a destination that another one stands in for: the newest of each is in force, the others its past
    "reroutings",
    metadata,
    Column("no", NUMBER, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("percent", Float),
    Column("migration_id", Text),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
)
Index("reroutings_of_tenant", reroutings.c.tenant, reroutings.c.source, reroutings.c.no)

shadows = Table(  # what another destination would have made of lists that went to their own
    "shadows",
    metadata,
    Column("rerouting_no", NUMBER, ForeignKey("reroutings.no", ondelete="CASCADE"), nullable=False),
    Column("operation_id", Text, nullable=False),
    Column("list_id", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("at", Text, nullable=False),
    PrimaryKeyConstraint("rerouting_no", "operation_id"),
)
