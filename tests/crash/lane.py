"""Many histories: measured once without a kill, then played to their ends, several at a time, and summed up."""

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.registry import Registry, load
from gateway.sandbox import RunningSimulation
from gateway.sandbox_config import write_config
from tests.crash.databases import Databases, databases
from tests.crash.history import Evidence, Stage, Violation, play
from tests.crash.judging import judge
from tests.crash.lives import born
from tests.crash.points import OF_COMMITS, Kind, Point
from tests.crash.scenarios import LIMITS, VENDORS, Plan, Scenario, plan, profile_of
from tests.crash.vendor_side import vendor

AT_ONCE = 6
"""Histories played at the same time: most of each is waiting for a successor to notice a death."""
SERVER = "wait = 20.0\nbudget = 5.0\nsettle = 3.0\n"
MEMORY = next((place for place in map(Path, ("/dev/shm",)) if place.is_dir()), None)
"""A kill -9 takes nothing from the page cache, so the databases may live in memory, where a sync costs nothing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A scenario without a kill: writing commits, vendor requests, seconds."""

    commits: int
    requests: int
    seconds: float


@dataclass(slots=True)
class Result:
    """One history as it ended. `outcomes` of the good contacts; `report` is what there is to read of a failure."""

    plan: Plan
    points: tuple[Point, ...]
    kills: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    violation: str | None = None
    report: str = ""
    seconds: float = 0.0

    @property
    def is_needlessly_unknown(self) -> bool:
        """Whether a contact stays unknown at a vendor that can be asked."""
        return bool(self.outcomes["unknown"]) and self.plan.scenario.can_be_settled

    @property
    def again(self) -> str:
        return f"python -m tests.crash --seed {self.plan.seed} --count 1"

    def told(self) -> str:
        """What failed, where, and how to see it again."""
        lines = [
            f"seed {self.plan.seed}: {self.violation}",
            f"  scenario: {self.plan}",
            f"  killed at: {', '.join(map(str, self.points))} ({self.kills} died)",
            f"  again: {self.again}",
        ]
        return "\n".join([*lines, self.report])


@dataclass(slots=True)
class Lane:
    """Plays histories."""

    registry: Registry
    folder: Path
    databases: Databases
    sabotage: tuple[str, ...] = ()
    known: dict[Scenario, Measured] = field(default_factory=dict)
    """What was measured, by this lane or one before."""
    measuring: dict[Scenario, "asyncio.Task[Measured]"] = field(default_factory=dict)
    prepared: "asyncio.Task[None] | None" = None

    async def history(self, seed: int) -> Result:
        """Play the history of this seed."""
        one = plan(seed)
        try:
            measured = await self.measure(one.scenario)
        except Violation as violation:
            return Result(one, (), violation=str(violation))
        points = [_point(one.kind, one.place, measured)]
        if one.second_kind is not None:
            points.append(_point(one.second_kind, one.second_place / 2, measured))  # less is left to do
        moment = one.place * measured.seconds if one.kind is Kind.MOMENT else None
        return await self._play(one, points, moment)

    async def measure(self, scenario: Scenario) -> Measured:
        """What the scenario does when nobody kills. Each is played once."""
        if scenario not in self.known:
            if scenario not in self.measuring:
                self.measuring[scenario] = asyncio.create_task(self._measure(scenario))
            self.known[scenario] = await self.measuring[scenario]
        return self.known[scenario]

    async def _measure(self, scenario: Scenario) -> Measured:
        calm = Plan(-1, scenario, Kind.MOMENT, 0.0)
        traces: list[str] = []
        result = await self._play(calm, [], None, traces)
        if result.violation:
            raise Violation(f"{scenario}, without any kill: {result.violation}\n{result.report}")
        if set(result.outcomes) != {"accepted"}:
            raise Violation(f"{scenario}, without any kill: {dict(result.outcomes)}")
        kinds = Counter(line.split(" ", 1)[0] for line in traces)
        return Measured(kinds["commit"], kinds["request"], result.seconds)

    async def _play(
        self, one: Plan, points: list[Point], moment: float | None, traces: list[str] | None = None
    ) -> Result:
        profile, result = profile_of(one.scenario.vendor), Result(one, tuple(points))
        folder = Path(tempfile.mkdtemp(prefix=f"{one.seed}-", dir=self.folder))
        url = await self._database(folder)
        async with vendor(self.registry.simulators[profile.name], profile.prepare) as there:
            configure(folder, url, there.running)
            stage = Stage(one, there, folder, [*points], moment, self.sabotage)
            try:
                evidence: Evidence = await play(stage)
                result.seconds = stage.seconds
                result.outcomes = judge(one, evidence, there.ledger)
            except Violation as violation:
                result.violation, result.report = str(violation), _traces(stage)
            except Exception as error:  # whatever it is, the seed has to be told
                result.violation, result.report = f"the lane failed: {error!r}", _traces(stage)
            result.kills = stage.kills
        if traces is not None:
            traces += [line for life in stage.lives for line in life.points()]
        await self.databases.drop(url)
        shutil.rmtree(folder)
        return result

    async def _database(self, folder: Path) -> str:
        if self.prepared is None:
            self.prepared = asyncio.create_task(self.databases.prepare(self.folder / "prepared", self._open_once))
        await self.prepared
        return await self.databases.copy(folder)

    async def _open_once(self, folder: Path, url: str) -> None:
        configure(folder, url, None)
        life = await born(folder)
        if not await life.answers():
            raise Violation(f"the gateway does not start on an empty database:\n{life.log.read_text()[-3000:]}")
        await life.kill()


