"""What is done in a history, and when its gateway dies: all of it from the seed.

The vendor is the seed modulo five, then scenario and kind of end rotate, so that a run of seeds is spread evenly; the
rest is drawn by a generator that is seeded with it.
"""

import csv
import io
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.contract.simulation import Simulation
from tests.crash.points import Kind

LIMITS = {"requests_per_minute": 100_000, "concurrency": 4, "visibility_delay": 0.05, "timeout": 5.0}


@dataclass(frozen=True, slots=True)
class Profile:
    """A vendor as the lane uses it. `dials`: it calls or messages people as soon as it has them.

    `doubled`: what is sent again can reach people again; not where every step of the adapter may be repeated.
    `drops_repeats`: it ignores a number that the list has, unless the list may hold duplicates.
    `looks_up`: whatever became of a request can be read back, so hardly anything needs to stay unknown.
    """

    name: str
    limits: Mapping[str, Any]
    options: Mapping[str, Any]
    switches: Mapping[str, Any]
    dials: bool = False
    doubled: bool = True
    looks_up: bool = True
    drops_repeats: bool = False

    def prepare(self, simulation: Simulation) -> None:
        """Set the simulator up; its options are what the configuration will say."""
        for name, value in self.switches.items():
            setattr(simulation, name, value)
        simulation.options = {**simulation.options, **self.options}


PROFILES = (
    Profile("velip", {"contacts_per_list": 5}, {}, {}),
    Profile("voximplant", {"batch_size": 3, "contacts_per_list": 7}, {}, {}, dials=True),
    Profile(
        "koreai",
        {"batch_size": 3, "contacts_per_list": 7},
        {"poll_seconds": 0.01, "absent_after_seconds": 0.05},
        {"requests_per_minute": 100_000},
        drops_repeats=True,
    ),
    Profile("indigitall", {"batch_size": 4, "contacts_per_list": 4}, {}, {}, dials=True, looks_up=False),
    Profile(
        "exotel",
        {"batch_size": 3, "contacts_per_list": 7},
        {"poll_seconds": 0.01, "absence_is_proof": True},
        {"existing_number": "new_sid"},  # the reading in which the vendor itself does not notice a repeat
        doubled=False,
    ),
)
VENDORS = tuple(one.name for one in PROFILES)
BODIES = ("json", "csv", "large")
"""`large`: a CSV of more than a MiB, which travels another way through the gateway."""
LARGE_BYTES = 1_200_000


@dataclass(frozen=True, slots=True)
class Scenario:
    """What the caller does. `flow`: create, append (create, then append) or hold (create with hold, then activate).

    `keep_all`: with that policy of duplicates, for a vendor that drops repeats itself as long as it may.
    """

    vendor: str
    body: str
    flow: str
    keep_all: bool = False

    def __str__(self) -> str:
        return f"{self.vendor} {self.body} {self.flow}{' keep_all' if self.keep_all else ''}"

    @property
    def can_be_settled(self) -> bool:
        """Whether everything that is in doubt can be looked up at the vendor."""
        return profile_of(self.vendor).looks_up and not self.keep_all


@dataclass(frozen=True, slots=True)
class Plan:
    """One history. `place` in [0, 1) says where in the range of its kind the end comes.

    A `hasty` caller appends without waiting for the list to come to rest.
    `second_kind` and `second_place` are for the life that recovers; None: it may live.
    """

    seed: int
    scenario: Scenario
    kind: Kind
    place: float
    processes: int = 1
    key: bool = False
    respond_async: bool = False
    hasty: bool = False
    second_kind: Kind | None = None
    second_place: float = 0.0

    def __str__(self) -> str:
        words = [str(self.scenario), f"{self.processes} process{'es' if self.processes > 1 else ''}"]
        said = {"key": self.key, "respond-async": self.respond_async, "hasty": self.hasty}
        words += [word for word, holds in said.items() if holds]
        return ", ".join(words)


def profile_of(vendor: str) -> Profile:
    return PROFILES[VENDORS.index(vendor)]


