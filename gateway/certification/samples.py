"""Made-up contacts, lists and jobs, and the scenarios that every adapter must survive: data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.canonical import Contact, ListHead
from gateway.contract import ActivationKind, AnyAdapter, Batch, Job
from gateway.planning import profile_of

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = "k7f3a9c2e5b1d4x"
COUNTRIES = ("+55119{:08d}", "+9198{:08d}", "+3461{:07d}", "+4479{:08d}", "+1212555{:04d}")
"""Numbers of five countries: an adapter must take at least one of them."""


def contact(row: int = 1, **fields: Any) -> Contact:
    """A contact with a valid number of its own, and what else the test gives it."""
    phone = fields.pop("phone", COUNTRIES[0].format(row))
    key = fields.pop("key", fields.get("id") or f"k{row}")
    return Contact(row=row, key=key, phone=phone, phone_text=fields.pop("phone_text", phone), **fields)


def contacts(number: int, **fields: Any) -> list[Contact]:
    return [contact(row, **fields) for row in range(1, number + 1)]


def head(**fields: Any) -> ListHead:
    return ListHead.model_validate({"name": "Spring renewals", **fields})


def job(adapter: AnyAdapter, people: Sequence[Contact], options: Any = None, **details: Any) -> Job[Any]:
    """A job for these people. `options` is a dict for the adapter's options model; `head` a ListHead or dict."""
    given = details.pop("head", {})
    values: dict[str, Any] = {
        "head": given if isinstance(given, ListHead) else head(**given),
        "profile": profile_of(people),
        "options": adapter.options.model_validate(options or {}),
        "key": KEY,
        "now": NOW,
    }
    return Job(**(values | details))


def batch(people: Sequence[Contact], number: int = 1) -> Batch:
    return Batch(number, f"{KEY}-{number}", list(people))


def dials(adapter: AnyAdapter) -> bool:
    return adapter.activation is ActivationKind.DIALS


def country_of(adapter: AnyAdapter, options: Any) -> str:
    """The pattern of the first country whose plain numbers the adapter takes."""
    for pattern in COUNTRIES:
        one = contact(phone=pattern.format(1))
        if not adapter.examine(head(), profile_of([one]), options, one).faults:
            return pattern
    raise AssertionError(f"{adapter.name} refuses a contact with nothing but a number, in every country")


RICH: dict[str, Any] = {
    "first_name": "Zoë",
    "last_name": "Ñandú-Müller",
    "company": "Łódź & Söhne",
    "email": "zoe@example.org",
    "language": "pt-BR",
    "time_zone": "America/Sao_Paulo",
    "priority": 7,
    "tag": "gold",
    "attributes": {"due_date": "2026-05-10", "plan": "plus 🎉", "greeting": "مرحبا שלום"},
}
"""Every optional field of a contact but its id."""

WINDOW = {"start": "09:00", "end": "18:00", "time_zone": "America/Sao_Paulo"}
DIALING = {"max_attempts": 3, "retry_interval": "PT10M", "max_concurrent": 5, "priority": 1}


def full_head(now: datetime) -> dict[str, Any]:
    """Every list field filled, beginning tomorrow."""
    start_at = (now + timedelta(days=1)).replace(microsecond=0).isoformat()
    return {
        "reference": "crm-2026-118",
        "description": "customers whose contract ends in May",
        "schedule": {"start_at": start_at, "daily_window": WINDOW},
        "dialing": DIALING,
        "activation": {"mode": "start"},
    }


HOSTILE = (
    'say "hello"',
    "it's",
    "semi;colon",
    "com,ma",
    "line\nbreak",
    "carriage\r\nreturn",
    "tab\there",
    "nul-like \\0 \\x00 %00",
    "control \x01 \x1f",
    "=1+1",
    "+SUM(A1)",
    "-2",
    "@cmd",
    "{{phone}}",
    "${env}",
    "back\\slash",
    "<b>&amp;</b>",
    "\u2028\u2029",
    "null",
    "x" * 2000,
    "é" * 2000,
    "🎉" * 500,
)
NAMES = (
    "n" * 255,
    "🎉" * 120,
    "a/b\\c",
    'with "quotes" and, commas; semicolons',
    "tab\tand\nbreak",
    "=HYPERLINK(1)",
    "مرحبا",
    "..",
    "x",
)

People = Callable[[str], list[Contact]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A list to be delivered. `people` makes its contacts for a pattern of numbers; `head` is what its head says."""

    name: str
    people: People
    head: Callable[[datetime], dict[str, Any]] = field(default=lambda _: {})


def _rows(number: int, fields: Callable[[int], dict[str, Any]] = lambda _: {}) -> People:
    return lambda pattern: [contact(row, phone=pattern.format(row), **fields(row)) for row in range(1, number + 1)]


def _rich(row: int) -> dict[str, Any]:
    return {**RICH, "id": f"A-{row}"}


def _mixed(row: int) -> dict[str, Any]:
    """A different half of the fields in every row."""
    names = [name for place, name in enumerate(RICH) if (row >> (place % 7)) % 2]
    return {name: RICH[name] for name in names} | ({"id": f"A-{row}"} if row % 3 else {})


def _hostile(row: int) -> dict[str, Any]:
    text = HOSTILE[(row - 1) // 2]
    return {"attributes": {"note": text}} if row % 2 else {"first_name": text[:200], "company": text[:200]}


def _repeated(pattern: str) -> list[Contact]:
    return [contact(row, phone=pattern.format(number)) for row, number in enumerate((1, 2, 1, 3), start=1)]


def _named(name: str) -> Callable[[datetime], dict[str, Any]]:
    return lambda _: {"name": name}


PLAIN = Scenario("five contacts with nothing but a number", _rows(5))
RICH_LIST = Scenario("five contacts with every field", _rows(5, _rich))
EVERYTHING = Scenario("schedule, dialling and activation all set", _rows(5, _rich), full_head)
SCENARIOS = (
    Scenario("one contact with nothing but a number", _rows(1)),
    PLAIN,
    RICH_LIST,
    Scenario("250 contacts with mixed fields", _rows(250, _mixed)),
    Scenario("hostile texts", _rows(2 * len(HOSTILE), _hostile)),
    Scenario("repeated numbers, all kept", _repeated, lambda _: {"duplicates": "keep_all"}),
    EVERYTHING,
    Scenario("many attributes", _rows(2, lambda _: {"attributes": {f"name_{n}": f"value {n}" for n in range(30)}})),
    *(Scenario(f"list name {place}", _rows(2), _named(name)) for place, name in enumerate(NAMES)),
)
