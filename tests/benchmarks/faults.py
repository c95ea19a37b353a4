"""Lane 5: what becomes of a request when the vendor fails, and what is lost or sent twice when some do."""

import asyncio
import itertools
import json
import os
import sys
import tempfile
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks.loading import load
from tests.benchmarks.machine import CORES, free_port, start
from tests.benchmarks.peers import gateways, installing
from tests.benchmarks.peers.gateways import Started
from tests.benchmarks.results import Goal, Lane, Table

ABOUT = """\
One caller's POST before a vendor that fails: how many POSTs the vendor gets that could have put the contact on a list
(or the message into the world), and what the caller is told. Portkey and LiteLLM run with their documented retries on
(`attempts: 3`, `num_retries: 3`) and a time-out of a second, as the gateway; nginx and the bare handlers as they come.
Then many operations, one in a hundred of which the vendor accepts, and drops the connection."""
FAULTS = {
    "answers 503": "kind=503",
    "accepts, answers too late": "kind=late&seconds=2.5",
    "accepts, drops the connection": "kind=drop",
}
OPERATIONS = (2_000, 10_000)
TIMEOUT = 1.0


async def measure(full: bool) -> Lane:
    lane = Lane("Faults beside speed", ABOUT)
    os.sched_setaffinity(0, CORES[1:] or CORES)
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with AsyncExitStack() as stack:
                port = free_port()
                command = [sys.executable, "-m", "tests.benchmarks.upstream", str(port)]
                upstream = await start(command, port, CORES[1:] or CORES, Path(folder) / "upstream.log")
                stack.push_async_callback(upstream.stop)
                peers = await _start(Path(folder), port, stack, lane)
                await _one_by_one(lane, peers, port)
                await _many(lane, peers, port, OPERATIONS[full])
    finally:
        os.sched_setaffinity(0, CORES)
    return lane


async def _start(folder: Path, upstream: int, stack: AsyncExitStack, lane: Lane) -> dict[str, Started]:
    peers = {}
    for peer in gateways.PEERS:
        more: dict[str, Any] = {"patient": True} if peer.name in ("gateway", "Portkey", "LiteLLM") else {}
        try:
            peers[peer.name] = await peer.start(folder, free_port(), upstream, CORES[:1], **more)
        except (installing.Missing, RuntimeError) as error:
            lane.notes.append(f"{peer.name} is not among them: {error}")
        else:
            stack.push_async_callback(peers[peer.name].running.stop)
    return peers


async def _one_by_one(lane: Lane, peers: dict[str, Started], upstream: int) -> None:
    numbers = itertools.count(5_000_000)
    rows = [["", *FAULTS]]
    for name, peer in peers.items():
        await load(peer.running.port, peer.make(1), 1, 0.2, numbers)
        row = [name]
        for fault in FAULTS.values():
            await _ask(upstream, f"/fault?{fault}", "PUT")
            found = await asyncio.wait_for(load(peer.running.port, peer.make(1), 1, 100.0, iter([next(numbers)])), 120)
            posts = (await _ask(upstream, "/ledger"))["posts"]
            told = "broke off" if found.broken else "an error, or open" if found.wrong else "taken"
            row.append(f"{posts} POSTs; {told}")
        await _ask(upstream, "/fault", "PUT")
        await asyncio.sleep(3.0)  # what comes late, and circuits that are open
        rows.append(row)
    lane.tables.append(Table("One POST", rows))


async def _many(lane: Lane, peers: dict[str, Started], upstream: int, operations: int) -> None:
    rows = [["", "operations", "sent twice", "said to be taken and not there", "there and said to have failed"]]
    for name, peer in peers.items():
        if name == "nginx":
            continue
        await _ask(upstream, "/fault?kind=drop&every=100&phones=1", "PUT")
        asked = itertools.count(1)
        taken, done = 0, 0
        while done < operations:
            found = await load(peer.running.port, peer.make(1), 8, 1.0, asked)
            done += len(found.latencies) + found.broken
            taken += len(found.latencies) - found.wrong
        ledger = await _ask(upstream, "/ledger")
        missing, extra = max(taken - ledger["phones"], 0), max(ledger["phones"] - taken, 0)
        rows.append([name, f"{done}", f"{ledger['twice']}", f"{missing}", f"{extra}"])
        if name == "gateway":
            wrong = ledger["twice"] + missing + extra
            lane.goals.append(Goal(f"twice or lost in {done} operations", "0", f"{wrong}", 1 + wrong))
        await _ask(upstream, "/fault", "PUT")
    lane.tables.append(Table("One fault in a hundred", rows))


async def _ask(port: int, path: str, method: str = "GET") -> Any:
    def ask() -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    return await asyncio.to_thread(ask)
