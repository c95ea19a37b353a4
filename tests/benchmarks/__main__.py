"""`python -m tests.benchmarks [--full] [LANE ...]`: measure, print, and write `docs/benchmarks.md` (all lanes only)."""

import argparse
import asyncio
import inspect
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.benchmarks import bulk, faults, footprint, machine, phones, small_calls
from tests.benchmarks.results import Lane, write_page

LANES: dict[str, Callable[[bool], Any]] = {
    "small-calls": small_calls.measure,
    "bulk": bulk.measure,
    "phones": phones.measure,
    "footprint": footprint.measure,
    "faults": faults.measure,
}
PATIENCE = 120.0
"""Seconds that a busy machine is waited for."""


def quiet() -> bool:
    """Whether the machine is quiet enough to measure, now or soon."""
    end = time.monotonic() + PATIENCE
    while (share := machine.busy_share(2.0)) > machine.BUSY:
        if time.monotonic() > end:
            print(f"others take {share:.0%} of this machine: nothing is measured", file=sys.stderr)
            return False
        time.sleep(3)
    return True


def main() -> int:
    """0 when everything was measured, whatever came of it; 1 when the machine is busy."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the whole sizes: most of an hour")
    parser.add_argument("lanes", nargs="*", metavar="LANE", help=f"of {', '.join(LANES)}; default: all, and the page")
    chosen = parser.parse_args()
    unknown = set(chosen.lanes) - set(LANES)
    if unknown:
        parser.error(f"there is no lane {', '.join(sorted(unknown))}; there are: {', '.join(LANES)}")
    lanes: list[Lane] = []
    for name in chosen.lanes or LANES:
        if not quiet():
            return 1
        begin = time.monotonic()
        measured = LANES[name](chosen.full)
        lane: Lane = asyncio.run(measured) if inspect.iscoroutine(measured) else measured
        lanes.append(lane)
        print(f"{lane.markdown()}\n\n({time.monotonic() - begin:.0f} s)\n", flush=True)
    if not chosen.lanes:
        write_page(lanes, "make bench-full" if chosen.full else "make bench")
    return 0


if __name__ == "__main__":
    sys.exit(main())
