"""`python -m tests.faults.served CONFIG [--window S] [--clock S]`: `gateway serve`, a minute short or the clock wrong.

`--window`: the seconds in which a destination takes its `requests_per_minute`. `--clock`: how far the clock is off.
"""

import argparse
import asyncio
import time
from functools import partial
from pathlib import Path

import gateway.engine.dbos_engine  # noqa: F401 - so that its clock is moved as well
from gateway import accounts
from gateway.channel import Gate
from gateway.cli.serving import serve
from gateway.registry import load
from gateway.store import attempts
from tests.faults.clocks import Clock


def shorten(window: float) -> None:
    """Let a minute pass in so many (whole) seconds, for the turns of all processes and for the gate of this one."""
    speed = 60 / window
    attempts.WINDOW = int(window)  # type: ignore[misc]
    accounts.Gate = partial(  # type: ignore[assignment, misc]
        Gate, clock=lambda: time.monotonic() * speed, sleep=lambda seconds: asyncio.sleep(seconds / speed)
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.served", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--window", type=float, default=60.0)
    parser.add_argument("--clock", type=float, default=0.0)
    given = parser.parse_args()
    load(entry_points=False)
    if given.window != 60.0:
        shorten(given.window)
    if given.clock:
        clock = Clock()
        clock.offset = given.clock
        clock.install()
    serve(given.config)


if __name__ == "__main__":
    main()
