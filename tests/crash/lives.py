"""Lives of gateways from the driver's side: launched, killed, mourned."""

import asyncio
import itertools
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.life import live
from tests.crash.points import INSIDE, Kind, Point
from tests.launcher import Launched, launch_call

START_SECONDS = 30.0
_NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Life:
    """One gateway process. `url` is there once it answers; `ended` is set when the process is gone."""

    process: Launched
    trace: Path
    log: Path
    url: str = ""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    watching: tuple[asyncio.Task[None], ...] = ()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def status(self) -> int | None:
        return self.process.returncode

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
        self.process.kill()
        await self.ended.wait()

    def points(self) -> list[str]:
        """What its trace says: every durable point that it reached."""
        return self.trace.read_text().splitlines() if self.trace.exists() else []

    async def mourn(self) -> None:
        """Wait for its end."""
        await self.process.wait()
        self.told.set()
        self.ended.set()

    async def listen(self, words: asyncio.StreamReader) -> None:
        """Hear where it answers."""
        if line := await words.readline():
            self.url = f"http://127.0.0.1:{json.loads(line)['port']}"
            self.told.set()


async def born(folder: Path, point: Point | None = None, sabotage: Iterable[str] = ()) -> Life:
    """A gateway over the configuration in this folder, with its trap set."""
    number = next(_NUMBERS)
    trace, log = (folder / f"life-{number}.{kind}" for kind in ("trace", "log"))
    inside = point if point is not None and point.kind in INSIDE else None
    order: dict[str, Any] = {
        "config": str(folder / "gateway.toml"),
        "trace": str(trace),
        "kind": inside.kind if inside else None,
        "number": inside.number if inside else 0,
        "sabotage": list(sabotage),
    }
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as mouth, log.open("wb") as errors:
        process = launch_call(live, order, stdout=mouth, stderr=errors)
    words = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(words)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(reading, "rb"))
    life = Life(process, trace, log)
    life.watching = (asyncio.create_task(life.mourn()), asyncio.create_task(life.listen(words)))
    return life


__all__ = ["Kind", "Life", "Point", "born"]
