"""Migrations whose gateway is killed: `python -m tests.gateway.migrating.crashing [--every N] [--flow F] [--only N]`.

A history is one flow and one durable point of the process that works on it: the n-th commit, the n-th vendor request,
just before or just after. A successor goes on, and what both vendors and the database hold in the end is judged.
"""

import argparse
import asyncio
import json
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.registry import Registry, load
from gateway.sandbox_config import API_KEY, write_config
from tests.crash.lane import MEMORY
from tests.crash.lives import Life, born
from tests.crash.points import INSIDE, OF_COMMITS, Kind, Point
from tests.crash.scenarios import LIMITS, profile_of
from tests.crash.vendor_side import Vendor, vendor

PATIENCE = 30.0
PEOPLE = 10
CALLED = 2
"""How many the source has called when the migration begins, where it dials."""
SERVER = "[server]\nwait = 20.0\nbudget = 5.0\nsettle = 3.0\n"


@dataclass(frozen=True, slots=True)
class Flow:
    """`phase` is what the life works on that is killed; `adopted`: the source is a list that only the vendor has."""

    name: str
    source: str
    target: str
    phase: str
    adopted: bool = False
    wishes: tuple[tuple[str, Any], ...] = ()
    people: int = PEOPLE
    batch: int = 3
    per_list: int = 7


FULL = (("activation", "start"), ("routing", "full"), ("delete_source", True))
FLOWS = {
    one.name: one
    for one in (
        Flow("plan", "voximplant", "exotel", "plan"),
        Flow("adopt", "voximplant", "exotel", "plan", adopted=True, batch=20, per_list=20),
        Flow("apply", "voximplant", "exotel", "apply", wishes=FULL),
        Flow("apply_dialling", "koreai", "voximplant", "apply", wishes=FULL[:2]),
        Flow("rollback", "voximplant", "exotel", "rollback", wishes=FULL[:2]),
        Flow("rollback_dialling", "koreai", "voximplant", "rollback", wishes=(("activation", "start"),)),
    )
}


class Broken(AssertionError):
    """A promise is broken; the text says which."""


@dataclass(slots=True)
class Stage:
    """One history: two vendors, one database, one life after the other."""

    flow: Flow
    folder: Path
    source: Vendor
    target: Vendor
    client: httpx.AsyncClient
    lives: list[Life] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)
    """Where the work stood at each death."""

    async def quiet(self) -> None:
        """Both vendors are done with what has reached them."""
        await self.source.quiet()
        await self.target.quiet()

    async def live(self, point: Point | None = None) -> Life:
        """One more life; it may be dead before it answers, if it has a trap."""
        life = await born(self.folder, point)
        self.lives.append(life)
        if not await life.answers() and (point is None or life.status != -9):
            raise Broken(f"the gateway does not start (exit {life.status}): {life.log.read_text()[-2000:]}")
        return life

    async def ask(self, life: Life, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = await self.client.request(method, life.url + path, json=body, headers={"Prefer": "respond-async"})
        if answer.status_code >= 400:
            raise Broken(f"{method} {path}: {answer.status_code} {answer.text[:600]}")
        return answer

    async def until(self, life: Life, path: str, states: Iterable[str]) -> dict[str, Any]:
        """The resource, once it has one of these states and nothing works on it any more."""
        shown: dict[str, Any] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while shown.get("state") not in states or shown.get("operation") is not None:
                    shown = (await self.ask(life, "GET", path)).json()
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise Broken(f"it never comes to rest: {shown.get('state')} {shown.get('error')}") from None
        return shown

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "gateway.db") as connection:
            return connection.execute(query).fetchall()


def phone(flow: Flow, number: int) -> str:
    return f"+919812{number:06}" if "exotel" in (flow.source, flow.target) else f"+551198{number:07}"


def digits(phones: Iterable[str]) -> list[str]:
    return ["".join(letter for letter in one if letter.isdigit())[-10:] for one in phones]


async def prepare(stage: Stage) -> str:
    """A list at the source; its path."""
    life, flow = await stage.live(), stage.flow
    people = [
        {"id": f"A-{number}", "phone": phone(flow, number), "first_name": "Ana"} for number in range(stage.flow.people)
    ]
    head = {"name": "Spring", "reference": "r-1", "destination": flow.source, "activation": {"mode": "start"}}
    made = (await stage.ask(life, "POST", "/v1/contact-lists", {**head, "contacts": people})).json()
    path = f"/v1/contact-lists/{made['id']}"
    await stage.until(life, path, ["delivered"])
    return path


