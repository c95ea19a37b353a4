"""`python -m tests.faults --count 1000 --seed N [--vendor X]`: play histories, print the failing ones and a table."""

import argparse
import asyncio
import logging
import sys
import time
from collections import Counter

import structlog

from tests.faults.lane import Result, run
from tests.faults.scenarios import VENDORS, seeds


def main() -> int:
    """0 when every promise held, 1 when a history failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--count", type=int, default=150, help="histories (default: 150)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--vendor", choices=VENDORS, help="only this vendor's seeds")
    parser.add_argument("--loud", action="store_true", help="tell every history")
    given = parser.parse_args()
    every = list(range(given.seed, given.seed + given.count))
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    started = time.monotonic()
    results = asyncio.run(run(seeds(given.vendor, given.count, given.seed) if given.vendor else every))
    _show(results, given.loud, time.monotonic() - started)
    return 1 if any(one.violations for one in results) else 0


def _show(results: list[Result], loud: bool, seconds: float) -> None:
    for one in results:
        if one.violations or loud:
            print(one.told())
    print(f"{'':14}{'histories':>10}{'faults':>8}{'failed':>8}{'accepted':>10}{'rejected':>10}{'unknown':>9}")
    for name in VENDORS:
        mine = [one for one in results if one.plan.vendor == name]
        outcomes: Counter[str] = sum((one.outcomes for one in mine), Counter())
        faults = sum(len(one.plan.faults) - one.left for one in mine)
        failed = sum(bool(one.violations) for one in mine)
        print(
            f"{name:14}{len(mine):>10}{faults:>8}{failed:>8}"
            f"{outcomes['accepted']:>10}{outcomes['rejected']:>10}{outcomes['unknown']:>9}"
        )
    print(f"{len(results)} histories in {seconds:.0f} s, {sum(bool(one.violations) for one in results)} failed")


if __name__ == "__main__":
    sys.exit(main())
