"""Which column holds which field: explicit mapping, then exact names, then synonyms; the rest become attributes."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from gateway.canonical.contacts import ATTRIBUTE_NAME
from gateway.ingest.problems import SourceError, column_names
from gateway.ingest.synonyms import FIELD_OF, SYNONYMS, fold

OWN_COLUMNS: Final = ("error_code", "error_detail")
"""The columns that our rejections files add after the sender's own."""

ATTRIBUTE: Final = "attributes."
_LONGEST_NAME: Final = 64
_PHONE_LIKE: Final = re.compile(r"\W*\+?\d[\d\s().\-]{5,}\d\W*")


class Layout(msgspec.Struct, frozen=True):
    """How to read the rows of one CSV file: places of the fields and attributes, and the columns' own names."""

    columns: tuple[str, ...]
    phone: int
    fields: tuple[tuple[int, str], ...]
    attributes: tuple[tuple[int, str], ...]
    mapping: dict[str, str]
    ignored: dict[str, str]
    corrections: bool

    @property
    def width(self) -> int:
        return len(self.columns)


def name_columns(header: list[str]) -> tuple[str, ...]:
    """The header's names, trimmed; empty ones at the end are no columns, others stay apart by their blanks.

    A name of blanks is still empty when the file comes back, and keeps the cells of two such columns apart.
    """
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    seen: dict[str, int] = {}
    empty = 0
    for place, name in enumerate(names):
        if not name:
            names[place] = " " * empty
            empty += 1
        elif name in seen:
            raise SourceError(
                "source.duplicate_column",
                f"columns {seen[name] + 1} and {place + 1} are both named {column_names([name])}",
            )
        else:
            seen[name] = place
    return tuple(names)


def map_columns(
    names: tuple[str, ...], mapping: Mapping[str, str] | None, usual: Mapping[str, str] | None = None
) -> Layout:
    """The layout of a file with these columns, or a SourceError that says what is missing.

    `usual` maps fields to columns as `mapping` does, as far as the file has them and nothing else is stated.
    """
    chosen = _stated(names, mapping or {})
    for field, column in (usual or {}).items():
        if column in names and names.index(column) not in chosen.values():
            chosen.setdefault(field, names.index(column))
    taken = set(chosen.values())
    free = [
        place for place, name in enumerate(names) if name.strip() and name not in OWN_COLUMNS and place not in taken
    ]
    _exact(names, free, chosen)
    _synonyms(names, free, chosen)
    if "phone" not in chosen:
        _refuse_without_phone(names)
    used = set(chosen.values())
    rest = [place for place in free if place not in used]
    chosen.update(_attributes(names, rest, {field for field in chosen if field.startswith(ATTRIBUTE)}))
    return Layout(
        columns=names,
        phone=chosen["phone"],
        fields=tuple((place, field) for field, place in chosen.items() if field in SYNONYMS and field != "phone"),
        attributes=tuple(
            (place, field.removeprefix(ATTRIBUTE)) for field, place in chosen.items() if field.startswith(ATTRIBUTE)
        ),
        mapping={field: names[place] for field, place in chosen.items()},
        ignored=_ignored(names, set(chosen.values())),
        corrections=all(name in names for name in OWN_COLUMNS),
    )


def _stated(names: tuple[str, ...], mapping: Mapping[str, str]) -> dict[str, int]:
    fields = [field for field in mapping if not _is_field(field)]
    columns = [column for column in mapping.values() if column.strip() not in names or not column.strip()]
    faults = []
    if fields:
        faults.append(f"no such field: {column_names(fields)}")
    if columns:
        faults.append(f"no such column: {column_names(columns)} (the columns are {column_names(names)})")
    if faults:
        raise SourceError("source.mapping", "; ".join(faults))
    return {field: names.index(column.strip()) for field, column in mapping.items()}


def _is_field(field: str) -> bool:
    if not field.startswith(ATTRIBUTE):
        return field in SYNONYMS
    name = field.removeprefix(ATTRIBUTE)
    return len(name) <= _LONGEST_NAME and re.fullmatch(ATTRIBUTE_NAME, name) is not None and "\n" not in name


def _exact(names: tuple[str, ...], free: list[int], chosen: dict[str, int]) -> None:
    for place in free:
        if _is_field(names[place]):
            chosen.setdefault(names[place], place)


def _synonyms(names: tuple[str, ...], free: list[int], chosen: dict[str, int]) -> None:
    for place in free:
        field = FIELD_OF.get(fold(names[place]))
        if field and place not in chosen.values():
            chosen.setdefault(field, place)


def _refuse_without_phone(names: tuple[str, ...]) -> None:
    if any(len(name) <= _LONGEST_NAME and _PHONE_LIKE.fullmatch(name) for name in names):
        raise SourceError("source.no_header")
    raise SourceError("source.no_phone_column", f"no phone column among {column_names(names)}")


def _attributes(names: tuple[str, ...], places: Collection[int], taken: set[str]) -> dict[str, int]:
    """Attribute names for these columns: their own where they are names, else made of them, each only once."""
    made: dict[str, int] = {}
    own = [place for place in places if _is_field(ATTRIBUTE + names[place])]
    for place in [*own, *(place for place in places if place not in own)]:
        name = wanted = _attribute_name(names[place]) or f"column_{place + 1}"
        number = 1
        while ATTRIBUTE + name in made or ATTRIBUTE + name in taken:
            number += 1
            name = f"{wanted[: _LONGEST_NAME - 5]}_{number}"
        made[ATTRIBUTE + name] = place
    return dict(sorted(made.items(), key=lambda item: item[1]))


def _attribute_name(column: str) -> str:
    if _is_field(ATTRIBUTE + column):
        return column
    plain = unicodedata.normalize("NFKD", column).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9]+", "_", plain).strip("_")
    return (f"_{name}" if name[:1].isdigit() else name)[:_LONGEST_NAME]


def _ignored(names: tuple[str, ...], used: set[int]) -> dict[str, str]:
    reasons = {}
    for place, name in enumerate(names):
        if not name.strip():
            reasons[name] = "the header is empty"
        elif name in OWN_COLUMNS and place not in used:
            reasons[name] = "a column of our own rejections file"
    return reasons