async def before_it(stage: Stage) -> tuple[str, dict[str, Any], str]:
    """All that comes before the phase that is killed: the list's path, what is wanted, the migration if any."""
    flow = stage.flow
    path = await prepare(stage)
    source: dict[str, Any] = {"list": path.rpartition("/")[2]}
    if flow.adopted:
        await stage.lives[-1].kill()
        for one in stage.folder.glob("gateway.db*"):
            shutil.rmtree(one) if one.is_dir() else one.unlink()
        await stage.live()
        (remote,) = stage.source.ledger.lists
        source = {"destination": flow.source, "remote_list": remote}
    wanted, move = {"source": source, "target": flow.target, **dict(flow.wishes)}, ""
    for phase in {"plan": [], "apply": ["plan"], "rollback": ["plan", "apply"]}[flow.phase]:
        move = await begin(stage, stage.lives[-1], phase, wanted, move)
        await ended(stage, stage.lives[-1], phase, move)
    await stage.lives[-1].kill()
    await stage.quiet()
    if flow.phase == "rollback" and flow.source == "voximplant":
        stage.source.running.simulation.dial_at_most = None  # type: ignore[attr-defined]
    return path, wanted, move


async def play(stage: Stage, points: Sequence[Point]) -> list[str]:
    """The history: lives that die at these points, one after the other, and one that ends the work. The first trace."""
    flow = stage.flow
    path, wanted, move = await before_it(stage)
    before = set(digits(stage.source.ledger.calls))
    for place, point in enumerate([*points, None]):
        life = await stage.live(point)
        if not place:
            worker = life
        try:
            if life.is_alive and point is None and place:
                move = await begun(stage, life, flow.phase, wanted, move)
            elif life.is_alive and not place:
                move = await begin(stage, life, flow.phase, wanted, move)
        except httpx.TransportError:
            await life.ended.wait()
        if point is not None:
            await _struck(stage, life, point)
    shown = await ended(stage, life, flow.phase, move)
    await stage.quiet()
    await JUDGES[flow.phase](stage, life, shown, before, path)
    return worker.points()


async def _struck(stage: Stage, life: Life, point: Point) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await life.ended.wait()
    except TimeoutError:
        raise Broken(f"the trap never struck: {point}") from None
    await stage.quiet()
    stage.stages += [one for (one,) in stage.rows("SELECT stage FROM operations WHERE state IN ('queued', 'running')")]


async def begin(stage: Stage, life: Life, phase: str, wanted: dict[str, Any], move: str) -> str:
    if phase == "plan":
        return str((await stage.ask(life, "POST", "/v1/migrations", wanted)).json()["id"])
    if phase == "apply":
        await stage.ask(life, "POST", "/v1/migrations", {"mode": "apply", "plan": move})
    else:
        await stage.ask(life, "POST", f"/v1/migrations/{move}/rollback", {})
    return move


async def begun(stage: Stage, life: Life, phase: str, wanted: dict[str, Any], move: str) -> str:
    """The migration, asked for anew if the one that died had never heard of it."""
    found = (await stage.ask(life, "GET", "/v1/migrations")).json()["items"]
    before = {"plan": None, "apply": "planned", "rollback": "done"}[phase]
    if not found or found[0]["state"] == before:
        return await begin(stage, life, phase, wanted, move)
    return str(found[0]["id"])


async def ended(stage: Stage, life: Life, phase: str, move: str) -> dict[str, Any]:
    good = {"plan": "planned", "apply": "done", "rollback": "rolled_back"}[phase]
    shown = await stage.until(life, f"/v1/migrations/{move}", [good, "failed"])
    if shown["state"] != good:
        raise Broken(f"{phase} ended as {shown['state']}: {shown['error']}")
    return shown


