"""A killed migration: `python -m tests.benchmarks.moving --contacts 100000 --kills 5 --from exotel --to voximplant`.

The gateway is a process of its own (`gateway serve`, SQLite, everything durable), the vendors' simulators run here. The
same migration is done twice: once in peace, which tells the seconds of each stage, once killed at a random moment of
each stage and begun again. Certificate and ledgers of both must be the same, and nobody may be called by both vendors.
"""

import argparse
import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.registry import load
from gateway.sandbox import sandbox
from gateway.sandbox_config import API_KEY, write_config
from tests.benchmarks.size import free_port

STAGES = ("stopping", "reading", "delivering", "verifying", "certifying")
LIMITS = (
    "{ requests_per_minute = 1000000, visibility_delay = 0.05, timeout = 120.0, "
    "contacts_per_list = 100000, batch_size = 10000, page_size = 500 }"
)
LOOK = 0.005
CALLED = 100
"""How many the source has called when the migration begins, where it dials."""


@dataclass(slots=True)
class Life:
    """The gateway, one process after the other. `peak`: MiB of resident memory at most."""

    folder: Path
    url: str
    client: httpx.AsyncClient
    process: asyncio.subprocess.Process | None = None
    peak: int = 0
    kills: int = 0
    stages: dict[str, float] = field(default_factory=dict)

    async def start(self) -> None:
        """One process more; it answers when this returns."""
        command = (sys.executable, "-m", "gateway", "serve", "--config", str(self.folder / "gateway.toml"))
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        async with asyncio.timeout(120):
            while True:
                if self.process.returncode is not None:
                    raise SystemExit((self.folder / "log").read_text()[-2000:])
                with suppress(httpx.TransportError):
                    if (await self.client.get("/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    def look(self) -> None:
        """Note the highest resident memory of the process."""
        assert self.process is not None
        with suppress(OSError), open(f"/proc/{self.process.pid}/status") as status:
            numbers = dict(line.split(":", 1) for line in status)
            self.peak = max(self.peak, int(numbers["VmHWM"].split()[0]) >> 10)

    async def kill(self) -> None:
        assert self.process is not None
        self.look()
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def stage(self, operation_id: str) -> tuple[str, str]:
        """(state, stage) of an operation, as it stands in the file."""
        with sqlite3.connect(f"file:{self.folder / 'gateway.db'}?mode=ro", uri=True) as connection:
            query = "SELECT state, stage FROM operations WHERE id = ?"
            state, stage = connection.execute(query, (operation_id,)).fetchone()
        return state, stage


def phone(number: int) -> str:
    return f"+9198{number:08d}"


async def body(number: int) -> AsyncIterator[bytes]:
    yield b"phone,id,first_name,plan\n"
    for start in range(0, number, 2_000):
        some = range(start, min(start + 2_000, number))
        yield "".join(f"{phone(place)},ID-{place},Ana,gold\n" for place in some).encode()


async def wait(life: Life, answer: httpx.Response, kills: list[tuple[str, float]]) -> None:
    """Until the operation of this answer is done; killed where `kills` say (stage, seconds into it)."""
    assert answer.status_code in (201, 202), answer.text
    operation_id = str(answer.json()["operation"]["id"])
    started, last = time.perf_counter(), ""
    while True:
        state, stage = life.stage(operation_id)
        now = time.perf_counter()
        if stage != last:
            if last:
                life.stages[last] = life.stages.get(last, 0.0) + now - started
            started, last = now, stage
        if state not in ("queued", "running"):
            assert state == "succeeded", state
            return
        if kills and state == "running" and STAGES.index(stage) > STAGES.index(kills[0][0]):
            print(f"  {kills[0][0]}: over before it could be killed")
            kills.pop(0)
        if kills and state == "running" and stage == kills[0][0] and now - started >= kills[0][1]:
            await life.kill()
            life.kills += 1
            print(f"  killed {now - started:.2f} s into {stage}", flush=True)
            kills.pop(0)
            await life.start()
        life.look()
        await asyncio.sleep(LOOK)


async def move(number: int, source: str, target: str, kills: list[tuple[str, float]]) -> tuple[Life, dict[str, Any]]:
    """The whole of it: the certificate, with what the vendors hold. Raises when anybody was called by both."""
    known = load(entry_points=False)
    with tempfile.TemporaryDirectory(prefix="moving-") as name:
        async with sandbox({each: known.simulators[each] for each in (source, target)}) as running:
            folder, port = Path(name), free_port()
            write_config(folder, running, port, LIMITS)
            simulation = running[source].simulation
            if hasattr(simulation, "dial_at_most"):
                simulation.dial_at_most = CALLED
            headers = {"Authorization": f"Bearer {API_KEY}", "Prefer": "respond-async"}
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=900, trust_env=False) as client:
                life = Life(folder, url, client)
                await life.start()
                try:
                    made = await _move(life, number, source, target, kills)
                finally:
                    await life.kill()
            ledgers = {each: running[each].simulation.ledger for each in (source, target)}
            there = Counter(_digits(one) for each in ledgers[target].lists.values() for one in each.phones)
            calls = Counter(_digits(one) for each in ledgers.values() for one in each.calls)
            before = {_digits(one) for one in ledgers[source].calls}
    assert set(there.values()) == {1}, "somebody is at the target twice"
    assert not calls or set(calls.values()) == {1}, "somebody was called twice"
    assert set(there) == {_digits(phone(place)) for place in range(number)} - before
    assert made["compared"]["equal"] == made["counts"]["moves"] == len(there), made["compared"]
    assert made["counts"]["received"] == number == made["rows"]["count"]
    return life, made


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isdigit())[-10:]


