"""The words that the page and the plan for terminals share."""

from typing import Final

from gateway.canonical import Outcome
from gateway.migrating.documents import LEFT_OUT, Fate, SourceSide

FATES: Final[dict[str, str]] = {fate: LEFT_OUT.get(fate, "go to the target") for fate in Fate}
OUTCOMES: Final[dict[str, str]] = {
    Outcome.ACCEPTED: "taken by the target",
    Outcome.REJECTED: "refused",
    Outcome.SUPPRESSED: "on the do-not-contact list",
    Outcome.DUPLICATE: "a second time in the list",
    Outcome.PENDING: "still on their way",
    Outcome.UNKNOWN: "nobody knows whether the target has them",
}
COMPARED: Final[dict[str, str]] = {
    "equal": "at the target as they were at the source, less what is lost",
    "different": "at the target, and not as they should be",
    "missing": "not at the target",
    "unexpected": "at the target, and not from the source",
    "unverified": "taken by the target, and not to be read back",
}
READ: Final[dict[str, str]] = {
    "vendor": "read from the vendor",
    "store": "known from our own store",
    "export": "read from an export of the vendor's",
    "read back": "read back from the vendor",
    "from our attempts": "known from what we sent and what was answered",
    "nothing has left yet": "nothing has left yet",
}


def contacts_of_source(source: SourceSide) -> str:
    """`1,200 contacts, read from the vendor`."""
    return f"{number(source.contacts)} contacts, {READ[source.read]}"


def number(value: int) -> str:
    return f"{value:,}"