def _nobody_twice(stage: Stage) -> None:
    calls = Counter(digits([*stage.source.ledger.calls, *stage.target.ledger.calls]))
    if twice := {one: number for one, number in calls.items() if number > 1}:
        raise Broken(f"called twice: {twice}")
    there = Counter(digits(one for each in stage.target.ledger.lists.values() for one in each.phones))
    if twice := {one: number for one, number in there.items() if number > 1}:
        raise Broken(f"twice at the target: {twice}")


def _settled(stage: Stage, lists: int) -> None:
    """Nobody holds a list, none is hidden, every operation has succeeded, no intent is open."""
    found = stage.rows("SELECT id, deleted_at, migration_id, source FROM lists")
    if len(found) != lists or any(deleted or held for _, deleted, held, _ in found):
        raise Broken(f"{lists} lists were to be free and seen: {found}")
    states = stage.rows("SELECT kind, state, error FROM operations WHERE state != 'succeeded'")
    if states:
        raise Broken(f"operations that did not succeed: {states}")
    if left := stage.rows("SELECT purpose, step FROM attempts WHERE verdict IS NULL"):
        raise Broken(f"open intents: {left}")


async def judge_plan(stage: Stage, life: Life, shown: dict[str, Any], before: set[str], path: str) -> None:
    _nobody_twice(stage)
    _settled(stage, 1)
    counts = shown["plan"]["counts"]
    if (counts["received"], counts["moves"]) != (stage.flow.people, stage.flow.people - CALLED):
        raise Broken(f"the plan counts {counts}")
    await _rows(stage, life, shown, "plan", stage.flow.people)
    if stage.target.ledger.lists:
        raise Broken("a plan put something at the target")


async def _rows(stage: Stage, life: Life, shown: dict[str, Any], phase: str, number: int) -> None:
    path = f"/v1/migrations/{shown['id']}/rows?phase={phase}"
    answer = await stage.client.get(life.url + path, headers={"Accept": "application/x-ndjson"})
    rows = [json.loads(line) for line in answer.text.splitlines()]
    if len(rows) != number or len({row["phone"] for row in rows}) != number:
        raise Broken(f"{number} people, and the rows are {[(row['phone'], row['fate']) for row in rows][:20]}")


async def judge_apply(stage: Stage, life: Life, shown: dict[str, Any], before: set[str], path: str) -> None:
    _nobody_twice(stage)
    _settled(stage, 2)
    everybody = set(digits(phone(stage.flow, number) for number in range(stage.flow.people)))
    there = set(digits(one for each in stage.target.ledger.lists.values() for one in each.phones))
    if there != everybody - before:
        raise Broken(f"{len(there)} are at the target instead of {stage.flow.people - len(before)}")
    sealed = (await stage.ask(life, "GET", f"/v1/migrations/{shown['id']}/certificate")).json()["certificate"]
    (one,) = sealed["lists"]
    told = (
        one["counts"]["moves"],
        one["counts"]["received"],
        sum(sealed["compared"].values()),
        one["target"]["contacts"],
    )
    if told != (len(there), stage.flow.people, len(there), len(there)) or sealed["compared"]["equal"] != len(there):
        raise Broken(f"the certificate counts {told}, compared {sealed['compared']}")
    await _rows(stage, life, shown, "certificate", stage.flow.people)
    switched = stage.rows("SELECT source, target, mode FROM reroutings")
    if switched != [(stage.flow.source, stage.flow.target, "full")]:
        raise Broken(f"switched: {switched}")
    if dict(stage.flow.wishes).get("delete_source"):
        if not all(each.facts.get("deleted") for each in stage.source.ledger.lists.values()):
            raise Broken("the old list is still there")
        if not str(one["source_deleted"]).startswith("deleted: "):
            raise Broken(f"deleted, and the certificate says {one['source_deleted']}")


async def judge_rollback(stage: Stage, life: Life, shown: dict[str, Any], before: set[str], path: str) -> None:
    _nobody_twice(stage)
    _settled(stage, 2)
    old = (await stage.ask(life, "GET", path)).json()
    if (old["moved_to"], old["reference"]) != (None, "r-1"):
        raise Broken(f"the old list says {old['moved_to']}, {old['reference']}")
    switched = [mode for (mode,) in stage.rows("SELECT mode FROM reroutings ORDER BY no")]
    if switched != (["full", "off"] if "routing" in dict(stage.flow.wishes) else []):
        raise Broken(f"switched: {switched}")
    if stage.flow.target == "voximplant":
        if "reached at the target" not in str(shown["error"]):
            raise Broken(f"the target has called them, and the way back says {shown['error']}")
        return
    resumed = sum("RecoverCallList" in one for one in stage.source.ledger.requests)
    loose = len(set(digits(stage.source.ledger.calls))) == stage.flow.people
    if resumed > len(stage.source.ledger.lists) or not (loose or "let it loose" in str(shown["error"])):
        raise Broken(f"let loose {resumed} times, {len(stage.source.ledger.calls)} calls, error {shown['error']}")


