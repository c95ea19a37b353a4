"""A ledger of operations and a diary of who worked on what: what the gateway's tables are to the engine."""

import asyncio
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select, update

metadata = MetaData()
operations = Table(
    "operations", metadata, Column("id", String, primary_key=True), Column("lane", String), Column("owner", String),
    Column("done", Integer, default=0),
)  # fmt: skip
diary = Table(
    "diary", metadata, Column("n", Integer, primary_key=True), Column("operation", String), Column("executor", String),
    Column("what", String),
)  # fmt: skip


class Rows:
    """The port's ledger on two tables of the same database that the engine uses."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(
                self.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=30000")
            )
        with self.engine.begin() as connection:
            metadata.create_all(connection)

    def close(self) -> None:
        self.engine.dispose()

    def add(self, operation: str, lane: str, owner: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(operations).values(id=operation, lane=lane, owner=owner))

    def write(self, operation: str, executor: str, what: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(insert(diary).values(operation=operation, executor=executor, what=what))
            if what == "began":
                connection.execute(update(operations).where(operations.c.id == operation).values(owner=executor))
            if what == "ended":
                connection.execute(update(operations).where(operations.c.id == operation).values(done=1))

    def done(self, operation: str) -> bool:
        with self.engine.begin() as connection:
            return bool(connection.execute(select(operations.c.done).where(operations.c.id == operation)).scalar())

    def unfinished(self) -> list[str]:
        with self.engine.begin() as connection:
            return list(connection.execute(select(operations.c.id).where(operations.c.done == 0)).scalars())

    def entries(self, *what: str) -> list[tuple[str, str, str]]:
        """(operation, executor, what) in the order of writing."""
        query = select(diary.c.operation, diary.c.executor, diary.c.what).order_by(diary.c.n)
        with self.engine.begin() as connection:
            return [tuple(row) for row in connection.execute(query) if not what or row[2] in what]

    async def owners(self) -> list[str]:
        return await asyncio.to_thread(self._owners)

    def _owners(self) -> list[str]:
        with self.engine.begin() as connection:
            return list(
                connection.execute(select(operations.c.owner).where(operations.c.done == 0).distinct()).scalars()
            )

    async def take_over(self, dead: str, by: str) -> list[tuple[str, str]]:
        return await asyncio.to_thread(self._take_over, dead, by)

    def _take_over(self, dead: str, by: str) -> list[tuple[str, str]]:
        with self.engine.begin() as connection:
            rows: Any = connection.execute(
                update(operations)
                .where(operations.c.owner == dead, operations.c.done == 0)
                .values(owner=by)
                .returning(operations.c.id, operations.c.lane)
            )
            taken = [(row[0], row[1]) for row in rows]
            if taken:  # who looked before another took them, and came after, finds nothing
                connection.execute(insert(diary).values(operation=dead, executor=by, what="took over"))
            return taken
