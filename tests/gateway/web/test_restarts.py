"""A process that dies in the middle of a delivery, or is told to end, leaves work that the next one ends."""

import asyncio
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import LIMITS, Tenant, Vendors, destination, write_configuration
from tests.gateway.web.long_files import accepted, as_csv, contacts, outcomes, people, send, told
from tests.gateway.web.shapes import LISTS, counts, until
from tests.gateway.web.test_process import ENDED, Served
from tests.launcher import launch

ASYNC = {"Prefer": "respond-async"}
NewDatabase = Callable[[], dict[str, str]]
BATCH = 500
ADD = {"voximplant": "AppendToCallList", "koreai": "addContacts"}


def configured(folder: Path, vendors: Vendors, vendor: str, database: dict[str, str]) -> tuple[Path, int]:
    """A configuration for one vendor, with batches of five hundred, and its port, which is free now."""
    limits = LIMITS | {"batch_size": BATCH}
    tenants = {"acme": Tenant({vendor: destination(vendors[vendor], limits=limits)})}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return write_configuration(folder, tenants, port=port, log_level="debug", wait=0.5, **database), port


@asynccontextmanager
async def started(config: Path, port: int) -> AsyncIterator[Served]:
    """`gateway serve`, which waits half a second for work and five more when it is told to end."""
    log = config.parent / "stderr"
    with log.open("ab") as stderr:
        process = launch("gateway", "serve", "--config", config, stdout=stderr, stderr=stderr)
    one = Served(f"http://127.0.0.1:{port}", config, process, log)
    try:
        await until(one.answers, 60)
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def is_asked(vendors: Vendors, vendor: str, times: int) -> Callable[[], Awaitable[bool]]:
    """Whether contacts were added to the vendor's list so often."""

    async def asked() -> bool:
        added = [one for one in vendors[vendor].simulation.ledger.requests if ADD[vendor] in one]
        return len([one for one in added if one.startswith("POST")]) >= times

    return asked


def numbers(vendors: Vendors, vendor: str) -> list[list[str]]:
    there = vendors[vendor].simulation.ledger.lists.values()
    return [[phone.lstrip("+") for phone in one.phones] for one in there]


async def settled(gateway: Served, list_id: str) -> dict[str, Any]:
    """The list once no work goes on."""
    async with gateway.client("acme") as client:

        async def idle() -> dict[str, Any] | None:
            found: dict[str, Any] = (await client.get(f"{LISTS}/{list_id}")).json()
            return found if found["operation"] is None else None

        found: dict[str, Any] = await until(idle, 60)
        assert told(await contacts(client, list_id)) == list(enumerate(outcomes(people()), 2))
        return found


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_a_long_list_is_delivered_to_its_end_by_the_next_process(
    vendors: Vendors, tmp_path: Path, default_database: NewDatabase, end: signal.Signals
) -> None:
    """Three seconds for a batch: told to end, the process does not wait for the six of them."""
    simulation = vendors["voximplant"].simulation
    simulation.break_next("answer_late", ADD["voximplant"], times=99, seconds=3.0)
    config, port = configured(tmp_path / "served", vendors, "voximplant", default_database())
    async with started(config, port) as gateway, gateway.client("acme") as client:
        begun = await send(client, as_csv(people()), headers=ASYNC, destination="voximplant", activation="start")
        assert begun.status_code == 202, begun.text
        await until(is_asked(vendors, "voximplant", 1))
        gateway.process.send_signal(end)
        ended = await asyncio.wait_for(gateway.process.wait(), 25)
        assert ended in ((-signal.SIGKILL,) if end is signal.SIGKILL else ENDED)
    assert BATCH < len(numbers(vendors, "voximplant")[0]) < len(accepted(people())), "it ended in the middle"
    simulation.faults.clear()
    async with started(config, port) as gateway:
        after = await settled(gateway, begun.json()["id"])
        assert "Traceback" not in gateway.log.read_text(encoding="utf-8")
    assert (after["state"], after["counts"]) == ("delivered", counts(**Counter(outcomes(people()))))
    assert numbers(vendors, "voximplant") == [accepted(people())]
    assert sorted(simulation.ledger.calls) == sorted(accepted(people()))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_a_file_that_was_being_read_is_read_anew_by_the_next_process(
    vendors: Vendors, tmp_path: Path, default_database: NewDatabase, end: signal.Signals
) -> None:
    """The file takes about a second to be read: whether its reading or its delivery is broken off, it ends the same."""
    config, port = configured(tmp_path / "served", vendors, "voximplant", default_database())
    rows = people(30_000)
    async with started(config, port) as gateway, gateway.client("acme") as client:
        begun = await send(client, as_csv(rows, padding=40), headers=ASYNC, destination="voximplant")
        assert begun.status_code == 202, begun.text
        gateway.process.send_signal(end)
        assert await asyncio.wait_for(gateway.process.wait(), 25) in (-signal.SIGKILL, *ENDED)
    async with started(config, port) as gateway, gateway.client("acme") as client:
        path = f"{LISTS}/{begun.json()['id']}"

        async def staged() -> bool:
            return (await client.get(path)).json()["operation"] is None

        await until(staged, 60)
        held = Counter(outcomes(rows))
        expected = counts(pending=held.pop("accepted"), **held)
        after = (await client.get(path)).json()
        assert (after["state"], after["counts"], after["source"]["rows"]) == ("staged", expected, 30_000)
    assert numbers(vendors, "voximplant") == []


async def test_what_the_command_line_was_killed_with_is_finished_by_a_server(
    vendors: Vendors, tmp_path: Path, default_database: NewDatabase
) -> None:
    simulation = vendors["koreai"].simulation
    simulation.break_next("answer_late", ADD["koreai"], times=99, seconds=2.0)
    config, port = configured(tmp_path / "served", vendors, "koreai", default_database())
    file = tmp_path / "people.csv"
    file.write_bytes(as_csv(people()).content)
    process = launch("gateway", "send", file, "--destination", "koreai", "--config", config)
    try:
        await until(is_asked(vendors, "koreai", 2), 60)
        process.kill()
    finally:
        assert await process.wait() == -signal.SIGKILL
    assert 0 < len(numbers(vendors, "koreai")[0]) < len(accepted(people())), "it was killed in the middle"
    simulation.faults.clear()
    async with started(config, port) as gateway, gateway.client("acme") as client:
        (one,) = (await client.get(LISTS)).json()["items"]
        after = await settled(gateway, one["id"])
    assert (after["state"], after["counts"]) == ("delivered", counts(**Counter(outcomes(people()))))
    assert numbers(vendors, "koreai") == [accepted(people())]
