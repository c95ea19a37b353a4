"""Drives an adapter's generator: live (`run`) or in preview (`rehearse`). The one place where anything is retried."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol, TypeVar

from gateway.contract import (
    DeadlinePassed,
    Exchange,
    NotAuthorised,
    NotSent,
    Reply,
    Request,
    Step,
    Unclear,
    VendorError,
    Wait,
)

T = TypeVar("T")


class Sender(Protocol):
    """Sends the request of a step once, with its intent recorded before and its verdict after.

    `risked`: something that counts may have happened already, in an earlier run of the same exchange.
    """

    @property
    def risked(self) -> bool: ...

    async def send(self, step: Step[Any], read: Callable[[Reply], T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a piece of work may take and how often a step is tried. Times in seconds.

    `deadline` is on the monotonic clock. A step is repeated only when it is proven `not_sent`, or when it is marked
    repeatable.
    """

    deadline: float
    attempts: int = 4
    first_wait: float = 0.2
    longest_wait: float = 30.0

    @classmethod
    def of(cls, seconds: float, **details: Any) -> "Patience":
        return cls(time.monotonic() + seconds, **details)

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()


async def run(
    exchange: Exchange[T], sender: Sender, patience: Patience, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> T:
    """Drive the exchange to its end over a sender. Raises the `VendorError` that the exchange did not handle.

    An unclear end before any step that must not be repeated was tried is `NotSent`: nothing that counts has happened,
    and the whole exchange may be driven again.
    """
    risked = sender.risked
    try:
        move: Step[Any] | Wait = next(exchange)
        while True:
            if isinstance(move, Wait):
                if move.seconds > patience.left:
                    move = exchange.throw(DeadlinePassed(move.why))
                    continue
                await sleep(move.seconds)
                move = exchange.send(None)
                continue
            risked = risked or not move.repeatable
            try:
                value = await _perform(move, sender, patience)
            except VendorError as error:
                move = exchange.throw(error)
            else:
                move = exchange.send(value)
    except StopIteration as end:
        result: T = end.value
        return result
    except Unclear as error:
        if risked:
            raise
        raise NotSent(error.detail, code=error.code) from error
    finally:
        exchange.close()


async def _perform(step: Step[Any], sender: Sender, patience: Patience) -> Any:
    if patience.attempts == 1:
        return await sender.send(step, careful(step))
    stamina = _retries()
    repeatable = step.repeatable  # not the step: the library keeps `again` in a cycle, and a batch would stay with it

    def again(error: Exception) -> bool | float:
        if not may_repeat(repeatable, error):
            return False
        asked = error.retry_after if isinstance(error, VendorError) else None
        if asked is None:
            return patience.left > 0
        return asked if asked < patience.left else False

    async for attempt in stamina.retry_context(
        on=again,
        attempts=patience.attempts,
        timeout=max(patience.left, 0.001),
        wait_initial=patience.first_wait,
        wait_max=patience.longest_wait,
    ):
        with attempt:
            return await sender.send(step, careful(step))
    raise AssertionError("stamina ends with a value or an exception")


@cache
def _retries() -> Any:
    """The library that repeats, imported with the first step that may be: small lists and idle servers need none."""
    import stamina
    import stamina.instrumentation

    stamina.instrumentation.set_on_retry_hooks([])  # its log lines would hold vendors' words
    return stamina


def may_repeat(repeatable: bool, error: Exception) -> bool:
    """Proven `not_sent` may be repeated, an unclear outcome only on a repeatable step, a refusal never."""
    if isinstance(error, NotAuthorised):
        return False
    return isinstance(error, NotSent) or (repeatable and isinstance(error, Unclear))


def careful(step: Step[T]) -> Callable[[Reply], T]:
    """The step's `read`, with everything that it did not expect turned into `Unclear`: garbage is never a success."""

    def read(reply: Reply) -> T:
        try:
            return step.read(reply)
        except VendorError:
            raise
        except Exception as error:
            raise Unclear(
                f"the vendor answered HTTP {reply.status} with something it does not document ({type(error).__name__})"
            ) from error

    return read


@dataclass(slots=True)
class Rehearsal:
    """What an exchange would send: its requests in order, with the answer that a success looks like fed back."""

    requests: list[tuple[str, Request]] = field(default_factory=list)
    result: Any = None


MAX_REHEARSED = 10_000


def rehearse(exchange: Exchange[Any]) -> Rehearsal:
    """Drive the exchange without sending anything."""
    rehearsal = Rehearsal()
    try:
        move = next(exchange)
        while len(rehearsal.requests) < MAX_REHEARSED:
            if isinstance(move, Wait):
                move = exchange.send(None)
                continue
            rehearsal.requests.append((move.name, move.request))
            move = exchange.send(move.read(move.success()))
        raise RuntimeError("the exchange does not end")
    except StopIteration as end:
        rehearsal.result = end.value
        return rehearsal
    finally:
        exchange.close()
