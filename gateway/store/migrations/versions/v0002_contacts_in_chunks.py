"""Version 0002: contacts by the chunk, operations with an owner, attempts in the order of their numbers.

Nothing may be sent twice by it. An operation that ran belongs to a process that is dead, and has been begun once: who
takes it over looks at the attempts first. An attempt keeps its verdict, or that it has none, and is filed under the
verb that the resumed run asks for; no reply was kept whole, so that what may have taken effect is looked up.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    text,
)

revision = "0002"
down_revision = "0001"

SIZE = 1_000
"""Contacts of one chunk at most."""
PAGE = 5_000
OUTCOMES = ("accepted", "rejected", "suppressed", "duplicate", "pending", "unknown")
GONE = "ex_before_version_0002"
"""The owner of what was unfinished: a process that nobody is, so that any other takes it over."""
NUMBER = BigInteger().with_variant(Integer, "sqlite")

_encode = msgspec.msgpack.Encoder().encode
tables = MetaData()
Table("lists", tables, Column("id", Text, primary_key=True))
chunks = Table(
    "chunks",
    tables,
    Column("list_id", Text, ForeignKey("lists.id", ondelete="CASCADE"), nullable=False),
    Column("no", Integer, nullable=False),
    Column("operation_id", Text, nullable=False),
    Column("delivery_id", Text),
    Column("part", Integer),
    Column("batch", Integer),
    Column("first_seq", Integer, nullable=False),
    Column("last_seq", Integer, nullable=False),
    *(Column(outcome, Integer, nullable=False) for outcome in OUTCOMES),
    Column("by_vendor", Integer, nullable=False),
    Column("rest", Text, nullable=False),
    Column("faults", Text),
    Column("detail", Text),
    Column("marks", LargeBinary),
    Column("is_row", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("list_id", "no"),
)
Index("chunks_of_batch", chunks.c.delivery_id, chunks.c.part, chunks.c.batch, chunks.c.no)
Index("chunks_by_seq", chunks.c.list_id, chunks.c.first_seq, chunks.c.last_seq)

attempts = Table(
    "attempts",
    tables,
    Column("id", NUMBER, primary_key=True),
    Column("account", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("delivery_id", Text),
    Column("part", Integer),
    Column("batch", Integer),
    Column("purpose", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("verdict", Text),
    Column("status", Integer),
    Column("reply", Text),
    Column("answer", LargeBinary),
    Column("detail", Text),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
)
Index("attempts_of_batch", attempts.c.delivery_id, attempts.c.part, attempts.c.batch, attempts.c.id)
_open = attempts.c.verdict.is_(None)
Index("attempts_open", attempts.c.account, attempts.c.started_at, sqlite_where=_open, postgresql_where=_open)

turns = Table(
    "turns",
    tables,
    Column("account", Text, nullable=False),
    Column("second", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("account", "second"),
)
operations = Table(
    "operations",
    tables,
    Column("no", NUMBER, primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("tenant", Text, nullable=False),
    Column("list_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("runs", Integer, nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("input", Text),
    Column("error", Text),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
)
Index("operations_of_list", operations.c.list_id, operations.c.no)
_unfinished = operations.c.state.in_(["queued", "running"])
Index(
    "operations_unfinished",
    operations.c.owner,
    operations.c.no,
    sqlite_where=_unfinished,
    postgresql_where=_unfinished,
)
uploads = Table(
    "uploads",
    tables,
    Column("id", Text, nullable=False),
    Column("no", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("id", "no"),
)
suppressions = Table(
    "suppressions",
    tables,
    Column("tenant", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("added_at", Text, nullable=False),
    PrimaryKeyConstraint("tenant", "phone"),
)


def upgrade() -> None:
    """Carry everything over, in the transaction that is open."""
    connection = op.get_bind()
    # SQLite adds such columns only with a default; making the table anew would delete what refers to it
    op.add_column("lists", Column("next_chunk", Integer, nullable=False, server_default=text("1")))
    op.add_column("lists", Column("corrected", Integer, nullable=False, server_default=text("0")))
    op.add_column("deliveries", Column("operation_id", Text, nullable=False, server_default=text("''")))
    op.add_column("idempotency", Column("owner", Text, nullable=False, server_default=text("''")))
    connection.execute(text("UPDATE idempotency SET owner = :gone"), {"gone": GONE})
    _operations(connection)
    _attempts(connection)
    for table in (chunks, turns, uploads, suppressions):
        table.create(connection)
    for (list_id,) in connection.execute(text("SELECT id FROM lists ORDER BY id")).all():
        _contacts(connection, list_id)
    op.drop_table("contacts")
    op.create_index("idempotency_by_age", "idempotency", ["created_at"])
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE chunks"))


def _operations(connection: Connection) -> None:
    connection.execute(text("CREATE TEMPORARY TABLE operations_before AS SELECT * FROM operations"))
    op.drop_table("operations")
    operations.create(connection)
    connection.execute(
        text(
            "INSERT INTO operations (id, tenant, list_id, kind, state, stage, owner, runs, cancelling, error,"
            " created_at, updated_at) SELECT id, tenant, list_id, kind, state, stage, :gone, 1, :no, error,"
            " created_at, updated_at FROM operations_before ORDER BY created_at, id"
        ),
        {"gone": GONE, "no": False},
    )
    connection.execute(text("DROP TABLE operations_before"))
    connection.execute(
        text(
            "UPDATE deliveries SET operation_id = coalesce((SELECT operations.id FROM operations"
            " WHERE operations.list_id = deliveries.list_id AND operations.created_at <= deliveries.created_at"
            " ORDER BY operations.no DESC LIMIT 1), (SELECT operations.id FROM operations"
            " WHERE operations.list_id = deliveries.list_id ORDER BY operations.no LIMIT 1), '')"
        )
    )


ATTEMPTS = """
INSERT INTO attempts (account, owner, delivery_id, part, batch, purpose, round, step, method, target, digest, verdict,
  status, reply, detail, started_at, finished_at)
