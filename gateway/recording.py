"""Attempts in the database: the intent before the bytes, the verdict and the reply, without secrets, after."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from gateway.canonical import Verdict
from gateway.channel import texts
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
    secrets: tuple[str, ...]

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
        excerpt = None if reply is None else redacted(reply.body, self.secrets)
        status = None if reply is None else reply.status
        await self.database.run(deliveries.conclude, str(attempt), verdict, status, excerpt, detail)


def secret_texts(credentials: BaseModel) -> tuple[str, ...]:
    """Texts that must not be kept: every credential of some length."""
    return tuple(text for text in texts(credentials) if len(text) >= 6)


def redacted(body: bytes, secrets: tuple[str, ...]) -> str:
    """The beginning of a reply as text, secrets and telephone numbers masked, NUL shown as a replacement mark."""
    text = body[: REPLY_CHARACTERS * 4].decode("utf-8", "replace").replace("\x00", "\ufffd")
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return _NUMBERS.sub(REDACTED, text)[:REPLY_CHARACTERS]
