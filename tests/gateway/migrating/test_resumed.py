"""Migrations of 3 000 contacts that are killed in every stage. 100 000: `python -m tests.benchmarks.moving`."""

import json
from typing import Any

import pytest

from gateway.registry import Registry
from tests.crash.points import Kind, Point
from tests.gateway.migrating.crashing import FULL, Flow, Stage, play, staged

PEOPLE = 3_000
FLOWS = (
    Flow("long", "voximplant", "exotel", "apply", wishes=FULL, people=PEOPLE, batch=500, per_list=1_500),
    Flow("dialling", "koreai", "voximplant", "apply", wishes=FULL[:2], people=PEOPLE, batch=500, per_list=1_500),
)
KILLS = {"long": (2, 7, 10, 12, 30), "dialling": (1, 4, 5, 6, 4)}
"""The vendor request with whose answer each life ends."""


def certified(stage: Stage) -> dict[str, Any]:
    """What does not depend on identifiers and times."""
    ((text,),) = stage.rows("SELECT certificate FROM migrations")
    made = json.loads(text)["certificate"]
    (only,) = made["lists"]
    digests = {"source": only["source"]["digest"], "target": only["target"]["digest"]}
    return {name: made[name] for name in ("counts", "outcomes", "compared", "losses")} | digests


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
async def test_a_migration_that_is_killed_in_every_stage_ends_as_if_nobody_had(flow: Flow, registry: Registry) -> None:
    async with staged(flow, registry) as calm:
        await play(calm, [])
        expected = certified(calm)
    async with staged(flow, registry) as killed:
        await play(killed, [Point(Kind.REPLIED, number) for number in KILLS[flow.name]])
        assert certified(killed) == expected
        assert list(dict.fromkeys(killed.stages)) == ["stopping", "reading", "delivering", "verifying"]
