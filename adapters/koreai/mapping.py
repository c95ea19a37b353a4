"""Canonical list and contact to Kore.ai's, and a record back. One table serves both directions."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from adapters.koreai.settings import Options
from adapters.koreai.wire import ListObject, NewList, Record
from adapters.toolkit.attribute_names import as_attributes
from gateway.canonical import Contact, DuplicatePolicy, ListHead
from gateway.contract import FieldTable, Job, RemoteContact, RemoteList, carried, dropped, partly

MAX_NAME: Final = 48
MAX_DESCRIPTION: Final = 256
KEY_ROOM: Final = 1 + 15
"""A hyphen and our key, which has at most 15 characters: the room is kept whatever the key's length."""

RECORD_KEYS: Final[Mapping[str, str]] = {
    "first_name": "firstName",
    "last_name": "lastName",
    "time_zone": "timeZone",
    "company": "company",
    "email": "email",
    "language": "language",
    "tag": "tag",
}
"""Contact fields that travel as they are, by their key in the record. The last four are keys of ours ("extra keys")."""

RESERVED: Final = frozenset(
    name.casefold()
    for name in (
        *("phoneNumber", "uniqueId", "contactPriority", *RECORD_KEYS.values()),
        *("_id", "__v", "createdAt", "updatedAt"),
        *("__proto__", "constructor", "prototype"),
    )
)
"""Record keys that an attribute may not take, compared without case: the platform's fields and ours, what the platform
adds to a stored record, and names with a meaning of their own in the platform's JavaScript."""

BOOKKEEPING: Final = frozenset({"_id", "__v", "createdAt", "updatedAt"})

_CAMPAIGN = "a Kore.ai list is passive: it is set on the campaign that uses the list"
START_NOTE: Final = (
    "Kore.ai only stores the list; a campaign that names it is started in the campaign console or with the start call "
    "of the campaign API"
)

FIELDS: Final = FieldTable(
    (
        carried("phone", "phoneNumber", "digits without the plus sign, or with it by the option phone_format"),
        carried("id", "uniqueId", "a contact without an id gets its derived key"),
        carried("first_name", "firstName"),
        carried("last_name", "lastName"),
        carried("company", "company", "a key of our own, readable in flows"),
        carried("email", "email", "a key of our own, readable in flows"),
        carried("language", "language", "a key of our own, readable in flows"),
        carried("time_zone", "timeZone"),
        carried("priority", "contactPriority", "as text; the vendor documents neither its range nor its direction"),
        carried("tag", "tag", "a key of our own, readable in flows"),
        partly(
            "attributes",
            "keys of their own names",
            "a name that the platform uses itself is dropped, a value longer than value_length is cut",
        ),
        partly("name", "name", "at most 48 characters, of which 16 are kept for our key; blanks are made single"),
        partly("reference", "name", "behind the name when both fit whole"),
        partly("description", "description", "at most 256 characters"),
        dropped("schedule.start_at", _CAMPAIGN),
        dropped("schedule.daily_window", f"{_CAMPAIGN} (calling hours)"),
        dropped("dialing.max_attempts", f"{_CAMPAIGN} (attempts per record)"),
        dropped("dialing.retry_interval", f"{_CAMPAIGN} (retry period)"),
        dropped("dialing.max_concurrent", _CAMPAIGN),
        dropped("dialing.priority", f"{_CAMPAIGN} (priority)"),
        dropped("activation.mode", START_NOTE),
    )
)