def scenarios_of(vendor: str) -> list[Scenario]:
    """The large body once in thirteen; 13 and the seven kinds have no common divisor, so all pairs come."""
    flows = ("create", "append", "hold") if profile_of(vendor).dials else ("create", "append", "append")
    keeps = profile_of(vendor).drops_repeats
    small = [Scenario(vendor, body, flow, keeps and body == "json") for body in ("json", "csv") for flow in flows]
    return [*small, *small, Scenario(vendor, "large", "append")]


def plan(seed: int) -> Plan:
    """The history of this seed."""
    rng = random.Random(seed)
    vendor, turn = VENDORS[seed % len(VENDORS)], seed // len(VENDORS)
    scenarios, kinds = scenarios_of(vendor), list(Kind)
    second = rng.choice([kind for kind in Kind if kind is not Kind.MOMENT]) if rng.random() < 0.25 else None
    scenario = scenarios[turn % len(scenarios)]
    return Plan(
        seed,
        scenario,
        kinds[turn % len(kinds)],
        rng.random(),
        processes=2 if rng.random() < 0.35 else 1,
        key=rng.random() < 0.4,
        respond_async=rng.random() < 0.4,
        hasty=scenario.flow == "append" and rng.random() < 0.3,
        second_kind=second,
        second_place=rng.random(),
    )


def seeds(vendor: str, count: int, first: int = 0) -> list[int]:
    """The first `count` seeds of a vendor from `first` on."""
    start = first + (VENDORS.index(vendor) - first) % len(VENDORS)
    return [start + len(VENDORS) * place for place in range(count)]


@dataclass(frozen=True, slots=True)
class Body:
    """What one request brings: the bytes as sent, their type, the query, the good phones and the numbers of rows."""

    content: bytes
    media_type: str
    query: Mapping[str, str]
    good: tuple[str, ...]
    rows: int
    duplicates: int = 0


def create_body(scenario: Scenario, reference: str) -> Body:
    """Ten good contacts, one of them twice (but where duplicates are kept), and one number that is none."""
    mode = "start" if profile_of(scenario.vendor).dials and scenario.flow != "hold" else "hold"
    good = [_phone(number) for number in range(10)]
    head = {"name": f"Crash {reference}", "reference": reference, "destination": scenario.vendor}
    if scenario.body == "json":
        policy = {"duplicates": "keep_all"} if scenario.keep_all else {}
        return _document(scenario, good, [good[2], "12"], {**head, **policy, "activation": {"mode": mode}})
    return _file(scenario, [*good, good[2], "12"], {**head, "activation": mode}, good)


def append_body(scenario: Scenario) -> Body:
    """Five new contacts, one that is on the list already, and one number that is none."""
    good = [_phone(number) for number in range(20, 25)]
    if scenario.body == "json":
        return _document(scenario, good, [_phone(1), "13"], {})
    return _file(scenario, [*good, _phone(1), "13"], {}, good)


def _document(scenario: Scenario, good: list[str], others: list[str], head: Mapping[str, Any]) -> Body:
    """The good ones, and of the others (one that repeats, one that is no number) those that the policy allows."""
    rest = others[1:] if scenario.keep_all else others
    contacts = [_contact(phone[-2:], phone) for phone in good] + [_contact(phone, phone) for phone in rest]
    content = json.dumps({**head, "contacts": contacts}).encode()
    return Body(content, "application/json", {}, tuple(good), len(contacts), len(rest) - 1)


def _phone(number: int) -> str:
    return f"+55119876543{number:02d}"


def _contact(number: str, phone: str) -> dict[str, Any]:
    return {"id": f"A-{number}", "phone": phone, "first_name": "Ana", "last_name": f"Lima {number}"}


def _file(scenario: Scenario, phones: list[str], query: Mapping[str, str], good: list[str]) -> Body:
    """A CSV file with a column of our own; between the rows of a large one stand lines of blanks, which are no rows."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["phone", "first_name", "plan"])
    blank = (" " * 1_000 + "\r\n") * (LARGE_BYTES // len(phones) // 1_000) if scenario.body == "large" else ""
    for number, phone in enumerate(phones):
        writer.writerow([phone, "Ana", f"plus{number}"])
        table.write(blank)
    return Body(table.getvalue().encode(), "text/csv", {**query, "delimiter": ","}, tuple(good), len(phones), 1)
