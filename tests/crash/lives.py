"""Lives of gateways from the driver's side: ordered from the zygote, killed, mourned."""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.points import INSIDE, Kind, Point

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0


@dataclass(slots=True)
class Life:
    """One gateway process. `url` is there once it answers; `ended` is set when the process is gone."""

    number: int
    trace: Path
    log: Path
    pid: int = 0
    url: str = ""
    status: int | None = None
    told: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_alive(self) -> bool:
        return not self.ended.is_set()

    async def answers(self) -> bool:
        """Whether it came so far as to answer; False when it died before."""
        async with asyncio.timeout(START_SECONDS):
            await self.told.wait()
        return bool(self.url)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.is_alive and self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        await self.ended.wait()

    def points(self) -> list[str]:
        """What its trace says: every durable point that it reached."""
        return self.trace.read_text().splitlines() if self.trace.exists() else []


class Zygote:
    """The process that forks lives."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._lives: dict[int, Life] = {}
        self._numbers = itertools.count(1)
        self.ready = asyncio.Event()

    def start(self, folder: Path, point: Point | None = None, sabotage: Iterable[str] = ()) -> Life:
        """A gateway over the configuration in this folder, with its trap set."""
        number = next(self._numbers)
        life = Life(number, folder / f"life-{number}.trace", folder / f"life-{number}.log")
        self._lives[number] = life
        inside = point if point is not None and point.kind in INSIDE else None
        order: dict[str, Any] = {
            "life": number,
            "config": str(folder / "gateway.toml"),
            "trace": str(life.trace),
            "log": str(life.log),
            "kind": inside.kind if inside else None,
            "number": inside.number if inside else 0,
            "sabotage": list(sabotage),
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return life

    async def listen(self) -> None:
        """Take in what the zygote tells, for as long as it runs."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if said["event"] == "ready":
                self.ready.set()
                continue
            life = self._lives[said["life"]]
            if said["event"] == "born":
                life.pid = said["pid"]
            elif said["event"] == "serving":
                life.url = f"http://127.0.0.1:{said['port']}"
                life.told.set()
            else:
                life.status = said["status"]
                life.told.set()
                life.ended.set()
                del self._lives[life.number]


@asynccontextmanager
async def zygote() -> AsyncIterator[Zygote]:
    """A running zygote; on leaving, it and every life are gone."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.crash.zygote",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    one = Zygote(process)
    listening, ready = asyncio.create_task(one.listen()), asyncio.create_task(one.ready.wait())
    try:
        await asyncio.wait({listening, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not one.ready.is_set():
            raise RuntimeError("the zygote does not start; what it wrote to standard error says why")
        yield one
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        listening.cancel()
        ready.cancel()


__all__ = ["Kind", "Life", "Point", "Zygote", "zygote"]
