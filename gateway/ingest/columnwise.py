"""Rows of a CSV file to contacts, many at once: a column at a time costs half of what a row at a time does."""

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from gateway.canonical import Contact, Fault
from gateway.canonical.contacts import MAX_ATTRIBUTES
from gateway.ingest.calling_codes import region_by_calling_code
from gateway.ingest.forms import FORMS, HIGHEST_PRIORITY, LONGEST_VALUE, as_priority, is_carriable
from gateway.ingest.keys import first_key
from gateway.ingest.phones import normalise_phone
from gateway.ingest.source import CsvBlock

Column = list[str]
"""The cells of a column, without blanks around them."""


def usual_contacts(block: CsvBlock, region: str | None) -> list[Contact | None]:
    """The contact of each row in which all is well at first sight; None leaves it to the model to say what is wrong.

    `region` is one that libphonenumber knows, or None.
    """
    layout = block.layout
    as_sent = list(zip(*_of_width(layout.width, block.cells), strict=True))
    columns = [list(map(str.strip, column)) for column in as_sent]
    phones, regions, doubtful = _phones(columns[layout.phone], region)
    if not block.plain:
        doubtful.update(at for at, cells in enumerate(block.cells) if not is_carriable("".join(cells)))
    values: dict[str, Iterable[Any]] = {"row": block.lines, "phone": phones, "region": regions}
    for place, name in layout.fields:
        column = columns[place]
        values[name], wrong = _priorities(column) if name == "priority" else _texts(name, column, block.longest)
        doubtful.update(wrong)
    named = [(name, columns[place]) for place, name in layout.attributes]
    values["attributes"], wrong = _attributes(named, len(block), block.longest)
    doubtful.update(wrong)
    values["key"] = map(first_key, phones, values.get("id", repeat(None)))
    values["phone_text"] = as_sent[layout.phone]
    contacts: list[Contact | None]
    contacts = list(map(Contact, *(values.get(field, repeat(None)) for field in Contact.__struct_fields__)))
    for at in doubtful:
        contacts[at] = None
    return contacts


def _of_width(width: int, rows: list[list[str]]) -> list[list[str]]:
    """The rows without blank cells beyond the header; an empty row stands for one that has too few or too many."""
    if set(map(len, rows)) == {width}:
        return rows
    nothing = [""] * width
    return [row[:width] if len(row) >= width and not "".join(row[width:]).strip() else nothing for row in rows]


def _phones(cells: Column, region: str | None) -> tuple[Column, Sequence[str | None], set[int]]:
    """The numbers, their regions, and the places of those that are none."""
    phones, regions, wrong = cells[:], list(map(region_by_calling_code, cells)), set()
    for at in [at for at, known in enumerate(regions) if known is None]:
        phone = normalise_phone(cells[at], region)
        if isinstance(phone, Fault):
            wrong.add(at)
        else:
            phones[at], regions[at] = phone.e164, phone.region
    return phones, regions, wrong


def _texts(name: str, cells: Column, longest_row: int) -> tuple[Sequence[str | None], list[int]]:
    """The values of a field, and the places of those that it may not have."""
    longest, matches = FORMS[name]
    wrong = _too_long(cells, longest) if longest_row > longest else []
    if matches is not None:
        wrong += [at for at, cell in enumerate(cells) if cell and not matches(cell)]
    return cells if all(cells) else [cell or None for cell in cells], wrong


def _priorities(cells: Column) -> tuple[Sequence[int | None], list[int]]:
    numbers = [as_priority(cell) if cell else None for cell in cells]
    return numbers, [at for at, one in enumerate(numbers) if one is not None and not 0 <= one <= HIGHEST_PRIORITY]


def _attributes(
    columns: list[tuple[str, Column]], number: int, longest_row: int
) -> tuple[list[dict[str, str]], list[int]]:
    """The attributes of each of so many contacts, and the places of those that have too many or too long ones."""
    wrong = (
        [at for _, cells in columns for at in _too_long(cells, LONGEST_VALUE)] if longest_row > LONGEST_VALUE else []
    )
    names = [name for name, _ in columns]
    rows: Iterable[tuple[str, ...]] = zip(*(cells for _, cells in columns), strict=True) if columns else [()] * number
    if all(all(cells) for _, cells in columns):
        filled = list(map(dict, map(zip, repeat(names), rows)))
    else:
        filled = [{name: text for name, text in zip(names, row, strict=True) if text} for row in rows]
    if len(columns) > MAX_ATTRIBUTES:
        wrong += [at for at, one in enumerate(filled) if len(one) > MAX_ATTRIBUTES]
    return filled, wrong


def _too_long(cells: Column, longest: int) -> list[int]:
    return [at for at, cell in enumerate(cells) if len(cell) > longest]
