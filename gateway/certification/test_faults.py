"""No row twice, no row lost, no false outcome, whatever the vendor does: each fault switch at each step."""

import itertools

import pytest

from gateway.canonical import Outcome
from gateway.certification import samples
from gateway.certification.stage import SPLIT, TIMEOUT, VISIBILITY, WHOLE, Stage, disagreements
from gateway.contract import AnyAdapter, Support, Verb
from gateway.contract.simulation import FAULTS

pytestmark = pytest.mark.anyio
SECONDS = {"store_late": VISIBILITY / 4, "answer_late": TIMEOUT * 1.5, "drip": 0.02}
LISTS = {
    "plain": (samples.PLAIN, WHOLE),
    "rich": (samples.RICH_LIST, WHOLE),
    "in pieces": (samples.PLAIN, SPLIT),
}
MOST_STEPS = 40


def is_blind(adapter: AnyAdapter) -> bool:
    """Whether the vendor shows nobody what it holds: its word is all there is."""
    return all(adapter.capability(verb).support is Support.NONE for verb in (Verb.FIND, Verb.READ, Verb.STATUS))


CASES = [
    (label, kind)
    for label in LISTS
    for kind in FAULTS
    if kind != "drop_row" and (label != "in pieces" or kind in ("error_before", "drop_after"))
]


@pytest.mark.parametrize(("label", "kind"), CASES)
async def test_a_fault_at_any_step_makes_no_false_outcome(stage: Stage, label: str, kind: str) -> None:
    scenario, destination = LISTS[label]
    for step in itertools.count():
        stage.simulation.reset()
        stage.simulation.break_next(kind, skip=step, seconds=SECONDS.get(kind, 0.0))
        sent = await stage.send(scenario, destination)
        await stage.simulation.quiet()
        assert list(disagreements(sent, stage.ledger)) == [], f"{kind} at request {step + 1}: {stage.ledger.requests}"
        if stage.simulation.faults:
            break  # the delivery ended before the fault's turn came
        assert step < MOST_STEPS, "the delivery does not end"
    assert step > 0, "the vendor was never asked"


@pytest.mark.parametrize("label", LISTS)
async def test_a_row_that_the_vendor_forgets_is_not_accepted(stage: Stage, label: str) -> None:
    scenario, destination = LISTS[label]
    stage.simulation.break_next("drop_row")
    sent = await stage.send(scenario, destination)
    assert stage.simulation.faults == [], "the simulator does not implement drop_row"
    blind = is_blind(stage.adapter)
    assert list(disagreements(sent, stage.ledger, blind=blind)) == []
    if blind:
        unsaid = [detail for (_, outcome), detail in zip(sent.outcomes, sent.details, strict=True) if not detail]
        assert unsaid == [], "a vendor that nobody can look into: every outcome says so in its detail"


async def test_a_rate_limit_with_a_time_is_waited_for(stage: Stage) -> None:
    stage.simulation.break_next("rate_limited", retry_after=0.0)
    sent = await stage.send(samples.PLAIN)
    assert [outcome for _, outcome in sent.outcomes] == [Outcome.ACCEPTED] * 5
