"""Which way a list goes (JSON or CSV, static or dynamic, which columns), and how it is cut for it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from adapters.exotel.mapping import COLUMNS, NUMBER, TAKEN, Column, column
from adapters.exotel.settings import MAX_COLUMNS, CustomField, Kind, Options, Path
from gateway.canonical import ListHead, Profile
from gateway.contract import Limits, Plan, Refused, RemoteList, Style

JSON_BATCH: Final = 5_000
"""Contacts per create call and references per add call (sheet 5)."""
CEILINGS: Final = {Kind.STATIC: 100_000, Kind.DYNAMIC: 500_000}
"""Contacts a list may hold in all (sheet 5); a list made by JSON counts as static."""
CSV_BYTES: Final = 60_000_000
"""An upload must be smaller ("under 60 MB", read as decimal megabytes)."""

CHARACTERS: Final = {"first_name": 200, "last_name": 200, "company": 200, "email": 254, "tag": 200, "attributes": 2000}
"""The most that each canonical field may hold."""
_NUMBER_BYTES: Final = 16
_BYTES_EACH: Final = 4


@dataclass(frozen=True, slots=True)
class Way:
    """How a list reaches Exotel. `kind` and `columns` (besides number) say what a CSV is like."""

    csv: bool
    kind: Kind
    columns: tuple[Column, ...]

    @property
    def header(self) -> tuple[str, ...]:
        return (NUMBER.header, *(one.header for one in self.columns))

    @property
    def extra(self) -> dict[str, str]:
        """What is kept of a list that was made this way: its kind, and the attributes to look for when it is read."""
        attributes = ",".join(one.header for one in self.columns if one.attribute)
        return {"kind": self.kind.value} | ({"columns": attributes} if attributes else {})

    @property
    def widest_row(self) -> int:
        """Bytes of the longest row that canonical contacts can make: every character four bytes, every cell quoted."""
        cells = (CHARACTERS[one.field.partition(".")[0]] * _BYTES_EACH + 3 for one in self.columns)
        return _NUMBER_BYTES + 2 + sum(cells)

    @property
    def header_bytes(self) -> int:
        return len(",".join(self.header)) + 2


@lru_cache(maxsize=256)
def way_of(profile: Profile, options: Options) -> Way:
    """The way of a list whose contacts look so."""
    wants_columns = bool(profile.attributes) and options.custom_field is CustomField.OFF
    dynamic = options.kind is Kind.DYNAMIC or (options.kind is Kind.AUTO and wants_columns)
    csv = options.path is Path.CSV or (
        options.path is Path.AUTO and (dynamic or options.kind is Kind.DYNAMIC or profile.count > JSON_BATCH)
    )
    if csv and dynamic:
        return Way(True, Kind.DYNAMIC, dynamic_columns(profile, options))
    used = tuple(column(field) for field in COLUMNS if field in profile.fields)
    return Way(csv, Kind.STATIC, used)


def dynamic_columns(profile: Profile, options: Options) -> tuple[Column, ...]:
    """At most five columns besides number, each name once whatever its case.

    The operator's own, else the names, attributes in order of appearance, then company, email and tag.
    """
    attributes = tuple(f"attributes.{name}" for name in profile.attributes)
    names = tuple(field for field in COLUMNS if field in profile.fields)
    wanted = options.columns
    if wanted is None:
        wanted = (*names[: _first_names(names)], *attributes, *names[_first_names(names) :])
    chosen: dict[str, Column] = {}
    for field in wanted:
        one = column(field)
        if (one.attribute is None or one.header.lower() not in TAKEN) and (field in names or field in attributes):
            chosen.setdefault(one.header.lower(), one)
    return tuple(chosen.values())[:MAX_COLUMNS]


def _first_names(fields: tuple[str, ...]) -> int:
    return sum(field in ("first_name", "last_name") for field in fields)


def way_into(remote: RemoteList, profile: Profile, options: Options) -> Way:
    """The way of more contacts into a list that is there. A list keeps the kind that it was made with.

    Raises `Refused` when the contacts need columns that a list made without variables has not got: whether it would
    take them is not documented (sheet 7.8).
    """
    way, made = way_of(profile, options), remote.extra.get("kind")
    if made == Kind.DYNAMIC and way.kind is not Kind.DYNAMIC:
        return Way(True, Kind.DYNAMIC, way.columns)
    if made == Kind.STATIC and way.kind is Kind.DYNAMIC:
        raise Refused(
            "the list was made without variables and takes no attributes; make a new list, or set kind=static"
        )
    return way


def plan(head: ListHead, profile: Profile, options: Options, limits: Limits) -> Plan:  # noqa: ARG001
    """Cut by the ceiling of the kind, by 5000 for JSON, and below 60 MB for CSV."""
    way = way_of(profile, options)
    ceiling = min(CEILINGS[way.kind], limits.contacts_per_list)
    if not way.csv:
        return Plan(Style.CREATE, ceiling, min(JSON_BATCH, limits.batch_size))
    fitting = (CSV_BYTES - 1 - way.header_bytes) // min(options.bytes_per_row or way.widest_row, way.widest_row)
    return Plan(Style.DELIVER, ceiling, max(1, min(ceiling, fitting, limits.batch_size)))
