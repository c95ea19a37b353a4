"""The Voximplant adapter beside its simulator."""

from collections.abc import AsyncIterator

import pytest

from tests.harness import Bench, bench


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def vox(anyio_backend: str) -> AsyncIterator[Bench]:
    async with bench("voximplant") as running:
        yield running
