"""Storing contacts: they are filled into chunks by their places, and written a few chunks at a time."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.canonical import Contact, Outcome
from gateway.store import chunks
from gateway.store.chunks import Item, Mark, Place
from gateway.store.database import Prepared, inserting
from gateway.store.schema import chunks as table
from gateway.store.schema import lists


class Writer:
    """Fills chunks. `rows` are those that are full; after `finish`, all that is left."""

    def __init__(self, list_id: str, operation_id: str, seq: int, no: int) -> None:
        self.list_id, self.operation_id, self.seq, self.no = list_id, operation_id, seq, no
        self._last: Place | None = None
        self._items: tuple[list[tuple[int, Item]], dict[int, Mark]] = ([], {})
        self.rows: list[dict[str, Any]] = []
        self._open: dict[Place, tuple[list[tuple[int, Item]], dict[int, Mark]]] = {}

    def add(self, place: Place, item: Item, mark: Mark | None = None) -> None:
        """Append a contact to the list; `mark` when it is not what the others of its place are."""
        self.add_at(self.seq, place, item, mark)
        self.seq += 1

    def add_all(self, place: Place, items: Sequence[Item]) -> None:
        """Append contacts to the list that are what the others of their place are."""
        begin = 0
        while begin < len(items):
            held, _ = self._open.setdefault(place, ([], {}))
            some = items[begin : begin + chunks.SIZE - len(held)]
            held.extend(enumerate(some, self.seq))
            self.seq, begin = self.seq + len(some), begin + len(some)
            if len(held) >= chunks.SIZE:
                self.close(place)

    def add_at(self, seq: int, place: Place, item: Item, mark: Mark | None = None) -> None:
        """Give a contact that has its seq already another place."""
        if place is not self._last:
            self._last, self._items = place, self._open.setdefault(place, ([], {}))
        items, marks = self._items
        items.append((seq, item))
        if mark is not None:
            marks[seq] = mark
        if len(items) >= chunks.SIZE:
            self.close(place)

    def close(self, place: Place) -> None:
        """Nothing more comes to this place for now."""
        items, marks = self._open.pop(place, ([], {}))
        self._last = None
        if items:
            chunk = chunks.Chunk(self.list_id, self.no, place, marks, items)
            self.rows.append({"operation_id": self.operation_id, **chunks.row_of(chunk)})
            self.no += 1

    def finish(self) -> None:
        for place in list(self._open):
            self.close(place)

    def take(self) -> list[dict[str, Any]]:
        """The rows that are ready, once."""
        rows, self.rows = self.rows, []
        return rows


def writer(connection: Connection, list_id: str, operation_id: str) -> Writer:
    """A writer that goes on where the list ends."""
    query = select(lists.c.next_seq, lists.c.next_chunk).where(lists.c.id == list_id)
    seq, no = connection.execute(query.with_for_update()).one()
    return Writer(list_id, operation_id, seq, no)


def write(connection: Connection, filled: Writer, rows: list[dict[str, Any]]) -> None:
    """Store the rows of a writer and where it stands."""
    add(connection, rows)
    _STANDS_AT(connection, list_id=filled.list_id, next_seq=filled.seq, next_chunk=filled.no)


def add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Store the rows of a writer."""
    if len(rows) > 2:
        connection.execute(insert(table), rows)
        return
    for row in rows:
        _ADD(connection, **row)


_ADD: Final = inserting(
    table,
    "list_id",
    "no",
    "operation_id",
    "delivery_id",
    "part",
    "batch",
    "first_seq",
    "last_seq",
    "is_row",
    "body",
    *Outcome,
    "by_vendor",
    "rest",
    "faults",
    "detail",
    "marks",
)
_STANDS_AT: Final = Prepared(
    update(lists)
    .where(lists.c.id == bindparam("list_id"))
    .values(next_seq=bindparam("next_seq"), next_chunk=bindparam("next_chunk"))
)


def to_send(row: dict[str, Any]) -> list[Contact]:
    """The contacts of a row that is not stored yet."""
    return [contact for _, contact in chunks.contacts_in(row["body"])]
