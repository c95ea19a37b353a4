"""Two processes on one database: work is taken over once, limits are shared, and a stopped process keeps its work."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select

from gateway.contract.simulation import Ledger
from gateway.registry import load
from gateway.store.schema import attempts, deliveries, operations
from tests.faults.judging import Told, broken_promises, story
from tests.faults.lane import ended, pages
from tests.faults.processes import Pair, Served, pair
from tests.faults.scenarios import Body, file_of, phone
from tests.faults.vendor_side import Vendor, vendor

WINDOW = 3
"""Seconds of a minute, for the rate."""
PER_WINDOW = 9
AT_ONCE = 3
FAST = {"requests_per_minute": 100_000, "concurrency": 4, "visibility_delay": 0.3, "timeout": 4.0}
LIMITS: dict[str, dict[str, Any]] = {
    "long": {**FAST, "batch_size": 100},
    "rated": {**FAST, "requests_per_minute": PER_WINDOW, "batch_size": 1},
    "crowded": {**FAST, "concurrency": AT_ONCE, "batch_size": 1},
}
ROWS = 2_000


@pytest.fixture(scope="module")
async def two(database: str, folder: Path, anyio_backend: str) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        vendors = {name: await stack.enter_async_context(vendor("voximplant")) for name in LIMITS}
        own = folder / f"two-{'sqlite' if database.startswith('sqlite') else 'postgresql'}"
        yield await stack.enter_async_context(pair(own, database, vendors, LIMITS, "--window", str(WINDOW)))


@pytest.fixture(autouse=True)
def empty_ledgers(two: Pair) -> None:
    for one in two.vendors.values():
        one.simulation.reset()
        one.watched.starts.clear()
        one.watched.senders.clear()
        one.watched.before.clear()
        one.watched.after.clear()
        one.watched.most = 0
        one.watched.delay = 0.0


def query(two: Pair, statement: Any) -> list[dict[str, Any]]:
    """Rows of the database, read beside the gateways."""
    engine = create_engine(two.database.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]
    finally:
        engine.dispose()


def owner(two: Pair, href: str) -> str:
    """The executor that works on an operation."""
    (row,) = query(two, select(operations.c.owner).where(operations.c.id == href.rpartition("/")[2]))
    return str(row["owner"])


def long_file(destination: str = "long", rows: int = ROWS) -> Body:
    good = [phone(number) for number in range(rows)]
    query = {"name": "Spring renewals", "destination": destination, "activation": "start"}
    return file_of([*good, good[0], "12"], query, good, padding=1 if rows == ROWS else 0)


async def send(to: Served, body: Body) -> tuple[str, str]:
    """The list's path and its operation's."""
    answer = await to.client.post(
        "/v1/contact-lists",
        content=body.content,
        params=dict(body.query),
        headers={"Content-Type": body.media_type, "Prefer": "respond-async"},
    )
    assert answer.status_code == 202, answer.text
    return f"/v1/contact-lists/{answer.json()['id']}", answer.headers["location"]


async def told(two: Pair, by: Served, path: str, body: Body) -> Told:
    """The list at rest, as this process tells it."""
    contacts = await pages(by.client, f"{path}/contacts")
    one = Told(await by.get(path), contacts, list(body.good), body.rows)
    statement = select(attempts).join(deliveries, deliveries.c.id == attempts.c.delivery_id)
    mine = statement.where(deliveries.c.list_id == path.rpartition("/")[2]).order_by(attempts.c.id)
    one.attempts = await asyncio.to_thread(query, two, mine)
    return one


def exact(one: Told, ledger: Ledger) -> None:
    """Everybody was accepted, and is at the vendor and called once."""
    assert broken_promises(one, ledger, load(entry_points=False).adapters["voximplant"]) == [], story(one.attempts)
    assert (one.shown["state"], dict(one.tally)) == ("delivered", {"accepted": len(one.good)}), story(one.attempts)
    assert sorted(ledger.calls) == sorted(number.lstrip("+") for number in one.good)


async def watch(by: Served, operation: str, seen: list[dict[str, Any]]) -> dict[str, Any]:
    """Every state that this process tells of an operation until it is done, in `seen`."""
    async with asyncio.timeout(60):
        while not seen or not seen[-1]["done"]:
            seen.append(await by.get(operation))
            await asyncio.sleep(0.02)
    return seen[-1]


def is_plausible(seen: list[dict[str, Any]], rows: int) -> None:
    """What was told while a list was worked on: sums hold, nothing goes back, it succeeds at the end only."""
    assert [one["state"] for one in seen[:-1] if one["state"] not in ("queued", "running")] == []
    assert seen[-1]["state"] == "succeeded"
    accepted = [one["counts"]["accepted"] for one in seen]
    assert accepted == sorted(accepted)
    for one in seen:
        counts = dict(one["counts"])
        assert counts.pop("received") == sum(counts.values())
        assert (one["state"] == "succeeded") == one["done"]
    assert seen[-1]["counts"]["received"] == rows


async def worker(two: Pair, there: Vendor, number: int) -> tuple[Served, Served]:
    """Who sent the newest of so many requests, and the other process."""
    await there.has_seen(number)
    return two.by_pid(there.watched.senders[-1])


async def test_a_list_whose_process_is_killed_is_finished_by_the_other_one(two: Pair) -> None:
    first, _ = await two.ready()
    there, body = two.vendors["long"], long_file()
    there.watched.delay = 0.05
    path, operation = await send(first, body)
    working, survivor = await worker(two, there, 6)
    seen: list[dict[str, Any]] = []
    watching = asyncio.create_task(watch(survivor, operation, seen))
    await there.has_seen(9)
    await working.kill()
    await watching
    is_plausible(seen, body.rows)
    assert there.watched.senders[-1] == survivor.pid
    exact(await told(two, survivor, path, body), there.ledger)


async def test_a_stopped_process_keeps_its_work(two: Pair) -> None:
    first, _ = await two.ready()
    there, body = two.vendors["long"], long_file()
    stopped, stop = asyncio.Event(), 7

    async def freeze() -> None:
        os.kill(there.watched.senders[-1] or 0, signal.SIGSTOP)
        stopped.set()

    there.watched.after[stop] = freeze  # while it waits for an answer, so that it holds no lock of the database
    path, operation = await send(first, body)
    async with asyncio.timeout(30):
        await stopped.wait()
    frozen, other = two.by_pid(there.watched.senders[-1])
    mine = owner(two, operation)
    for _ in range(60):
        now = await other.get(operation)
        assert (now["state"], len(there.watched.starts)) == ("running", stop)
        await asyncio.sleep(0.05)
    assert owner(two, operation) == mine
    os.kill(frozen.pid, signal.SIGCONT)
    assert (await ended(other.client, operation))["state"] == "succeeded"
    assert owner(two, operation) == mine
    assert set(there.watched.senders) == {frozen.pid}
    exact(await told(two, other, path, body), there.ledger)


async def test_the_rate_of_a_destination_is_shared(two: Pair) -> None:
    there, bodies = two.vendors["rated"], [long_file("rated", 8), long_file("rated", 7)]
    # the second list has numbers of its own
    good = [phone(number) for number in range(100, 107)]
    bodies[1] = file_of(good, bodies[1].query, good)
    both = await two.ready()
    sent = await asyncio.gather(*(send(by, body) for by, body in zip(both, bodies, strict=True)))
    for (_, operation), by in zip(sent, both, strict=True):
        assert (await ended(by.client, operation))["state"] == "succeeded"
    assert set(there.watched.senders) == {one.pid for one in both}
    assert len(there.watched.starts) > PER_WINDOW
    assert there.most_within(WINDOW) <= PER_WINDOW, there.watched.starts
    assert sorted(there.ledger.calls) == sorted(number.lstrip("+") for body in bodies for number in body.good)


async def test_the_concurrency_of_a_destination_is_shared(two: Pair) -> None:
    there = two.vendors["crowded"]
    there.watched.delay = 0.1
    both = await two.ready()
    wanted = []
    for place in range(6):
        good = [phone(number) for number in range(place * 10, place * 10 + 4)]
        wanted.append((both[place % 2], file_of(good, long_file("crowded", 2).query, good)))
    sent = await asyncio.gather(*(send(by, body) for by, body in wanted))
    for (_, operation), (by, _) in zip(sent, wanted, strict=True):
        assert (await ended(by.client, operation))["state"] == "succeeded"
    assert set(there.watched.senders) == {one.pid for one in both}
    assert there.watched.most == AT_ONCE
    assert sorted(there.ledger.calls) == sorted(number.lstrip("+") for _, body in wanted for number in body.good)


def take_for_dead(two: Pair, executor: str) -> None:
    """Take the lock from an executor whose process lives: its session ends, or its file goes."""
    if two.database.startswith("sqlite"):
        path = Path(two.database.removeprefix("sqlite:///"))
        (path.with_name(f"{path.name}.executors") / executor).unlink()
        return
    import psycopg

    with psycopg.connect(two.database, autocommit=True) as connection:
        statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        assert connection.execute(statement, (f"gateway executor {executor}",)).fetchall() == [(True,)]


async def test_a_process_that_others_take_for_dead_sends_nothing_more_and_another_finishes(two: Pair) -> None:
    first, _ = await two.ready()
    there, body = two.vendors["long"], long_file()
    there.watched.delay = 0.05
    path, operation = await send(first, body)
    working, survivor = await worker(two, there, 6)
    seen: list[dict[str, Any]] = []
    watching = asyncio.create_task(watch(survivor, operation, seen))
    await asyncio.to_thread(take_for_dead, two, owner(two, operation))
    await watching
    is_plausible(seen, body.rows)
    assert "liveness_lost" in working.events()
    told_by_sender = [pid == survivor.pid for pid in there.watched.senders]
    assert told_by_sender == sorted(told_by_sender), "the one sent while the other did"
    exact(await told(two, survivor, path, body), there.ledger)
    async with asyncio.timeout(60):
        await working.process.wait()  # by itself: whoever started it starts another one
