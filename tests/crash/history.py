"""One history: a caller, a gateway that dies, a gateway that goes on, and what the caller may do about it."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.sandbox_config import API_KEY
from tests.connections import owner_of
from tests.crash.lives import Life, Point, born
from tests.crash.points import Kind
from tests.crash.scenarios import Body, Plan, append_body, create_body
from tests.crash.vendor_side import Vendor

REST_SECONDS = 20.0
"""How long a list may take to come to rest by itself after the last kill. Only a hang is as long."""
LOOK_SECONDS = 0.05
TAKEOVER_SECONDS = 1.5
"""A successor finds unfinished work within about a second."""


class Violation(Exception):
    """A promise is broken; the text says which, and how."""


@dataclass(slots=True)
class Evidence:
    """What a history leaves behind for the judge. `sent` are the bodies that the gateway may have, in order."""

    shown: dict[str, Any] | None = None
    contacts: list[dict[str, Any]] = field(default_factory=list)
    sent: list[Body] = field(default_factory=list)
    doubtful: list[Body] = field(default_factory=list)
    """Appends without an answer and without a key: in the list as a whole, or not at all."""
    answered: bool = False
    """Whether the create was ever answered: then the list must be there."""


@dataclass(slots=True)
class Stage:
    """Where a history plays: its folder, its vendor, and the lives that were started in it."""

    plan: Plan
    vendor: Vendor
    folder: Path
    points: list[Point]
    """For the first life, and for the one after it."""
    moment: float | None
    sabotage: tuple[str, ...] = ()
    lives: list[Life] = field(default_factory=list)
    kills: int = 0
    first_sent: float = 0.0
    seconds: float = 0.0
    """From the first request to rest."""
    waiting: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self) -> Life:
        """One more life, with the next trap."""
        point = self.points.pop(0) if self.points else None
        life = await born(self.folder, point, self.sabotage)
        self.lives.append(life)
        if point is not None and point.kind in (Kind.LEFT, Kind.ACTED):
            if len(self.lives) == 1:
                self.vendor.arm(point, self._kill_caller)
            else:
                self.waiting.append(asyncio.create_task(self._arm_after_first_death(point)))
        return life

    async def _arm_after_first_death(self, point: Point) -> None:
        await self.lives[0].ended.wait()
        self.vendor.arm(point, self._kill_caller)

    async def living(self) -> Life:
        """A life that answers: one that is there, or a new one. A trap may strike while it starts."""
        while True:
            for life in self.lives:
                if life.is_alive and life.url:
                    return life
            await self._bury()
            life = await self.start()
            if not await life.answers() and life.status != -signal.SIGKILL:
                raise Violation(f"the gateway does not start (exit {life.status}):\n{life.log.read_text()[-3000:]}")

    async def _bury(self) -> None:
        """Not before the last request of the dead has been dealt with does somebody restart the gateway."""
        await self.vendor.quiet()

    async def _kill_caller(self, port: int) -> None:
        alive = {life.pid: life for life in self.lives if life.is_alive}
        pid = owner_of(port, alive)
        await (alive[pid] if pid is not None else self.lives[0]).kill()

    async def end(self) -> None:
        """Nobody is left; how many had died before counts as kills."""
        self.kills = sum(life.status == -signal.SIGKILL for life in self.lives)
        for life in self.lives:
            await life.kill()
        for task in self.waiting:
            task.cancel()


@dataclass(slots=True)
class Caller:
    """The client: it repeats a request only with a key, and looks its list up by reference otherwise."""

    stage: Stage
    reference: str
    client: httpx.AsyncClient
    evidence: Evidence = field(default_factory=Evidence)

    async def play(self) -> Evidence:
        """The whole scenario, to rest."""
        scenario = self.stage.plan.scenario
        list_id = await self._create(create_body(scenario, self.reference))
        if list_id is None:
            return self.evidence
        if not self.stage.plan.hasty:
            await self._rest(list_id)
        if scenario.flow == "append":
            await self._append(list_id, append_body(scenario))
        elif scenario.flow == "hold":
            await self._activate(list_id)
        self.evidence.shown = await self._rest(list_id)
        self.stage.seconds = time.monotonic() - self.stage.first_sent
        self.evidence.contacts = await self._pages(f"/v1/contact-lists/{list_id}/contacts")
        await self.stage.vendor.quiet()
        return self.evidence

    async def _create(self, body: Body) -> str | None:
        """The list's id; None when the gateway has never heard of it."""
        answer = await self._send("/v1/contact-lists", body, "create", (201, 202))
        if answer is not None:
            self.evidence.answered = True
            self.evidence.sent.append(body)
            return str(answer["id"])
        mine = await self._mine()
        if not mine:
            await asyncio.sleep(TAKEOVER_SECONDS)
            mine = await self._mine()
            if mine:
                raise Violation("the list was not there when the gateway was, and came later")
            return None
        if len(mine) > 1:
            raise Violation(f"{len(mine)} lists have the reference of one create")
        self.evidence.sent.append(body)
        return str(mine[0]["id"])

    async def _mine(self) -> list[dict[str, Any]]:
        return [one for one in await self._pages("/v1/contact-lists") if one["reference"] == self.reference]

    async def _append(self, list_id: str, body: Body) -> None:
        answer = await self._send(f"/v1/contact-lists/{list_id}/contacts", body, "append", (201, 202))
        (self.evidence.doubtful if answer is None else self.evidence.sent).append(body)

    async def _activate(self, list_id: str) -> None:
        """Start what is held. Without an answer the caller looks, and asks again only where nothing has started."""
        if self.stage.vendor.ledger.lists:
            raise Violation("something left for the vendor while the list was held")
        nothing = Body(b"", "application/json", {}, (), 0)
        while await self._send(f"/v1/contact-lists/{list_id}/activate", nothing, "activate", (200, 202)) is None:
            shown = await self._get(f"/v1/contact-lists/{list_id}")
            if shown["state"] != "staged":
                break

    async def _send(self, path: str, body: Body, name: str, good: tuple[int, ...]) -> dict[str, Any] | None:
        """The answer; None when none came and none can be had, which is only without a key."""
        plan, headers = self.stage.plan, {"Content-Type": body.media_type}
        headers |= {"Idempotency-Key": f"{self.reference}-{name}"} if plan.key else {}
        headers |= {"Prefer": "respond-async"} if plan.respond_async else {}
        deadline = time.monotonic() + REST_SECONDS
        while True:
            life = await self.stage.living()
            self.stage.first_sent = self.stage.first_sent or time.monotonic()
            if self.stage.moment is not None:
                self.stage.waiting.append(asyncio.create_task(_later(self.stage.moment, life)))
                self.stage.moment = None
            try:
                reply = await self._post(life.url + path, body, headers)
            except httpx.TransportError:
                await self._is_dead(life)
                if not plan.key:
                    await self.stage.living()
                    return None
                continue
            if reply.status_code in good:
                return dict(reply.json())
            if reply.status_code != 409 or not reply.json()["retryable"] or time.monotonic() > deadline:
                raise Violation(f"{name} was answered {reply.status_code}: {reply.text[:500]}")
            if reply.json()["code"] == "idempotency.in_flight" and reply.json()["operation"] is not None:
                return await self._finished(reply.json()["operation"])
            await asyncio.sleep(LOOK_SECONDS)

    async def _post(self, url: str, body: Body, headers: Mapping[str, str]) -> httpx.Response:
        return await self.client.post(url, content=body.content, params=body.query, headers=headers)

    async def _finished(self, operation_id: str) -> dict[str, Any]:
        """The list of an operation that the gateway points at, when the operation has ended."""
        shown: dict[str, Any] = {}

        async def done() -> bool:
            nonlocal shown
            shown = await self._get(f"/v1/operations/{operation_id}")
            return bool(shown["done"])

        await self._until(done, lambda: f"the operation is never done: {_brief(shown)}")
        return await self._get(shown["result"]["href"])

    @staticmethod
    async def _is_dead(life: Life) -> None:
        """A connection breaks because the gateway died; anything else is a fault of its own."""
        try:
            async with asyncio.timeout(5):
                await life.ended.wait()
        except TimeoutError:
            raise Violation("a living gateway broke the connection without an answer") from None

    async def _rest(self, list_id: str) -> dict[str, Any]:
        """The list, once nothing of it is under way any more."""
        shown: dict[str, Any] = {}

        async def at_rest() -> bool:
            nonlocal shown
            shown = await self._get(f"/v1/contact-lists/{list_id}")
            if shown["operation"] is not None:
                return False
            return bool(shown["counts"]["pending"] == 0 or shown["state"] == "staged")

        await self._until(at_rest, lambda: f"the list never comes to rest: {_brief(shown)}")
        return shown

    async def _until(self, true: Callable[[], Awaitable[bool]], what: Callable[[], str]) -> None:
        deadline = time.monotonic() + REST_SECONDS
        while not await true():
            if time.monotonic() > deadline:
                raise Violation(what())
            await asyncio.sleep(LOOK_SECONDS)

    async def _get(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Reads may be repeated, at whichever gateway lives."""
        while True:
            life = await self.stage.living()
            try:
                reply = await self.client.get(life.url + path, params=parameters)
            except httpx.TransportError:
                await self._is_dead(life)
                continue
            if reply.status_code != 200:
                raise Violation(f"GET {path.rpartition('/')[0]} was answered {reply.status_code}: {reply.text[:500]}")
            return dict(reply.json())

    async def _pages(self, path: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._get(path, limit=7, **cursor)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}


async def _later(seconds: float, life: Life) -> None:
    await asyncio.sleep(seconds)
    if life.is_alive:
        with suppress(ProcessLookupError):
            os.kill(life.pid, signal.SIGKILL)


def _brief(shown: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {shown.get(name)}" for name in ("id", "state", "counts", "operation", "error"))


async def play(stage: Stage) -> Evidence:
    """Play the stage's plan; at the end no life is left."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False, verify=False) as client:
        try:
            for _ in range(stage.plan.processes):
                await (await stage.start()).answers()
            return await Caller(stage, f"crash-{stage.plan.seed}", client).play()
        finally:
            await stage.end()
