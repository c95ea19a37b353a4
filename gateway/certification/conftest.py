"""Over which adapters the suite runs, and the fixtures that it shares."""

from collections.abc import AsyncIterator, Iterator

import pytest
import stamina

from gateway.certification.bench import Bench, beside
from gateway.certification.stage import Stage, staged
from gateway.contract import AnyAdapter
from gateway.registry import Registry, load


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--adapter", action="append", default=None, help="certify this registered adapter; repeatable")


def pytest_configure(config: pytest.Config) -> None:
    known = load()
    chosen = config.getoption("--adapter", default=None) or list(known.adapters)
    if unknown := sorted(set(chosen) - set(known.adapters)):
        raise pytest.UsageError(
            f"no adapter {', '.join(unknown)} is registered; there are: {', '.join(known.adapters)}"
        )
    config.stash[_REGISTRY] = known
    config.stash[_CHOSEN] = tuple(chosen)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for an adapter runs for each of them."""
    if "name" in metafunc.fixturenames:
        chosen = metafunc.config.stash[_CHOSEN]
        metafunc.parametrize("name", chosen, scope="module")


_REGISTRY = pytest.StashKey[Registry]()
_CHOSEN = pytest.StashKey[tuple[str, ...]]()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def registry(pytestconfig: pytest.Config) -> Registry:
    return pytestconfig.stash[_REGISTRY]


@pytest.fixture(scope="module")
def adapter(registry: Registry, name: str) -> AnyAdapter:
    return registry.adapters[name]


@pytest.fixture(autouse=True)
def no_back_off() -> Iterator[None]:
    """Retries follow each other at once: what is tested is whether something is repeated, not when."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


@pytest.fixture
async def bench(registry: Registry, adapter: AnyAdapter) -> AsyncIterator[Bench]:
    """The adapter beside a fresh simulator, driven verb by verb."""
    async with beside(adapter, registry.simulators[adapter.name]) as running:
        yield running


@pytest.fixture(scope="module")
async def open_stage(
    registry: Registry,
    name: str,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,  # noqa: ARG001 - makes pytest run the fixture in the loop of the tests
) -> AsyncIterator[Stage]:
    async with staged(registry, name, tmp_path_factory.mktemp(name)) as opened:
        yield opened


@pytest.fixture
def stage(open_stage: Stage) -> Stage:
    """A whole gateway before the simulator, whose ledger is empty."""
    open_stage.simulation.reset()
    return open_stage
