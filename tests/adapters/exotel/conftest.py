"""Exotel's adapter beside its simulator, for every test of it."""

from collections.abc import AsyncIterator

import pytest

from tests.harness import Bench, bench


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def there() -> AsyncIterator[Bench]:
    async with bench("exotel") as running:
        yield running
