"""Canonical contacts as rows of the campaign CSV with its layout, and back. `VARIABLES` drives both ways."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from adapters.indigitall.schedule import timing_faults, whole_seconds
from adapters.indigitall.settings import Constant, Options, SlicingCondition
from adapters.indigitall.wire import Layout, LayoutContact, ListedContact
from adapters.toolkit.table import rows_of
from gateway.canonical import Contact, Fault, ListHead, Loss, LossKind, Profile
from gateway.contract import (
    Examination,
    FieldRule,
    FieldTable,
    Ordinary,
    by_option,
    carried,
    dropped,
    dropped_fields,
    dropped_list_fields,
    partly,
)

VARIABLES = ("first_name", "last_name", "company", "email", "language", "tag")
"""Contact fields that become a column and a campaign variable of the same name when the list fills them."""

_SELDOM = ("id", "time_zone", "priority")
_VARIABLE = "a CSV column and a customFields variable of the same name"
FIELDS = FieldTable(
    (
        carried("phone", "the contactCode column, digits"),
        by_option("id", "customFields", "the send has no place for a contact's id; custom_fields can name a variable"),
        *(carried(field, _VARIABLE, "custom_fields names no campaign variable for it") for field in VARIABLES),
        dropped("time_zone", "the send has no time zone of a contact"),
        dropped("priority", "the send has no priority of a contact"),
        partly("attributes", _VARIABLE, "custom_fields names no campaign variable for it"),
        partly(
            "name", "the file's name", "only the file is named: ASCII letters, digits, space, dot, dash, at most 100"
        ),
        dropped("reference", "the send has no reference"),
        dropped("description", "the send has no description"),
        carried("schedule.start_at", "scheduleAt, in UTC"),
        dropped("schedule.daily_window", "the send has no daily window; slicing is set for the application"),
        dropped("dialing.max_attempts", "a message is sent once"),
        dropped("dialing.retry_interval", "a message is sent once"),
        dropped("dialing.max_concurrent", "the send has no rate; slicing is set for the application"),
        dropped("dialing.priority", "the send has no priority"),
        carried("activation.mode", "the send itself: it starts the campaign"),
    )
)
_TAKEN = "a contact field of this name already is the campaign variable; name both in custom_fields"
_UNCARRIED_OF_LIST = FIELDS.uncarried()
_ATTRIBUTE = "attributes."

UNSAFE = re.compile('["\\\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|\\{\\{|\\}\\}')
"""What a cell must not hold: it goes into the layout's JSON, and nothing says that the vendor escapes it."""

NAME_LENGTH = 100
_NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9 ._-]")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a list is laid out: column name by canonical source, and what each campaign variable is made of."""

    columns: Mapping[str, str]
    variables: Mapping[str, str]
    cells: tuple[tuple[str, Callable[[Contact], str]], ...]
    """What each column holds, in the order of `columns`."""
    uncarried: Mapping[str, FieldRule]
    """The contact fields without a column; attributes are looked at one by one."""


def shape_of(profile: Profile, options: Options) -> Shape:
    """The columns and variables of a list. Every column has a placeholder, every placeholder a column."""
    named = None if options.custom_fields is None else tuple(options.custom_fields.items())
    return _shape(profile, options.contact_code_column, named)


@lru_cache(maxsize=64)
def _shape(profile: Profile, contact_code: str, named: tuple[tuple[str, str | Constant], ...] | None) -> Shape:
    """Kept because every contact of a list is examined against it."""
    columns = {"phone": contact_code}
    variables = {}
    for variable, source in named if named is not None else _same_names(profile).items():
        if isinstance(source, Constant):
            variables[variable] = source.constant
            continue
        if source not in columns:
            columns[source] = _free(source.removeprefix(_ATTRIBUTE), set(columns.values()))
        variables[variable] = "{{" + columns[source] + "}}"
    uncarried = {field: FIELDS[field] for field in (*VARIABLES, *_SELDOM) if field not in columns}
    return Shape(columns, variables, tuple((source, _cell(source)) for source in columns), uncarried)


def _same_names(profile: Profile) -> dict[str, str]:
    fields = {field: field for field in VARIABLES if field in profile.fields}
    return fields | {name: _ATTRIBUTE + name for name in profile.attributes if name not in fields}


