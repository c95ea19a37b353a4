"""The oracle: what the gateway says of every contact and of the list, held against what the vendor has."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.canonical import Outcome
from gateway.certification.stage import Sent, disagreements
from gateway.contract import AnyAdapter, Support, Verb
from gateway.contract.simulation import Ledger
from gateway.resources import ListOut


@dataclass(slots=True)
class Told:
    """What the API said at rest: the list, its contacts, and what was sent of good numbers and rows.

    `attempts` are those that were recorded, oldest first, as the table holds them.
    """

    shown: dict[str, Any]
    contacts: list[dict[str, Any]]
    good: list[str]
    rows: int
    attempts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sent(self) -> Sent:
        outcomes = [(one["phone"], Outcome(one["outcome"])) for one in self.contacts]
        details = [one["detail"] or "" for one in self.contacts]
        return Sent(ListOut.model_validate(self.shown), outcomes, details)

    @property
    def tally(self) -> Counter[str]:
        """The outcomes of the good contacts."""
        good = set(self.good)
        return Counter(
            one["outcome"] for one in self.contacts if one["phone"] in good and one["outcome"] != "duplicate"
        )


def is_blind(adapter: AnyAdapter) -> bool:
    """Whether the vendor shows nobody what it holds: its word is all there is."""
    return all(adapter.capability(verb).support is Support.NONE for verb in (Verb.FIND, Verb.READ, Verb.STATUS))


def broken_promises(
    told: Told, ledger: Ledger, adapter: AnyAdapter, forgot: bool = False, *, proves_absence: bool = True
) -> list[str]:
    """Every promise that a history broke. `forgot`: the vendor has silently dropped a row.

    `proves_absence`: what the vendor's look-up does not show is not there.
    """
    blind = forgot and is_blind(adapter)
    return [
        *disagreements(told.sent, ledger, blind=blind),
        *_every_row_counts(told),
        *_state_is_true(told, ledger, blind),
        *_nothing_left_unrecorded(told, ledger),
        *_doubt_has_a_reason(told, ledger, adapter, forgot, proves_absence),
    ]


def _every_row_counts(told: Told) -> Iterator[str]:
    counts = dict(told.shown["counts"])
    received = counts.pop("received")
    if not received == sum(counts.values()) == len(told.contacts) == told.rows:
        yield f"{told.rows} rows were sent, {told.shown['counts']} counted, {len(told.contacts)} shown"
    shown: dict[str, list[str]] = {}
    for one in told.contacts:
        if one["outcome"] != "duplicate":
            shown.setdefault(one["phone"], []).append(one["outcome"])
    # who never reached the vendor may be sent again, and then is a contact more
    again = [number for number in told.good if len(shown.get(number, ())) == 2 and shown[number][0] == "rejected"]
    if lost := [number for number in told.good if len(shown.get(number, ())) != 1 + (number in again)]:
        yield f"{len(lost)} contacts are not shown exactly once"
    of_deliveries = sum(one["counts"]["received"] for one in told.shown["deliveries"])
    if of_deliveries != len(told.good) + len(again):
        yield f"the deliveries count {of_deliveries} contacts, {len(told.good) + len(again)} were to be sent"


def _state_is_true(told: Told, ledger: Ledger, blind: bool) -> Iterator[str]:
    state, tally = told.shown["state"], told.tally
    held = Counter(number.lstrip("+") for one in ledger.lists.values() for number in one.phones)
    if told.shown["operation"] is not None:
        yield f"at rest the list has an operation: {told.shown['operation']}"
    if tally["unknown"]:
        expected = "unknown"
    elif tally["rejected"]:
        expected = "partial" if tally["accepted"] else "failed"
    else:
        expected = "delivered"
    if state != expected:
        yield f"the state is {state}, and the outcomes are {dict(tally)}"
    wrong = [number for number in told.good if held[number.lstrip("+")] != 1]
    if state == "delivered" and wrong and not blind:
        yield f"delivered is said, and the vendor does not hold {len(wrong)} contacts exactly once"


def _nothing_left_unrecorded(told: Told, ledger: Ledger) -> Iterator[str]:
    """Intent before bytes: each request that arrived is an attempt of this list."""
    if len(ledger.requests) > len(told.attempts):
        yield f"{len(ledger.requests)} requests arrived, and {len(told.attempts)} are recorded"


def _doubt_has_a_reason(
    told: Told, ledger: Ledger, adapter: AnyAdapter, forgot: bool, proves_absence: bool
) -> Iterator[str]:
    """Unknown is said only where nothing could be read back: no way to look, or a look that failed."""
    doubtful = {one["phone"].lstrip("+") for one in told.contacts if one["outcome"] == "unknown"}
    if not proves_absence:
        doubtful &= {number.lstrip("+") for one in ledger.lists.values() for number in one.phones}
    if not doubtful or forgot or adapter.find is None:
        return
    looks = [one for one in told.attempts if one["purpose"] == Verb.FIND.value]
    if all(one["verdict"] == "accepted" for one in looks):
        yield f"{len(doubtful)} contacts are unknown, and all {len(looks)} looks succeeded"


def story(attempts: Sequence[dict[str, Any]]) -> str:
    """The attempts of a list in a line each."""
    return "\n".join(
        f"    {one['id']} {one['purpose']} {one['part']}/{one['batch']} round {one['round']} {one['step']}: "
        f"{one['verdict']} {one['status']} {one['detail'] or ''}"
        for one in attempts
    )
