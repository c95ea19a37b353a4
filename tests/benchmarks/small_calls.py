"""Lane 1: small calls, beside others who stand between a caller and a vendor, in the same run."""

import itertools
import os
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.benchmarks.loading import load
from tests.benchmarks.machine import CORES, Running, cpu_of, free_port, resident, start
from tests.benchmarks.peers import installing
from tests.benchmarks.peers.gateways import PEERS, Started, velip
from tests.benchmarks.results import Lane, Table, at_least, at_most, spread

ABOUT = """\
`POST /v1/contact-lists` with an `Idempotency-Key`, one worker on one core; caller and vendor on the other. The gateway
writes list, contacts, attempt and answer down durably (SQLite, `synchronous = FULL`) before it says a word; nobody else
here writes anything. The vendor answers from what it is sent, and every answer is checked against its request. Portkey
and LiteLLM translate what they are made for, a chat as long as the list. "Added" is over the direct call."""
SHAPES = ((1, 1), (1, 10), (1, 64), (10, 10), (100, 10))
"""(contacts, concurrency)."""
MORE = (*SHAPES, (10, 1), (10, 64), (100, 1), (100, 64))
LADDER = (1, 2, 4, 8, 16, 24, 32, 48, 64)
LIMITS = (5, 10, 25, 50)
DIRECT = "direct"


@dataclass(slots=True)
class Seen:
    """Figures of one peer with one shape, a value for each round."""

    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    wrong: int = 0


@dataclass(slots=True)
class Bench:
    """Everybody who is measured, started."""

    peers: dict[str, Started]
    numbers: Iterator[int]
    seconds: float
    seen: dict[tuple[str, tuple[int, int]], Seen] = field(default_factory=lambda: defaultdict(Seen))

    async def round(self, shape: tuple[int, int]) -> None:
        """Everybody once, one after the other."""
        contacts, concurrency = shape
        for name, peer in self.peers.items():
            make, port = peer.make(contacts), peer.running.port
            await load(port, make, concurrency, min(self.seconds / 4, 0.5), self.numbers)
            pids = peer.running.pids
            before = cpu_of(pids)
            found = await load(port, make, concurrency, self.seconds, self.numbers)
            spent, seen = cpu_of(pids) - before, self.seen[name, shape]
            seen.rate.append(found.rate)
            seen.p50.append(found.quantile(0.5) * 1e3)
            seen.p99.append(found.quantile(0.99) * 1e3)
            seen.cpu.append(spent * 1e3 / max(len(found.latencies), 1))
            seen.wrong += found.wrong + found.broken

    async def ladder(self, name: str) -> dict[int, float]:
        """The most requests a second while 99 % of them stay within so many milliseconds."""
        best: dict[int, float] = dict.fromkeys(LIMITS, 0.0)
        peer = self.peers[name]
        for concurrency in LADDER:
            found = await load(peer.running.port, peer.make(1), concurrency, self.seconds, self.numbers)
            for limit in LIMITS:
                if found.quantile(0.99) * 1e3 <= limit and not found.wrong:
                    best[limit] = max(best[limit], found.rate)
        return best


async def measure(full: bool) -> Lane:
    """Start everybody, let them take turns, and tell."""
    lane = Lane("Small calls", ABOUT)
    os.sched_setaffinity(0, CORES[1:] or CORES)
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncExitStack() as stack:
                bench = await _start(Path(folder), stack, lane, 2.0 if full else 0.7)
                for _, shape in itertools.product(range(5 if full else 3), MORE if full else SHAPES):
                    await bench.round(shape)
                ladders = {
                    name: await bench.ladder(name)
                    for name in bench.peers
                    if full or name in ("gateway", "bare aiohttp", "bare httpx")
                }
                commits = commits_of(Path(folder))
                memory = {name: resident(peer.running.pids) for name, peer in bench.peers.items() if name != DIRECT}
    finally:
        os.sched_setaffinity(0, CORES)
    _tell(lane, bench, ladders, memory, MORE if full else SHAPES, commits)
    return lane


