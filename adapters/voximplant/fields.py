"""Where each canonical field goes, and what is known to be lost or refused before anything is sent."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from adapters.voximplant.columns import TASK_PRIORITY, TASK_UUID, TEXT_COLUMNS, is_reserved
from adapters.voximplant.mapping import task_uuid
from adapters.voximplant.naming import title
from adapters.voximplant.schedule import changes_its_clock
from adapters.voximplant.settings import MOST_ATTEMPTS, Options
from gateway.canonical import Contact, Fault, ListHead, Loss, LossKind, Profile
from gateway.contract import (
    Examination,
    FieldTable,
    Ordinary,
    by_option,
    carried,
    dropped,
    dropped_list_fields,
    partly,
)

FIELDS = FieldTable(
    (
        carried("phone", "phone_number", "E.164 with its plus sign; option phone_column names the column"),
        partly(
            "id", TASK_UUID, "at most 40 letters, digits, hyphens and colons; a derived key stands for any other id"
        ),
        *(carried(field, column) for field, column in TEXT_COLUMNS.items()),
        partly(
            "time_zone",
            "__start_execution_time, __end_execution_time",
            "the vendor knows no zones: it only shifts the daily window, which is sent in UTC",
        ),
        by_option("priority", TASK_PRIORITY, "sent as task_priority when option carry_priority is set"),
        partly("attributes", "a column each", "names of our own and of the vendor's columns cannot be used"),
        partly("name", "name", "at most 237 characters, without slashes and backslashes; our key follows it"),
        partly("reference", "name", "behind the list's name, where it fits"),
        dropped("description", "call lists have no description"),
        carried("schedule.start_at", "__start_at", "UNIX seconds in every row"),
        partly(
            "schedule.daily_window",
            "__start_execution_time, __end_execution_time",
            "in UTC, by the offset of the day on which the list begins",
        ),
        partly("dialing.max_attempts", "num_attempts", f"at most {MOST_ATTEMPTS}"),
        carried("dialing.retry_interval", "interval_seconds"),
        carried("dialing.max_concurrent", "max_simultaneous"),
        carried("dialing.priority", "priority", "0 is the highest on both sides"),
        carried("activation.mode", "CreateCallList", "creating a list dials"),
    )
)

_UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
_DROPPED = FIELDS.uncarried()


def examine_list(head: ListHead, _profile: Profile, _options: Options, _now: datetime) -> Examination:
    """Losses of the list's own fields. Nothing of them makes the list impossible."""
    losses = [*title(head.name, head.reference).losses, *dropped_list_fields(head, _DROPPED)]
    window = head.schedule.daily_window
    if window and changes_its_clock(window.time_zone):
        why = f"sent in UTC; {window.time_zone} changes its clock, and from then on the hours are off by as much"
        losses.append(Loss("schedule.daily_window", LossKind.REFORMATTED, why))
    attempts = head.dialing.max_attempts
    if attempts and attempts > MOST_ATTEMPTS:
        losses.append(Loss("dialing.max_attempts", LossKind.CLAMPED, f"the vendor tries {MOST_ATTEMPTS} times at most"))
    return Examination(tuple(losses))


def examine(head: ListHead, _profile: Profile, options: Options, contact: Contact) -> Examination:
    """Losses of one contact, and the faults for which it is not sent."""
    return Examination(_losses(head, options, contact), _faults(options, contact))


def _ordinary_text(options: Options, text: str) -> bool:
    return (
        text.isprintable()
        and ("\\" not in text or options.escape is not None)
        and (text.isascii() or options.encoding == "UTF-8")
    )


def _ordinary_contact(_options: Options, contact: Contact) -> bool:
    return (contact.id is None or task_uuid(contact.key) == contact.id) and (
        contact.time_zone is None or _known(contact.time_zone)
    )


ORDINARY: Final = Ordinary(_ordinary_text, _ordinary_contact)


def _losses(head: ListHead, options: Options, contact: Contact) -> tuple[Loss, ...]:
    losses = []
    if contact.id is not None and task_uuid(contact.key) != contact.id:
        losses.append(Loss("id", LossKind.REFORMATTED, f"{FIELDS['id'].why}"))
    if contact.priority is not None and not options.carry_priority:
        losses.append(Loss("priority", LossKind.DROPPED, FIELDS["priority"].why))
    if contact.time_zone is not None and head.schedule.daily_window is None:
        why = "without a daily window there is nothing for it to shift, and the vendor knows no zones"
        losses.append(Loss("time_zone", LossKind.DROPPED, why))
    elif contact.time_zone is not None:
        losses.append(Loss("time_zone", LossKind.REFORMATTED, FIELDS["time_zone"].why))
    losses += [
        Loss(f"attributes.{name}", LossKind.DROPPED, "a column of this name has another meaning; rename the attribute")
        for name in contact.attributes
        if is_reserved(name, options.phone_column)
    ]
    return tuple(losses)


def _faults(options: Options, contact: Contact) -> tuple[Fault, ...]:
    faults = [_unsafe(name, text, options) for name, text in _texts(options, contact)]
    if contact.time_zone is not None and not _known(contact.time_zone):
        faults.append(Fault("time_zone.invalid", "time_zone", "not a time zone of the tz database"))
    return tuple(found for found in faults if found)


def _texts(options: Options, contact: Contact) -> list[tuple[str, str]]:
    """The contact's texts that reach the file as they are, with their canonical names."""
    texts = [(field, text) for field in TEXT_COLUMNS if (text := getattr(contact, field))]
    texts += [
        (f"attributes.{name}", text)
        for name, text in contact.attributes.items()
        if not is_reserved(name, options.phone_column)
    ]
    return texts


def _unsafe(column: str, text: str, options: Options) -> Fault | None:
    """How the vendor reads line breaks in a cell, and which escape character it takes by default, is not documented."""
    if _UNSAFE.search(text):
        return Fault("value.unsafe_for_vendor", column, "a line break or control character cannot be sent in a cell")
    if "\\" in text and options.escape is None:
        why = "the vendor may take a backslash for an escape character; set the option escape to send it"
        return Fault("value.unsafe_for_vendor", column, why)
    try:
        text.encode(options.encoding)
    except UnicodeEncodeError:
        return Fault("value.unsafe_for_vendor", column, f"a character that the charset {options.encoding} lacks")
    return None


@lru_cache(maxsize=1024)
def _known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        return False
    return True
