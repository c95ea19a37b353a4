"""A caller that costs little: so many connections, each with one request under way, until the time is over."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httptools

Make = Callable[[int], tuple[bytes, Callable[[int, bytes], bool]]]
"""The bytes of the n-th request, and what judges its answer: whether that is the answer to this very request."""


@dataclass(slots=True)
class Load:
    """What came of one run. Seconds; `wrong` are answers that were not the ones to these requests."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    wrong: int = 0
    broken: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def quantile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("nan")


class _Connection(asyncio.Protocol):
    """Sends the next request when the answer to the last one is whole."""

    def __init__(self, load: Load, numbers: Iterator[int], make: Make, until: float) -> None:
        self.load, self.numbers, self.make, self.until = load, numbers, make, until
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.under_way = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._next()

    def _next(self) -> None:
        number = next(self.numbers, None) if time.perf_counter() < self.until else None
        if number is None:
            self.transport.close()
            return
        self.parser = httptools.HttpResponseParser(self)
        self.body = bytearray()
        data, self.judge = self.make(number)
        self.began, self.under_way = time.perf_counter(), True
        self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.load.latencies.append(time.perf_counter() - self.began)
        self.under_way = False
        if not self.judge(self.parser.get_status_code(), bytes(self.body)):
            self.load.wrong += 1
        self._next()

    def connection_lost(self, _: Exception | None) -> None:
        self.load.broken += self.under_way
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, make: Make, concurrency: int, seconds: float, numbers: Iterator[int]) -> Load:
    """Ask for so many seconds, or until the numbers are used up: each is one request, and none comes twice."""
    told = Load()
    loop = asyncio.get_running_loop()
    begin = time.perf_counter()
    connections = [
        (await loop.create_connection(lambda: _Connection(told, numbers, make, begin + seconds), "127.0.0.1", port))[1]
        for _ in range(concurrency)
    ]
    await asyncio.gather(*(one.done for one in connections))
    told.seconds = time.perf_counter() - begin
    return told


def post(port: int, path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A request as bytes."""
    lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{port}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
