"""A gateway dies while it plans, applies or goes back; its successor brings the migration to its end.

All points of all flows: `python -m tests.gateway.migrating.crashing`.
"""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from gateway.registry import Registry
from tests.crash.lives import Zygote, zygote
from tests.gateway.migrating.crashing import FLOWS, history, points_of

OF_EACH = 3
"""Points of each flow."""


@pytest.fixture(scope="module")
async def one(anyio_backend: str) -> AsyncIterator[Zygote]:
    async with zygote() as running:
        yield running


@pytest.mark.parametrize("name", FLOWS)
async def test_a_killed_migration_is_brought_to_its_end(name: str, one: Zygote, registry: Registry) -> None:
    points = await points_of(FLOWS[name], one, registry)
    chosen = random.Random(name).sample(points, OF_EACH)
    played = await asyncio.gather(*(history(FLOWS[name], [point], one, registry) for point in chosen))
    for point, (wrong, trace) in zip(chosen, played, strict=True):
        assert not wrong, f"{name}, killed at {point}: {wrong}\n" + "\n".join(trace)
