"""Sends what one delivery has to send: makes its remote lists, sends batch by batch, looks up what is unclear.

A request whose outcome is unknown is never repeated blindly: it is looked up first. After a crash the recorded replies
of an exchange are fed back before anything is sent.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gateway import bookkeeping as books
from gateway.accounts import Accounts
from gateway.canonical import Outcome, Verdict
from gateway.canonical.faults import fault
from gateway.contract import (
    AnyAdapter,
    Batch,
    Finding,
    Job,
    NotAuthorised,
    NotSent,
    Opened,
    Receipt,
    Refused,
    RemoteList,
    Style,
    Unclear,
    VendorError,
    Verb,
)
from gateway.driver import Patience, Sender, run
from gateway.readback import Find, Sleep, look_up, watch
from gateway.replaying import Replayed
from gateway.settings import Destination, Server
from gateway.store import attempts
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store.attempts import Purpose, Record
from gateway.store.chunks import Mark
from gateway.store.database import Database
from gateway.store.deliveries import StoredDelivery, StoredRemote

Batches = list[tuple[int, int]]

TRIES = 2
"""How often a batch is sent at most, the second time only after it is proven that the first had no effect."""


class Stopped(Exception):
    """Nothing more can be sent to this destination; `error` says why."""

    def __init__(self, error: VendorError) -> None:
        super().__init__(error.detail)
        self.error = error


class Cancelled(Exception):
    """The caller wants no further batch to leave."""


class Interrupted(Exception):
    """This process ends: what is left stays for the next one."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A run of an operation as a delivery sees it. `resumed`: an earlier run may have sent something.

    `go_on` returns when a further batch may leave, and raises `Cancelled` or `Interrupted` when not.
    """

    operation_id: str
    resumed: bool
    go_on: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One delivery while it is carried."""

    database: Database
    accounts: Accounts
    server: Server
    sleep: Sleep
    leg: Leg
    delivery: StoredDelivery
    of_list: store.StoredList
    destination: Destination
    options: Any
    parts: int

    @property
    def adapter(self) -> AnyAdapter:
        return self.destination.adapter

    def job(self, remote: StoredRemote) -> Job[Any]:
        return Job(
            head=self.of_list.head,
            profile=self.delivery.profile,
            options=self.options,
            key=remote.key,
            now=datetime.fromisoformat(self.delivery.created_at),
            part=remote.part,
            parts=self.parts,
            start=self.delivery.activation in ("started", "scheduled"),
        )

    async def send_all(self) -> None:
        """Returns when every contact is settled. What an earlier run began comes to its end before anything new."""
        standing = await self.database.run(books.standing, self.delivery.id)
        remotes = standing.remotes
        if self.delivery.style is Style.CREATE:
            remotes = await self._create(remotes)
        begun: Batches = []
        fresh: Batches = []
        for part, batch in standing.batches:
            (begun if (part, batch) in standing.tried else fresh).append((part, batch))
        current = {one.part: one for one in remotes}
        closed: set[int] = set()
        for part, batch in (*begun, *fresh):
            if part not in current or part in closed:
                continue
            if (part, batch) not in standing.tried:
                await self.leg.go_on()
                await self.database.run(books.withhold, self.of_list.tenant, self.delivery, part, batch)
            remote, clear = await self._fill(current[part], batch)
            current[part] = replace(current[part], remote=remote)
            if not clear and (remote is None or self.adapter.counts_only):
                # Without a list, or with a count that nobody can read any more, later batches could not be told apart.
                rest = fault("delivery.not_sent", detail="an earlier batch of the same remote list is unclear")
                await self._settle_rest(part, None, Mark(Outcome.REJECTED, None, (rest,), None, True))
                closed.add(part)

    async def _create(self, remotes: list[StoredRemote], tries: int = TRIES) -> list[StoredRemote]:
        """Make the remote lists that are not there yet; the ones whose making stays unclear are left out."""
        missing = [one for one in remotes if one.remote is None]
        if not missing:
            return remotes
        create = self.adapter.create
        assert create is not None
        made: dict[int, RemoteList] = {}
        try:
            answer = await self._drive(Verb.CREATE, None, None, create(tuple(self.job(one) for one in missing)), tries)
            made = {one.part: remote for one, remote in zip(missing, answer, strict=True)}
        except Unclear as error:
            absent = False
            for one in missing:
                finding = await self._look_up(one, None, None, error.detail)
                if finding.remote is not None:
                    made[one.part] = finding.remote
                elif finding.verdict is Verdict.NOT_SENT:
                    absent = True
                else:
                    unknown = Mark(Outcome.UNKNOWN, detail=finding.detail or error.detail)
                    await self._settle_rest(one.part, None, unknown)
            if absent and tries <= 1:
                raise Stopped(NotSent("the list could not be made")) from error
            if absent:
                await self.database.run(stored.save_remotes, self.delivery.id, made)
                remotes = [_with(one, made) for one in remotes]
                return await self._create(remotes, tries - 1)
        except (Refused, NotSent) as error:
            raise Stopped(error) from error
        await self.database.run(stored.save_remotes, self.delivery.id, made)
        return [_with(one, made) for one in remotes if one.remote is not None or one.part in made]

    async def _fill(self, part: StoredRemote, number: int) -> tuple[RemoteList | None, bool]:
        """Send what is pending of one batch of a remote list."""
        chunks, length, pending = await self.database.run(books.batch_of, self.delivery.id, part.part, number)
        if not pending:
            return part.remote, True
        people = books.StoredContacts(self.database, self.of_list.id, chunks, length)
        return await self._send(part, part.remote, Batch(number, f"{part.key}-{number}", people))

    async def _send(
        self, part: StoredRemote, remote: RemoteList | None, batch: Batch, tries: int = TRIES
    ) -> tuple[RemoteList | None, bool]:
        """Send one batch; the remote list afterwards, and whether every contact's outcome is clear."""
        try:
            opened = await self._open_or_append(part, remote, batch, tries)
        except Unclear as error:
            finding = await self._look_up(part, remote, batch, error.detail)
            if finding.verdict is Verdict.NOT_SENT and tries <= 1:
                raise Stopped(NotSent("sent twice, proven absent twice")) from error
            if finding.verdict is Verdict.NOT_SENT:
                return await self._send(part, finding.remote or remote, batch, tries - 1)
            there = finding.remote or remote
            if there is None:
                await self._settle_rest(part.part, batch.number, Mark(Outcome.UNKNOWN, detail=finding.detail))
                return None, False
            proven = Outcome.ACCEPTED if finding.verdict is Verdict.ACCEPTED else Outcome.UNKNOWN
            opened = Opened(there, finding.receipt or Receipt(rest=proven, detail=finding.detail))
            return await self._settle(part, batch, opened, looked=True)
        except Refused as error:
            if remote is None or isinstance(error, NotAuthorised):
                raise Stopped(error) from error
            why = fault("vendor.refused_batch", detail=error.detail)
            await self._settle_rest(part.part, batch.number, Mark(Outcome.REJECTED, None, (why,), None, True))
            return remote, True
        except NotSent as error:
            raise Stopped(error) from error
        return await self._settle(part, batch, opened)

    async def _open_or_append(self, part: StoredRemote, remote: RemoteList | None, batch: Batch, tries: int) -> Opened:
        job = self.job(part)
        if remote is None or await self._was_opened_by(part, batch):
            deliver = self.adapter.deliver
            assert deliver is not None
            opened: Opened = await self._drive(Verb.DELIVER, part.part, batch.number, deliver(job, batch), tries)
            return opened
        append = self.adapter.append
        assert append is not None
        receipt = await self._drive(Verb.APPEND, part.part, batch.number, append(job, remote, batch), tries)
        count, extra = (remote.count or 0) + len(batch.contacts), {**remote.extra, **receipt.extra}
        return Opened(replace(remote, count=count, extra=extra), receipt)

    async def _was_opened_by(self, part: StoredRemote, batch: Batch) -> bool:
        """Whether an earlier run made the remote list with this batch, which is still queued at the vendor."""
        if not self.leg.resumed:
            return False
        place = (self.delivery.id, part.part, batch.number, Verb.DELIVER.value)
        return bool(await self.database.run(attempts.records_of, *place))

    async def _settle(
        self, part: StoredRemote, batch: Batch, opened: Opened, *, looked: bool = False
    ) -> tuple[RemoteList, bool]:
        """Record what a receipt says of each contact. Queued ones are watched, doubtful ones read back (once)."""
        receipt, remote = opened.receipt, opened.remote
        before = replace(remote, count=max((remote.count or 0) - len(batch.contacts), 0))
        # A queued batch is not counted yet: after a crash its exchange is driven again from where it began.
        outcomes = await self._apply(part, batch, receipt, before if receipt.is_queued else remote)
        better: Receipt | None = None
        if Outcome.PENDING in outcomes:
            pause = max(self.destination.limits.visibility_delay, 0.05)
            patience = Patience.of(self.server.settle)
            better = await watch(self._finder(part, before, batch), pause, self.sleep, patience, receipt)
        elif Outcome.UNKNOWN in outcomes and not looked and self.adapter.find is not None:
            finding = await self._look_up(part, before, batch, receipt.detail)
            if finding.receipt is not None and finding.verdict is not Verdict.NOT_SENT:
                better = replace(finding.receipt, items={**receipt.items, **finding.receipt.items})
        if better is not None:
            outcomes = await self._apply(part, batch, better, remote)
        return remote, Outcome.UNKNOWN not in outcomes

    async def _apply(self, part: StoredRemote, batch: Batch, receipt: Receipt, remote: RemoteList) -> set[Outcome]:
        return await self.database.run(books.apply_receipt, self.delivery, part.part, batch.number, receipt, remote)

    async def _settle_rest(self, part: int | None, batch: int | None, becomes: Mark) -> None:
        await self.database.run(books.settle, self.delivery, part, batch, becomes)

    async def _look_up(
        self, part: StoredRemote, remote: RemoteList | None, batch: Batch | None, detail: str
    ) -> Finding:
        """Read back what became of an unclear request; unknown where the vendor has nothing to look up."""
        if self.adapter.find is None:
            why = self.adapter.capability(Verb.FIND).note
            return Finding(Verdict.UNKNOWN, detail=f"{detail}; {why}")
        delay = self.destination.limits.visibility_delay
        return await look_up(self._finder(part, remote, batch), delay, self.sleep, known=remote, detail=detail)

    def _finder(self, part: StoredRemote, remote: RemoteList | None, batch: Batch | None) -> Find:
        async def find() -> Finding:
            assert self.adapter.find is not None
            try:
                exchange = self.adapter.find(self.job(part), remote, batch)
                purpose = self._purpose(Verb.FIND, part.part, batch.number if batch else None)
                finding: Finding = await self._talk(exchange, self.accounts.channel(self.destination, purpose))
                return finding
            except VendorError as error:
                return Finding(Verdict.UNKNOWN, detail=f"the look-up failed: {error.detail}")

        return find

    async def _drive(self, verb: Verb, part: int | None, batch: int | None, exchange: Any, tries: int) -> Any:
        """Drive what may put contacts at the vendor. In a resumed run, first from what the earlier one recorded."""
        records: list[Record] = []
        if self.leg.resumed:
            records = await self.database.run(attempts.records_of, self.delivery.id, part, batch, verb.value)
        first = tries == TRIES
        latest = records[-1].round if records else TRIES - tries + first
        purpose = self._purpose(verb, part, batch, latest if first else latest + 1)
        sender: Sender = self.accounts.channel(self.destination, purpose)
        if first and records:
            sender = Replayed(sender, self.accounts.account(self.destination).resolve, records)
        return await self._talk(exchange, sender)

    def _purpose(self, verb: Verb, part: int | None, batch: int | None, round_: int = 1) -> Purpose:
        return Purpose(verb.value, self.leg.operation_id, self.delivery.id, part, batch, round_)

    async def _talk(self, exchange: Any, sender: Sender) -> Any:
        return await run(exchange, sender, Patience.of(self.server.budget), self.sleep)


def _with(stored_remote: StoredRemote, made: dict[int, RemoteList]) -> StoredRemote:
    return replace(stored_remote, remote=made.get(stored_remote.part, stored_remote.remote))
