"""The rejections file: rows of one outcome in the sender's own columns, to be corrected and sent again."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from gateway.canonical.contacts import TEXT_FIELDS
from gateway.ingest import rejections_csv
from gateway.store import lists as store

CANONICAL_COLUMNS = ("phone", "id", *(name for name in TEXT_FIELDS if name != "id"), "priority")


def rejections_file(connection: Connection, one: store.StoredList, outcome: str) -> bytes:
    """Rows of one outcome in the sender's own columns, so that they can be corrected and sent again."""
    source = one.source or {}
    is_csv = source.get("format") == "csv"
    mapping: dict[str, str] = source.get("mapping", {}) if is_csv else {}
    columns = source.get("columns", []) if is_csv else [*CANONICAL_COLUMNS, *one.profile.attributes]
    columns = [column for column in columns if column not in source.get("ignored", {})]
    phone_columns = {mapping.get("phone", "phone")}

    def rows() -> Iterator[tuple[dict[str, str], Any]]:
        after = 0
        while found := store.page_of_contacts(connection, one.id, outcome, after, store.PAGE):
            for each in found:
                yield _cells(each, mapping), each.faults
            after = found[-1].seq

    chunks = rejections_csv(
        rows(),
        columns=columns,
        delimiter=source.get("delimiter") or ",",
        charset=source.get("charset") or "utf-8",
        phone_columns=phone_columns,
    )
    return b"".join(chunks)


def _cells(one: store.StoredContact, mapping: dict[str, str]) -> dict[str, str]:
    """What the sender wrote, by column."""
    raw = one.raw()
    if one.key is None:
        cells = dict(raw.get("cells", {}))
        attributes = cells.pop("attributes", None) if not mapping else None
        cells.update(attributes if isinstance(attributes, dict) else {})
        return {str(name): _text(value) for name, value in cells.items()}
    values = {"phone": raw.get("phone_text") or raw.get("phone")}
    values |= {name: raw.get(name) for name in (*TEXT_FIELDS, "priority")}
    cells = {mapping.get(name, name): _text(value) for name, value in values.items() if value is not None}
    for name, value in raw.get("attributes", {}).items():
        cells[mapping.get(f"attributes.{name}", name)] = value
    return cells


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
