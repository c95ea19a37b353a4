"""Which destinations a contact goes to: the tenant's ordered routes, first match wins."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gateway.canonical import Contact, ListHead
from gateway.settings import RouteIn, Tenant, When


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


def destinations_for(tenant: Tenant, asked: Asked) -> tuple[str, ...]:
    """The destination and its fallbacks; empty when no route takes the contact."""
    if asked.head.destination is not None:
        return (asked.head.destination,)
    return next((tuple(route.to) for route in tenant.routes if mismatch(route, asked) is None), ())


@dataclass(frozen=True, slots=True)
class Considered:
    """One route as it was judged, or the request's own destination."""

    route: int | None
    destinations: tuple[str, ...]
    chosen: bool
    why: str


def explain(tenant: Tenant, asked: Asked) -> list[Considered]:
    """Every route and why it takes this contact or not."""
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
