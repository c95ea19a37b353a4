"""`python -m tests.crash --count 10000 --seed N [--vendor X]`: play histories, print the failing ones and a table."""

import argparse
import asyncio
import sys
import time

from tests.crash.lane import Result, lane, run, sums
from tests.crash.scenarios import VENDORS, seeds


def main() -> int:
    """0 when every promise held, 1 when a history failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="histories (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--vendor", choices=VENDORS, help="only this vendor's seeds")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite", help="default: sqlite")
    given = parser.parse_args()
    every = list(range(given.seed, given.seed + given.count))
    started = time.monotonic()
    wanted = seeds(given.vendor, given.count, given.seed) if given.vendor else every
    results = asyncio.run(_run(wanted, given.database))
    _show(results, time.monotonic() - started)
    return 1 if any(one.violation for one in results) else 0


async def _run(wanted: list[int], database: str) -> list[Result]:
    async with lane(database=database) as one:
        return await run(one, wanted, loud=True)


def _show(results: list[Result], seconds: float) -> None:
    print(f"{'':14}{'histories':>10}{'killed':>8}{'twice':>7}{'failed':>8}{'contacts':>10}{'unknown %':>11}")
    for name, each in sums(results).items():
        if each.histories:
            print(
                f"{name:14}{each.histories:>10}{each.killed:>8}{each.twice:>7}{each.violations:>8}"
                f"{each.outcomes.total():>10}{each.unknown:>11.2f}"
            )
    doubtful = [f"{one.plan.seed} ({one.outcomes['unknown']})" for one in results if one.is_needlessly_unknown]
    if doubtful:
        print(f"unknown, though it could be looked up: seeds {', '.join(doubtful[:20])}")
    failed = [result for result in results if result.violation]
    print(f"{len(results)} histories in {seconds:.0f} s, {len(failed)} failed")
    for result in failed[:20]:
        print(f"{result.again}   # {str(result.violation).splitlines()[0][:150]}")


if __name__ == "__main__":
    sys.exit(main())