SELECT '', :gone, a.delivery_id, a.part, a.batch,
  CASE
    WHEN a.batch IS NOT NULL AND (d.style = 'create' OR r.remote_id IS NOT NULL) THEN 'append'
    WHEN a.batch IS NOT NULL THEN 'deliver'
    WHEN a.part IS NOT NULL THEN 'find'
    WHEN d.style = 'create' THEN 'create'
    ELSE 'upkeep'
  END,
  1, a.step, a.method, a.target, a.digest, a.verdict, a.status, a.reply, a.detail, a.started_at, a.finished_at
FROM attempts_before a
LEFT JOIN deliveries d ON d.id = a.delivery_id
LEFT JOIN remote_lists r ON r.delivery_id = a.delivery_id AND r.part = a.part
ORDER BY a.started_at, a.id
"""
"""Filed under the verb that a resumed run drives for this work: a batch of a remote list that is known is appended."""


def _attempts(connection: Connection) -> None:
    connection.execute(text("CREATE TEMPORARY TABLE attempts_before AS SELECT * FROM attempts"))
    op.drop_table("attempts")
    attempts.create(connection)
    connection.execute(text(ATTEMPTS), {"gone": GONE})
    connection.execute(text("DROP TABLE attempts_before"))


Mark = tuple[str, str | None, tuple[tuple[str, str | None, str], ...], str | None, bool]
"""Outcome, id at the vendor, faults (code, column, detail), detail, refused by a vendor."""
Place = tuple[str | None, int | None, int | None, bool]
"""Delivery, part, batch, whether these are rows that are no contacts."""


class _Filling:
    """The chunks of one list. A place is closed when it is full, or its delivery goes on to another batch."""

    def __init__(self, list_id: str, operation_id: str) -> None:
        self._list_id, self._operation_id = list_id, operation_id
        self.next_chunk = 1
        self.rows: list[dict[str, Any]] = []
        self._open: dict[tuple[str | None, bool], tuple[Place, list[tuple[int, bytes, Mark]]]] = {}

    def add(self, place: Place, seq: int, body: bytes, mark: Mark) -> None:
        lane = (place[0], place[3])
        there, items = self._open.get(lane) or (place, [])
        if there != place or len(items) >= SIZE:
            self._close(there, items)
            items = []
        items.append((seq, body, mark))
        self._open[lane] = (place, items)

    def finish(self) -> None:
        for place, items in self._open.values():
            self._close(place, items)
        self._open = {}

    def _close(self, place: Place, items: list[tuple[int, bytes, Mark]]) -> None:
        # what stands for the rest has no id of its own at the vendor, and faults when a vendor refused it
        alike = Counter(mark for _, _, mark in items if mark[1] is None and (mark[2] or not mark[4]))
        rest = alike.most_common(1)[0][0] if alike else ("pending", None, (), None, False)
        marks = {seq: _packed(mark) for seq, _, mark in items if mark != rest}
        tally = Counter(mark[0] for _, _, mark in items)
        delivery_id, part, batch, is_row = place
        self.rows.append(
            {
                "list_id": self._list_id,
                "no": self.next_chunk,
                "operation_id": self._operation_id,
                "delivery_id": delivery_id,
                "part": part,
                "batch": batch,
                "first_seq": items[0][0],
                "last_seq": items[-1][0],
                **{outcome: tally[outcome] for outcome in OUTCOMES},
                "by_vendor": sum(mark[4] for _, _, mark in items),
                "rest": rest[0],
                "faults": msgspec.json.encode([_faults(rest), rest[4]]).decode() if rest[2] else None,
                "detail": rest[3],
                "marks": _encode(marks) if marks else None,
                "is_row": is_row,
                "body": _encode([(seq, msgspec.Raw(body)) for seq, body, _ in items]),
            }
        )
        self.next_chunk += 1


def _faults(mark: Mark) -> list[dict[str, str | None]]:
    return [{"code": code, "column": column, "detail": detail} for code, column, detail in mark[2]]


def _packed(mark: Mark) -> list[Any]:
    return [mark[0], mark[1], _faults(mark), mark[3], mark[4]]


def _contacts(connection: Connection, list_id: str) -> None:
    """The contacts of a list, a few thousand rows in memory at once."""
    first = text("SELECT id FROM operations WHERE list_id = :list ORDER BY no LIMIT 1")
    made_by = connection.execute(first, {"list": list_id}).scalar_one_or_none() or ""
    filling = _Filling(list_id, made_by)
    for place, seq, body, mark in _read(connection, list_id):
        filling.add(place, seq, body, mark)
        if len(filling.rows) >= 20:
            connection.execute(insert(chunks), filling.rows)
            filling.rows = []
    filling.finish()
    if filling.rows:
        connection.execute(insert(chunks), filling.rows)
    where = text("UPDATE lists SET next_chunk = :next WHERE id = :list")
    connection.execute(where, {"next": filling.next_chunk, "list": list_id})


def _read(connection: Connection, list_id: str) -> Iterator[tuple[Place, int, bytes, Mark]]:
    query = text(
        "SELECT seq, key, outcome, delivery_id, part, batch, remote_id, by_vendor, faults, detail, body"
        " FROM contacts WHERE list_id = :list AND seq > :after ORDER BY seq LIMIT :limit"
    )
    after = 0
    while rows := connection.execute(query, {"list": list_id, "after": after, "limit": PAGE}).mappings().all():
        for row in rows:
            is_row = row["key"] is None  # its faults stand in the row itself
            told = msgspec.json.decode(row["faults"]) if row["faults"] and not is_row else ()
            faults = tuple((one["code"], one.get("column"), one.get("detail", "")) for one in told)
            mark = (row["outcome"], row["remote_id"], faults, row["detail"], bool(row["by_vendor"]))
            yield (row["delivery_id"], row["part"], row["batch"], is_row), row["seq"], bytes(row["body"]), mark
        after = rows[-1]["seq"]
