"""The accounts of all destinations: one gate and one token each, shared by all work, kept across reloads."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.breaker import Breaker
from gateway.channel import Account, Channel, Gate, Observe, unobserved
from gateway.late_transport import Sends
from gateway.problem import Problem
from gateway.recording import AttemptRecorder
from gateway.settings import Destination
from gateway.store.attempts import Purpose
from gateway.store.database import Database
from gateway.store.locks import DatabaseLocks


@dataclass(slots=True)
class Accounts:
    """Makes channels. A destination whose address, credentials or limits changed gets a new account."""

    transport: Sends
    locks: DatabaseLocks
    database: Database
    owner: str
    observe: Observe = unobserved
    _known: dict[tuple[str, str], tuple[Any, Account]] = field(default_factory=dict)

    def account(self, destination: Destination) -> Account:
        if destination.credentials is None:
            raise Problem("destination.unknown", f"{destination.name} has no credentials in this configuration")
        place = (destination.tenant, destination.name)
        shape = (destination.base_url, destination.credentials, destination.limits, destination.adapter.name)
        known = self._known.get(place)
        if known is None or known[0] != shape:
            account = Account(
                destination.adapter,
                destination.base_url,
                destination.credentials,
                destination.limits,
                Gate(destination.limits),
                Breaker(destination.name),
            )
            self._known[place] = known = (shape, account)
        return known[1]

    def channel(self, destination: Destination, purpose: Purpose, *, checking: bool = False) -> Channel:
        """The way to a destination for one piece of work; every request of it is recorded."""
        return Channel(
            self.account(destination),
            self.transport,
            self.locks,
            AttemptRecorder(self.database, self.owner, purpose),
            ignore_lock=checking,
            observe=self.observe,
        )

    async def locked(self, destination: Destination) -> str | None:
        """Why the destination's credential is locked; None when it is not."""
        if destination.credentials is None or not destination.adapter.auth.locks:
            return None
        return await self.locks.reason(self.account(destination).fingerprint)

    async def claim_check(self, destination: Destination, every: float = 600.0) -> bool:
        """Whether the destination may be checked now: a locked credential at most once in ten minutes."""
        if await self.locked(destination) is None:
            return True
        return await self.locks.may_check(self.account(destination).fingerprint, datetime.now(UTC), every)

    async def unlock(self, destination: Destination) -> None:
        await self.locks.unlock(self.account(destination).fingerprint)
