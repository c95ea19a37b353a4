"""Mixed traffic for a long time: `python -m tests.benchmarks.soak --minutes 60`.

The gateway is a process of its own (`gateway serve`, SQLite), the vendors' simulators run here and fail at random. Once
a minute it tells what the process holds; at the end how each of it has grown, and whether the ledgers agree with what
the gateway says of every contact. No number is sent in twice, so none may be at the vendors twice.
"""

import argparse
import asyncio
import json
import logging
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.contract import simulation
from gateway.registry import load
from gateway.sandbox import RunningSimulation, sandbox
from gateway.sandbox_config import API_KEY, write_config
from tests.benchmarks.size import free_port

LIMITS = "{ requests_per_minute = 1000000, visibility_delay = 0.5, timeout = 10.0 }"
SLOW = {"store_late": 0.1, "answer_late": 0.5, "drip": 0.3}
"""Seconds of the faults that take some."""
FAULTS = tuple(kind for kind in simulation.FAULTS if kind != "drop_row")
"""What befalls the vendors. A vendor that answers for a row that it has dropped is believed."""
AREAS = (11, 21, 31, 41, 51, 61, 71, 81, 19, 27, 47, 62, 85, 91)
LISTS = "/v1/contact-lists"
LONGEST_FILE = 6_000
KEPT = 200
"""Lists that further traffic is about; older ones are left alone."""


@dataclass(slots=True)
class Made:
    """A list that was made. Of a `held` one it is known that it waits for its activation."""

    id: str
    vendor: str
    held: bool
    deleted: bool = False


