"""After a crash: an exchange is driven again, and the replies that were recorded are fed back, until the first without.

So what was answered is not sent again, and what was under way shows itself as unclear.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from gateway.canonical import Verdict
from gateway.contract import Refused, Reply, Step, Unclear
from gateway.driver import Sender
from gateway.encoding import encode
from gateway.store.attempts import STOPPED, Record

T = TypeVar("T")


class Replayed:
    """A sender that answers from the records of an earlier run while there are any, and then goes on live."""

    def __init__(self, live: Sender, resolve: Callable[..., str], records: Iterable[Record]) -> None:
        self._live, self._resolve = live, resolve
        known = list(records)
        self.risked = any(record.verdict in (None, Verdict.UNKNOWN, Verdict.ACCEPTED) for record in known)
        self._records = deque(known if self.risked else ())  # where nothing took effect, all begins anew

    async def send(self, step: Step[Any], read: Callable[[Reply], T]) -> T:
        while self._records:
            record = self._records.popleft()
            if not await self._is_of(step, record):
                self._records.clear()
                raise Unclear("what was sent before the gateway was stopped is not what would be sent now")
            if record.verdict is Verdict.NOT_SENT or (step.repeatable and self._is_open(record)):
                continue
            if record.verdict is None or record.verdict is Verdict.UNKNOWN:
                raise Unclear(record.detail or STOPPED)
            if record.answer is not None:
                return read(record.answer)
            if record.verdict is Verdict.REJECTED:
                raise Refused(record.detail)
            raise Unclear("the vendor's reply was too long to be kept, and the gateway was stopped before it was used")
        return await self._live.send(step, read)

    @staticmethod
    def _is_open(record: Record) -> bool:
        return record.verdict is not Verdict.REJECTED and (record.verdict is not Verdict.ACCEPTED or not record.answer)

    async def _is_of(self, step: Step[Any], record: Record) -> bool:
        if step.name != record.step:
            return False
        encoded = await asyncio.to_thread(encode, step.request, self._resolve)
        encoded.close()
        return encoded.digest == record.digest
