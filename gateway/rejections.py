"""The rejections file: rows of one outcome in the sender's own columns, to be corrected and sent again."""

import json
from collections.abc import Iterator
from typing import Any

from gateway.canonical import Fault, Outcome
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.ingest import Rejected, rejections_csv
from gateway.store import chunks
from gateway.store import lists as store
from gateway.store.chunks import StoredContact
from gateway.store.database import Database

PAGE = 1_000
CANONICAL_COLUMNS = ("phone", "id", *(name for name in TEXT_FIELDS if name != "id"), "priority")


def rejections_file(database: Database, one: store.StoredList, outcome: Outcome) -> Iterator[bytes]:
    """Rows of one outcome in the sender's own columns, so that they can be corrected and sent again.

    Reads the database page by page, from another thread than the database's.
    """
    source = one.source or {}
    mapping: dict[str, str] = source.get("mapping", {})
    columns = source.get("columns") or [*CANONICAL_COLUMNS, *one.profile.attributes]
    columns = [column for column in columns if column not in source.get("ignored", {})]
    rows = ((_cells(each, mapping), _faults(each)) for each in _pages(database, one.id, outcome))
    return rejections_csv(
        rows,
        columns=columns,
        delimiter=source.get("delimiter") or ",",
        charset=charset_of(one),
        phone_columns={mapping.get("phone", "phone")},
    )


def charset_of(one: store.StoredList) -> str:
    """The charset of the list's rejections file: the sender's own."""
    source = one.source or {}
    # with its mark Excel reads UTF-8 as such
    return source.get("charset") or ("utf-8-sig" if source.get("format") == "xlsx" else "utf-8")


def _pages(database: Database, list_id: str, outcome: Outcome) -> Iterator[StoredContact]:
    after = 0
    while found := database.call(chunks.page, list_id, outcome, after, PAGE):
        yield from found
        after = found[-1].seq


def _faults(one: StoredContact) -> tuple[Fault, ...]:
    return one.item.faults if isinstance(one.item, Rejected) else one.mark.faults


def _cells(one: StoredContact, mapping: dict[str, str]) -> dict[str, str]:
    """What the sender wrote, by column."""
    item = one.item
    if isinstance(item, Rejected):
        cells = dict(item.cells) if isinstance(item.cells, dict) else {}
        attributes = cells.pop("attributes", None) if not mapping else None
        cells.update(attributes if isinstance(attributes, dict) else {})
        return {str(name): _text(value) for name, value in cells.items()}
    values = {"phone": item.phone_text or item.phone}
    values |= {name: getattr(item, name) for name in (*TEXT_FIELDS, "priority")}
    cells = {mapping.get(name, name): _text(value) for name, value in values.items() if value is not None}
    for name, value in item.attributes.items():
        cells[mapping.get(f"attributes.{name}", name)] = value
    return cells


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