def commits_of(folder: Path, number: int = 300) -> list[float]:
    """Milliseconds of durable commits of one row, medians of ten rounds: what no caller can be spared."""
    database = sqlite3.connect(folder / "commits.db", isolation_level=None)
    for setting in ("journal_mode = WAL", "synchronous = FULL"):
        database.execute(f"PRAGMA {setting}")
    database.execute("CREATE TABLE one (row TEXT)")
    seconds = []
    for _ in range(number):
        begin = time.perf_counter()
        database.execute("INSERT INTO one VALUES ('x')")
        seconds.append(time.perf_counter() - begin)
    database.close()
    return [median(seconds[place::10]) * 1e3 for place in range(10)]


async def _start(folder: Path, stack: AsyncExitStack, lane: Lane, seconds: float) -> Bench:
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.upstream", str(port)]
    upstream: Running = await start(command, port, CORES[1:] or CORES, folder / "upstream.log")
    stack.push_async_callback(upstream.stop)
    peers = {DIRECT: Started(upstream, lambda number: velip(port, number))}
    for peer in PEERS:
        try:
            peers[peer.name] = await peer.start(folder, free_port(), port, CORES[:1])
        except (installing.Missing, RuntimeError) as error:
            lane.notes.append(f"{peer.name} is not among them: {error}")
        else:
            stack.push_async_callback(peers[peer.name].running.stop)
    return Bench(peers, itertools.count(1), seconds)


def _tell(
    lane: Lane,
    bench: Bench,
    ladders: dict[str, dict[int, float]],
    memory: dict[str, float],
    shapes: tuple[tuple[int, int], ...],
    commits: list[float],
) -> None:
    for contacts, concurrency in shapes:
        shape = (contacts, concurrency)
        base, floor = bench.seen[DIRECT, shape], bench.seen.get(("bare aiohttp", shape))
        rows = [["", "requests a second", "p50 ms", "added p50", "added p99", "CPU ms a request", "CPU to the floor's"]]
        for name in bench.peers:
            seen = bench.seen[name, shape]
            if seen.wrong:
                lane.notes.append(f"{name} gave {seen.wrong} wrong answers with {contacts} contacts: no figures of it")
                continue
            cpu = median(seen.cpu)
            ratio = f"{cpu / median(floor.cpu):.1f}" if floor and median(floor.cpu) and name != DIRECT else ""
            added = ["" if name == DIRECT else f"{median(a) - median(b):.2f}" for a, b in _pairs(seen, base)]
            rows.append([name, spread(seen.rate, "{:.0f}"), spread(seen.p50), *added, spread(seen.cpu), ratio])
        lane.tables.append(Table(f"{contacts} contacts, {concurrency} at once", rows))
    rows = [["", *(f"p99 <= {limit} ms" for limit in LIMITS), "resident MiB"]]
    for name, steps in ladders.items():
        rows.append([name, *(f"{steps[limit]:.0f}" for limit in LIMITS), f"{memory.get(name, 0):.0f}"])
    lane.tables.append(Table("Requests a second of one contact while 99 % stay within a time", rows))
    alone, base = bench.seen["gateway", (1, 1)], bench.seen[DIRECT, (1, 1)]
    more = median(alone.p50) - median(base.p50)
    busy = median(bench.seen["gateway", (1, 64)].cpu)
    rate = ladders["gateway"][25]
    lane.goals += [
        at_most("added p50, one at a time", 1.5, more, "ms"),
        at_most("CPU a request, 64 at once", 0.9, busy, "ms"),
        at_least("requests a second at p99 <= 25 ms", 1_200, rate, ""),
    ]
    lane.notes.append(
        f"a call waits for two durable commits; of one row each, with nothing else to do, they take this disk "
        f"{2 * median(commits):.2f} ms ({2 * min(commits):.2f} to {2 * max(commits):.2f})"
    )
    for peer in PEERS:
        lane.notes.append(f"{peer.name}: {peer.what}")


def _pairs(seen: Seen, base: Seen) -> tuple[tuple[list[float], list[float]], ...]:
    return (seen.p50, base.p50), (seen.p99, base.p99)
