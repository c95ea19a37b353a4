"""Uploads in the database: a body as it came in, in pieces, until its contacts are stored."""

import io
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from gateway.store.database import Database
from gateway.store.schema import operations, uploads

PIECE = 1 << 20
"""Bytes of every piece but the last."""


def add_piece(connection: Connection, upload_id: str, no: int, owner: str, body: bytes) -> None:
    connection.execute(insert(uploads), {"id": upload_id, "no": no, "owner": owner, "body": body})


def get_piece(connection: Connection, upload_id: str, no: int) -> bytes:
    """A piece; b"" beyond the last."""
    query = select(uploads.c.body).where(uploads.c.id == upload_id, uploads.c.no == no)
    return bytes(connection.execute(query).scalar_one_or_none() or b"")


def size_of(connection: Connection, upload_id: str) -> int:
    query = select(func.sum(func.length(uploads.c.body))).where(uploads.c.id == upload_id)
    return int(connection.execute(query).scalar_one() or 0)


def discard(connection: Connection, upload_id: str) -> None:
    connection.execute(delete(uploads).where(uploads.c.id == upload_id))


def owners(connection: Connection) -> list[str]:
    """The processes that received what is here."""
    return [owner for (owner,) in connection.execute(select(uploads.c.owner).distinct())]


def discard_orphans(connection: Connection, dead: Collection[str]) -> None:
    """Remove the uploads of dead processes that no operation reads: their senders got no answer, or a refusal."""
    inputs = list(connection.execute(select(operations.c.input).where(operations.c.input.is_not(None))).scalars())
    for (upload_id,) in connection.execute(select(uploads.c.id).where(uploads.c.owner.in_(dead)).distinct()).all():
        if not any(upload_id in text for text in inputs):
            discard(connection, upload_id)


class Uploaded(io.RawIOBase):
    """An upload as a file; a piece at a time is in memory. For threads other than the database's."""

    def __init__(self, database: Database, upload_id: str) -> None:
        self._database, self._id = database, upload_id
        self._size = database.call(size_of, upload_id)
        self._place = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        no, start = divmod(self._place, PIECE)
        if self._held[0] != no:
            self._held = (no, self._database.call(get_piece, self._id, no))
        part = self._held[1][start : start + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)


def open_upload(database: Database, upload_id: str) -> io.BufferedReader:
    return io.BufferedReader(Uploaded(database, upload_id), 1 << 20)