@dataclass(slots=True)
class Traffic:
    """Callers of every kind, at random. `statuses` counts answers, `unexpected` holds those that must not be."""

    client: httpx.AsyncClient
    vendors: dict[str, RunningSimulation]
    chance: random.Random
    made: list[Made] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)
    numbers: int = 0
    requests: int = 0

    def phone(self) -> str:
        area, number = divmod(self.numbers, 10_000_000)
        self.numbers += 1
        return f"+55{AREAS[area]}9{90_000_000 + number}"

    async def ask(self, method: str, path: str, **details: Any) -> httpx.Response:
        self.requests += 1
        answer = await self.client.request(method, path, **details)
        self.statuses[answer.status_code] += 1
        if answer.status_code == 500 or (answer.status_code == 400 and path != LISTS):
            self.unexpected.append(f"{method} {re.sub(r'_[0-9a-z]{26}', '_ID', path)}: {answer.text[:300]}")
        if answer.status_code == 202 and "location" in answer.headers:
            self.operations = [*self.operations[-KEPT:], answer.headers["location"]]
        return answer

    def prefer(self) -> dict[str, str]:
        return self.chance.choice([{}, {"Prefer": "respond-async"}, {"Prefer": "wait=1"}])

    def some(self) -> Made | None:
        known = [one for one in self.made[-KEPT:] if not one.deleted]
        return self.chance.choice(known) if known else None

    def keep(self, answer: httpx.Response, vendor: str) -> None:
        if answer.status_code in (201, 202):
            held = any(one["activation"] == "held" for one in answer.json()["deliveries"])
            self.made.append(Made(answer.json()["id"], vendor, held))

    def head(self) -> dict[str, Any]:
        vendor = self.chance.choice(list(self.vendors))
        return {"name": f"Soak {self.numbers}", "destination": vendor}

    def contacts(self, number: int) -> list[dict[str, Any]]:
        rows = [{"phone": self.phone(), "id": f"S-{self.numbers}", "first_name": "Ana"} for _ in range(number)]
        bad = [{"phone": "12"}] if self.chance.random() < 0.3 else []
        return [*rows, *rows[:1], *bad]

    def file(self) -> bytes:
        """A CSV file of more than a MiB."""
        rows = [",phone,id,first_name"]
        for _ in range(self.chance.randrange(LONGEST_FILE // 2, LONGEST_FILE)):
            rows.append(f"{'x' * 400},{self.phone()},S-{self.numbers},Ana")
        return "\n".join([*rows, rows[-1], "x,12,,"]).encode()

    async def short_list(self) -> None:
        body = self.head() | {"contacts": self.contacts(self.chance.randrange(1, 200))}
        body["activation"] = {"mode": self.chance.choice(["hold", "start"])}
        self.keep(await self.ask("POST", LISTS, json=body, headers=self.prefer()), body["destination"])

    async def long_list(self) -> None:
        query = self.head() | {"activation": self.chance.choice(["hold", "start"])}
        vendor = query["destination"]
        headers = {"Content-Type": "text/csv"} | self.prefer()
        if self.chance.random() < 0.5:
            answer = await self.ask("POST", LISTS, params=query, content=self.file(), headers=headers)
        else:
            query["activation"] = {"mode": query["activation"]}
            files = {"file": ("a.csv", self.file(), "text/csv")}
            answer = await self.ask("POST", LISTS, data={"list": json.dumps(query)}, files=files)
        self.keep(answer, vendor)

    async def broken_file(self) -> None:
        """A quote that stays open at the end, or a sender who goes away."""
        content = self.file()
        headers = {"Content-Type": "text/csv"}
        if self.chance.random() < 0.5:
            await self.ask("POST", LISTS, params=self.head(), content=content + b'\n,"+55', headers=headers)
            return

        async def halves() -> Any:
            yield content[: len(content) // 2]
            raise ConnectionAbortedError

        self.requests += 1
        with suppress(httpx.TransportError, ConnectionAbortedError):
            await self.client.post(LISTS, params=self.head(), content=halves(), headers=headers)

    async def append(self) -> None:
        one = self.some()
        if one is None:
            return
        path = f"{LISTS}/{one.id}/contacts"
        if self.chance.random() < 0.1:
            await self.ask("POST", path, content=self.file(), headers={"Content-Type": "text/csv"} | self.prefer())
        else:
            await self.ask("POST", path, json={"contacts": self.contacts(20)}, headers=self.prefer())

    async def activate(self) -> None:
        held = [one for one in self.made[-KEPT:] if one.held and not one.deleted]
        if held:
            one = self.chance.choice(held)
            answer = await self.ask("POST", f"{LISTS}/{one.id}/activate", headers=self.prefer())
            one.held = answer.status_code >= 300

    async def delete(self) -> None:
        one = self.some()
        if one is not None:
            answer = await self.ask("DELETE", f"{LISTS}/{one.id}", headers=self.prefer())
            one.deleted = answer.status_code in (200, 202)

    async def preview(self) -> None:
        body = self.head() | {"contacts": [{"phone": "+5511999999999", "first_name": "Ana"}] * 20}
        await self.ask("POST", self.chance.choice(["/v1/preview", "/v1/routes/explain"]), json=body)

    async def suppress(self) -> None:
        """Numbers that are sent in afterwards."""
        some = [self.phone() for _ in range(5)]
        await self.ask("PUT", "/v1/suppressions", json={"phones": some})
        body = self.head() | {"contacts": [{"phone": one} for one in [*some, self.phone()]]}
        self.keep(await self.ask("POST", LISTS, json=body), body["destination"])
        if self.chance.random() < 0.5:
            await self.ask("DELETE", "/v1/suppressions", params={"phone": some[0]})

    async def events(self) -> None:
        """Watch an operation to its end, or leave in the middle."""
        if not self.operations:
            return
        self.requests += 1
        path = f"{self.chance.choice(self.operations)}/events"
        most = self.chance.choice([1, 3, 1_000])
        async with self.client.stream("GET", path) as stream:
            async for _ in stream.aiter_lines():
                most -= 1
                if most <= 0:
                    break

    async def cancel(self) -> None:
        if self.operations:
            await self.ask("POST", f"{self.operations[-1]}/cancel")

    async def read(self) -> None:
        one = self.some()
        paths = [LISTS, "/v1/vendors", "/metrics", "/v1/suppressions", "/v1/destinations", *self.operations[-1:]]
        if one is not None:
            paths += [f"{LISTS}/{one.id}", f"{LISTS}/{one.id}/contacts?limit=1000", f"{LISTS}/{one.id}/rejections"]
        path = self.chance.choice(paths)
        accept = "text/csv" if path.endswith("rejections") else "*/*"
        await self.ask("GET", path, headers={"Accept": accept})

    async def check(self) -> None:
        """Closes the circuits that the faults have opened."""
        for name in self.vendors:
            await self.ask("POST", f"/v1/destinations/{name}/check")

    def fail(self) -> None:
        """The next fault of some vendor."""
        kind = self.chance.choice(FAULTS)
        one = self.chance.choice(list(self.vendors.values())).simulation
        if len(one.faults) < 3:
            one.break_next(kind, seconds=SLOW.get(kind, 0.0), retry_after=0, skip=self.chance.randrange(5))

    async def go_on(self, end: float) -> None:
        """One caller, until the end."""
        mix: dict[Callable[[], Awaitable[None]], int] = {
            self.short_list: 20,
            self.long_list: 2,
            self.broken_file: 1,
            self.append: 12,
            self.activate: 8,
            self.delete: 6,
            self.preview: 8,
            self.suppress: 4,
            self.events: 6,
            self.cancel: 1,
            self.read: 30,
            self.check: 2,
        }
        while time.monotonic() < end:
            (act,) = self.chance.choices(list(mix), list(mix.values()))
            if self.chance.random() < 0.2:
                self.fail()
            try:
                await act()
            except (httpx.TransportError, KeyError) as error:
                self.unexpected.append(f"{act.__name__}: {type(error).__name__} {error}")
            await asyncio.sleep(self.chance.random() * 0.2)


RESOURCES = ("RSS MiB", "descriptors", "threads", "database MiB", "requests")


def held(process: int, folder: Path, requests: int) -> tuple[float, ...]:
    """What the process holds now, in the order of RESOURCES."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    descriptors = len(list(Path(f"/proc/{process}/fd").iterdir()))
    size = sum(one.stat().st_size for one in folder.glob("gateway.db*") if one.is_file())
    rss = int(status["VmRSS"].split()[0]) / 1024
    return rss, descriptors, int(status["Threads"]), size / (1 << 20), requests


async def watch(process: int, folder: Path, traffic: Traffic, end: float) -> list[tuple[float, ...]]:
    """(minutes, what is held) every ten seconds; told once a minute."""
    begin, samples = time.monotonic(), []
    print("minute  " + "  ".join(f"{name:>12}" for name in RESOURCES), flush=True)
    while time.monotonic() < end:
        now = (time.monotonic() - begin) / 60
        numbers = held(process, folder, traffic.requests)
        samples.append((now, *numbers))
        if len(samples) % 6 == 1:
            print(f"{now:6.1f}  " + "  ".join(f"{number:12.1f}" for number in numbers), flush=True)
        await asyncio.sleep(10)
    return samples


def tell_growth(samples: list[tuple[float, ...]]) -> None:
    """First, last, and the slope of the straight line through all but the first quarter."""
    later = samples[len(samples) // 4 :]
    middle = sum(one[0] for one in later) / len(later)
    spread = sum((one[0] - middle) ** 2 for one in later) or 1.0
    for place, name in enumerate(RESOURCES, 1):
        slope = sum((one[0] - middle) * one[place] for one in later) / spread
        print(f"{name:<13} first {samples[0][place]:10.1f}  last {samples[-1][place]:10.1f}  {slope:+9.2f} a minute")


async def outcomes(client: httpx.AsyncClient, one: Made) -> list[tuple[str, str]]:
    """Number (digits) and outcome of every contact of a list."""
    found, cursor = [], {}
    while True:
        page = (await client.get(f"{LISTS}/{one.id}/contacts", params={"limit": 1000, **cursor})).json()
        found += [(each["phone"].lstrip("+"), each["outcome"]) for each in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def judge(client: httpx.AsyncClient, traffic: Traffic) -> list[str]:
    """What the ledgers and the gateway do not agree on."""
    at_vendors = Counter[str]()
    called = Counter[str]()
    for one in traffic.vendors.values():
        await one.simulation.quiet()
        ledger = one.simulation.ledger
        at_vendors.update(str(phone).lstrip("+") for each in ledger.lists.values() for phone in each.phones)
        called.update(str(phone).lstrip("+") for phone in ledger.calls)
    wrong = [f"{number} people are at the vendors {times} times" for times, number in _repeated(at_vendors)]
    wrong += [f"{number} people were called {times} times" for times, number in _repeated(called)]
    told: Counter[str] = Counter()
    for made in traffic.made:
        answer = await client.get(f"{LISTS}/{made.id}")
        if answer.status_code == 404:
            continue  # its file was refused, or its reading cancelled
        counts, deliveries = answer.json()["counts"], answer.json()["deliveries"]
        if counts["received"] != sum(number for name, number in counts.items() if name != "received"):
            wrong.append(f"{made.id}: {counts} do not add up")
        if counts["pending"] and not any(one["activation"] == "held" for one in deliveries):
            wrong.append(f"{made.id}: {counts['pending']} pending, {answer.json()['state']}")
        remotes = [remote for one in deliveries for remote in one["remote_lists"]]
        if answer.json()["state"] == "deleted" or any(remote["deleted"] for remote in remotes):
            continue  # a delete that a vendor refused half-way has taken some of them
        for phone, outcome in await outcomes(client, made):
            told[outcome] += 1
            if outcome == "accepted" and not at_vendors[phone] and not called[phone]:
                wrong.append(f"{made.id} at {made.vendor}: accepted, and not there")
            if outcome in ("rejected", "suppressed", "pending") and (at_vendors[phone] or called[phone]):
                wrong.append(f"{made.id} at {made.vendor}: {outcome}, and there")
    print(f"contacts of {len(traffic.made)} lists: {dict(told)}; {sum(at_vendors.values())} at the vendors")
    return wrong


def _repeated(times: Counter[str]) -> list[tuple[int, int]]:
    return sorted(Counter(number for number in times.values() if number > 1).items())


async def idle(client: httpx.AsyncClient, traffic: Traffic) -> None:
    """Wait until no list has work going on."""
    for made in traffic.made:
        for _ in range(1_800):
            answer = await client.get(f"{LISTS}/{made.id}")
            if answer.status_code == 404 or answer.json()["operation"] is None:
                break
            await asyncio.sleep(0.2)


async def soak(minutes: float, callers: int, seed: int, folder: Path) -> bool:
    async with sandbox(load(entry_points=False).simulators) as running:
        running["koreai"].simulation.requests_per_minute = 1_000_000  # type: ignore[attr-defined]
        port = free_port()
        path = write_config(folder, running, port, LIMITS)
        log = await asyncio.to_thread((folder / "log").open, "wb")
        command = (sys.executable, "-m", "gateway", "serve", "--config", str(path))
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            headers = {"Authorization": f"Bearer {API_KEY}"}
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=300, trust_env=False) as client:
                await _until_ready(client)
                traffic = Traffic(client, running, random.Random(seed))
                end = time.monotonic() + minutes * 60
                work = [traffic.go_on(end) for _ in range(callers)]
                samples, *_ = await asyncio.gather(watch(process.pid, folder, traffic, end), *work)
                for one in running.values():
                    one.simulation.faults.clear()
                await idle(client, traffic)
                samples.append((samples[-1][0] + 1 / 6, *held(process.pid, folder, traffic.requests)))
                tell_growth(samples)
                wrong = await judge(client, traffic)
        finally:
            process.terminate()
            await process.wait()
            log.close()
    print(f"answers: {dict(sorted(traffic.statuses.items()))}")
    problems = [*wrong, *traffic.unexpected]
    for text, times in Counter(problems).most_common(30):
        print(f"WRONG ({times} times): {text}")
    print("the ledgers agree" if not problems else f"{len(problems)} things are wrong")
    return not problems


async def _until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(600):
        with suppress(httpx.TransportError):
            if (await client.get("/readyz")).status_code == 200:
                return
        await asyncio.sleep(0.1)
    raise SystemExit("the gateway does not start")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--callers", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="kept afterwards, with the database and the log")
    chosen = parser.parse_args()
    logging.getLogger("uvicorn.error").disabled = True  # connections that the faults cut
    with tempfile.TemporaryDirectory() as folder:
        where = chosen.folder or Path(folder)
        return 0 if asyncio.run(soak(chosen.minutes, chosen.callers, chosen.seed, where)) else 1


if __name__ == "__main__":
    sys.exit(main())
