"""When a send goes out: `scheduleAt` in UTC, a delay, or at once."""

from datetime import UTC, datetime, timedelta

from adapters.indigitall.settings import SCHEDULE_FIELD, Options
from gateway.canonical import Fault, ListHead
from gateway.canonical.lists import format_duration

FARTHEST = timedelta(days=89)
"""`up to a maximum of 3 months` (page `sendcampaigncsv`), read as the shortest three calendar months."""


def whole_seconds(moment: datetime) -> datetime:
    """The moment in UTC, rounded up to a whole second: never earlier than asked."""
    there = moment.astimezone(UTC)
    return there if not there.microsecond else there.replace(microsecond=0) + timedelta(seconds=1)


def wire_text(moment: datetime) -> str:
    """ISO 8601 in UTC with seconds and `Z`, as the vendor's own example."""
    return whole_seconds(moment).strftime("%Y-%m-%dT%H:%M:%SZ")


def send_time(head: ListHead, options: Options, now: datetime) -> datetime | None:
    """When the messages go out, for our own record; None: at once."""
    if head.schedule.start_at is not None:
        return whole_seconds(head.schedule.start_at)
    return None if options.delay is None else whole_seconds(now + options.delay)


def timing_fields(head: ListHead, options: Options, now: datetime) -> tuple[tuple[str, str], ...]:
    """The form fields that schedule the send. A delay becomes a `scheduleAt` unless its own field's name is known."""
    if head.schedule.start_at is None and options.delay is not None and options.delay_field is not None:
        return ((options.delay_field, format_duration(options.delay)),)
    at = send_time(head, options, now)
    return () if at is None else ((SCHEDULE_FIELD, wire_text(at)),)


def timing_faults(head: ListHead, options: Options, now: datetime) -> tuple[Fault, ...]:
    """Why this list cannot be sent with its schedule; empty when it can."""
    start_at, delay = head.schedule.start_at, options.delay
    faults = []
    if start_at is not None and delay is not None:
        detail = "the vendor takes a start or a delay, not both: drop schedule.start_at or the option delay"
        faults.append(Fault("field.invalid", "schedule.start_at", detail))
    if start_at is not None and start_at <= now:
        faults.append(
            Fault("field.invalid", "schedule.start_at", "lies in the past; the vendor takes later times only")
        )
    if start_at is not None and whole_seconds(start_at) - now > FARTHEST:
        detail = f"is more than {FARTHEST.days} days ahead; the vendor takes at most 3 months"
        faults.append(Fault("field.invalid", "schedule.start_at", detail))
    if delay is not None and not timedelta(0) < delay <= FARTHEST:
        detail = f"the delay must be more than nothing and at most {FARTHEST.days} days"
        faults.append(Fault("field.invalid", "vendor_options.indigitall.delay", detail))
    return tuple(faults)
