"""Attempts in the database: the intent before the bytes, the verdict and the reply, without secrets, after."""

import re
from dataclasses import dataclass
from typing import Any

from gateway.canonical import Verdict
from gateway.contract import Reply, Step
from gateway.encoding import REDACTED, Encoded
from gateway.store import deliveries
from gateway.store.database import Database

REPLY_CHARACTERS = 2_000
_NUMBERS = re.compile(r"\+?\d{9,15}(?!\d)")


@dataclass(frozen=True, slots=True)
class AttemptRecorder:
    """Records the attempts of one batch (part and batch None: of the delivery as a whole)."""

    database: Database
    delivery_id: str
    part: int | None
    batch: int | None

    async def intend(self, step: Step[Any], encoded: Encoded) -> object:
        values = {
            "delivery_id": self.delivery_id,
            "part": self.part,
            "batch": self.batch,
            "step": step.name,
            "method": encoded.method,
            "target": encoded.target[:REPLY_CHARACTERS],
            "digest": encoded.digest,
        }
        return await self.database.run(deliveries.intend, values)

    async def conclude(self, attempt: object, verdict: Verdict, reply: Reply | None, detail: str) -> None:
        excerpt = None if reply is None else excerpt_of(reply.body)
        status = None if reply is None else reply.status
        await self.database.run(deliveries.conclude, str(attempt), verdict, status, excerpt, detail)


def excerpt_of(body: bytes) -> str:
    """The beginning of a reply as text: telephone numbers masked, NUL shown as a replacement mark.

    The channel has taken the secrets out already.
    """
    text = body[: REPLY_CHARACTERS * 4].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return _NUMBERS.sub(REDACTED, text)[:REPLY_CHARACTERS]
