"""The daily window in UTC: the vendor knows no time zones.

The offset is that of one day, the day on which the list begins. Where a zone changes its clock the hours are off by
the difference from then on; such a window is reported as a loss.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from math import ceil
from zoneinfo import ZoneInfo

from gateway.canonical import DailyWindow, ListHead

_RULE_YEAR = 2037
"""A year far enough for the tz database's standing rule of a zone, and near enough for its 32-bit tables."""


def start_cell(head: ListHead) -> str:
    """`__start_at`: UNIX seconds, never before the moment asked for."""
    return str(ceil(head.schedule.start_at.timestamp())) if head.schedule.start_at else ""


def first_day(head: ListHead, now: datetime) -> datetime:
    """The moment whose date gives the offset: the list's start, or now when that is later or there is none."""
    start = head.schedule.start_at
    return max(start, now) if start else now


@lru_cache(maxsize=4_096)
def utc_window(window: DailyWindow, zone: str, moment: datetime) -> tuple[str, str]:
    """The window's start and end as `HH:mm:ss` in UTC, as they are in `zone` on the day of `moment` there.

    A start later than the end runs over midnight, on either side.
    """
    there = ZoneInfo(zone)
    day = moment.astimezone(there).date()
    overnight = timedelta(days=1) if window.end <= window.start else timedelta()
    return _in_utc(day, window.start, there), _in_utc(day + overnight, window.end, there)


def _in_utc(day: date, clock: time, zone: ZoneInfo) -> str:
    return datetime.combine(day, clock, zone).astimezone(UTC).strftime("%H:%M:%S")


@lru_cache(maxsize=4_096)
def shown_window(start: str | None, end: str | None) -> DailyWindow | None:
    """The window of a task as the vendor shows it (`HH:mm:ss`, UTC); None where it shows none."""
    if start is None or end is None:
        return None
    return DailyWindow.model_validate({"start": start, "end": end, "time_zone": "UTC"})


@lru_cache(maxsize=4_096)
def changes_its_clock(zone: str) -> bool:
    """Whether the zone's standing rule has summer time, or another change of the clock, in it."""
    there = ZoneInfo(zone)
    return len({datetime(_RULE_YEAR, month, 1, tzinfo=there).utcoffset() for month in range(1, 13)}) > 1
