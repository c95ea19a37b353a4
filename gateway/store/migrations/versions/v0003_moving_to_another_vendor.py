"""Version 0003: moving lists from one vendor to another, and what is sent elsewhere meanwhile."""

from typing import Any

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

revision = "0003"
down_revision = "0002"

NUMBER = BigInteger().with_variant(Integer, "sqlite")

tables = MetaData()


def _of_migration(name: str, *rest: Any) -> Table:
    migration = Column("migration_id", Text, ForeignKey("migrations.id", ondelete="CASCADE"), nullable=False)
    return Table(name, tables, migration, *rest)


migrations = Table(
    "migrations",
    tables,
    Column("id", Text, primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("tenant", "state", "source", "target", "wishes", "by")),
    *(Column(name, Text) for name in ("plan", "digest", "error", "certificate")),
    *(Column(name, Text, nullable=False) for name in ("operation_id", "created_at", "updated_at")),
)
Index("migrations_of_tenant", migrations.c.tenant, migrations.c.id)

migration_lists = _of_migration(
    "migration_lists",
    Column("no", Integer, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("list_id", "deliveries", "stage")),
    *(Column(name, Text) for name in ("plan", "proof", "target_list_id", "result")),
    PrimaryKeyConstraint("migration_id", "no"),
)
Index("migration_lists_of_list", migration_lists.c.list_id)
Index("migration_lists_of_target", migration_lists.c.target_list_id)

_of_migration(
    "migration_rows",
    Column("phase", Text, nullable=False),
    Column("list_no", Integer, nullable=False),
    Column("no", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("migration_id", "phase", "list_no", "no"),
)

reroutings = Table(
    "reroutings",
    tables,
    Column("no", NUMBER, primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("tenant", "source", "target", "mode")),
    Column("percent", Float),
    Column("migration_id", Text),
    *(Column(name, Text, nullable=False) for name in ("by", "at")),
)
Index("reroutings_of_tenant", reroutings.c.tenant, reroutings.c.source, reroutings.c.no)

Table(
    "shadows",
    tables,
    Column("rerouting_no", NUMBER, ForeignKey("reroutings.no", ondelete="CASCADE"), nullable=False),
    *(Column(name, Text, nullable=False) for name in ("operation_id", "list_id", "report", "at")),
    PrimaryKeyConstraint("rerouting_no", "operation_id"),
)


def upgrade() -> None:
    """New columns are empty, new tables too: nothing has been moved yet."""
    op.add_column("lists", Column("moved_to", Text))
    op.add_column("lists", Column("migration_id", Text))
    op.add_column("deliveries", Column("moved_to", Text))
    tables.create_all(op.get_bind())
