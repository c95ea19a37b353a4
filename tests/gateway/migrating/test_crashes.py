"""A gateway dies while it plans, applies or goes back; its successor brings the migration to its end.

All points of all flows: `python -m tests.gateway.migrating.crashing`.
"""

import asyncio
import random

import pytest

from gateway.registry import Registry
from tests.gateway.migrating.crashing import FLOWS, history, points_of

OF_EACH = 3
"""Points of each flow."""


@pytest.mark.parametrize("name", FLOWS)
async def test_a_killed_migration_is_brought_to_its_end(name: str, registry: Registry) -> None:
    points = await points_of(FLOWS[name], registry)
    chosen = random.Random(name).sample(points, OF_EACH)
    played = await asyncio.gather(*(history(FLOWS[name], [point], registry) for point in chosen))
    for point, (wrong, trace) in zip(chosen, played, strict=True):
        assert not wrong, f"{name}, killed at {point}: {wrong}\n" + "\n".join(trace)
