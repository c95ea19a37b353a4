"""The frame of a vendor simulator: a ledger of what the vendor would hold, and switches for everything that goes wrong.

A simulator is written from the vendor's fact sheet. It shares this frame with other simulators, and nothing with the
adapter: the two must be able to disagree.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FAULTS: Mapping[str, str] = {
    "drop_before": "close the connection without doing anything",
    "drop_after": "do it, then close the connection without an answer",
    "store_late": "close the connection, and do it `seconds` later",
    "answer_late": "do it at once, answer after `seconds`",
    "rate_limited": "refuse with the vendor's 429; `retry_after` seconds in the header when given",
    "error_before": "answer 503 without doing anything",
    "error_after": "do it, then answer 503",
    "ok_with_error": "do nothing and answer 200 with the vendor's error body",
    "garbage": "do it, then answer 200 with something that is not the vendor's",
    "html": "do it, then answer 200 with an HTML page",
    "empty": "do it, then answer 200 without a body",
    "redirect": "do nothing and answer 302 to another address",
    "drip": "do it, then send the answer a byte at a time over `seconds`",
    "wrong_type": "do it, and give the right body the content type text/html",
    "drop_row": "do it, but silently forget one row",
}
"""Every switch. A simulator implements `drop_row` itself, with `Simulation.takes("drop_row")`."""


@dataclass(slots=True)
class Held:
    """A request whose answer waits for the test: `await held.arrived.wait()`, then `held.released.set()`."""

    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Fault:
    """A fault that will befall the next `times` requests whose path holds `path` (after `skip` untouched ones)."""

    kind: str
    path: str = ""
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    retry_after: float | None = None
    held: Held | None = None
    """For `answer_late`: what is waited for, instead of `seconds`."""

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"{self.kind} is no fault; the faults are {', '.join(FAULTS)}")


@dataclass(slots=True)
class LedgerList:
    """A list as the vendor holds it. `rows` are the vendor's own records, `phones` the numbers on it, in order."""

    id: str
    name: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    """The oracle: every list that was stored, every person called or messaged (digits, once per call)."""

    lists: dict[str, LedgerList] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """Method and path of every request that arrived, without the query."""

    def as_json(self) -> dict[str, Any]:
        return {"lists": [asdict(one) for one in self.lists.values()], "calls": self.calls, "requests": self.requests}


class Simulation:
    """One running simulator. Subclass it: `routes()`, and the vendor's own error answers.

    `credentials` and `options` are a destination configuration that this simulator accepts; `base_path` is what follows
    host and port in the base URL.
    """

    base_path = ""
    credentials: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.faults: list[Fault] = []
        self._held: list[Held] = []
        self.late: set[asyncio.Task[None]] = set()
        """What `store_late` has yet to do."""
        control = [
            Route("/_simulator/ledger", self._show_ledger),
            Route("/_simulator/faults", self._set_fault, methods=["POST"]),
            Route("/_simulator/reset", self._reset, methods=["POST"]),
        ]
        self._inner = Starlette(routes=[*control, *self.routes()])
        self.app: ASGIApp = _FaultSwitches(self._inner, self)

    def routes(self) -> list[Route]:
        """The vendor's endpoints."""
        raise NotImplementedError

    def rate_limited(self, retry_after: float | None) -> Response:
        """The vendor's 429."""
        headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
        return Response("Too Many Requests", 429, headers)

    def ok_with_error(self, path: str) -> Response:
        """The vendor's way of reporting an error inside a 200."""
        return JSONResponse({"error": "simulated"})

    def reset(self) -> None:
        """Forget everything."""
        self.ledger = Ledger()
        self.faults.clear()
        while self._held:
            self._held.pop().released.set()

    def break_next(self, kind: str, path: str = "", **details: Any) -> None:
        """Switch a fault on: `simulation.break_next("drop_after", "/lists", times=2)`."""
        self.faults.append(Fault(kind, path, **details))

    def hold(self, path: str = "", skip: int = 0) -> Held:
        """The next request to such a path is done at once and answered when its `Held` is released, or by `reset`."""
        held = Held()
        self._held.append(held)
        self.faults.append(Fault("answer_late", path, skip=skip, held=held))
        return held

    def takes(self, kind: str, path: str = "") -> Fault | None:
        """The fault of this kind that is due for this path, used up; None when there is none."""
        for fault in self.faults:
            if fault.kind == kind and fault.path in path:
                return self._use(fault)
        return None

    def due(self, path: str) -> Fault | None:
        """The first fault of any kind but `drop_row` that is due for this path, used up."""
        for fault in self.faults:
            if fault.kind != "drop_row" and fault.path in path:
                return self._use(fault)
        return None

    def _use(self, fault: Fault) -> Fault | None:
        if fault.skip > 0:
            fault.skip -= 1
            return None
        fault.times -= 1
        if fault.times <= 0:
            self.faults.remove(fault)
        return fault

    async def quiet(self) -> None:
        """Wait until nothing comes late any more."""
        await asyncio.gather(*self.late)

    async def _show_ledger(self, request: Request) -> Response:
        return JSONResponse(self.ledger.as_json())

    async def _set_fault(self, request: Request) -> Response:
        self.faults.append(Fault(**json.loads(await request.body())))
        return Response(status_code=204)

    async def _reset(self, request: Request) -> Response:
        self.reset()
        return Response(status_code=204)


