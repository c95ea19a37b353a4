"""The judge, shown true accounts and false ones."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gateway.contract.simulation import Ledger, LedgerList
from tests.crash.history import Evidence, Violation
from tests.crash.judging import judge
from tests.crash.points import Kind
from tests.crash.scenarios import Body, Plan, Scenario

GOOD = ("+5511987654300", "+5511987654301", "+5511987654302")


def plan_of(vendor: str) -> Plan:
    return Plan(0, Scenario(vendor, "json", "create"), Kind.ACTED, 0.5)


def account(*outcomes: str, state: str | None = None) -> Evidence:
    """What a gateway says of three good contacts, a duplicate and a rejected row."""
    contacts = [{"phone": phone, "outcome": outcome} for phone, outcome in zip(GOOD, outcomes, strict=True)]
    counts = Counter([*outcomes, "rejected", "duplicate"])
    names = ("accepted", "rejected", "suppressed", "duplicate", "pending", "unknown")
    shown: dict[str, Any] = {
        "state": state or ("unknown" if "unknown" in outcomes else "delivered"),
        "counts": {"received": 5, **{name: counts[name] for name in names}},
        "deliveries": [{"state": "unknown" if "unknown" in outcomes else "delivered", "counts": {"received": 3}}],
    }
    rest = [{"phone": GOOD[0], "outcome": "duplicate"}, {"phone": "12", "outcome": "rejected"}]
    return Evidence(shown, [*contacts, *rest], [Body(b"", "text/csv", {}, GOOD, 5, 1)], answered=True)


def holding(*lists: tuple[str, ...], calls: tuple[str, ...] = ()) -> Ledger:
    """A vendor that has these numbers on its lists and called those."""
    held = {str(number): LedgerList(str(number), "list", [], list(phones)) for number, phones in enumerate(lists)}
    return Ledger(held, [phone.lstrip("+") for phone in calls])


def test_a_true_account_is_believed_with_its_outcomes() -> None:
    accepted = ("accepted",) * 3
    assert judge(plan_of("velip"), account(*accepted), holding(GOOD[:2], GOOD[2:])) == Counter(accepted=3)
    assert judge(plan_of("voximplant"), account(*accepted), holding(GOOD, calls=GOOD)) == Counter(accepted=3)


def test_an_unknown_contact_may_be_at_the_vendor_or_not() -> None:
    said = ("accepted", "accepted", "unknown")
    for held in (GOOD, GOOD[:2]):
        assert judge(plan_of("velip"), account(*said), holding(held)) == Counter(accepted=2, unknown=1)


def test_a_list_that_nobody_knows_is_nowhere() -> None:
    assert judge(plan_of("velip"), Evidence(), holding()) == Counter()


def lost_row(evidence: Evidence) -> None:
    del evidence.contacts[0]


def wrong_sum(evidence: Evidence) -> None:
    assert evidence.shown is not None
    evidence.shown["counts"]["received"] = 6
    evidence.sent.append(Body(b"", "text/csv", {}, (), 1))


def fewer_in_deliveries(evidence: Evidence) -> None:
    assert evidence.shown is not None
    evidence.shown["deliveries"][0]["counts"]["received"] = 2


def half_an_append(evidence: Evidence) -> None:
    evidence.doubtful.append(Body(b"", "text/csv", {}, (), 3))
    assert evidence.shown is not None
    evidence.shown["counts"] |= {"received": 6, "rejected": 2}
    evidence.contacts.append({"phone": "13", "outcome": "rejected"})


@pytest.mark.parametrize("tamper", [lost_row, wrong_sum, fewer_in_deliveries, half_an_append])
def test_counts_that_do_not_add_up_are_a_violation(tamper: Callable[[Evidence], None]) -> None:
    evidence = account("accepted", "accepted", "accepted")
    judge(plan_of("velip"), evidence, holding(GOOD))
    tamper(evidence)
    with pytest.raises(Violation):
        judge(plan_of("velip"), evidence, holding(GOOD))


@pytest.mark.parametrize(
    ("outcomes", "ledger", "said"),
    [
        (("accepted",) * 3, holding(GOOD, GOOD[:1]), "twice"),
        (("accepted",) * 3, holding(GOOD[:2]), "reported as accepted"),
        (("accepted", "accepted", "rejected"), holding(GOOD), "reported as rejected"),
        (("accepted", "accepted", "pending"), holding(GOOD[:2]), "pending at rest"),
        (("accepted", "accepted", "rejected"), holding(GOOD[:2]), "given up"),
        (("accepted",) * 3, holding(GOOD, ("+5511987654399",)), "were not to be sent"),
        (("accepted",) * 3, holding(GOOD, calls=GOOD[:1]), "only stores"),
    ],
)
def test_a_false_account_is_a_violation(outcomes: tuple[str, ...], ledger: Ledger, said: str) -> None:
    with pytest.raises(Violation, match=said):
        judge(plan_of("velip"), account(*outcomes), ledger)


def test_a_wrong_state_is_a_violation() -> None:
    with pytest.raises(Violation, match="the state is partial"):
        judge(plan_of("velip"), account("accepted", "accepted", "accepted", state="partial"), holding(GOOD))
    with pytest.raises(Violation, match="delivered is said"):
        judge(plan_of("velip"), account("accepted", "accepted", "unknown", state="delivered"), holding(GOOD))


def test_calling_twice_or_not_at_all_is_a_violation_where_the_vendor_dials() -> None:
    evidence = account("accepted", "accepted", "accepted")
    with pytest.raises(Violation, match="was called"):
        judge(plan_of("voximplant"), evidence, holding(GOOD, calls=(*GOOD, GOOD[0])))
    with pytest.raises(Violation, match="2 calls for 3"):
        judge(plan_of("voximplant"), evidence, holding(GOOD, calls=GOOD[:2]))


def test_what_the_gateway_forgot_is_a_violation() -> None:
    with pytest.raises(Violation, match="knows of no list"):
        judge(plan_of("velip"), Evidence(), holding(GOOD))
    with pytest.raises(Violation, match="the list is gone"):
        judge(plan_of("velip"), Evidence(answered=True), holding())
