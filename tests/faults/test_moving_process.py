"""Two processes on one database: a migration whose process is killed is taken over, and nobody gets anything twice."""

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from gateway.contract.simulation import Ledger
from tests.faults.lane import ended
from tests.faults.processes import pair
from tests.faults.scenarios import phone
from tests.faults.vendor_side import vendor

LIMITS = {"requests_per_minute": 100_000, "concurrency": 4, "visibility_delay": 0.3, "timeout": 4.0, "batch_size": 10}
PEOPLE = 100
ASYNC = {"Prefer": "respond-async"}


def digits(ledger: Ledger) -> Counter[str]:
    return Counter(one.lstrip("+") for each in ledger.lists.values() for one in each.phones)


async def test_a_migration_is_taken_over_by_the_other_process(database: str, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        names = ("koreai", "voximplant")
        vendors = {name: await stack.enter_async_context(vendor(name)) for name in names}
        own = folder / f"moving-{database.partition(':')[0]}"
        two = await stack.enter_async_context(pair(own, database, vendors, dict.fromkeys(names, LIMITS)))
        first, _ = await two.ready()
        people = [{"phone": phone(number)} for number in range(PEOPLE)]
        head = {"name": "Spring", "destination": "koreai"}
        made = await first.client.post("/v1/contact-lists", json={**head, "contacts": people}, headers=ASYNC)
        await ended(first.client, made.headers["location"])
        wish: dict[str, Any] = {"source": {"list": made.json()["id"]}, "target": "voximplant", "activation": "start"}
        planned = await first.client.post("/v1/migrations", json=wish, headers=ASYNC)
        await ended(first.client, planned.headers["location"])
        there = vendors["voximplant"]
        there.watched.delay = 0.05
        wish = {"mode": "apply", "plan": planned.json()["id"]}
        applied = await first.client.post("/v1/migrations", json=wish, headers=ASYNC)
        await there.has_seen(4)
        working, survivor = two.by_pid(there.watched.senders[-1])
        await working.kill()
        operation = await ended(survivor.client, applied.headers["location"])
        assert operation["state"] == "succeeded", operation
        assert there.watched.senders[-1] == survivor.pid
        everybody = Counter(phone(number).lstrip("+") for number in range(PEOPLE))
        assert digits(there.ledger) == everybody
        assert Counter(there.ledger.calls) == everybody
        path = f"/v1/migrations/{wish['plan']}"
        made_of = (await survivor.get(f"{path}/certificate"))["certificate"]
        assert (made_of["counts"]["moves"], made_of["compared"]["equal"]) == (PEOPLE, PEOPLE)
        assert (await survivor.get(path))["state"] == "done"
