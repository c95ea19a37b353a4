"""The fault lane in the default suite: a hundred and fifty histories, and proof that it sees a broken promise."""

import asyncio
import re
from collections import Counter
from typing import Any

import pytest

from gateway import bookkeeping, dispatch, driver
from gateway.canonical import Outcome, Verdict
from gateway.contract import Finding, NotAuthorised, NotSent, Unclear
from gateway.contract.simulation import FAULTS
from gateway.store.chunks import Mark
from tests.faults.lane import Result, run
from tests.faults.scenarios import BODIES, PROFILES, VENDORS, plan, seeds

EACH = 30
"""Histories of each vendor."""


def play(wanted: list[int]) -> list[Result]:
    return asyncio.run(run(wanted))


def doubtful(vendor: str) -> list[int]:
    """Seeds in which a vendor leaves several requests in doubt, having acted or not, where repeats are not dropped."""
    kinds = ("drop_before", "drop_after", "answer_late", "error_before", "error_after")
    wanted = []
    for seed in seeds(vendor, 200):
        one = plan(seed)
        gaps = [fault["skip"] for fault in one.faults if fault["kind"] in kinds]
        if len(gaps) >= 3 and sum(gaps) <= 6 and one.keep_all:
            wanted.append(seed)
    return wanted[:6]


@pytest.mark.parametrize("vendor", VENDORS)
def test_whatever_the_vendor_does_nobody_is_sent_twice_lost_or_falsely_reported(vendor: str) -> None:
    results = play(seeds(vendor, EACH))
    told = [one.told() for one in results if one.violations]
    assert not told, "\n\n".join(told)
    befell = sum(len(one.plan.faults) > one.left for one in results)
    assert befell >= EACH * 0.6, "most histories have to meet a fault"
    outcomes: Counter[str] = sum((one.outcomes for one in results), Counter())
    assert outcomes["accepted"] > outcomes["rejected"], "a fault now and then does not keep a list from its vendor"


@pytest.mark.parametrize("vendor", [one.name for one in PROFILES if one.doubled])
def test_the_lane_sees_when_an_unknown_outcome_is_sent_again(vendor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def may_repeat(step: Any, error: Exception) -> bool:
        return isinstance(error, NotSent | Unclear) and not isinstance(error, NotAuthorised)

    async def look_up(find: Any, delay: float, sleep: Any, *, known: Any, detail: str) -> Finding:
        return Finding(Verdict.NOT_SENT, known, detail=detail)

    monkeypatch.setattr(driver, "may_repeat", may_repeat)
    monkeypatch.setattr(dispatch, "look_up", look_up)
    violations = [violation for one in play(doubtful(vendor)) for violation in one.violations]
    assert any(re.search("the vendor holds it [2-9] times", one) for one in violations), violations


def test_the_lane_sees_when_what_is_unknown_counts_as_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = bookkeeping.settle

    def settle_boldly(connection: Any, delivery: Any, part: Any, batch: Any, becomes: Mark) -> int:
        bold = Mark(Outcome.ACCEPTED) if becomes.outcome is Outcome.UNKNOWN else becomes
        return settle(connection, delivery, part, batch, bold)

    monkeypatch.setattr(bookkeeping, "settle", settle_boldly)
    violations = [violation for one in play(doubtful("indigitall")) for violation in one.violations]
    assert any("but the vendor holds it 0 times" in one for one in violations), violations
    assert any("delivered is said" in one for one in violations), violations


def test_a_seed_names_one_history_and_every_fault_and_body_comes() -> None:
    wanted = range(len(VENDORS) * EACH)
    plans = [plan(seed) for seed in wanted]
    assert plans == [plan(seed) for seed in wanted]
    assert {fault["kind"] for one in plans for fault in one.faults} == set(FAULTS)
    assert {(one.vendor, one.body) for one in plans} == {(vendor, body) for vendor in VENDORS for body in BODIES}
    assert seeds(VENDORS[2], 3, first=10) == [12, 17, 22]
