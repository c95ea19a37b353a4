"""One destination's way out: authorisation, shaping, the credential lock, and the record of every attempt."""

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, SecretStr

from gateway.breaker import Breaker
from gateway.canonical import Verdict
from gateway.contract import AnyAdapter, Credential, Limits, NotAuthorised, Reply, Step, Token, VendorError
from gateway.encoding import REDACTED, Encoded, encode
from gateway.late_transport import Sends

T = TypeVar("T")
_FRESH = timedelta(seconds=30)
MIN_SECRET = 6
"""Credentials shorter than this are not looked for in replies: they are everywhere."""


LONGEST_SLEEP = 5.0
"""Seconds after which a request that waits for its turn looks again: another process may have left it room."""


class CredentialLocked(NotAuthorised):
    """The credential was refused before and is not used again until a check of it succeeds."""


class Recorder(Protocol):
    """Keeps attempts. `intend` is durable before a byte leaves: the attempt, or seconds (a float) to wait."""

    async def intend(self, step: Step[Any], encoded: Encoded, account: str, limits: Limits) -> int | float: ...
    async def conclude(self, attempt: int, verdict: Verdict, reply: Reply | None, detail: str) -> None: ...


class NoRecord:
    """Keeps nothing: where there is no database."""

    async def intend(self, step: Step[Any], encoded: Encoded, account: str, limits: Limits) -> int | float:
        return 0

    async def conclude(self, attempt: int, verdict: Verdict, reply: Reply | None, detail: str) -> None:
        return None


class Locks(Protocol):
    """Which credentials are locked. `owner` names host and credential without revealing it."""

    async def reason(self, owner: str) -> str | None: ...
    async def lock(self, owner: str, reason: str) -> None: ...
    async def unlock(self, owner: str) -> None: ...


Observe = Callable[[str, str, Verdict], None]
"""Told of every concluded attempt: adapter, step, verdict."""


def unobserved(adapter: str, step: str, verdict: Verdict) -> None:
    """Nobody counts."""


class Gate:
    """At most `limits.concurrency` requests at once and `limits.requests_per_minute` in any 60 seconds."""

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._per_minute = limits.requests_per_minute
        self._starts: deque[float] = deque()
        self._turn = asyncio.Lock()
        self._clock, self._sleep = clock, sleep

    @asynccontextmanager
    async def pass_through(self) -> AsyncIterator[None]:
        async with self._slots:
            async with self._turn:
                await self._wait_for_rate()
            yield

    async def _wait_for_rate(self) -> None:
        while len(self._starts) >= self._per_minute:
            wait = self._starts[0] + 60.0 - self._clock()
            if wait <= 0:
                self._starts.popleft()
            else:
                await self._sleep(wait)
        self._starts.append(self._clock())


@dataclass(slots=True)
class Account:
    """A destination as the channel needs it; shared by all work that goes there."""

    adapter: AnyAdapter
    base_url: str
    credentials: BaseModel
    limits: Limits
    gate: Gate
    breaker: Breaker
    token: Token | None = None
    token_of: datetime | None = None
    """When the token was made."""
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        text = "\n".join(texts(self.credentials))
        host = self.base_url.split("://", 1)[-1].split("/", 1)[0]
        self.fingerprint = hashlib.sha256(f"{host}\n{text}".encode()).hexdigest()

    def resolve(self, credential: Credential, in_address: bool = False) -> str:
        value: Any = self.credentials
        for part in credential.name.split("."):
            value = getattr(value, part)
        if isinstance(value, SecretStr):
            if in_address:
                raise ValueError(f"{credential.name} is secret and has no place in an address")
            if credential.name not in self.adapter.secrets_in_body:
                raise ValueError(f"{credential.name} is secret and not declared in secrets_in_body")
            return value.get_secret_value()
        return str(value)


