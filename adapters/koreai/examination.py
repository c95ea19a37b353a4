"""What is known before anything is sent: the fields of a list or a contact that Kore.ai does not carry as they are."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from adapters.koreai.mapping import (
    FIELDS,
    KEY_ROOM,
    MAX_DESCRIPTION,
    MAX_NAME,
    carries_reference,
    is_reserved,
    single_blanks,
    units,
)
from adapters.koreai.settings import Options
from gateway.canonical import Contact, ListHead, Loss, LossKind, Profile
from gateway.contract import Examination, Ordinary, dropped_list_fields


def examine_list(head: ListHead, _profile: Profile, _options: Options, _now: datetime) -> Examination:
    """The losses of the list's own fields; Kore.ai refuses no list that the canonical model takes."""
    losses = (*_of_text(head), *dropped_list_fields(head, FIELDS.uncarried()))
    return Examination(losses=losses)


def examine(_head: ListHead, _profile: Profile, options: Options, contact: Contact) -> Examination:
    """The losses of one contact: attributes whose name the platform uses itself, or that are too long."""
    return Examination(losses=tuple(_of_attributes(contact, options)))


def _has_short_values(options: Options, contact: Contact) -> bool:
    return max(map(len, contact.attributes.values()), default=0) <= options.value_length


ORDINARY: Final = Ordinary(lambda _options, _text: True, _has_short_values)


def _of_text(head: ListHead) -> Iterator[Loss]:
    label = single_blanks(head.name)
    if units(label) > MAX_NAME - KEY_ROOM:
        why = f"a Kore.ai name has {MAX_NAME} characters, of which {KEY_ROOM} are kept for the gateway's key"
        yield Loss("name", LossKind.TRUNCATED, why)
    elif label != head.name:
        yield Loss("name", LossKind.REFORMATTED, "contacts are added by name, so runs of blanks are made single")
    if head.reference is not None and not carries_reference(head.name, head.reference):
        why = f"it travels behind the name, and only when both fit whole into {MAX_NAME - KEY_ROOM} characters"
        yield Loss("reference", LossKind.DROPPED, why)
    if head.description is not None and not head.description.strip():
        yield Loss("description", LossKind.DEFAULTED, "Kore.ai wants a description; an empty one becomes the name")
    elif head.description is not None and units(head.description) > MAX_DESCRIPTION:
        yield Loss("description", LossKind.TRUNCATED, f"a Kore.ai description has {MAX_DESCRIPTION} characters")
    if head.channel != "voice":
        why = "a Kore.ai list has no channel: the campaign that uses it chooses voice or SMS"
        yield Loss("channel", LossKind.DROPPED, why)


def _of_attributes(contact: Contact, options: Options) -> Iterator[Loss]:
    for name, value in contact.attributes.items():
        if is_reserved(name):
            yield Loss(f"attributes.{name}", LossKind.DROPPED, "the platform uses a record key of this name itself")
        elif len(value) > options.value_length:
            why = f"a value has at most {options.value_length} characters (option value_length)"
            yield Loss(f"attributes.{name}", LossKind.TRUNCATED, why)
