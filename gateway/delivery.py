"""Carries the deliveries of a list: opens remote lists, sends batches, looks up what is unclear, falls back.

A vendor call whose outcome is unknown is never repeated blindly and never failed over: it is looked up first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from gateway import bookkeeping as books
from gateway.accounts import Accounts
from gateway.canonical import Contact, Fault, Outcome, Verdict
from gateway.canonical.faults import fault
from gateway.channel import Channel, CredentialLocked
from gateway.contract import (
    AnyAdapter,
    Batch,
    CannotDo,
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
from gateway.driver import Patience, run
from gateway.planning import draft, merged_options
from gateway.problem import Problem
from gateway.readback import Find, Sleep, look_up, watch
from gateway.recording import AttemptRecorder
from gateway.settings import Destination, Server, Tenant
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store.database import Database
from gateway.store.deliveries import StoredDelivery, StoredRemote

log = structlog.get_logger("gateway.delivery")

TRIES = 2
"""How often a batch is sent at most, the second time only after it is proven that the first had no effect."""


class _Stopped(Exception):
    """Nothing more can be sent to this destination; `error` says why."""

    def __init__(self, error: VendorError) -> None:
        super().__init__(error.detail)
        self.error = error


class Cancelled(Exception):
    """The caller wants no further batch to leave."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One delivery while it is carried."""

    delivery: StoredDelivery
    list: store.StoredList
    destination: Destination
    options: Any
    parts: int

    @property
    def adapter(self) -> AnyAdapter:
        return self.destination.adapter

    def job(self, remote: StoredRemote) -> Job[Any]:
        return Job(
            head=self.list.head,
            profile=self.delivery.profile,
            options=self.options,
            key=remote.key,
            now=datetime.fromisoformat(self.delivery.created_at),
            part=remote.part,
            parts=self.parts,
            start=self.delivery.activation in ("started", "scheduled"),
        )