def configure(folder: Path, database: str, there: RunningSimulation | None) -> None:
    """The configuration of a gateway with this one vendor, or with none."""
    running = {} if there is None else {there.name: there}
    limits = {} if there is None else {**LIMITS, **profile_of(there.name).limits}
    table = ", ".join(f"{name} = {value}" for name, value in limits.items())
    path = write_config(folder, running, port=0, limits=f"{{ {table} }}")
    text = path.read_text().replace("[server]\n", f"[server]\n{SERVER}", 1)
    path.write_text(text.replace('"sqlite:///gateway.db"', f'"{database}"', 1))


def _point(kind: Kind, place: float, measured: Measured) -> Point:
    if kind is Kind.MOMENT:
        return Point(kind, int(place * 1000))
    return Point(kind, 1 + int(place * (measured.commits if kind in OF_COMMITS else measured.requests)))


def _traces(stage: Stage) -> str:
    lines = [f"  vendor saw: {', '.join(_numbered(stage.vendor.ledger.requests))}"]
    for place, life in enumerate(stage.lives, 1):
        lines += [f"  life {place} ended {life.status}:", *(f"    {line}" for line in life.points()[-40:])]
        lines += [f"    | {line}" for line in life.log.read_text().splitlines()[-25:]] if life.log.exists() else []
    return "\n".join(lines)


def _numbered(requests: Iterable[str]) -> Iterator[str]:
    return (f"{place} {request}" for place, request in enumerate(requests, 1))


@asynccontextmanager
async def lane(
    sabotage: tuple[str, ...] = (), database: str = "sqlite", known: dict[Scenario, Measured] | None = None
) -> AsyncIterator[Lane]:
    """A lane in a folder that is gone afterwards. `known`: what other lanes on such a database have measured."""
    with tempfile.TemporaryDirectory(prefix="crash-", dir=MEMORY) as folder, databases(database) as shelf:
        yield Lane(load(entry_points=False), Path(folder), shelf, sabotage, {} if known is None else known)


async def run(lane: Lane, seeds: Iterable[int], loud: bool = False) -> list[Result]:
    """Play all of them, some at a time, in order."""
    waiting, results = iter(seeds), []

    async def work() -> None:
        for seed in waiting:
            result = await lane.history(seed)
            results.append(result)
            if result.violation and loud:
                print(result.told(), file=sys.stderr, flush=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return sorted(results, key=lambda one: one.plan.seed)


@dataclass(slots=True)
class Sum:
    """What many histories of one vendor come to."""

    histories: int = 0
    killed: int = 0
    twice: int = 0
    violations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def unknown(self) -> float:
        """Share of the good contacts, in percent."""
        return 100 * self.outcomes["unknown"] / max(self.outcomes.total(), 1)


def sums(results: Iterable[Result]) -> Mapping[str, Sum]:
    """By vendor, and by kind of end."""
    found: dict[str, Sum] = {name: Sum() for name in (*VENDORS, *Kind)}
    for one in results:
        for name in (one.plan.scenario.vendor, one.plan.kind.value):
            each = found[name]
            each.histories += 1
            each.killed += one.kills > 0
            each.twice += one.kills > 1
            each.violations += one.violation is not None
            each.outcomes.update(one.outcomes)
    return found


__all__ = ["Lane", "Measured", "Result", "Sum", "lane", "run", "sums"]