JUDGES = {"plan": judge_plan, "apply": judge_apply, "rollback": judge_rollback}


@asynccontextmanager
async def staged(flow: Flow, registry: Registry) -> AsyncIterator[Stage]:
    folder = Path(tempfile.mkdtemp(prefix=f"{flow.name}-", dir=MEMORY))
    async with AsyncExitStack() as stack:
        there = {}
        for name in (flow.source, flow.target):
            there[name] = await stack.enter_async_context(vendor(registry.simulators[name], profile_of(name).prepare))
        simulation = there[flow.source].running.simulation
        if hasattr(simulation, "dial_at_most"):
            simulation.dial_at_most = CALLED
        path = write_config(folder, {name: each.running for name, each in there.items()}, port=0, limits=_limits(flow))
        path.write_text(path.read_text().replace("[server]\n", SERVER, 1))
        headers = {"Authorization": f"Bearer {API_KEY}"}
        client = await stack.enter_async_context(httpx.AsyncClient(headers=headers, timeout=60, trust_env=False))
        stage = Stage(flow, folder, there[flow.source], there[flow.target], client)
        try:
            yield stage
        finally:
            for life in stage.lives:
                await life.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _limits(flow: Flow) -> str:
    table = {**LIMITS, "batch_size": flow.batch, "contacts_per_list": flow.per_list}
    return "{ " + ", ".join(f"{name} = {value}" for name, value in table.items()) + " }"


async def history(flow: Flow, points: Sequence[Point], registry: Registry) -> tuple[str, list[str]]:
    """(what is broken or "", the trace)."""
    async with staged(flow, registry) as stage:
        try:
            return "", await play(stage, points)
        except Exception as error:
            traces = [line for life in stage.lives[-2:] for line in [*life.points()[-6:], life.log.read_text()[-1500:]]]
            said = str(error) if isinstance(error, Broken) else repr(error)
            return said, traces


async def points_of(flow: Flow, registry: Registry) -> list[Point]:
    """Every durable point of the flow when nobody kills."""
    wrong, trace = await history(flow, [], registry)
    if wrong:
        raise Broken(f"{flow.name}, without any kill: {wrong}\n" + "\n".join(trace))
    kinds = Counter(line.split(" ", 1)[0] for line in trace)
    numbers = {kind: kinds["commit" if kind in OF_COMMITS else "request"] for kind in INSIDE}
    return [Point(kind, number) for kind in INSIDE for number in range(1, numbers[kind] + 1)]


async def run(flows: Iterable[Flow], every: int, at_once: int = 3, only: Point | None = None) -> list[str]:
    """Play every n-th point of these flows; what failed, told."""
    registry, failed, played = load(entry_points=False), list[str](), 0
    for flow in flows:
        points = [only] if only else (await points_of(flow, registry))[::every]
        waiting = iter(points)
        played += len(points)

        async def work(flow: Flow = flow, waiting: Any = waiting) -> None:
            for point in waiting:
                wrong, trace = await history(flow, [point], registry)
                if wrong and "never struck" not in wrong:
                    failed.append(f"{flow.name}, killed at {point}: {wrong}\n    " + "\n    ".join(trace))

        await asyncio.gather(*(work() for _ in range(at_once)))
        print(f"{flow.name}: {len(points)} histories, {len(failed)} failed so far", file=sys.stderr, flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flow", action="append", choices=list(FLOWS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"))
    given = parser.parse_args()
    only = Point(Kind(given.only[0]), int(given.only[1])) if given.only else None
    failed = asyncio.run(run([FLOWS[name] for name in given.flow or FLOWS], given.every, only=only))
    print("\n".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
