"""Attempts in the database: the intent before the bytes, the verdict and the reply, without secrets, after."""

import re
from dataclasses import dataclass
from typing import Any

from gateway.canonical import Verdict
from gateway.contract import Limits, Reply, Step
from gateway.encoding import REDACTED, Encoded
from gateway.store import attempts
from gateway.store.attempts import Purpose
from gateway.store.database import Database

REPLY_CHARACTERS = 2_000
WHOLE_REPLY = 4 << 20
"""Bytes of the longest reply that is kept to be fed back after a crash; beyond that the request is looked up."""
_NUMBERS = re.compile(r"\+?\d{9,15}(?!\d)")


@dataclass(frozen=True, slots=True)
class AttemptRecorder:
    """Records the attempts of one piece of work. `owner` is this process."""

    database: Database
    owner: str
    purpose: Purpose

    async def intend(self, step: Step[Any], encoded: Encoded, account: str, limits: Limits) -> int | float:
        """The attempt, durable before a byte leaves; a float instead: its turn comes in so many seconds at best."""
        request = request_of(step, encoded)
        return await self.database.run(attempts.intend, self.purpose, self.owner, account, limits, request)

    async def conclude(self, attempt: int, verdict: Verdict, reply: Reply | None, detail: str) -> None:
        await self.database.run(attempts.conclude, *self.told(attempt, verdict, reply, detail))

    def told(
        self, attempt: int, verdict: Verdict, reply: Reply | None, detail: str, *, settled: bool = False
    ) -> tuple[int, Verdict, int | None, str | None, Reply | None, str]:
        """What `attempts.conclude` takes; of work that is `settled`, nothing needs to be fed back after a crash."""
        excerpt = None if reply is None else excerpt_of(reply.body)
        status = None if reply is None else reply.status
        kept = reply if self.purpose.verb in attempts.SENDING and not settled and self._is_kept(reply) else None
        return attempt, verdict, status, excerpt, kept, detail

    def _is_kept(self, reply: Reply | None) -> bool:
        return reply is not None and len(reply.body) <= WHOLE_REPLY


def request_of(step: Step[Any], encoded: Encoded) -> dict[str, str]:
    """What is recorded of a request."""
    target = encoded.target[:REPLY_CHARACTERS]
    return {"step": step.name, "method": encoded.method, "target": target, "digest": encoded.digest}


def excerpt_of(body: bytes) -> str:
    """The beginning of a reply as text: telephone numbers masked, NUL shown as a replacement mark.

    The channel has taken the secrets out already.
    """
    text = body[: REPLY_CHARACTERS * 4].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return _NUMBERS.sub(REDACTED, text)[:REPLY_CHARACTERS]
