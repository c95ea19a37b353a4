"""The crash lane in the default suite: some three hundred histories, and proof that it sees a broken promise."""

import asyncio

import pytest

from tests.crash.lane import Measured, Result, lane, run, sums
from tests.crash.points import Kind
from tests.crash.scenarios import VENDORS, Scenario, plan, profile_of, seeds

EACH = 60
"""Histories of each vendor."""
SEARCHED, SABOTAGED = 80, 10
"""Seeds of a vendor that are looked through, and histories that are played with a promise taken out."""


MEASURED: dict[Scenario, Measured] = {}


def play(wanted: list[int], sabotage: tuple[str, ...] = ()) -> list[Result]:
    async def played() -> list[Result]:
        async with lane(sabotage, known=MEASURED) as one:
            return await run(one, wanted)

    return asyncio.run(played())


@pytest.mark.parametrize("vendor", VENDORS)
def test_after_kill_9_at_any_moment_nobody_is_called_twice_lost_or_falsely_reported(vendor: str) -> None:
    results = play(seeds(vendor, EACH))
    told = [one.told() for one in results if one.violation]
    assert not told, "\n\n".join(told)
    summed = sums(results)
    assert summed[vendor].killed >= EACH * 0.8, "most histories have to lose a gateway"
    assert all(summed[kind].killed for kind in Kind), "every kind of end has to come"
    needless = [one.plan.seed for one in results if one.is_needlessly_unknown]
    assert len(needless) <= EACH * 0.02, f"these seeds leave contacts unknown that could be looked up: {needless}"


@pytest.mark.parametrize("vendor", [name for name in VENDORS if profile_of(name).doubled])
def test_the_lane_sees_when_an_unknown_outcome_is_sent_again(vendor: str) -> None:
    doubtful = (Kind.LEFT, Kind.ACTED, Kind.REPLIED)
    some = [plan(seed) for seed in seeds(vendor, SEARCHED)]
    wanted = [one.seed for one in some if one.kind in doubtful and one.scenario.body == "json"][:SABOTAGED]
    violations = [one.violation for one in play(wanted, ("retry_unknown",)) if one.violation]
    assert any(violation.startswith("twice") for violation in violations), violations


def test_a_seed_names_one_history_and_seeds_are_spread_evenly() -> None:
    plans = [plan(seed) for seed in range(5 * 13 * 7)]
    assert plans == [plan(seed) for seed in range(5 * 13 * 7)]
    for name in VENDORS:
        of_vendor = [one for one in plans if one.scenario.vendor == name]
        assert len({(one.scenario, one.kind) for one in of_vendor}) == len({one.scenario for one in of_vendor}) * 7
    assert seeds(VENDORS[2], 3, first=10) == [12, 17, 22]