@dataclass(frozen=True, slots=True)
class Channel:
    """The driver's sender for one account."""

    account: Account
    transport: Sends
    locks: Locks
    recorder: Recorder = field(default_factory=NoRecord)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    nonce: Callable[[], str] = lambda: secrets.token_hex(16)
    ignore_lock: bool = False
    """For the check, which is what lifts a lock."""
    observe: Observe = unobserved
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    inline: bool = False
    """Of requests that are so small that a thread for their encoding costs more."""

    @property
    def risked(self) -> bool:
        return False

    async def send(self, step: Step[Any], read: Callable[[Reply], T]) -> T:
        account = self.account
        await self._refuse_if_locked()
        account.breaker.refuse_if_open(checking=self.ignore_lock)
        if self.inline:
            encoded = encode(step.request, account.resolve)
        else:
            encoded = await asyncio.to_thread(encode, step.request, account.resolve)
        try:
            async with account.gate.pass_through():
                await self._refuse_if_locked()
                await account.breaker.admit(checking=self.ignore_lock)
                try:
                    return await self._attempt(step, encoded, read)
                finally:
                    account.breaker.withdraw()  # of no effect once its end is told
        finally:
            encoded.close()

    async def _attempt(self, step: Step[Any], encoded: Encoded, read: Callable[[Reply], T]) -> T:
        account = self.account
        authorisation = self._authorisation()  # what fails here was never about to leave
        attempt = await self._turn(step, encoded)
        reply = None
        try:
            reply = await self.transport.send(account.base_url, encoded, authorisation, account.limits.timeout)
            value = read(reply)
        except VendorError as error:
            reply, error.detail = self._without_secrets(authorisation, reply, error.detail)
            error.args = (error.detail,)
            account.breaker.failed(error, status=reply.status if reply else None)
            if isinstance(error, NotAuthorised):
                account.token = None
                if account.adapter.auth.locks:
                    await self.locks.lock(account.fingerprint, error.detail)
            await self.recorder.conclude(attempt, error.verdict, reply, error.detail)
            self.observe(account.adapter.name, step.name, error.verdict)
            raise
        account.breaker.succeeded()
        reply, _ = self._without_secrets(authorisation, reply, "")
        await self.recorder.conclude(attempt, Verdict.ACCEPTED, reply, "")
        self.observe(account.adapter.name, step.name, Verdict.ACCEPTED)
        return value

    async def _turn(self, step: Step[Any], encoded: Encoded) -> int:
        """The recorded attempt, once the account's limits, which all processes share, let it leave."""
        account = self.account
        while isinstance(turn := await self.recorder.intend(step, encoded, account.fingerprint, account.limits), float):
            await self.sleep(min(turn, LONGEST_SLEEP))
        return turn

    def _without_secrets(
        self, authorisation: list[tuple[str, str]], reply: Reply | None, detail: str
    ) -> tuple[Reply | None, str]:
        """Reply and detail for the record: vendors have been met that answer with the token they were sent."""
        tokens = [value.removeprefix(self.account.adapter.auth.scheme) for _, value in authorisation]
        secrets = [text for text in (*texts(self.account.credentials), *tokens) if len(text) >= MIN_SECRET]
        for text in secrets:
            detail = detail.replace(text, REDACTED)
        if reply is not None:
            body = reply.body
            for text in secrets:
                body = body.replace(text.encode(), REDACTED.encode())
            reply = replace(reply, body=body)
        return reply, detail

    async def _refuse_if_locked(self) -> None:
        if self.ignore_lock or not self.account.adapter.auth.locks:
            return
        reason = await self.locks.reason(self.account.fingerprint)
        if reason is not None:
            raise CredentialLocked(
                f"this credential was refused before ({reason}); it stays unused until a check of it passes"
            )

    def _authorisation(self) -> list[tuple[str, str]]:
        account, auth, now = self.account, self.account.adapter.auth, self.now()
        token = account.token
        ahead = account.token_of is not None and account.token_of > now  # the clock was set back: vendors refuse it
        if token is None or not token.reusable or ahead or (token.expires_at and token.expires_at - _FRESH <= now):
            token = auth.token(account.credentials, now, self.nonce())
            account.token, account.token_of = token, now
        return [(auth.header, auth.scheme + token.value.get_secret_value())]


def texts(value: object) -> list[str]:
    """Every text inside a settings model, secrets revealed."""
    if isinstance(value, SecretStr):
        return [value.get_secret_value()]
    if isinstance(value, BaseModel):
        return [text for name in sorted(type(value).model_fields) for text in texts(getattr(value, name))]
    return [str(value)]
