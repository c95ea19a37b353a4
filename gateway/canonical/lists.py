"""The canonical contact list: its head (everything but the contacts) and the profile of its contacts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum, unique
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

_DURATION = re.compile(r"^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")


def parse_duration(text: object) -> timedelta:
    """ISO 8601 duration of weeks, days, hours, minutes and seconds. Months and years have no fixed length: refused."""
    match = _DURATION.match(text) if isinstance(text, str) and len(text) <= 40 else None
    if not match or not any(match.groups()):
        raise ValueError("must be an ISO 8601 duration without months or years, such as PT10M or P1DT2H")
    weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    try:
        return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        raise ValueError("is too long a duration") from None


def format_duration(duration: timedelta) -> str:
    """The duration as days, hours, minutes and seconds: `PT10M`."""
    days, rest = divmod(int(duration.total_seconds()), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    clock = "".join(f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number)
    return "P" + (f"{days}D" if days else "") + (f"T{clock}" if clock else "" if days else "T0S")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except Exception:
        raise ValueError("is not a time zone of the tz database, such as America/Sao_Paulo") from None
    return name


def _clock(text: object) -> object:
    if not isinstance(text, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", text):
        raise ValueError("must be a time of day, HH:MM or HH:MM:SS")
    return time.fromisoformat(text)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "format": "duration", "examples": ["PT10M"]}),
]
Zone = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_zone)]
Clock = Annotated[
    time,
    BeforeValidator(_clock),
    PlainSerializer(lambda clock: clock.isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$", "examples": ["09:00"]}),
]
Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@unique
class DuplicatePolicy(StrEnum):
    KEEP_FIRST = "keep_first"
    KEEP_LAST = "keep_last"
    KEEP_ALL = "keep_all"


@unique
class Mode(StrEnum):
    """Whether a list may dial: `hold` keeps still until it is activated, `start` says that people may be called."""

    HOLD = "hold"
    START = "start"


class Activation(_Part):
    mode: Mode = Mode.HOLD


class DailyWindow(_Part):
    start: Clock
    end: Clock
    time_zone: Zone


class Schedule(_Part):
    start_at: AwareDatetime | None = None
    daily_window: DailyWindow | None = None


class Dialing(_Part):
    max_attempts: int | None = Field(None, ge=1, le=100)
    retry_interval: Duration | None = None
    max_concurrent: int | None = Field(None, ge=1, le=1_000_000)
    priority: int | None = Field(None, ge=0, le=2**31 - 1, description="0 is the most urgent")


class ListHead(_Part):
    """Everything of a canonical list but its contacts."""

    name: Text = Field(min_length=1, max_length=255)
    reference: Text | None = Field(
        None, min_length=1, max_length=200, description="the caller's own key of the list, unique per tenant"
    )
    description: Text | None = Field(None, max_length=2000)
    channel: Literal["voice", "sms", "whatsapp"] = "voice"
    default_region: Region | None = Field(None, description="ISO 3166 country of national numbers")
    duplicates: DuplicatePolicy = DuplicatePolicy.KEEP_FIRST
    on_loss: Literal["report", "refuse"] = "report"
    activation: Activation = Activation()
    schedule: Schedule = Schedule()
    dialing: Dialing = Dialing()
    destination: str | None = Field(None, min_length=1, max_length=100, description="overrides routing")
    vendor_options: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict, description="per adapter; checked by that adapter's own model"
    )


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a list's contacts as a whole: adapters choose columns and paths by it.

    `fields` are the contact fields that at least one contact fills; `attributes` the attribute names in the order of
    their first appearance; `count` the number of contacts.
    """

    count: int
    fields: frozenset[str] = frozenset()
    attributes: tuple[str, ...] = ()
