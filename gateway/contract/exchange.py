"""A talk with a vendor, free of I/O: a generator that yields steps and waits, and is sent what the replies mean.

The gateway drives the same generator live (the transport sends), in preview (each step's own `success` is fed back)
and after a crash (recorded replies are fed back until the first request without one).
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.contract.requests import Reply, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Generic[T]):
    """One vendor request.

    `name` says in a word what it does (`create`, `add_contacts`), for attempts and logs. `repeatable`: sending it
    twice has the effect of sending it once, so the driver may repeat it when its outcome is unclear. `read` turns the
    reply into a value, or raises `Refused`, `NotSent`, `Unclear` or `NotAuthorised`; it is pure, and anything that it
    does not positively know for a success it does not return. `success` is the reply that a success looks like.
    """

    name: str
    request: Request
    read: Callable[[Reply], T]
    success: Callable[[], Reply]
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Ask the driver for a pause, in seconds. It throws `DeadlinePassed` in when there is no time for it."""

    seconds: float
    why: str = ""


Exchange = Generator[Step[Any] | Wait, Any, T]


def ask(step: Step[T]) -> Exchange[T]:
    """Yield a step and return what its `read` made of the reply: `created = yield from ask(step)`."""
    value: T = yield step
    return value
