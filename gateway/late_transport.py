"""The transport, imported with the first request: its libraries take 10 MiB, and an idle server sends nothing."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gateway.contract import Reply
from gateway.encoding import Encoded


class Sends(Protocol):
    """Sends an encoded request to a vendor; see `Transport` for what it raises."""

    async def send(
        self, base_url: str, encoded: Encoded, authorisation: Sequence[tuple[str, str]], timeout: float
    ) -> Reply: ...


class LateTransport:
    """Sends as `Transport` does. `make` gives what carries the requests; None: the transport's own choice."""

    def __init__(self, make: Callable[[], Any] | None = None) -> None:
        self._make = make
        self._transport: Any = None

    async def send(
        self, base_url: str, encoded: Encoded, authorisation: Sequence[tuple[str, str]], timeout: float
    ) -> Reply:
        if self._transport is None:
            transport = await asyncio.to_thread(_import)
            if self._transport is None:  # a second first request may have waited with this one
                self._transport = transport.Transport(self._make or transport.production_transport)
        reply: Reply = await self._transport.send(base_url, encoded, authorisation, timeout)
        return reply

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()


def _import() -> Any:
    from gateway import transport

    return transport
