"""Canonical contacts as rows of an uploaded file, and the vendor's tasks as canonical contacts.

One set of names (`columns.py`) drives both directions, the field table and the losses.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.toolkit.attribute_names import as_attributes
from adapters.toolkit.csv_rows import CHUNK_ROWS, csv_chunks
from adapters.toolkit.table import ATTRIBUTE, Source, rows_of
from adapters.voximplant.columns import (
    DEFAULT_TASK_PRIORITY,
    END_TIME,
    START_AT,
    START_TIME,
    TASK_PRIORITY,
    TASK_UUID,
    TEXT_COLUMNS,
    is_reserved,
)
from adapters.voximplant.quirks import called
from adapters.voximplant.schedule import first_day, shown_window, start_cell, utc_window
from adapters.voximplant.settings import Options
from adapters.voximplant.wire import Task
from gateway.canonical import Contact
from gateway.contract import Contacts, Job, RemoteContact

_TASK_UUID = re.compile(r"[A-Za-z0-9:-]{1,40}")
_DERIVED = "gw:"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: its name, and what fills it: a canonical field or attribute, or what is made for it."""

    name: str
    source: Source


def task_uuid(key: str) -> str:
    """The `__task_uuid` of a contact: its key where that fits (40 of letters, digits, `-`, `:`), else a hash of it."""
    if _TASK_UUID.fullmatch(key) and not key.startswith(_DERIVED):
        return key
    return _DERIVED + hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:32]


def columns(job: Job[Options]) -> tuple[Column, ...]:
    """The columns of every file of this job: they depend on the list and its profile, never on one batch."""
    options, profile = job.options, job.profile
    made = [Column(options.phone_column, "phone")]
    made += [Column(name, field) for field, name in TEXT_COLUMNS.items() if field in profile.fields]
    if options.carry_priority and "priority" in profile.fields:
        made.append(Column(TASK_PRIORITY, _task_priority))
    made += [
        Column(name, ATTRIBUTE + name) for name in profile.attributes if not is_reserved(name, options.phone_column)
    ]
    made.append(Column(TASK_UUID, lambda contact: task_uuid(contact.key)))
    if job.head.schedule.start_at:
        start = start_cell(job.head)
        made.append(Column(START_AT, lambda _: start))
    return (*made, *_window_columns(job))


def _task_priority(contact: Contact) -> str:
    """An empty cell might count as "not a number", so the vendor's own default stands for no priority."""
    return str(DEFAULT_TASK_PRIORITY if contact.priority is None else contact.priority)


def _window_columns(job: Job[Options]) -> tuple[Column, ...]:
    window = job.head.schedule.daily_window
    if window is None:
        return ()
    day = first_day(job.head, job.now)

    def hours(contact: Contact) -> tuple[str, str]:
        return utc_window(window, contact.time_zone or window.time_zone, day)

    return (
        Column(START_TIME, lambda contact: hours(contact)[0]),
        Column(END_TIME, lambda contact: hours(contact)[1]),
    )


def file_chunks(job: Job[Options], contacts: Contacts) -> Iterator[bytes]:
    """The uploaded file: a header and a row for each contact, made as it is read."""
    layout = columns(job)
    header = [column.name for column in layout]
    rows = rows_of([column.source for column in layout], contacts)
    options = job.options
    if options.escape is None or options.escape == '"':
        return csv_chunks(header, rows, delimiter=options.delimiter, encoding=options.encoding)
    return _escaped_chunks(header, rows, options.delimiter, options.escape, options.encoding)


def _escaped_chunks(
    header: list[str], rows: Iterator[Sequence[str | None]], delimiter: str, escape: str, encoding: str
) -> Iterator[bytes]:
    """As `csv_chunks`, but with the escape character before quotes and before itself instead of doubled quotes."""

    def line(cells: Sequence[str | None]) -> str:
        return delimiter.join(cell(text or "") for text in cells) + "\r\n"

    def cell(text: str) -> str:
        if delimiter not in text and '"' not in text and escape not in text:
            return text
        return '"' + text.replace(escape, escape * 2).replace('"', escape + '"') + '"'

    lines = [line(header)]
    for row in rows:
        lines.append(line(row))
        if len(lines) >= CHUNK_ROWS:
            yield "".join(lines).encode(encoding)
            lines.clear()
    yield "".join(lines).encode(encoding)


def to_contact(task: Task, options: Options) -> RemoteContact:
    """A task as the vendor gives it back. Empty cells are fields that are not filled."""
    row = row_of(task)
    uuid = uuid_of(task)
    fields: dict[str, Any] = {"phone": row.get(options.phone_column, "")}
    fields |= {field: row[name] for field, name in TEXT_COLUMNS.items() if row.get(name)}
    if uuid and not uuid.startswith(_DERIVED):
        fields["id"] = uuid
    priority = row.get(TASK_PRIORITY, "")
    if priority.isdecimal() and int(priority) != DEFAULT_TASK_PRIORITY:
        fields["priority"] = int(priority)
    attributes = {name: value for name, value in row.items() if value and not is_reserved(name, options.phone_column)}
    if attributes:
        fields["attributes"] = as_attributes(attributes)
    return RemoteContact(
        fields=fields,
        key=uuid,
        remote_id=str(task.task_id),
        state=task.status or ("" if task.status_id is None else str(task.status_id)),
        reached=called(task),
        attempts_left=task.attempts_left,
        window=shown_window(task.start_execution_time, task.finish_execution_time),
    )


def echo(job: Job[Options], contact: Contact) -> RemoteContact:
    """What `to_contact` makes of this contact's own row, before anybody works on it."""
    layout = columns(job)
    (cells,) = rows_of([column.source for column in layout], [contact])
    row = {column.name: text or "" for column, text in zip(layout, cells, strict=True)}
    hours = {"start_execution_time": row.get(START_TIME), "finish_execution_time": row.get(END_TIME)}
    task = Task.model_validate(
        {"task_id": 0, "task_uuid": row[TASK_UUID], "custom_data": json.dumps(row), "status": "New", **hours}
    )
    return replace(to_contact(task, job.options), remote_id=None, state="")


def row_of(task: Task) -> dict[str, str]:
    """The uploaded row, by column; empty when the vendor shows none, or something that is no JSON object."""
    try:
        row = json.loads(task.custom_data or "{}")
    except ValueError:
        return {}
    return {str(name): _text(value) for name, value in row.items()} if isinstance(row, dict) else {}


def _text(value: Any) -> str:
    """Cells are text; what a scenario wrote back with `requestNextAttempt` may be anything."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def uuid_of(task: Task) -> str | None:
    """The task's key: its `task_uuid`, else the column; whether a row shows `__` columns is not documented."""
    return task.task_uuid or row_of(task).get(TASK_UUID) or None
