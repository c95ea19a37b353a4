"""A circuit breaker: after failures in a row nothing more leaves for a while, then one request tries.

The library `purgatory` does not fit: while half open it lets every request through, it reads the wall clock only (a
clock that is set back keeps a circuit open), and nothing but time makes it half open, where our `check` has to.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any, Literal

from gateway.contract import NotSent, Refused, VendorError

CircuitState = Literal["closed", "open", "half_open"]
TRIAL_WAIT = 5.0
"""Seconds after which those who come while another request tries may come again."""


class Breaker:
    """The circuit to one account, within this process.

    A request is admitted, and the same task tells its end: `succeeded`, `failed` or `withdraw`. `half_open`: the pause
    is over, or a trial is under way. A trial whose task ended without a word is no trial any more. Times in seconds.
    """

    def __init__(
        self, name: str, *, threshold: int = 5, pause: float = 30.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._threshold, self._pause, self._clock = name, threshold, pause, clock
        self._failures = 0
        self._last = ""
        self._closes_at: float | None = None
        """When the pause ends; None while the circuit is closed."""
        self._trial: asyncio.Task[Any] | None = None

    @property
    def state(self) -> CircuitState:
        if self._closes_at is None:
            return "closed"
        return "half_open" if self._trying or self._clock() >= self._closes_at else "open"

    @property
    def detail(self) -> str:
        """The last failure's detail; "" while the circuit is closed."""
        return "" if self._closes_at is None else self._last

    def refuse_if_open(self, *, checking: bool = False) -> None:
        """Raise what `admit` would raise, without taking the trial: to be asked before a turn is waited for."""
        if self._closes_at is None or checking or self._is_mine:
            return
        left = self._closes_at - self._clock()
        if left > 0:
            raise self._refusal(left)
        if self._trying:
            raise self._refusal(min(TRIAL_WAIT, self._pause))

    async def admit(self, *, checking: bool = False) -> None:
        """Let a request pass, as the trial when the circuit is half open; `NotSent` when nothing may leave.

        `checking`: always let in; an open circuit is half open from then on, and this request decides.
        """
        self.refuse_if_open(checking=checking)
        if self._closes_at is not None:
            self._trial = asyncio.current_task()

    def succeeded(self) -> None:
        """The vendor answered, whatever it said: whoever hears it, the circuit closes."""
        self._failures, self._last, self._closes_at, self._trial = 0, "", None, None

    def failed(self, error: VendorError, *, status: int | None = None) -> None:
        """A request ended in this error; `status` is that of the vendor's answer, None when no whole one came.

        No connection, no answer, a 5xx or garbage count as failures. Any other answer (a refusal, a 429) shows the
        vendor alive. What is neither, such as a locked credential, tells nothing.
        """
        if not _is_trouble(error, status):
            if status is not None or error.code:
                self.succeeded()
            else:
                self.withdraw()
            return
        if self._closes_at is not None and not self._is_mine:
            return  # it left before the circuit opened: that one is known already
        self._failures += 1
        self._last = error.detail
        if self._failures >= self._threshold:
            self._closes_at = self._clock() + self._pause
        self._trial = None

    def withdraw(self) -> None:
        """An admitted request ended without telling anything of the vendor; another one may try."""
        if self._is_mine:
            self._trial = None

    @property
    def _is_mine(self) -> bool:
        return self._trial is not None and self._trial is asyncio.current_task()

    @property
    def _trying(self) -> bool:
        return self._trial is not None and not self._trial.done()

    def _refusal(self, wait: float) -> NotSent:
        return NotSent(
            f"the circuit to {self._name} is open after {self._failures} failures in a row ({self._last}); "
            f"next try in {math.ceil(wait)} s; run check",
            retry_after=wait,
        )


def _is_trouble(error: VendorError, status: int | None) -> bool:
    if isinstance(error, Refused):
        return False
    if isinstance(error, NotSent):
        # with a code or a time to wait, the vendor itself has said it
        return status is None and not error.code and error.retry_after is None
    return status is None or status >= 500 or not error.code
