"""The vendor's own shapes: query parameters that we send, replies that we read. Vendor words stay in here.

Reference: https://docs.voximplant.ai/api-reference/management-api/reference/call-lists/create-call-list and its
siblings; https://voximplant.com/docs/references/httpapi/calllisttype, .../calllistdetailtype.
"""

import re
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field, StrictBool, StrictInt

from gateway.contract import WireIn, WireOut


class CreateCallList(WireOut):
    """Query of CreateCallList, in the order of the vendor's page. None: not sent."""

    rule_id: int
    priority: int
    max_simultaneous: int
    num_attempts: int
    name: str
    interval_seconds: int | None = None
    encoding: str
    delimiter: str
    escape: str | None = None
    reference_ip: str | None = None
    server_location: str | None = None
    task_priority_strategy: str | None = None

    def pairs(self) -> tuple[tuple[str, str], ...]:
        return _pairs(self)


class AppendToCallList(WireOut):
    """Query of AppendToCallList. `list_name`, which the page mentions and does not list, is not used."""

    list_id: str
    encoding: str
    delimiter: str
    escape: str | None = None

    def pairs(self) -> tuple[tuple[str, str], ...]:
        return _pairs(self)


def _pairs(query: WireOut) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(value)) for name, value in query.model_dump().items() if value is not None)


def _opaque(value: object) -> object:
    """`batch_id` is described as a UUID and, for an append, typed as a number: it is kept as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_HOURS = re.compile(r"(?:\d{4}-\d\d-\d\d[ T])?((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)")


def _time_of_day(value: object) -> object:
    """`HH:mm:ss`, which a whole timestamp ends with, as the vendor's clients read it; empty: none. Else ValueError."""
    if value is None or value == "":
        return None
    match = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is no time of day")
    return match[1]


TimeOfDay = Annotated[str | None, BeforeValidator(_time_of_day)]


class Stored(WireIn):
    """What CreateCallList and AppendToCallList answer. `count` is the number of rows stored."""

    result: StrictBool
    count: Annotated[StrictInt, Field(ge=0)]
    list_id: Annotated[StrictInt, Field(ge=1)]
    batch_id: Annotated[str | None, BeforeValidator(_opaque)] = None


class CallList(WireIn):
    """One list in the answer of GetCallLists. `num_attempts` is not read: its meaning there is not clear."""

    list_id: StrictInt
    list_name: str
    status: str
    priority: int | None = None
    rule_id: int | None = None
    max_simultaneous: int | None = None
    interval_seconds: int | None = None
    dt_submit: str | None = None
    dt_complete: str | None = None


class CallLists(WireIn):
    """What GetCallLists answers: one page, and how many there are."""

    result: tuple[CallList, ...]
    total_count: StrictInt | None = None


class Task(WireIn):
    """One row in the JSON answer of GetCallListDetails. `custom_data` is the uploaded row as JSON text."""

    task_id: StrictInt
    task_uuid: str | None = None
    custom_data: str | None = None
    status_id: StrictInt | None = None
    status: str | None = None
    attempts_left: int | None = Field(None, validation_alias=AliasChoices("attempts_left", "attmepts_left"))
    last_attempt: str | None = None
    start_execution_time: TimeOfDay = None
    finish_execution_time: TimeOfDay = None
    """Calling hours in UTC. A form that is not documented is an error: nobody is to be called at other hours."""


class Tasks(WireIn):
    """What GetCallListDetails answers for `output=json`. Its `count` is not read: page or total is not stated."""

    result: tuple[Task, ...]


class Confirmed(WireIn):
    """What EditCallList, StopCallListProcessing, RecoverCallList and DeleteCallList answer."""

    result: StrictBool
    msg: str | None = None
    count_recovery: int | None = None


class Cancelled(WireIn):
    """One entry of what CancelCallListTask answers."""

    result: StrictBool
    task_id: int | None = None
    task_uuid: str | None = None
    error_msg: str | None = None
