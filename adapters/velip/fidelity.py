"""What a list or a contact loses on its way to Velip, and what Velip cannot be trusted with: judged before sending."""

import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from typing import Final

from adapters.velip.mapping import FIELDS, columns
from adapters.velip.settings import Mode, Options
from gateway.canonical import Contact, Fault, ListHead, Loss, LossKind, Profile
from gateway.contract import Examination, Ordinary, dropped_fields, dropped_list_fields

_UNCARRIED: Final = FIELDS.uncarried()
_UNSAFE_IN_CSV: Final = re.compile(r'[",\t\x00-\x1f\x7f]')
"""Velip documents neither quoting nor line breaks in cells, and takes both comma and tab for a delimiter."""
_BRAZIL: Final = "+55"
_EXTRA_SOURCES: Final = ("company", "email", "tag")


def list_name(head: ListHead, options: Options, mode: Mode) -> tuple[str, tuple[Loss, ...]]:
    """The name of the remote list without its part, and what it loses: `<name> [<reference>]` where that fits.

    Only a JSON body is documented to be UTF-8. Velip reads form fields as ISO-8859-1 and says nothing of multipart
    fields, so there the name is kept to ASCII.
    """
    name = head.name if mode is Mode.JSON else folded(head.name)
    losses = []
    if len(name) > options.name_length:
        name = name[: options.name_length].rstrip()
        losses.append(Loss("name", LossKind.TRUNCATED, f"list names are cut at {options.name_length} characters"))
    elif name != head.name:
        losses.append(Loss("name", LossKind.REFORMATTED, "in forms and file uploads Velip's charset is unsure: ASCII"))
    if head.reference is None:
        return name, tuple(losses)
    joined = f"{name} [{head.reference}]"
    if len(joined) <= options.name_length and _clean(head.reference, mode):
        return joined, tuple(losses)
    losses.append(Loss("reference", LossKind.DROPPED, "it does not fit into the list's name at Velip"))
    return name, tuple(losses)


def _clean(reference: str, mode: Mode) -> bool:
    """The reference can be told from the name again, and is the same in every charset where that is in doubt."""
    return not set(reference) & set("[]") and (mode is Mode.JSON or reference.isascii())


def folded(text: str) -> str:
    """The text in ASCII: accents left off, every other letter an underscore."""
    plain = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() else "_" for letter in plain)


def examine_list(head: ListHead, profile: Profile, options: Options, _now: datetime) -> Examination:
    """The losses of the list's own fields."""
    _, losses = list_name(head, options, options.mode_for(profile.count))
    return Examination((*losses, *dropped_list_fields(head, _UNCARRIED)))


def examine(_head: ListHead, profile: Profile, options: Options, contact: Contact) -> Examination:
    """The losses of one contact, and the faults for which it is not sent."""
    return Examination(_losses(profile, options, contact), tuple(_faults(profile, options, contact)))


def _ordinary_text(options: Options, text: str) -> bool:
    return options.mode is not Mode.CSV or (
        text.isascii() and text.isprintable() and '"' not in text and "," not in text
    )


def _ordinary_number(options: Options, contact: Contact) -> bool:
    return options.foreign_numbers or contact.phone.startswith(_BRAZIL)


ORDINARY: Final = Ordinary(_ordinary_text, _ordinary_number)


def _losses(profile: Profile, options: Options, contact: Contact) -> tuple[Loss, ...]:
    losses = list(dropped_fields(contact, _UNCARRIED))
    if contact.first_name and contact.last_name:
        why = FIELDS["first_name"].why
        losses += [Loss("first_name", LossKind.MERGED, why), Loss("last_name", LossKind.MERGED, why)]
    carried = _carried(options, profile.attributes)
    for field in _EXTRA_SOURCES:
        if field not in carried and getattr(contact, field) is not None:
            losses.append(Loss(field, LossKind.DROPPED, FIELDS[field].why))
    unsent = [name for name in contact.attributes if f"attributes.{name}" not in carried]
    if unsent:
        why = _taken(profile, options)
        losses += [Loss(f"attributes.{name}", LossKind.DROPPED, why) for name in unsent]
    return tuple(losses)


@lru_cache(maxsize=64)
def _carried(options: Options, attributes: tuple[str, ...]) -> frozenset[str]:
    """The canonical fields that have a column."""
    return frozenset(column.source for column in columns(options, attributes))


def _taken(profile: Profile, options: Options) -> str:
    """Why an attribute has no column, naming what the columns hold."""
    taken = [
        f"{column.name} = {column.source}"
        for column in columns(options, profile.attributes)
        if column.name.startswith("extra")
    ]
    return f"Velip's free columns hold {', '.join(taken) or 'nothing, by option'}; option `extras` chooses others"


def _faults(profile: Profile, options: Options, contact: Contact) -> list[Fault]:
    faults = []
    if not options.foreign_numbers and not contact.phone.startswith(_BRAZIL):
        detail = "Velip's account may read a foreign number as a Brazilian one; see option foreign_numbers"
        faults.append(Fault("value.unsafe_for_vendor", "phone", detail))
    if options.mode is not Mode.CSV:
        return faults
    for column in columns(options, profile.attributes):
        fields = ("first_name", "last_name") if column.source == "full_name" else (column.source,)
        faults += [fault for field in fields if (fault := _cell_fault(contact, field, options.csv_encoding))]
    return faults


def _cell_fault(contact: Contact, field: str, charset: str) -> Fault | None:
    name = field.removeprefix("attributes.")
    text = contact.attributes.get(name) if name != field else getattr(contact, field)
    if not text or field == "phone":
        return None
    if _UNSAFE_IN_CSV.search(text):
        return Fault("value.unsafe_for_vendor", field, "a CSV cell with a quote, comma, tab, line break or control")
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return Fault("value.unsafe_for_vendor", field, f"a CSV cell with letters beyond {charset}")
    return None