def _free(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def to_layout(shape: Shape, options: Options) -> Layout:
    """The layout of the send; contact code by its column, channel as a constant."""
    return Layout(
        contact=LayoutContact(contact_code="{{" + shape.columns["phone"] + "}}", channel_type=options.channel_type),
        custom_fields=dict(shape.variables) or None,
    )


def to_rows(contacts: Iterable[Contact], shape: Shape) -> Iterator[tuple[str | None, ...]]:
    """One row of cells for each contact, in the order of `shape.columns`."""
    return rows_of([_digits, *(source for source, _ in shape.cells if source != "phone")], contacts)


def to_items(contacts: Iterable[Contact], shape: Shape, options: Options) -> Iterator[ListedContact]:
    """The contacts of a JSON send, each with its own variables: what a layout would make of its row."""
    names = tuple(shape.columns.values())
    for cells in to_rows(contacts, shape):
        row = {name: text or "" for name, text in zip(names, cells, strict=True)}
        variables = {variable: _filled(template, row) for variable, template in shape.variables.items()}
        yield ListedContact(
            contact_code=row[shape.columns["phone"]],
            channel_type=options.channel_type,
            custom_fields=variables or None,
        )


def _digits(contact: Contact) -> str:
    return contact.phone.removeprefix("+")


def _cell(source: str) -> Callable[[Contact], str]:
    if source == "phone":
        return _digits
    if source.startswith(_ATTRIBUTE):
        name = source.removeprefix(_ATTRIBUTE)
        return lambda contact: contact.attributes.get(name, "")
    return lambda contact: getattr(contact, source) or ""


def to_canonical(row: Mapping[str, str], layout: Layout, options: Options) -> dict[str, Any]:
    """The canonical fields of one CSV row under its layout; constants belong to the campaign and are left out."""
    named = options.custom_fields or {}
    fields: dict[str, Any] = {"phone": "+" + _filled(layout.contact.contact_code, row)}
    attributes: dict[str, str] = {}
    for variable, template in (layout.custom_fields or {}).items():
        source = named.get(variable, variable if variable in VARIABLES else _ATTRIBUTE + variable)
        value = _filled(template, row)
        if isinstance(source, Constant) or source == "phone" or "{{" not in template or not value:
            continue
        if source.startswith(_ATTRIBUTE):
            attributes[source.removeprefix(_ATTRIBUTE)] = value
        else:
            fields[source] = value
    return fields | ({"attributes": attributes} if attributes else {})


def _filled(template: str, row: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: row[match[1]], template)


def file_name(head: ListHead, key: str) -> str:
    """The CSV file's name: the list's name in safe characters, and our key."""
    return f"{_NOT_IN_FILE_NAMES.sub('_', head.name[:NAME_LENGTH])}-{key}.csv"


def examine_list(head: ListHead, profile: Profile, options: Options, now: datetime) -> Examination:
    """Losses of the list's own fields, and why it cannot be sent: path or field name not configured, or its times."""
    losses = list(dropped_list_fields(head, _UNCARRIED_OF_LIST))
    if options.by_json:
        losses.append(Loss("name", LossKind.DROPPED, "the JSON send has no file that could carry it"))
    elif len(head.name) > NAME_LENGTH:
        losses.append(Loss("name", LossKind.TRUNCATED, FIELDS["name"].why))
    elif _NOT_IN_FILE_NAMES.search(head.name):
        losses.append(Loss("name", LossKind.REFORMATTED, FIELDS["name"].why))
    start_at = head.schedule.start_at
    if start_at is not None and whole_seconds(start_at) != start_at:
        losses.append(Loss("schedule.start_at", LossKind.REFORMATTED, "rounded up to a whole second"))
    return Examination(tuple(losses), unset(profile, options) + timing_faults(head, options, now))


def unset(profile: Profile, options: Options) -> tuple[Fault, ...]:
    """What the vendor's public pages do not name and the operator has not configured, though this send needs it."""
    faults = []
    if options.send_csv_path is None and options.send_json_path is None:
        detail = "the destination has no send_csv_path: ask indigitall for the path of `Send campaign from CSV`"
        faults.append(Fault("field.empty", "options.send_csv_path", detail))
    if options.by_json and options.json_custom_fields is None and shape_of(profile, options).variables:
        detail = "the place of customFields in the JSON send is not documented: confirm json_custom_fields, or use CSV"
        faults.append(Fault("field.empty", "options.json_custom_fields", detail))
    if options.slicing_condition not in (None, SlicingCondition.FRAGMENTED) and options.slicing_field is None:
        detail = "the destination has no slicing_field: ask indigitall for the name of the slicing condition's field"
        faults.append(Fault("field.empty", "options.slicing_field", detail))
    return tuple(faults)


def examine(_head: ListHead, profile: Profile, options: Options, contact: Contact) -> Examination:
    """Losses of one contact, and a fault for each cell that may break the layout's JSON."""
    shape = shape_of(profile, options)
    losses = dropped_fields(contact, shape.uncarried)
    if contact.attributes:
        losses += tuple(_lost_attributes(contact, shape, options))
    return Examination(losses, _unsafe_cells(contact, shape))


def _ordinary_text(_options: Options, text: str) -> bool:
    return text.isprintable() and '"' not in text and "\\" not in text and "{{" not in text and "}}" not in text


ORDINARY: Final = Ordinary(_ordinary_text)


def _lost_attributes(contact: Contact, shape: Shape, options: Options) -> Iterator[Loss]:
    why = _TAKEN if options.custom_fields is None else FIELDS["attributes"].why
    for name in contact.attributes:
        if _ATTRIBUTE + name not in shape.columns:
            yield Loss(_ATTRIBUTE + name, LossKind.DROPPED, why)


def _unsafe_cells(contact: Contact, shape: Shape) -> tuple[Fault, ...]:
    cells = [(source, cell(contact)) for source, cell in shape.cells]
    if not UNSAFE.search(" ".join([text for _, text in cells])):
        return ()
    why = "a quote, backslash, control character or double curly brace"
    return tuple(Fault("value.unsafe_for_vendor", source, why) for source, text in cells if UNSAFE.search(text))
