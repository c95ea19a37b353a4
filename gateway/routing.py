"""Which destinations a contact goes to: the tenant's ordered routes, first match wins; then who stands in for whom.

A route or a request names a destination; a rerouting, which an operator switches at run time, may put another one in
its place. It is looked up once and not followed further: with A to B and B to C, what was for A goes to B.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.canonical import Contact, ListHead
from gateway.settings import RouteIn, Tenant, When
from gateway.store.reroutings import Rerouting

Reroutings = Mapping[str, Rerouting]
"""Those in force, by the destination that another one stands in for."""
NO_REROUTINGS: Final[Reroutings] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a route is judged by: the list, how many contacts it has, and one contact of it."""

    tenant: str
    head: ListHead
    contacts: int
    contact: Contact


Test = Callable[[When, Asked], str | None]
"""None when the condition holds or is not given, else why it does not."""


def _one_of(given: str | list[str] | None, value: str | None, what: str) -> str | None:
    wanted = [given] if isinstance(given, str) else given
    if wanted is None or value in wanted:
        return None
    return f"{what} is {value or 'absent'}, the route wants {' or '.join(wanted)}"


def _reference(when: When, asked: Asked) -> str | None:
    if when.reference is None or fnmatchcase(asked.head.reference or "", when.reference):
        return None
    return f"reference is {asked.head.reference or 'absent'}, the route wants {when.reference}"


def _size(when: When, asked: Asked) -> str | None:
    if when.min_contacts is not None and asked.contacts < when.min_contacts:
        return f"{asked.contacts} contacts, the route wants at least {when.min_contacts}"
    if when.max_contacts is not None and asked.contacts > when.max_contacts:
        return f"{asked.contacts} contacts, the route wants at most {when.max_contacts}"
    return None


def _percent(when: When, asked: Asked) -> str | None:
    if when.percent is None:
        return None
    share = percentile(asked.tenant, asked.contact.phone)
    return None if share < when.percent else f"the contact is not among the {when.percent:g} % that the route takes"


TESTS: tuple[Test, ...] = (
    lambda when, asked: _one_of(when.channel, asked.head.channel, "channel"),
    lambda when, asked: _one_of(when.country, asked.contact.region or None, "country"),
    lambda when, asked: _one_of(when.tag, asked.contact.tag, "tag"),
    _reference,
    _size,
    _percent,
)


def percentile(tenant: str, phone: str) -> float:
    """Where a number falls between 0 and 100, for ever the same for a tenant: a canary is sticky."""
    digest = hashlib.sha256(f"{tenant}\n{phone}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * 100


def mismatch(route: RouteIn, asked: Asked) -> str | None:
    """Why the route does not take this contact; None when it does."""
    return next((why for test in TESTS if (why := test(route.when, asked))), None)


def destinations_for(tenant: Tenant, asked: Asked, reroutings: Reroutings = NO_REROUTINGS) -> tuple[str, ...]:
    """The destination and its fallbacks; empty when no route takes the contact."""
    if asked.head.destination is not None:
        named: tuple[str, ...] = (asked.head.destination,)
    else:
        named = next((tuple(route.to) for route in tenant.routes if mismatch(route, asked) is None), ())
    return _rerouted(named, reroutings, asked) if reroutings else named


class Asks(NamedTuple):
    """What of a contact it depends on where it goes: whether on its country, its tag, or its very number."""

    country: bool
    tag: bool
    number: bool


def asks_of(tenant: Tenant, head: ListHead, reroutings: Reroutings) -> Asks:
    """What the routes ask of this list's contacts, and those that stand in."""
    routes = tenant.routes if head.destination is None else ()
    share = any(rule.mode == "percent" for rule in reroutings.values())
    return Asks(
        any(route.when.country is not None for route in routes),
        any(route.when.tag is not None for route in routes),
        share or any(route.when.percent is not None for route in routes),
    )


def _rerouted(named: tuple[str, ...], reroutings: Reroutings, asked: Asked) -> tuple[str, ...]:
    """The chain with those that stand in; one that would then be in it twice stays at its first place."""
    return tuple(
        dict.fromkeys(
            rule.target if (rule := reroutings.get(name)) and stands_in(rule, asked) else name for name in named
        )
    )


def stands_in(rule: Rerouting, asked: Asked) -> bool:
    """Whether this contact goes to the rule's target instead of its source: a share of the numbers is sticky."""
    if rule.mode == "percent":
        return percentile(asked.tenant, asked.contact.phone) < (rule.percent or 0)
    return rule.mode == "full"


@dataclass(frozen=True, slots=True)
class Considered:
    """One route as it was judged, or the request's own destination."""

    route: int | None
    destinations: tuple[str, ...]
    chosen: bool
    why: str


def explain(tenant: Tenant, asked: Asked, reroutings: Reroutings = NO_REROUTINGS) -> list[Considered]:
    """Every route and why it takes this contact or not; of the chosen one also who stands in for its destinations."""
    return [
        replace(one, why="; ".join([one.why, *_stand_ins(tenant, one, reroutings, asked)])) if one.chosen else one
        for one in _considered(tenant, asked)
    ]


def _stand_ins(tenant: Tenant, one: Considered, reroutings: Reroutings, asked: Asked) -> list[str]:
    told = []
    for rule in (reroutings[name] for name in one.destinations if name in reroutings):
        words = f"{describe(rule)}: "
        if rule.mode == "shadow":
            words += f"{rule.source}, and {rule.target} is only rehearsed"
        elif stands_in(rule, asked):
            words += f"{rule.target} instead of {rule.source}"
            words += "" if rule.target in tenant.destinations else ", which is not configured: the list is refused"
        else:
            words += f"{rule.source}, the contact is not among those that go to {rule.target}"
        told.append(words)
    return told


def describe(rule: Rerouting) -> str:
    """`full since 2026-01-31T...`: how far a rerouting goes, and since when."""
    return f"{f'{rule.percent:g} %' if rule.mode == 'percent' else rule.mode} since {rule.at}"


def _considered(tenant: Tenant, asked: Asked) -> list[Considered]:
    if asked.head.destination is not None:
        told = [Considered(None, (asked.head.destination,), True, "the request names this destination")]
        return told + [
            Considered(place, tuple(route.to), False, "the request names another destination")
            for place, route in enumerate(tenant.routes)
        ]
    considered: list[Considered] = []
    for place, route in enumerate(tenant.routes):
        why = mismatch(route, asked)
        if any(one.chosen for one in considered):
            considered.append(Considered(place, tuple(route.to), False, "an earlier route takes the contact"))
        else:
            considered.append(Considered(place, tuple(route.to), why is None, why or "every condition holds"))
    return considered
