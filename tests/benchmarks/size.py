"""A long list, whole: `python -m tests.benchmarks.size --rows 1000000 --vendor exotel --vendor voximplant`.

The gateway is a process of its own (`gateway serve`, SQLite, everything durable), the vendor's simulator runs here. It
tells the seconds and rows a second of each stage, the peak of resident memory, and whether the ledger equals the input.
"""

import argparse
import asyncio
import os
import socket
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.registry import load
from gateway.sandbox import RunningSimulation, sandbox
from gateway.sandbox_config import write_config

HEADER = "phone,id,first_name,last_name,company,email,city,plan,amount,note\n"
LIMITS = (
    "{ requests_per_minute = 1000000, visibility_delay = 0.05, timeout = 120.0, "
    "contacts_per_list = 100000, batch_size = 100000 }"
)
BAD_EVERY = 100
REGIONS = {"exotel": "+9198%08d", "default": "+55119%08d"}


def rows(number: int, phone: str) -> Iterator[str]:
    """CSV rows of ten columns, one in a hundred bad."""
    for place in range(number):
        if place % BAD_EVERY == BAD_EVERY - 1:
            yield f"12,ID-{place},Bad,Row,,,,,,\n"
        else:
            yield (
                f"{phone % place},ID-{place},Ana,Silva,Acme SA,ana{place}@example.com,Santos,gold,"
                f"{place % 97},hello there\n"
            )


async def body(number: int, phone: str) -> AsyncIterator[bytes]:
    yield HEADER.encode()
    held: list[str] = []
    for row in rows(number, phone):
        held.append(row)
        if len(held) == 2_000:
            yield "".join(held).encode()
            held = []
    yield "".join(held).encode()


@dataclass(slots=True)
class Watched:
    """The gateway's process and what it took at most."""

    process: asyncio.subprocess.Process
    peak: int = 0
    idle: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)

    def memory(self, stage: str) -> int:
        """Resident memory in MiB; the peaks are kept."""
        with open(f"/proc/{self.process.pid}/status") as status:
            numbers = dict(line.split(":", 1) for line in status)
        now = int(numbers["VmRSS"].split()[0]) >> 10
        self.peaks[stage] = max(self.peaks.get(stage, 0), now)
        self.peak = max(self.peak, now)
        return now

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it. `agrees`: the ledger equals the input, and the sums hold."""

    agrees: bool
    rows_a_second: float
    peak: int


class Forgetful(list[Any]):
    """Rows that a simulator keeps for a look that nobody takes here: ten million of them would need ten gigabytes."""

    def append(self, _: Any) -> None:
        """Forget it."""


def make_forgetful(simulation: Any) -> None:
    """Let a simulator keep the numbers on its lists, by which it is judged, and nothing else of them."""
    add = simulation._store

    def store(one: Any, *rest: Any, **named: Any) -> Any:
        answer = add(one, *rest, **named)
        simulation.ledger.lists[str(one.id)].rows = Forgetful()
        one.tasks = Forgetful()
        return answer

    simulation._store = store


async def measure(vendor: str, number: int, folder: Path) -> Measured:
    """Send a list of this many rows to a vendor."""
    phone = REGIONS.get(vendor, REGIONS["default"])
    known = load(entry_points=False)
    async with sandbox({vendor: known.simulators[vendor]}) as running:
        if vendor == "voximplant" and number > 2_000_000:
            make_forgetful(running[vendor].simulation)
        path = write_config(folder, running, free_port(), LIMITS)
        watched = Watched(
            await asyncio.create_subprocess_exec(sys.executable, "-m", "gateway", "serve", "--config", path)
        )
        try:
            return await _send(vendor, number, phone, folder, running[vendor], watched)
        finally:
            watched.process.terminate()
            await watched.process.wait()


async def _send(
    vendor: str, number: int, phone: str, folder: Path, there: RunningSimulation, watched: Watched
) -> Measured:
    url = f"http://127.0.0.1:{_port(folder)}"
    headers = {"Authorization": f"Bearer {(folder / 'api_key').read_text().strip()}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=900, trust_env=False) as client:
        await _until_ready(client)
        watched.idle = watched.memory("idle")
        begin, cpu = time.perf_counter(), watched.cpu()
        upload = asyncio.create_task(
            client.post(
                "/v1/contact-lists",
                params={"name": "big", "destination": vendor, "activation": "start"},
                headers={"Content-Type": "text/csv", "Prefer": "respond-async"},
                content=body(number, phone),
            )
        )
        while not upload.done():
            watched.memory("upload")
            await asyncio.sleep(0.1)
        answer = upload.result()
        answer.raise_for_status()
        watched.stages["upload"] = time.perf_counter() - begin
        operation: dict[str, Any] = {}
        while not operation.get("done"):
            await asyncio.sleep(0.2)
            operation = (await client.get(answer.headers["location"])).json()
            stage = {"done": "delivering"}.get(operation["stage"], operation["stage"])
            watched.memory(stage)
            watched.stages[stage] = time.perf_counter() - begin
        spent = watched.cpu() - cpu
    database = _size_of(folder)
    return _tell(vendor, number, phone, there, watched, operation, spent, database)


def _size_of(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.glob("gateway.db*") if one.is_file())


def _tell(
    vendor: str,
    number: int,
    phone: str,
    there: RunningSimulation,
    watched: Watched,
    operation: dict[str, Any],
    spent: float,
    database: int,
) -> Measured:
    bad = number // BAD_EVERY
    total = max(watched.stages.values())
    print(f"\n{vendor}: {number:,} rows, {bad:,} of them bad, {len(there.simulation.ledger.lists)} remote lists")
    before = 0.0
    for stage, end in watched.stages.items():
        speed = number / max(end - before, 1e-9)
        print(f"  {stage:<12} {end - before:8.1f} s {speed:12,.0f} rows/s, {watched.peaks[stage]} MiB at most")
        before = end
    print(f"  {'whole':<12} {total:8.1f} s {number / total:12,.0f} rows/s; {number / spent:,.0f} rows a CPU second")
    print(f"  memory: {watched.idle} MiB idle, {watched.peak} MiB at most; database {database >> 20} MiB")
    expected = array("Q", sorted(int(phone % place) for place in range(number) if place % BAD_EVERY != BAD_EVERY - 1))
    held = array("Q", sorted(int(one) for each in there.simulation.ledger.lists.values() for one in each.phones))
    counts = operation["counts"]
    agrees = held == expected and counts["accepted"] == number - bad and counts["rejected"] == bad
    print(f"  outcome: {operation['state']}, {counts}")
    print(f"  ledger: {len(held):,} rows, {'equal to the input' if agrees else 'DIFFERS FROM THE INPUT'}")
    return Measured(agrees, number / total, watched.peak)


def _port(folder: Path) -> int:
    lines = (folder / "gateway.toml").read_text().splitlines()
    return next(int(line.split("=")[1]) for line in lines if line.startswith("port"))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def _until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(600):
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit("the gateway does not start")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--vendor", action="append")
    chosen = parser.parse_args()
    agreed = True
    for vendor in chosen.vendor or ["exotel", "voximplant"]:
        with tempfile.TemporaryDirectory() as folder:
            agreed &= asyncio.run(measure(vendor, chosen.rows, Path(folder))).agrees
    return 0 if agreed else 1


if __name__ == "__main__":
    sys.exit(main())
