"""The machine, and processes on it: what they are, what they take, and whether it is quiet enough to measure."""

import asyncio
import os
import platform
import socket
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
BUSY = 0.12
"""Share of the machine that others may take before nothing is measured."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def busy_share(seconds: float = 1.0) -> float:
    """The share of all cores' time that is taken while we sleep."""

    def read() -> tuple[int, int]:
        values = [int(one) for one in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(values), values[3] + values[4]

    before, idle_before = read()
    time.sleep(seconds)
    after, idle = read()
    return 1.0 - (idle - idle_before) / max(after - before, 1)


def tree(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for one in found:
        try:
            tasks = os.listdir(f"/proc/{one}/task")
            for task in tasks:
                found += [int(child) for child in Path(f"/proc/{one}/task/{task}/children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def cpu_of(pids: Iterable[int]) -> float:
    """Seconds of processor time that these have taken."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident(pids: Iterable[int]) -> float:
    """Resident memory of these together, MiB."""
    total = 0
    for pid in pids:
        try:
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total * os.sysconf("SC_PAGE_SIZE") / 2**20


def pin(pid: int, cores: Sequence[int]) -> None:
    """Keep a process, with all its threads, to these cores."""
    for one in tree(pid):
        for task in os.listdir(f"/proc/{one}/task"):
            os.sched_setaffinity(int(task), cores)


def on(cores: Sequence[int], command: Sequence[str]) -> list[str]:
    """A command that runs on these cores from its first instruction."""
    return ["taskset", "-c", ",".join(map(str, cores)), *command]


@dataclass(frozen=True, slots=True)
class Running:
    """A process that listens on a port."""

    process: asyncio.subprocess.Process
    port: int

    @property
    def pids(self) -> list[int]:
        return tree(self.process.pid)

    async def stop(self) -> None:
        pids = self.pids
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 10)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        for pid in pids[1:]:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue


async def start(
    command: Sequence[str], port: int, cores: Sequence[int], log: Path, env: dict[str, str] | None = None
) -> Running:
    """Start a server and wait until it listens. RuntimeError with the end of its log when it ends, or does not."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *on(cores, command), stdout=out, stderr=out, env={**os.environ, **(env or {})}
        )
    running = Running(process, port)
    for _ in range(1_200):
        if process.returncode is not None:
            break
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return running
    await running.stop()
    with log.open(errors="replace") as told:
        raise RuntimeError(f"{command[0]} does not listen: {told.read()[-500:]}")


def described() -> dict[str, str]:
    """The machine and what it runs, for the page of results."""
    models = [
        line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) >> 20
    packages = ("starlette", "uvicorn", "httpx", "aiohttp", "pydantic", "msgspec", "SQLAlchemy", "phonenumbers")
    return {
        "processor": f"{models[0] if models else platform.machine()}, {len(CORES)} cores of it",
        "memory": f"{memory} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        **{name: metadata.version(name) for name in packages},
    }