@dataclass(frozen=True, slots=True)
class Simulator:
    """What `provide_simulator` returns: the adapter's name and how to make a fresh simulation."""

    name: str
    create: Callable[[], Simulation]


class _FaultSwitches:
    """ASGI middleware that lets the due fault befall a request. Control paths are never touched."""

    def __init__(self, app: ASGIApp, simulation: Simulation) -> None:
        self.app = app
        self.simulation = simulation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_simulator/"):
            await self.app(scope, receive, send)
            return
        self.simulation.ledger.requests.append(f"{scope['method']} {scope['path']}")
        fault = self.simulation.due(scope["path"])
        if fault is None:
            await self.app(scope, receive, send)
            return
        body = await _body(receive)
        await self._befall(fault, scope, body, send)

    async def _befall(self, fault: Fault, scope: Scope, body: bytes, send: Send) -> None:
        kind = fault.kind
        if kind == "drop_before":
            drop(scope)
        elif kind == "store_late":
            task = asyncio.create_task(self._store_late(scope, body, fault.seconds))
            self.simulation.late.add(task)
            task.add_done_callback(self.simulation.late.discard)
            drop(scope)
        elif kind == "rate_limited":
            await self._answer(scope, send, self.simulation.rate_limited(fault.retry_after))
        elif kind == "error_before":
            await self._answer(scope, send, Response("Service Unavailable", 503))
        elif kind == "ok_with_error":
            await self._answer(scope, send, self.simulation.ok_with_error(scope["path"]))
        elif kind == "redirect":
            await self._answer(scope, send, Response(status_code=302, headers={"Location": "https://example.org/"}))
        else:
            await self._after(fault, scope, body, send)

    async def _after(self, fault: Fault, scope: Scope, body: bytes, send: Send) -> None:
        """The faults that come after the vendor has done what was asked."""
        start, content = await self._run(scope, body)
        kind = fault.kind
        if kind == "drop_after":
            drop(scope)
        elif kind == "error_after":
            await self._answer(scope, send, Response("Service Unavailable", 503))
        elif kind == "garbage":
            await self._answer(scope, send, Response("}{ \x00 not yours", media_type="application/json"))
        elif kind == "html":
            await self._answer(scope, send, Response("<html><body>Welcome</body></html>", media_type="text/html"))
        elif kind == "empty":
            await self._answer(scope, send, Response(status_code=200))
        elif kind == "wrong_type":
            await self._answer(scope, send, Response(content, start["status"], media_type="text/html"))
        else:
            await self._slowly(fault, start, content, send)

    async def _slowly(self, fault: Fault, start: Message, content: bytes, send: Send) -> None:
        if fault.kind == "answer_late":
            if fault.held is None:
                await asyncio.sleep(fault.seconds)
            else:
                fault.held.arrived.set()
                await fault.held.released.wait()
            await send(start)
            await send({"type": "http.response.body", "body": content})
            return
        await send(start)
        for byte in content:
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await asyncio.sleep(fault.seconds / max(len(content), 1))
        await send({"type": "http.response.body", "body": b""})

    async def _store_late(self, scope: Scope, body: bytes, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._run(scope, body)

    async def _run(self, scope: Scope, body: bytes) -> tuple[Message, bytes]:
        """Let the vendor do what was asked, and keep its answer back."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, _replay(body), keep)
        start = next(message for message in messages if message["type"] == "http.response.start")
        return start, b"".join(message.get("body", b"") for message in messages[1:])

    @staticmethod
    async def _answer(scope: Scope, send: Send, response: Response) -> None:
        await response(scope, _replay(b""), send)


async def _body(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _replay(body: bytes) -> Callable[[], Awaitable[MutableMapping[str, Any]]]:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


_TRANSPORTS: dict[tuple[str, int], asyncio.Transport] = {}


def remember(peer: tuple[str, int], transport: asyncio.Transport) -> None:
    """Told by the server of every connection, so that `drop` can cut it."""
    _TRANSPORTS[peer] = transport


def forget(peer: tuple[str, int]) -> None:
    _TRANSPORTS.pop(peer, None)


def drop(scope: Scope) -> None:
    """Cut the connection of this request at once, with nothing sent."""
    transport = _TRANSPORTS.get(tuple(scope["client"]))
    if transport is None:
        raise RuntimeError("run the simulator with gateway.sandbox, which can cut connections")
    transport.abort()
