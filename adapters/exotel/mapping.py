"""Canonical contact list <-> Exotel's records, from one table: what goes where, what does not and why."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.exotel.settings import CustomField
from adapters.exotel.wire import ContactOut
from adapters.toolkit.attribute_names import as_attributes
from adapters.toolkit.table import rows_of
from gateway.canonical import Contact
from gateway.contract import FieldTable, Job, RemoteContact, RemoteList, carried, dropped, partly

COLUMNS: Final[Mapping[str, str]] = {
    "first_name": "first_name",
    "last_name": "last_name",
    "company": "company_name",
    "email": "email",
    "tag": "tag",
}
"""The optional fields of an Exotel contact and of a static CSV, by canonical field."""

TAKEN: Final = frozenset({"number", *COLUMNS.values()})
"""Column names with a meaning of Exotel's own, which no attribute may use."""

ONE_OF_FIVE = "a dynamic list has 5 columns besides number; the option `columns` chooses them"
PASSIVE = "Exotel lists only store contacts"

FIELDS = FieldTable(
    (
        carried("phone", "number", "as +E.164"),
        carried("first_name", "first_name", ONE_OF_FIVE),
        carried("last_name", "last_name", ONE_OF_FIVE),
        partly("company", "company_name", ONE_OF_FIVE),
        partly("email", "email", ONE_OF_FIVE),
        partly("tag", "tag", ONE_OF_FIVE),
        partly("attributes", "columns of a dynamic CSV", ONE_OF_FIVE),
        dropped("id", "Exotel contacts have no key of the caller's"),
        dropped("language", "Exotel contacts have no language"),
        dropped("time_zone", "Exotel contacts have no time zone"),
        dropped("priority", "Exotel contacts have no priority"),
        carried("name", "name", "with our key behind it, since names are unique in the account"),
        carried("reference", "tag", "with our key behind it"),
        dropped("description", "Exotel lists have no description"),
        dropped("schedule.start_at", f"{PASSIVE}; the schedule belongs to the campaign"),
        dropped("schedule.daily_window", f"{PASSIVE}; the schedule belongs to the campaign"),
        dropped("dialing.max_attempts", f"{PASSIVE}; retries belong to the campaign"),
        dropped("dialing.retry_interval", f"{PASSIVE}; retries belong to the campaign"),
        dropped("dialing.max_concurrent", f"{PASSIVE}; the throttle belongs to the campaign"),
        dropped("dialing.priority", f"{PASSIVE}; campaigns have no priority"),
        dropped("activation.mode", f"{PASSIVE}; start a campaign over the list (POST /campaigns)"),
    )
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a CSV: its name in the header, and the canonical field or the attribute that fills it."""

    header: str
    field: str
    attribute: str | None = None

    def of(self, contact: Contact) -> str:
        value = contact.attributes.get(self.attribute) if self.attribute else getattr(contact, self.field)
        return value or ""


NUMBER: Final = Column("number", "phone")


def column(field: str) -> Column:
    """The column of a canonical field: `company`, `attributes.plan`."""
    prefix, _, attribute = field.partition(".")
    return Column(attribute, field, attribute) if prefix == "attributes" else Column(COLUMNS[field], field)


def csv_rows(contacts: Iterable[Contact], columns: tuple[Column, ...]) -> Iterator[Sequence[str | None]]:
    """The rows of an upload, `number` first, without the header."""
    return rows_of(["phone", *(column.field for column in columns)], contacts)


def to_record(contact: Contact, custom: CustomField) -> ContactOut:
    """A contact for `POST /contacts`. The nested form is the vendor's sample, one level below `key`."""
    fields = {to: getattr(contact, field) for field, to in COLUMNS.items()}
    extra: dict[str, Any] | None = None
    if contact.attributes and custom is not CustomField.OFF:
        extra = dict(contact.attributes)
        extra = {"key": extra} if custom is CustomField.NESTED else extra
    return ContactOut(number=contact.phone, custom_field=extra, **fields)


def from_record(record: Mapping[str, Any], columns: Iterable[str] = ()) -> RemoteContact:
    """A contact read back. Fields other than `sid` are presumed to bear the names they are sent by.

    `columns` are the attributes that the list was uploaded with. Where no number is shown, `phone` is empty.
    """
    sid = record.get("sid")
    fields: dict[str, Any] = {"phone": to_e164(str(record.get("number") or ""))}
    fields |= {field: record[to] for field, to in COLUMNS.items() if record.get(to)}
    custom = record.get("custom_field") or record.get("custom") or {}
    inner = custom.get("key", custom) if isinstance(custom, dict) else {}
    attributes = {name: str(value) for name, value in (inner if isinstance(inner, dict) else custom).items()}
    attributes |= {name: str(record[name]) for name in columns if record.get(name)}
    if attributes:
        fields["attributes"] = as_attributes(attributes)
    return RemoteContact(fields, remote_id=sid if isinstance(sid, str) else None)


def to_e164(number: str) -> str:
    """The vendor's number with its plus sign. A national form (10 digits, or a leading 0) stays as it is: which
    country Exotel guessed is not told."""
    text = re.sub(r"[\s()-]", "", number)
    return f"+{text}" if re.fullmatch(r"[1-9]\d{10,14}", text) else text


def number_forms(phone: str) -> frozenset[str]:
    """How the vendor may show this phone: whole, without its plus sign, and Indian numbers in their national forms."""
    digits = phone.removeprefix("+")
    if re.fullmatch(r"91\d{10}", digits):
        return frozenset({phone, digits, digits[2:], "0" + digits[2:]})
    return frozenset({phone, digits})


def shown_number(record: Mapping[str, Any]) -> str | None:
    """The number that a record shows, without blanks and punctuation; None when it shows none."""
    number = record.get("number")
    return (re.sub(r"[^\d+]", "", str(number)) or None) if number is not None else None


def plain_name(name: str) -> str:
    """The name on one line with single blanks, so that it can be found again exactly."""
    return " ".join(name.split())


def keyed_name(name: str, key: str) -> str:
    """The list's name at Exotel: unique, and exact to look for, by our key at its end."""
    return f"{plain_name(name)}-{key}" if key else plain_name(name)


def tag_of(job: Job[Any]) -> str:
    """The list's tag at Exotel: the caller's reference and our key."""
    reference = plain_name(job.head.reference or "")
    return f"{reference} {job.key}" if reference else job.key


def from_list(record: Mapping[str, Any], **extra: str) -> RemoteList | None:
    """A list read back, None without a sid. The key is only believed when name and tag agree on it."""
    sid, name, tag = record.get("sid"), record.get("name"), record.get("tag")
    if not isinstance(sid, str) or not sid:
        return None
    name = name if isinstance(name, str) else ""
    key = tag.split(" ")[-1] if isinstance(tag, str) else ""
    return RemoteList(sid, name, key if key and name.endswith(f"-{key}") else "", extra=extra)
