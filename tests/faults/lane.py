"""Many histories before one gateway: each has a tenant and a vendor of its own, several are played at a time."""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select

from gateway import accounts, opening, settings
from gateway.breaker import Breaker
from gateway.host import Host
from gateway.registry import Registry, load
from gateway.sandbox import RunningSimulation, serving
from gateway.store.schema import attempts, deliveries
from gateway.web.app import create_app
from tests.faults.judging import Told, broken_promises, story
from tests.faults.scenarios import LIMITS, VISIBILITY, Body, Plan, append_body, create_body, plan
from tests.gateway.conftest import Tenant, key_of, write_configuration

AT_ONCE = 8
"""Histories played at the same time: most of each is waiting for a vendor that does not answer."""
PATIENCE = 60.0
"""Seconds after which a list that has not come to rest never will."""
SERVER = {"wait": 0.0, "budget": 6.0, "settle": 2.0}
MEMORY = next((place for place in (Path("/dev/shm"),) if place.is_dir()), None)
"""No power fails here, so the database may live in memory, where a sync costs nothing."""


@dataclass(slots=True)
class Result:
    """One history as it ended. `outcomes` of the good contacts; `left` are the faults whose turn never came."""

    plan: Plan
    violations: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    left: int = 0
    report: str = ""

    @property
    def again(self) -> str:
        return f"python -m tests.faults --seed {self.plan.seed} --count 1"

    def told(self) -> str:
        """What failed, and how to see it again."""
        return "\n".join(
            [f"{self.plan}", *(f"  {one}" for one in self.violations), f"  again: {self.again}", self.report]
        )


@dataclass(slots=True)
class Lane:
    """One gateway, which gets a tenant more for every history."""

    registry: Registry
    host: Host
    url: str
    folder: Path

    async def history(self, seed: int) -> Result:
        """Play the history of this seed."""
        one = plan(seed)
        simulation = self.registry.simulators[one.vendor].create()
        one.profile.prepare(simulation)
        async with serving(simulation.app) as url:
            there = RunningSimulation(one.vendor, url + simulation.base_path, simulation)
            tenant = self._add_tenant(one, there)
            one.switch_on(simulation)
            result = Result(one)
            try:
                headers = {"Authorization": f"Bearer {key_of(tenant)}"}
                async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False) as client:
                    told = await _play(client, one)
            except Exception as error:  # whatever it is, the seed has to be told
                result.violations.append(f"the lane failed: {error!r}")
                return result
            await simulation.quiet()
        forgot = any(each["kind"] == "drop_row" for each in one.faults)
        told.attempts = await self.host.database.run(_attempts_of, told.shown["id"])
        adapter, proves_absence = self.registry.adapters[one.vendor], one.profile.proves_absence
        result.violations = broken_promises(told, simulation.ledger, adapter, forgot, proves_absence=proves_absence)
        result.outcomes, result.left = told.tally, len(simulation.faults)
        result.report = f"{story(told.attempts)}\n    vendor saw {simulation.ledger.requests}"
        return result

    def _add_tenant(self, one: Plan, there: RunningSimulation) -> str:
        """A tenant of this history alone, so that nothing of another one (its circuit, its token) touches it."""
        name = f"h{one.seed}"
        table = {**there.destination(), "limits": {**LIMITS, **one.limits}}
        path = write_configuration(self.folder / name, {name: Tenant({one.vendor: table})})
        own, now = settings.load(path, self.registry.adapters), self.host.config
        self.host.config = replace(now, tenants={**now.tenants, **own.tenants}, keys={**now.keys, **own.keys})
        return name


async def _play(client: httpx.AsyncClient, one: Plan) -> Told:
    """Create the list, append to it where the plan says so, and read all of it at rest."""
    first = create_body(one)
    shown = await _send(client, "/v1/contact-lists", first)
    path = f"/v1/contact-lists/{shown['id']}"
    bodies = [first]
    if one.appends:
        bodies.append(append_body(one))
        await _send(client, f"{path}/contacts", bodies[-1])
    contacts = await pages(client, f"{path}/contacts")
    shown = (await client.get(path)).json()
    return Told(shown, contacts, [phone for body in bodies for phone in body.good], sum(body.rows for body in bodies))


async def _send(client: httpx.AsyncClient, path: str, body: Body) -> dict[str, Any]:
    headers = {"Content-Type": body.media_type}
    answer = await client.post(path, content=body.content, params=dict(body.query), headers=headers)
    assert answer.status_code in (201, 202), answer.text
    shown: dict[str, Any] = answer.json()
    if answer.status_code == 202:
        await ended(client, answer.headers["location"])
    return shown


async def ended(client: httpx.AsyncClient, operation: str, patience: float = PATIENCE) -> dict[str, Any]:
    """The operation when it is done."""
    async with asyncio.timeout(patience):
        while True:
            found: dict[str, Any] = (await client.get(operation)).json()
            if found["done"]:
                return found
            await asyncio.sleep(0.05)


async def pages(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """Everything of a list of things."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = await client.get(path, params={"limit": 500, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return found


def _attempts_of(connection: Any, list_id: str) -> list[dict[str, Any]]:
    query = select(attempts).join(deliveries, deliveries.c.id == attempts.c.delivery_id)
    rows = connection.execute(query.where(deliveries.c.list_id == list_id).order_by(attempts.c.id)).mappings()
    return [dict(row) for row in rows]


@asynccontextmanager
async def lane() -> AsyncIterator[Lane]:
    """A gateway without tenants, its database in memory where there is a file system for it.

    Its circuits close again before the last look at a vendor is over: what is unknown then is the vendor's doing.
    """
    registry = load(entry_points=False)
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=MEMORY))
    config = settings.load(write_configuration(folder, {}, **SERVER), registry.adapters)
    known: list[Host] = []

    @asynccontextmanager
    async def open_host() -> AsyncIterator[Host]:
        async with opening.running(registry, config) as running:
            known.append(running)
            yield running

    accounts.Breaker = partial(Breaker, pause=VISIBILITY / 4)  # type: ignore[assignment, misc]
    try:
        async with serving(create_app(open_host), lifespan="on") as url:
            yield Lane(registry, known[0], url, folder)
    finally:
        accounts.Breaker = Breaker  # type: ignore[misc]
        shutil.rmtree(folder, ignore_errors=True)


async def run(wanted: Iterable[int]) -> list[Result]:
    """Play these seeds, a few at a time."""
    free = asyncio.Semaphore(AT_ONCE)

    async def played(one: Lane, seed: int) -> Result:
        async with free:
            return await one.history(seed)

    async with lane() as opened:
        return list(await asyncio.gather(*(played(opened, seed) for seed in wanted)))