class Courier:
    """Delivers lists. All state is in the database; one courier serves all tenants."""

    def __init__(self, database: Database, accounts: Accounts, server: Server, sleep: Sleep = asyncio.sleep) -> None:
        self.database, self.accounts, self.server, self.sleep = database, accounts, server, sleep

    async def deliver(self, tenant: Tenant, list_id: str, is_cancelled: Callable[[], bool] = lambda: False) -> None:
        """Carry every delivery of the list that has something to send; returns when each contact is settled."""
        found = await self.database.run(stored.of_list, list_id)
        ready = [one for one in found if one.activation != "held" and one.superseded_by is None]
        async with asyncio.TaskGroup() as group:
            for one in ready:
                group.create_task(self._carry(tenant, one, is_cancelled))

    async def _carry(self, tenant: Tenant, delivery: StoredDelivery, is_cancelled: Callable[[], bool]) -> None:
        next_one: StoredDelivery | None = delivery
        while next_one is not None and next_one.activation != "held":
            work = await self._work(tenant, next_one)
            try:
                await self._send_all(work, is_cancelled)
                return
            except Cancelled:
                await self._give_up(work, fault("delivery.cancelled"))
                return
            except CannotDo as error:
                next_one = await self._fall_back(tenant, work, Refused(error.why))
            except _Stopped as stop:
                next_one = await self._fall_back(tenant, work, stop.error)
            except Exception:
                await self._after_crash(work)
                raise

    async def _work(self, tenant: Tenant, delivery: StoredDelivery) -> _Work:
        stored_list, remotes = await self.database.run(books.load, tenant.name, delivery)
        destination = tenant.destinations[delivery.destination]
        return _Work(delivery, stored_list, destination, merged_options(destination, delivery.options), len(remotes))

    async def _send_all(self, work: _Work, is_cancelled: Callable[[], bool]) -> None:
        remotes, batches = await self.database.run(books.remotes_and_batches, work.delivery.id)
        if work.delivery.style is Style.CREATE:
            remotes = await self._create(work, remotes)
        for remote in remotes:
            numbers = [batch for part, batch in batches if part == remote.part]
            await self._fill(work, remote, numbers, is_cancelled)

    async def _create(self, work: _Work, remotes: list[StoredRemote], tries: int = TRIES) -> list[StoredRemote]:
        """Make the remote lists that are not there yet; the ones whose making stays unclear are left out."""
        missing = [one for one in remotes if one.remote is None]
        if not missing:
            return remotes
        create = work.adapter.create
        assert create is not None
        made: dict[int, RemoteList] = {}
        try:
            answer = await self._talk(work, None, None, create(tuple(work.job(one) for one in missing)))
            made = {one.part: remote for one, remote in zip(missing, answer, strict=True)}
        except Unclear as error:
            absent = False
            for one in missing:
                finding = await self._look_up(work, one, None, None, error.detail)
                if finding.remote is not None:
                    made[one.part] = finding.remote
                elif finding.verdict is Verdict.NOT_SENT:
                    absent = True
                else:
                    await self._leave_unknown(work, one.part, None, finding.detail or error.detail)
            if absent and tries <= 1:
                raise _Stopped(NotSent("the list could not be made")) from error
            if absent:
                await self._keep(work, made)
                remotes = [_with(one, made) for one in remotes]
                return await self._create(work, remotes, tries - 1)
        except (Refused, NotSent) as error:
            raise _Stopped(error) from error
        await self._keep(work, made)
        return [_with(one, made) for one in remotes if one.remote is not None or one.part in made]

    async def _keep(self, work: _Work, made: dict[int, RemoteList]) -> None:
        for part, remote in made.items():
            await self.database.run(stored.save_remote, work.delivery.id, part, remote)

    async def _fill(
        self, work: _Work, remote: StoredRemote, numbers: list[int], is_cancelled: Callable[[], bool]
    ) -> None:
        """Send the batches of one remote list, in order."""
        current = remote.remote
        for number in numbers:
            if is_cancelled():
                raise Cancelled
            people = await self.database.run(store.batch_contacts, work.delivery.id, remote.part, number)
            if not people:
                continue
            current, clear = await self._send(work, remote, current, number, people)
            if not clear and (current is None or work.adapter.counts_only):
                # Without a list, or with a count that nobody can read any more, later batches could not be told apart.
                rest = fault("delivery.not_sent", detail="an earlier batch of the same remote list is unclear")
                await self.database.run(
                    store.settle,
                    work.delivery.id,
                    remote.part,
                    None,
                    Outcome.REJECTED,
                    was=Outcome.PENDING,
                    faults=[rest],
                )
                return

    async def _send(
        self,
        work: _Work,
        part: StoredRemote,
        remote: RemoteList | None,
        number: int,
        people: list[tuple[int, Contact]],
        tries: int = TRIES,
    ) -> tuple[RemoteList | None, bool]:
        """Send one batch; the remote list afterwards, and whether every contact's outcome is clear."""
        batch = Batch(number, f"{part.key}-{number}", [contact for _, contact in people])
        try:
            opened = await self._open_or_append(work, part, remote, batch)
        except Unclear as error:
            finding = await self._look_up(work, part, remote, batch, error.detail)
            if finding.verdict is Verdict.NOT_SENT and tries <= 1:
                raise _Stopped(NotSent("sent twice, proven absent twice")) from error
            if finding.verdict is Verdict.NOT_SENT:
                return await self._send(work, part, finding.remote or remote, number, people, tries - 1)
            there = finding.remote or remote
            if there is None:
                await self._leave_unknown(work, part.part, number, finding.detail)
                return None, False
            proven = Outcome.ACCEPTED if finding.verdict is Verdict.ACCEPTED else Outcome.UNKNOWN
            opened = Opened(there, finding.receipt or Receipt(rest=proven, detail=finding.detail))
            return await self._settle(work, part, batch, people, opened, looked=True)
        except Refused as error:
            if remote is None or isinstance(error, NotAuthorised):
                raise _Stopped(error) from error
            await self._refuse(work, part.part, number, error)
            return remote, True
        except NotSent as error:
            raise _Stopped(error) from error
        return await self._settle(work, part, batch, people, opened)

    async def _open_or_append(self, work: _Work, part: StoredRemote, remote: RemoteList | None, batch: Batch) -> Opened:
        job = work.job(part)
        if remote is None:
            deliver = work.adapter.deliver
            assert deliver is not None
            opened: Opened = await self._talk(work, part.part, batch.number, deliver(job, batch))
            return opened
        append = work.adapter.append
        assert append is not None
        receipt = await self._talk(work, part.part, batch.number, append(job, remote, batch))
        count, extra = (remote.count or 0) + len(batch.contacts), {**remote.extra, **receipt.extra}
        return Opened(replace(remote, count=count, extra=extra), receipt)

    async def _settle(
        self,
        work: _Work,
        part: StoredRemote,
        batch: Batch,
        people: list[tuple[int, Contact]],
        opened: Opened,
        *,
        looked: bool = False,
    ) -> tuple[RemoteList, bool]:
        """Record what a receipt says of each contact. Queued ones are watched, doubtful ones read back (once)."""
        receipt, remote = opened.receipt, opened.remote
        before = replace(remote, count=max((remote.count or 0) - len(people), 0))
        await self.database.run(books.apply_receipt, work.delivery, part.part, people, receipt, remote)
        outcomes = {receipt.of(contact).outcome for _, contact in people}
        better: Receipt | None = None
        if Outcome.PENDING in outcomes:
            pause = max(work.destination.limits.visibility_delay, 0.05)
            patience = Patience.of(self.server.settle)
            better = await watch(self._finder(work, part, before, batch), pause, self.sleep, patience, receipt)
        elif Outcome.UNKNOWN in outcomes and not looked and work.adapter.find is not None:
            finding = await self._look_up(work, part, before, batch, receipt.detail)
            if finding.receipt is not None and finding.verdict is not Verdict.NOT_SENT:
                better = replace(finding.receipt, items={**receipt.items, **finding.receipt.items})
        if better is not None:
            receipt = better
            await self.database.run(books.apply_receipt, work.delivery, part.part, people, receipt, remote)
        return remote, all(receipt.of(contact).outcome is not Outcome.UNKNOWN for _, contact in people)

    async def _look_up(
        self, work: _Work, part: StoredRemote, remote: RemoteList | None, batch: Batch | None, detail: str
    ) -> Finding:
        """Read back what became of an unclear request; unknown where the vendor has nothing to look up."""
        if work.adapter.find is None:
            why = work.adapter.capability(Verb.FIND).note
            return Finding(Verdict.UNKNOWN, detail=f"{detail}; {why}")
        delay = work.destination.limits.visibility_delay
        return await look_up(self._finder(work, part, remote, batch), delay, self.sleep, known=remote, detail=detail)

    def _finder(self, work: _Work, part: StoredRemote, remote: RemoteList | None, batch: Batch | None) -> Find:
        async def find() -> Finding:
            assert work.adapter.find is not None
            try:
                exchange = work.adapter.find(work.job(part), remote, batch)
                finding: Finding = await self._talk(work, part.part, batch.number if batch else None, exchange)
                return finding
            except VendorError as error:
                return Finding(Verdict.UNKNOWN, detail=f"the look-up failed: {error.detail}")

        return find

    async def _talk(self, work: _Work, part: int | None, batch: int | None, exchange: Any) -> Any:
        recorder = AttemptRecorder(self.database, work.delivery.id, part, batch)
        channel: Channel = self.accounts.channel(work.destination, recorder)
        return await run(exchange, channel, Patience.of(self.server.budget), self.sleep)

    async def _refuse(self, work: _Work, part: int | None, batch: int | None, error: VendorError) -> None:
        why = fault("vendor.refused_batch", detail=error.detail)
        await self.database.run(
            store.settle, work.delivery.id, part, batch, Outcome.REJECTED, was=Outcome.PENDING, faults=[why]
        )

    async def _leave_unknown(self, work: _Work, part: int | None, batch: int | None, detail: str) -> None:
        await self.database.run(
            store.settle, work.delivery.id, part, batch, Outcome.UNKNOWN, was=Outcome.PENDING, detail=detail
        )

    async def _give_up(self, work: _Work, why: Fault) -> None:
        """Nothing more is sent: what is still pending was provably never taken."""
        await self.database.run(
            store.settle, work.delivery.id, None, None, Outcome.REJECTED, was=Outcome.PENDING, faults=[why]
        )
        await self.database.run(stored.change_delivery, work.delivery.id, detail=why.detail)

    async def _fall_back(self, tenant: Tenant, work: _Work, error: VendorError) -> StoredDelivery | None:
        """Hand the list to the next destination, if this one provably took nothing; else give up what is left."""
        refused = isinstance(error, Refused) and not isinstance(error, NotAuthorised | CredentialLocked)
        why = fault("vendor.refused_batch" if refused else "delivery.not_sent", detail=error.detail)
        delivery = work.delivery
        untouched = await self.database.run(books.took_nothing, delivery)
        for place, name in enumerate(delivery.fallbacks if untouched else ()):
            destination = tenant.destinations[name]
            people = await self.database.run(books.everyone, delivery.id)
            try:
                planned = draft(
                    destination,
                    delivery.fallbacks[place + 1 :],
                    work.list.head,
                    [contact for _, contact in people],
                    datetime.now(UTC),
                )
            except Problem as problem:
                why = fault("delivery.not_sent", detail=f"{error.detail}; {problem.detail}")
                continue
            log.info("fallback", list=work.list.id, delivery=delivery.id, to=name)
            return await self.database.run(books.supersede, work.list, work.delivery, planned, people, why.detail)
        await self._give_up(work, why)
        return None

    async def _after_crash(self, work: _Work) -> None:
        """Our own fault: batches with an intent but no verdict are unknown, the rest was never sent."""
        open_batches = await self.database.run(books.open_batches, work.delivery.id)
        for part, batch in open_batches:
            await self._leave_unknown(work, part, batch, "the gateway failed while this was under way")
        await self._give_up(work, fault("delivery.not_sent", detail="the gateway failed before this was sent"))


def _with(stored_remote: StoredRemote, made: dict[int, RemoteList]) -> StoredRemote:
    return replace(stored_remote, remote=made.get(stored_remote.part, stored_remote.remote))
