"""Canonical contacts and Velip's records, in both directions, driven by one table of columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from adapters.toolkit.table import Source, rows_of
from adapters.velip.settings import KeySet, Options
from adapters.velip.wire import ALIASES, COLUMNS, RECORD_KEYS, Record
from gateway.canonical import Contact
from gateway.contract import FieldTable, by_option, carried, dropped, partly

_ON_CAMPAIGN = "it belongs to the campaign at Velip, not to the list"
_NO_COLUMN = "Velip lists have no column for it"
_EXTRA = "Velip has no column of its own for it; option `extras` can give it one of extra1..extra4"

FIELDS: Final = FieldTable(
    (
        carried("phone", "phone", "digits without the plus sign"),
        carried("id", "cod_cli"),
        partly("first_name", "name", "Velip has one name column"),
        partly("last_name", "name", "Velip has one name column"),
        by_option("company", "extra1..extra4", _EXTRA),
        by_option("email", "extra1..extra4", _EXTRA),
        by_option("tag", "extra1..extra4", _EXTRA),
        dropped("language", _NO_COLUMN),
        dropped("time_zone", _NO_COLUMN),
        dropped("priority", _NO_COLUMN),
        partly("attributes", "extra1..extra4", "Velip has four free columns (three with the manual's key set)"),
        partly("name", "name", "cut at the length set by option `name_length`; ASCII in forms and file uploads"),
        partly("reference", "name", "stands in brackets behind the list's name, when it fits"),
        dropped("description", "Velip lists have no description"),
        dropped("schedule.start_at", _ON_CAMPAIGN),
        dropped("schedule.daily_window", _ON_CAMPAIGN),
        dropped("dialing.max_attempts", _ON_CAMPAIGN),
        dropped("dialing.retry_interval", _ON_CAMPAIGN),
        dropped("dialing.max_concurrent", _ON_CAMPAIGN),
        dropped("dialing.priority", _ON_CAMPAIGN),
        dropped("activation.mode", "a Velip list dials nobody: start a campaign on it"),
    )
)

EXPORT: Final = {"phone": "phone", "first_name": "name", "id": "cod_cli"} | {
    f"attributes.{name}": name for name in COLUMNS if name.startswith("extra")
}
"""The columns of Velip's files. Its one name is a first name here, as nothing says where it divides."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list: its name in COLUMNS, its key on the wire, and the canonical field that feeds it.

    `source` is a contact field, `attributes.<name>`, or `full_name` for the two names joined.
    """

    name: str
    key: str
    source: str


@lru_cache(maxsize=64)
def columns(options: Options, attributes: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns of a list whose contacts have these attributes, in their order on the wire.

    Without the option `extras`, the attributes take the extra columns in their own order until there are no more.
    """
    keys = RECORD_KEYS[options.record_keys]
    if options.extras is None:
        free = (name for name in keys if name.startswith("extra"))
        extras = {column: f"attributes.{name}" for column, name in zip(free, attributes, strict=False)}
    else:
        extras = {column: source for column, source in options.extras.sources().items() if column in keys}
    sources = {"phone": "phone", "name": "full_name", "cod_cli": "id"} | extras
    return tuple(Column(name, keys[name], source) for name, source in sources.items())


def _full_name(contact: Contact) -> str | None:
    if contact.first_name and contact.last_name:
        return f"{contact.first_name} {contact.last_name}"
    return contact.first_name or contact.last_name or None


_MADE: Final[Mapping[str, Source]] = {
    "phone": lambda contact: contact.phone.removeprefix("+"),
    "id": lambda contact: contact.id or contact.key,
    "full_name": _full_name,
}


def to_rows(contacts: Iterable[Contact], table: Sequence[Column]) -> Iterator[tuple[str | None, ...]]:
    """The contacts as the cells of CSV rows. A contact without an id gives its derived key."""
    return rows_of([_MADE.get(column.source, column.source) for column in table], contacts)


def to_records(contacts: Iterable[Contact], table: Sequence[Column]) -> Iterator[Record]:
    """The contacts as JSON records, without the columns for which they have nothing."""
    keys = [column.key for column in table]
    for cells in to_rows(contacts, table):
        yield {key: text for key, text in zip(keys, cells, strict=True) if text is not None}


def from_record(record: Mapping[str, str] | Sequence[str] | str, table: Iterable[Column]) -> dict[str, Any]:
    """A record of any documented form (either key set, CSV aliases, array, bare number) as canonical fields.

    The joined name becomes `first_name`, since nothing says where it divides. A number in Velip's 55DDD form becomes
    E.164; any other is left as it is, for the list's `default_region`. Columns outside the table become attributes.
    """
    sources = {column.name: column.source for column in table}
    fields: dict[str, Any] = {}
    attributes: dict[str, str] = {}
    for key, text in _named(record).items():
        name = ALIASES.get(key, key)
        source = sources.get(name, f"attributes.{name}")
        if source == "phone":
            fields["phone"] = _international(text)
        elif source == "full_name":
            fields["first_name"] = text
        elif source.startswith("attributes."):
            attributes[source.removeprefix("attributes.")] = text
        else:
            fields[source] = text
    return fields | ({"attributes": attributes} if attributes else {})


def _named(record: Mapping[str, str] | Sequence[str] | str) -> Mapping[str, str]:
    """The record by column; unused positions of the array form are empty texts and are left out."""
    if isinstance(record, Mapping):
        return record
    cells = [record] if isinstance(record, str) else record
    positions = COLUMNS[: len(RECORD_KEYS[KeySet.MANUAL])]
    return {name: text for name, text in zip(positions, cells, strict=False) if text}


def _international(text: str) -> str:
    digits = text.replace(" ", "").replace("-", "")
    return f"+{digits}" if digits.isdigit() and digits.startswith("55") and len(digits) in (12, 13) else text
