"""Lane 2: a long CSV file to each vendor's bytes, stage by stage, beside what others do with such a file."""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks import size
from tests.benchmarks.machine import CORES, free_port, on
from tests.benchmarks.peers import bulk_others, installing
from tests.benchmarks.results import Goal, Lane, Table, at_most, spread

ABOUT = """\
{rows:,} rows of ten columns, one in a hundred bad, from CSV to the bytes of each vendor's requests, in one process on
one core. Thousands of rows a processor second; stages are measured apart, and put together on the right. The others
read the same file, on one core, and judge no number."""
PACKAGES = ["petl==1.7.17", "frictionless==5.18.1", "dlt[duckdb]>=1", "polars>=1", "duckdb>=1"]
VENDORS = ("velip", "voximplant", "koreai", "indigitall", "exotel")
STORE = ("store", "read back")
SLOW = ("dlt into DuckDB",)
"""Measured once, when the list is long."""
OTHERS = Path(bulk_others.__file__)


def write_file(path: Path, rows: int, phone: str) -> None:
    """The file, the same for everybody whose numbers are of one country."""
    with path.open("w", encoding="utf-8") as file:
        file.write(size.HEADER)
        file.writelines(size.rows(rows, phone))


def told(command: list[str]) -> dict[str, Any]:
    """What a program said; RuntimeError with the end of its complaint."""
    ended = subprocess.run(on(CORES[:1], command), capture_output=True, text=True, timeout=3_600, check=False)
    if ended.returncode:
        raise RuntimeError(ended.stderr.strip().splitlines()[-1][-200:])
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def _ours(vendor: str, path: Path, sink: str) -> dict[str, Any]:
    return told([sys.executable, "-m", "tests.benchmarks.peers.bulk_gateway", vendor, str(path), sink])


@contextmanager
def _sink() -> Iterator[str]:
    """A server on the other core that reads what it is sent; its address."""
    port = free_port()
    command = on(CORES[1:] or CORES, [sys.executable, "-m", "tests.benchmarks.upstream", str(port)])
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # once it listens
        try:
            yield f"http://127.0.0.1:{port}/sink"
        finally:
            process.kill()


def measure(full: bool) -> Lane:
    rows, rounds = 1_000_000 if full else 50_000, 2
    lane = Lane("Long lists", ABOUT.format(rows=rows))
    with tempfile.TemporaryDirectory() as folder, _sink() as sink:
        files = {name: Path(folder) / f"{name}.csv" for name in size.REGIONS}
        for name, phone in size.REGIONS.items():
            write_file(files[name], rows, phone)
        ours: dict[str, list[dict[str, Any]]] = {vendor: [] for vendor in VENDORS}
        others: dict[str, list[dict[str, Any]]] = {}
        python = _environment(lane)
        for _ in range(rounds):
            for vendor in VENDORS:
                path = files.get(vendor, files["default"])
                ours[vendor].append(_ours(vendor, path, sink))
            for way in bulk_others.WAYS if python else ():
                if way in others and (not others[way] or (full and way in SLOW)):
                    continue
                _other(lane, others, python, way, files["default"])
    _tell(lane, rows, ours, others)
    for vendor in ("voximplant", "exotel") if full else ("voximplant",):
        _whole(lane, vendor, rows if full else 100_000)
    return lane


def _environment(lane: Lane) -> str:
    try:
        return str(installing.environment("bulk", PACKAGES) / "python")
    except installing.Missing as error:
        lane.notes.append(f"the others are not among them: {error}")
        return ""


def _other(lane: Lane, others: dict[str, list[dict[str, Any]]], python: str, way: str, path: Path) -> None:
    found = others.setdefault(way, [])
    try:
        found.append(told([python, str(OTHERS), way, str(path)]))
    except RuntimeError as error:
        lane.notes.append(f"{way}: does not work here: {error}")


def _tell(
    lane: Lane, rows: int, ours: dict[str, list[dict[str, Any]]], others: dict[str, list[dict[str, Any]]]
) -> None:
    stages = list(next(iter(ours.values()))[0]["stages"])
    table = [["k rows a CPU second", *stages, "together, without the store", "with it", "peak MiB"]]
    whole: dict[bool, list[float]] = {True: [], False: []}
    for vendor, rounds in ours.items():
        speeds = [f"{rows / 1e3 / max(median(one['stages'][stage] for one in rounds), 1e-9):.0f}" for stage in stages]
        together = {}
        for stored in (False, True):
            seconds = [
                sum(spent for stage, spent in one["stages"].items() if stored or stage not in STORE) for one in rounds
            ]
            together[stored] = [rows / 1e3 / one for one in seconds]
            whole[stored].append(median(together[stored]))
        peak = max(one["peak"] for one in rounds)
        table.append([vendor, *speeds, spread(together[False], "{:.1f}"), spread(together[True], "{:.1f}"), f"{peak}"])
    lane.tables.append(Table("The gateway", table))
    shown = [["", "k rows a CPU second", "peak MiB"]]
    for way, rounds in others.items():
        if rounds:
            speed = spread([rows / 1e3 / max(one["cpu"], 1e-9) for one in rounds], "{:.0f}")
            shown.append([way, speed, f"{max(one['peak'] for one in rounds)}"])
    lane.tables.append(Table("Others, with the same file", shown))
    for stored, wanted in ((False, 100), (True, 60)):
        worst, best = min(whole[stored]), max(whole[stored])
        what = "rows a second a core, " + ("with the store" if stored else "without the store")
        found = f"{worst:.1f} to {best:.1f} thousand"
        lane.goals.append(Goal(what, f">= {wanted} thousand", found, wanted / worst))


def _whole(lane: Lane, vendor: str, rows: int) -> None:
    """The same over HTTP, with the whole gateway as a process, durable, and a simulator that keeps what it gets."""
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(size.measure(vendor, rows, Path(folder)))
    if not found.agrees:
        lane.notes.append(f"{vendor}: THE LEDGER DIFFERS FROM THE INPUT; see `python -m tests.benchmarks.size`")
        return
    lane.notes.append(
        f"{vendor}, {rows:,} rows through `gateway serve`: {found.rows_a_second:,.0f} rows a second from the first "
        f"byte in to the last outcome, {found.peak} MiB at most; the ledger is equal to the input"
    )
    what = f"peak memory, {vendor}, {rows:,} rows"
    lane.goals.append(at_most(what, 150, found.peak, "MiB", "{:.0f}"))
