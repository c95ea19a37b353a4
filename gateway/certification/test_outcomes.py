"""Every contact gets exactly one outcome, and the simulator's ledger agrees with it."""

import pytest

from gateway.canonical import Outcome, State
from gateway.certification import samples
from gateway.certification.stage import SPLIT, WHOLE, Stage, disagreements, tally

pytestmark = pytest.mark.anyio
SETTLED = {Outcome.ACCEPTED, Outcome.REJECTED, Outcome.DUPLICATE}


@pytest.mark.parametrize("scenario", samples.SCENARIOS, ids=lambda scenario: scenario.name)
async def test_each_contact_has_one_outcome_and_the_ledger_agrees(stage: Stage, scenario: samples.Scenario) -> None:
    sent = await stage.send(scenario)
    assert len(sent.outcomes) == len(stage.people(scenario))
    assert list(disagreements(sent, stage.ledger)) == []
    assert set(tally(sent)) <= SETTLED, sent.details


@pytest.mark.parametrize("destination", [WHOLE, SPLIT])
@pytest.mark.parametrize("scenario", [samples.PLAIN, samples.RICH_LIST], ids=lambda scenario: scenario.name)
async def test_a_plain_and_a_rich_list_are_delivered_whole(
    stage: Stage, scenario: samples.Scenario, destination: str
) -> None:
    sent = await stage.send(scenario, destination)
    assert tally(sent) == {Outcome.ACCEPTED: 5}
    assert sent.resource.state is State.DELIVERED
    assert list(disagreements(sent, stage.ledger)) == []


async def test_a_held_list_calls_nobody(stage: Stage) -> None:
    sent = await stage.send(samples.PLAIN, activation={"mode": "hold"})
    assert stage.ledger.calls == []
    held = samples.dials(stage.adapter)
    assert tally(sent) == {Outcome.PENDING if held else Outcome.ACCEPTED: 5}
    assert bool(stage.ledger.lists) is not held


async def test_a_passive_vendor_calls_nobody_even_when_asked_to(stage: Stage) -> None:
    sent = await stage.send(samples.PLAIN)
    told = [loss.field for loss in sent.losses if loss.field == "activation.mode"]
    assert told == ([] if samples.dials(stage.adapter) else ["activation.mode"])
    assert bool(stage.ledger.calls) is samples.dials(stage.adapter)