def units(text: str) -> int:
    """The length of a text in UTF-16 units: "characters" as a JavaScript platform counts them, no fewer than ours."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, room: int) -> str:
    """The text, or its longest beginning of at most `room` UTF-16 units; no character is split."""
    if units(text) <= room:
        return text
    return text.encode("utf-16-le", "surrogatepass")[: room * 2].decode("utf-16-le", "ignore").rstrip()


def single_blanks(text: str) -> str:
    """The text with every run of blanks and line breaks as one blank, and none at its ends: names are compared."""
    return " ".join(text.split())


def title(name: str, reference: str | None, key: str) -> str:
    """The name of a remote list: name, reference when both fit whole, and our key. At most 48 UTF-16 units.

    A list that is not ours (`key` empty) has the whole room for its name.
    """
    room = MAX_NAME - (KEY_ROOM if key else 0)
    label = single_blanks(name)
    if carries_reference(name, reference):
        label += f" {reference}"
    return "-".join(filter(None, (cut(label, room), key)))


def carries_reference(name: str, reference: str | None) -> bool:
    """Whether the reference travels whole, and as it is, behind the name."""
    if reference is None or single_blanks(reference) != reference:
        return False
    return units(f"{single_blanks(name)} {reference}") <= MAX_NAME - KEY_ROOM


def bears(name: str, key: str) -> bool:
    """Whether a list of this name is the one with our key; the vendor compares names without regard to case."""
    text = single_blanks(name).casefold()
    return text == key.casefold() or text.endswith(f"-{key}".casefold())


def described(head: ListHead) -> str:
    """The description, never empty (the name when there is none), at most 256 UTF-16 units."""
    for text in (head.description, head.name):
        if text and text.strip():
            return cut(text, MAX_DESCRIPTION)
    return "-"


def to_new_list(job: Job[Options]) -> NewList:
    """What makes the remote list of this job."""
    head = job.head
    return NewList(
        name=title(head.name, head.reference, job.key),
        description=described(head),
        allow_duplicates=head.duplicates is DuplicatePolicy.KEEP_ALL,
    )


_recorded: Final = attrgetter(*RECORD_KEYS)


@lru_cache(maxsize=1024)
def is_reserved(name: str) -> bool:
    """Whether the vendor's own or our own keys leave no room for an attribute of this name."""
    return name.casefold() in RESERVED


def to_phone(phone: str, options: Options) -> str:
    return phone if options.phone_format == "plus" else phone.removeprefix("+")


def to_record(contact: Contact, options: Options) -> Record:
    """A contact as one flat record. Attributes under a reserved name stay behind (a loss, see `examination`)."""
    unique = contact.key if contact.id is None else contact.id
    record = {"phoneNumber": to_phone(contact.phone, options), "uniqueId": unique}
    for key, value in zip(RECORD_KEYS.values(), _recorded(contact), strict=True):
        if value is not None:
            record[key] = value
    if contact.priority is not None:
        record["contactPriority"] = str(contact.priority)
    for name, value in contact.attributes.items():
        if not is_reserved(name):
            record[name] = value[: options.value_length]
    return record


def from_record(record: Mapping[str, Any]) -> RemoteContact:
    """A record as `getAllContacts` shows it, in canonical fields. Where no number is shown, `phone` is empty."""
    rest = {name: value for name, value in record.items() if name not in BOOKKEEPING and value is not None}
    fields: dict[str, Any] = {"phone": from_phone(str(rest.pop("phoneNumber", "")))}
    unique = str(rest.pop("uniqueId", ""))
    if unique:
        fields["id"] = unique
    for field, key in RECORD_KEYS.items():
        if key in rest:
            fields[field] = str(rest.pop(key))
    if str(rest.get("contactPriority", "")).isdecimal():
        fields["priority"] = int(rest.pop("contactPriority"))
    if rest:
        fields["attributes"] = as_attributes({name: _text(value) for name, value in rest.items()})
    remote_id = record.get("_id")
    return RemoteContact(fields=fields, key=unique or None, remote_id=None if remote_id is None else str(remote_id))


def echo(job: Job[Options], contact: Contact) -> RemoteContact:
    """What `from_record` makes of this contact's own record."""
    return replace(from_record(to_record(contact, job.options)), remote_id=None)


def from_phone(text: str) -> str:
    """The number as E.164: the vendor shows international numbers without their plus sign (samples of 3.6)."""
    digits = re.sub(r"\D", "", text)
    return f"+{digits}" if digits else text


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def from_list(shown: ListObject, key: str = "", extra: Mapping[str, str] | None = None) -> RemoteList:
    """A list as the vendor shows it. `key` and `extra` are ours, which the vendor does not know."""
    return RemoteList(id=shown.id, name=shown.name, key=key, count=shown.count, extra=extra or {})
