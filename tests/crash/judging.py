"""The oracle: what the gateway says of every contact, held against what the vendor has."""

from collections import Counter

from gateway.contract.simulation import Ledger
from tests.crash.history import Evidence, Violation
from tests.crash.scenarios import Plan, profile_of


def judge(plan: Plan, evidence: Evidence, ledger: Ledger) -> Counter[str]:
    """The outcomes of the good contacts, by name. Raises `Violation` for the first broken promise."""
    there = Counter(digits(phone) for one in ledger.lists.values() for phone in one.phones)
    _nobody_twice(there, ledger)
    if evidence.shown is None:
        if evidence.answered:
            raise Violation("the create was answered, and the list is gone")
        if there:
            raise Violation(f"the gateway knows of no list, and the vendor has {sum(there.values())} contacts")
        return Counter()
    good = _taken(evidence)
    outcomes = _outcomes(evidence)
    _every_row_counts(evidence, good)
    for phone in good:
        _one_truth(phone, outcomes.get(digits(phone), "missing"), there)
    if ghosts := set(there) - {digits(phone) for phone in good}:
        raise Violation(f"the vendor has {len(ghosts)} contacts that were not to be sent")
    tally = Counter(outcomes[digits(phone)] for phone in good)
    _state_is_true(evidence, tally, there)
    _called(plan, ledger, there)
    return tally


def digits(phone: str) -> str:
    return "".join(letter for letter in phone if letter.isdigit())


def _nobody_twice(there: Counter[str], ledger: Ledger) -> None:
    for what, counter in (("stands at the vendor", there), ("was called", Counter(map(digits, ledger.calls)))):
        if twice := {phone: number for phone, number in counter.items() if number > 1}:
            raise Violation(f"twice: {len(twice)} numbers, of which one {what} {max(twice.values())} times")


def _outcomes(evidence: Evidence) -> dict[str, str]:
    """Outcome by number, of the contacts that are neither duplicates nor rejected rows."""
    found: dict[str, str] = {}
    for one in evidence.contacts:
        phone = digits(one["phone"])
        if one["outcome"] == "duplicate":
            continue
        if phone in found:
            raise Violation(f"two contacts of one number, {found[phone]} and {one['outcome']}")
        found[phone] = one["outcome"]
    return found


def _taken(evidence: Evidence) -> list[str]:
    """The good numbers of all that the list took; a doubtful append is in it whole or not at all."""
    received = evidence.shown["counts"]["received"] if evidence.shown else 0
    for body in evidence.doubtful:
        if received != sum(one.rows for one in evidence.sent):
            evidence.sent.append(body)
    rows = sum(one.rows for one in evidence.sent)
    if received != rows:
        raise Violation(f"{rows} rows were sent, {received} received")
    return [phone for body in evidence.sent for phone in body.good]


def _every_row_counts(evidence: Evidence, good: list[str]) -> None:
    assert evidence.shown is not None
    counts = dict(evidence.shown["counts"])
    received = counts.pop("received")
    if received != sum(counts.values()) or received != len(evidence.contacts):
        raise Violation(f"counts do not add up: {evidence.shown['counts']}, {len(evidence.contacts)} contacts shown")
    shown = Counter(one["outcome"] for one in evidence.contacts)
    if {name: number for name, number in counts.items() if number} != dict(shown):
        raise Violation(f"counts {counts} differ from the contacts: {dict(shown)}")
    if counts["pending"]:
        raise Violation(f"{counts['pending']} contacts are pending at rest")
    repeated = sum(body.duplicates for body in evidence.sent)
    if counts["duplicate"] != repeated:
        raise Violation(f"{counts['duplicate']} duplicates instead of {repeated}")
    sums: Counter[str] = Counter()
    for one in evidence.shown["deliveries"]:
        sums.update(one["counts"])
    if sums["received"] != len(good):
        raise Violation(f"the deliveries count {sums['received']} contacts, {len(good)} were to be sent")


def _one_truth(phone: str, outcome: str, there: Counter[str]) -> None:
    number = there[digits(phone)]
    if outcome == "accepted" and not number:
        raise Violation("a contact is reported as accepted, and the vendor does not have it")
    if outcome not in ("accepted", "unknown") and number:
        raise Violation(f"a contact is reported as {outcome}, and the vendor has it")
    if outcome not in ("accepted", "unknown", "rejected"):
        raise Violation(f"a good contact is {outcome}")


def _state_is_true(evidence: Evidence, tally: Counter[str], there: Counter[str]) -> None:
    assert evidence.shown is not None
    state = evidence.shown["state"]
    if tally["rejected"] and not tally["unknown"]:
        raise Violation(f"{tally['rejected']} good contacts were given up, and nothing was in doubt")
    if state == "delivered" and (set(tally) != {"accepted"} or sum(there.values()) != tally["accepted"]):
        raise Violation(f"delivered is said of {dict(tally)} with {sum(there.values())} at the vendor")
    expected = "unknown" if tally["unknown"] else "delivered"
    if state != expected:
        raise Violation(f"the state is {state}, and the outcomes {dict(tally)}")
    if tally["unknown"] and not _is_doubt_shown(evidence):
        raise Violation("contacts are unknown, and no delivery says so")


def _is_doubt_shown(evidence: Evidence) -> bool:
    assert evidence.shown is not None
    return any(one["state"] == "unknown" for one in evidence.shown["deliveries"])


def _called(plan: Plan, ledger: Ledger, there: Counter[str]) -> None:
    called = Counter(map(digits, ledger.calls))
    if profile_of(plan.scenario.vendor).dials:
        if called != there:
            raise Violation(f"{sum(called.values())} calls for {sum(there.values())} contacts at the vendor")
    elif called:
        raise Violation(f"{sum(called.values())} people were called by a vendor that only stores")
