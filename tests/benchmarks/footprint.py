"""Lane 4: how long until the first answer, how much memory while idle, how much is installed."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from tests.benchmarks.loading import load
from tests.benchmarks.machine import CORES, free_port, resident, start
from tests.benchmarks.peers import installing
from tests.benchmarks.peers.gateways import PEERS, Started
from tests.benchmarks.results import Lane, Table, at_most, spread

ABOUT = """\
Seconds from the start of the process to the first answered call, resident memory after some idle seconds (before any
call), and what an installation holds: packages and MiB, the interpreter not counted."""
ROOT = Path(__file__).parents[2]
IDLE = 3.0


async def measure(full: bool) -> Lane:
    lane = Lane("Start-up and footprint", ABOUT)
    installed = _installed(lane)
    rows = [["", "first answer, s", "idle, MiB", "packages", "MiB installed"]]
    found: dict[str, tuple[list[float], list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            port = free_port()
            command = [sys.executable, "-m", "tests.benchmarks.upstream", str(port)]
            upstream = await start(command, port, CORES[1:] or CORES, Path(folder) / "upstream.log")
            stack.push_async_callback(upstream.stop)
            for _ in range(5 if full else 3):
                for peer in PEERS:
                    if peer.name == "nginx":
                        continue
                    try:
                        seconds, idle = await _once(peer.start, Path(folder), port)
                    except (installing.Missing, RuntimeError) as error:
                        lane.notes.append(f"{peer.name} is not among them: {error}")
                        continue
                    first, memory = found.setdefault(peer.name, ([], []))
                    first.append(seconds)
                    memory.append(idle)
    for name, (first, memory) in found.items():
        packages, size = installed.get(name, ("", ""))
        rows.append([name, spread(first), spread(memory, "{:.0f}"), packages, size])
    lane.tables.append(Table("Processes", rows))
    soonest, held = (median(one) for one in found["gateway"])
    lane.goals.append(at_most("first answer", 1, soonest, "s"))
    lane.goals.append(at_most("idle worker", 80, held * 1.048576, "MB", "{:.1f}"))
    return lane


async def _once(begin: Callable[..., Awaitable[Started]], folder: Path, upstream: int) -> tuple[float, float]:
    """Seconds to the first answer of one process, and the memory of another that only waits."""
    before = time.perf_counter()
    one = await begin(folder, free_port(), upstream, CORES[:1])
    try:
        for number in range(1_000_000, 1_000_400):
            found = await load(one.running.port, one.make(1), 1, 60.0, iter([number]))
            if found.latencies and not found.wrong:
                break
            await asyncio.sleep(0.01)
        seconds = time.perf_counter() - before
    finally:
        await one.running.stop()
    idle = await begin(folder, free_port(), upstream, CORES[:1])
    try:
        await asyncio.sleep(IDLE)
        return seconds, resident(idle.running.pids)
    finally:
        await idle.running.stop()


def _installed(lane: Lane) -> dict[str, tuple[str, str]]:
    """(packages, MiB) of each that can be counted."""
    found = {}
    try:
        lock = str(ROOT / "requirements.lock")
        ours = installing.environment("runtime", ["--require-hashes", "-r", lock]).parent
        found["gateway"] = _python(ours)
        found["LiteLLM"] = _python(installing.environment("litellm", [installing.LITELLM]).parent)
        modules = installing.portkey().parents[3]
        number = sum(1 for _ in modules.glob("*/package.json")) + sum(1 for _ in modules.glob("@*/*/package.json"))
        found["Portkey"] = (str(number), f"{_size(modules):.0f}")
    except installing.Missing as error:
        lane.notes.append(f"not everything could be counted: {error}")
    return found


def _python(environment: Path) -> tuple[str, str]:
    packages = next((environment / "lib").glob("python*/site-packages"))
    return str(sum(1 for _ in packages.glob("*.dist-info"))), f"{_size(packages):.0f}"


def _size(folder: Path) -> float:
    total = 0
    for place, _, files in os.walk(folder):
        total += sum(os.lstat(os.path.join(place, name)).st_size for name in files if not name.endswith(".pyc"))
    return total / 2**20