async def _move(life: Life, number: int, source: str, target: str, kills: list[tuple[str, float]]) -> dict[str, Any]:
    client, begun = life.client, time.perf_counter()
    query = {"name": "big", "destination": source, "activation": "start"}
    answer = await client.post(
        "/v1/contact-lists", params=query, headers={"Content-Type": "text/csv"}, content=body(number)
    )
    await wait(life, answer, [])
    life.stages = {"upload": time.perf_counter() - begun}
    wish = {"source": {"list": answer.json()["id"]}, "target": target, "activation": "start"}
    begun = time.perf_counter()
    answer = await client.post("/v1/migrations", json=wish)
    before = dict(life.stages)
    await wait(life, answer, [])
    life.stages = {**before, "plan": time.perf_counter() - begun}
    path = f"/v1/migrations/{answer.json()['id']}"
    answer = await client.post("/v1/migrations", json={"mode": "apply", "plan": answer.json()["id"]})
    await wait(life, answer, kills)
    made = (await client.get(f"{path}/certificate")).json()
    return dict(made["certificate"])


def same(made: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on identifiers and times."""
    (only,) = made["lists"]
    digests = {"source": only["source"]["digest"], "target": only["target"]["digest"]}
    return {name: made[name] for name in ("counts", "outcomes", "compared", "losses")} | digests


def show(what: str, number: int, life: Life) -> None:
    print(f"{what}: peak {life.peak} MiB")
    for stage, seconds in life.stages.items():
        print(f"  {stage:12}{seconds:8.1f} s {number / max(seconds, 0.001):12,.0f} rows/s")


async def compare(number: int, kills: int, source: str, target: str, seed: int) -> bool:
    calm, expected = await move(number, source, target, [])
    show("in peace", number, calm)
    rng = random.Random(seed)
    wanted = sorted((STAGES[place % len(STAGES)] for place in range(kills)), key=STAGES.index)
    moments = [(stage, rng.random() * 0.8 * calm.stages.get(stage, 0.0)) for stage in wanted]
    killed, made = await move(number, source, target, moments)
    show(f"killed {killed.kills} times", number, killed)
    equal = same(made) == same(expected)
    print(f"moved {made['counts']['moves']:,} of {number:,}; digests and sums {'equal' if equal else 'DIFFER'}")
    return equal


def main() -> int:
    """0 when the killed migration ended as the one in peace."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.moving", description=__doc__)
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--from", dest="source", default="exotel")
    parser.add_argument("--to", dest="target", default="voximplant")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    return 0 if asyncio.run(compare(given.contacts, given.kills, given.source, given.target, given.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
