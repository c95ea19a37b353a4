"""What a caller sends in a history and what goes wrong at the vendor meanwhile: all of it from the seed.

The vendor is the seed modulo five, then the body's form rotates; the rest is drawn by a generator seeded with it.
"""

import csv
import io
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.contract.simulation import FAULTS, Fault, Simulation

TIMEOUT = 1.5
VISIBILITY = 0.12
LIMITS = {"requests_per_minute": 100_000, "concurrency": 4, "visibility_delay": VISIBILITY, "timeout": TIMEOUT}
SECONDS = {"store_late": VISIBILITY / 4, "answer_late": TIMEOUT * 1.2, "drip": 0.05}
"""How long the slow faults take: too late for us, early enough for the last look-up, or only slow."""
LARGE_BYTES = 1_100_000
BODIES = ("json", "csv", "json", "csv", "json", "csv", "large")
_HOT = ("drop_before", "drop_after", "store_late", "answer_late", "rate_limited", "error_before", "error_after")


@dataclass(frozen=True, slots=True)
class Profile:
    """A vendor as the lane uses it. `dials`: it calls or messages people as soon as it has them.

    `doubled`: a request that is sent again reaches people again; other vendors refuse or drop repeats themselves.
    `pieces` are the limits that make several batches and remote lists of a few contacts.
    `proves_absence`: what its look-up does not show is not there; another's absence proves nothing.
    """

    name: str
    pieces: Mapping[str, int]
    options: Mapping[str, Any] = field(default_factory=dict)
    switches: Mapping[str, Any] = field(default_factory=dict)
    dials: bool = False
    doubled: bool = True
    proves_absence: bool = True

    def prepare(self, simulation: Simulation) -> None:
        """Set the simulator up; its options are what the configuration will say."""
        for name, value in self.switches.items():
            setattr(simulation, name, value)
        simulation.options = {**simulation.options, **self.options}


PROFILES = (
    Profile("velip", {"contacts_per_list": 5}),
    Profile("voximplant", {"batch_size": 3, "contacts_per_list": 7}, dials=True),
    Profile(
        "koreai",
        {"batch_size": 3, "contacts_per_list": 7},
        {"poll_seconds": 0.01, "absent_after_seconds": 0.05},
        {"requests_per_minute": 100_000},
    ),
    Profile("indigitall", {"batch_size": 4, "contacts_per_list": 4}, dials=True),
    Profile(
        "exotel", {"batch_size": 3, "contacts_per_list": 7}, {"poll_seconds": 0.01}, doubled=False, proves_absence=False
    ),
)
VENDORS = tuple(one.name for one in PROFILES)


@dataclass(frozen=True, slots=True)
class Plan:
    """One history. A fault's `skip` counts the requests since the one before it.

    `keep_all`: the list may hold a number twice, so that vendors do not drop one that is sent again.
    """

    seed: int
    vendor: str
    body: str
    good: int
    limits: Mapping[str, Any]
    faults: tuple[Mapping[str, Any], ...]
    appends: int = 0
    keep_all: bool = False

    @property
    def profile(self) -> Profile:
        return PROFILES[VENDORS.index(self.vendor)]

    def switch_on(self, simulation: Simulation) -> None:
        simulation.faults += [Fault(**one) for one in self.faults]

    def __str__(self) -> str:
        faults = ", ".join(f"{one['kind']} x{one['times']} after {one['skip']}" for one in self.faults)
        contacts = f"{self.good} + {self.appends} contacts" if self.appends else f"{self.good} contacts"
        repeats = ", repeats kept" if self.keep_all else ""
        return f"{self.vendor} {self.body}, {contacts}{repeats}, {dict(self.limits)}: {faults}"


def plan(seed: int) -> Plan:
    """The history of this seed."""
    rng = random.Random(seed)
    vendor, turn = seed % len(VENDORS), seed // len(VENDORS)
    profile = PROFILES[vendor]
    limits = dict(profile.pieces) if rng.random() < 0.8 else {}
    if rng.random() < 0.3:
        limits["concurrency"] = 1
    faults = tuple(_fault(rng) for _ in range(rng.randint(2, 5)))
    appends = rng.choice((0, 0, 4))
    return Plan(
        seed, profile.name, BODIES[turn % len(BODIES)], rng.randint(8, 16), limits, faults, appends, rng.random() < 0.5
    )


def _fault(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(_HOT) if rng.random() < 0.6 else rng.choice(list(FAULTS))
    storm = rng.random() < 0.25 and kind in ("rate_limited", "error_before", "drop_before", "error_after")
    return {
        "kind": kind,
        "skip": rng.choice((0, 0, 1, 1, 2, 3, 5)),
        "times": rng.randint(2, 6) if storm else 1,
        "seconds": SECONDS.get(kind, 0.0),
        "retry_after": rng.choice((None, 0, 1)) if kind == "rate_limited" else None,
    }


def seeds(vendor: str, count: int, first: int = 0) -> list[int]:
    """The first `count` seeds of a vendor from `first` on."""
    start = first + (VENDORS.index(vendor) - first) % len(VENDORS)
    return [start + len(VENDORS) * place for place in range(count)]


@dataclass(frozen=True, slots=True)
class Body:
    """What one request brings: the bytes as sent, their type, the query, the good phones and the number of rows."""

    content: bytes
    media_type: str
    query: Mapping[str, str]
    good: tuple[str, ...]
    rows: int


def create_body(one: Plan) -> Body:
    """The good contacts, one of them twice (where only one is kept), and one number that is none."""
    good = [phone(number) for number in range(one.good)]
    head = {"name": f"Faults {one.seed}", "reference": f"f-{one.seed}", "destination": one.vendor}
    head |= {"duplicates": "keep_all"} if one.keep_all else {}
    mode = "start" if one.profile.dials else "hold"
    phones = [*good, *([] if one.keep_all else [good[2]]), "12"]
    if one.body == "json":
        content = json.dumps({**head, "activation": {"mode": mode}, "contacts": list(map(_contact, phones))}).encode()
        return Body(content, "application/json", {}, tuple(good), len(phones))
    padding = LARGE_BYTES // len(phones) if one.body == "large" else 0
    return file_of(phones, {**head, "activation": mode}, good, padding)


def append_body(one: Plan) -> Body:
    """New contacts, and one (where only one is kept) that is on the list already."""
    good = [phone(number) for number in range(50, 50 + one.appends)]
    phones = [*good, *([] if one.keep_all else [phone(1)])]
    content = json.dumps({"contacts": list(map(_contact, phones))}).encode()
    return Body(content, "application/json", {}, tuple(good), len(phones))


def phone(number: int) -> str:
    return f"+55119{87_650_000 + number}"


def _contact(number: str) -> dict[str, Any]:
    return {"phone": number, "first_name": "Ana", "attributes": {"plan": "plus"}}


def file_of(phones: list[str], query: Mapping[str, str], good: list[str], padding: int = 0) -> Body:
    """A CSV file; after each row stand `padding` bytes in lines of blanks, which are no rows."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["phone", "first_name", "plan"])
    for number in phones:
        writer.writerow([number, "Ana", "plus"])
        table.write((" " * 1_000 + "\r\n") * (padding // 1_000 + 1) if padding else "")
    return Body(table.getvalue().encode(), "text/csv", {**query, "delimiter": ","}, tuple(good), len(phones))
