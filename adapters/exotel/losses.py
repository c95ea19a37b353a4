"""What Exotel will not carry of a list or a contact, said before anything is sent."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Final

from adapters.exotel.mapping import FIELDS, ONE_OF_FIVE, TAKEN, plain_name
from adapters.exotel.paths import Way, way_of
from adapters.exotel.settings import CustomField, Options
from gateway.canonical import Contact, DuplicatePolicy, Fault, ListHead, Loss, LossKind, Profile
from gateway.contract import Examination, Ordinary, dropped_fields, dropped_list_fields

_NEVER = FIELDS.uncarried()
_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
STATIC_ATTRIBUTES: Final = "a static list has no columns of its own; kind=dynamic carries five"
JSON_ATTRIBUTES: Final = "attributes travel by CSV, or by the option `custom_field`"
COLUMN_TAKEN: Final = "Exotel has a column of that name with a meaning of its own"
REPEATS: Final = "Exotel keeps the first row of a number and drops its repeats"
CHANNEL: Final = "Exotel lists have no channel; those made through this interface are proven for call campaigns only"
ONE_LINE: Final = "line breaks and runs of blanks in the name become one blank, so that it can be found again"


def examine_list(head: ListHead, profile: Profile, options: Options, now: datetime) -> Examination:  # noqa: ARG001
    """Losses of the list itself: what a campaign would decide, and repeats that a CSV upload drops."""
    losses = list(dropped_list_fields(head, _NEVER))
    for field in ("name", "reference"):
        value = getattr(head, field)
        if value is not None and plain_name(value) != value:
            losses.append(Loss(field, LossKind.REFORMATTED, ONE_LINE))
    if head.channel != "voice":
        losses.append(Loss("channel", LossKind.DROPPED, CHANNEL))
    if head.duplicates is DuplicatePolicy.KEEP_ALL and way_of(profile, options).csv:
        losses.append(Loss("duplicates", LossKind.DROPPED, REPEATS))
    return Examination(tuple(losses))


def examine(head: ListHead, profile: Profile, options: Options, contact: Contact) -> Examination:  # noqa: ARG001
    """Losses of one contact, and the fault of a cell that could break a row: quoting is not documented (sheet 4)."""
    way = way_of(profile, options)
    losses = list(dropped_fields(contact, _NEVER))
    if not way.csv:
        if options.custom_field is CustomField.OFF:
            losses += [_attribute(name, JSON_ATTRIBUTES) for name in contact.attributes]
        return Examination(tuple(losses))
    carried = _carried(way)
    for field in ("first_name", "last_name", "company", "email", "tag"):
        if field not in carried and getattr(contact, field):
            losses.append(Loss(field, LossKind.DROPPED, ONE_OF_FIVE))
    for name in contact.attributes:
        if f"attributes.{name}" not in carried:
            losses.append(_attribute(name, _why(way, name)))
    faults = [
        Fault("value.unsafe_for_vendor", one.field, "a line break or control character may end the row at Exotel")
        for one in way.columns
        if _UNSAFE.search(one.of(contact))
    ]
    return Examination(tuple(losses), tuple(faults))


ORDINARY: Final[Ordinary[Options]] = Ordinary(lambda _options, text: text.isprintable())


@lru_cache(maxsize=256)
def _carried(way: Way) -> frozenset[str]:
    return frozenset(one.field for one in way.columns)


def _attribute(name: str, why: str) -> Loss:
    return Loss(f"attributes.{name}", LossKind.DROPPED, why)


def _why(way: Way, name: str) -> str:
    if name.lower() in TAKEN:
        return COLUMN_TAKEN
    return ONE_OF_FIVE if way.kind == "dynamic" else STATIC_ATTRIBUTES
