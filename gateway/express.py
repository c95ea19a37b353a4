"""The short way of a small list: one transaction before the bytes leave, and one after the answer.

The first holds all that the long way writes down step by step, the intent of the only request included: list, contacts,
delivery, operation and the caller's key. The second holds the verdict, every outcome, the end of the operation and the
caller's answer. What cannot go this way takes the long one, before anything is stored; what does not go straight goes
on there from what was written down, exactly as after a crash.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from gateway import bookkeeping as books
from gateway import creating
from gateway.bookkeeping import Filling
from gateway.canonical import Contact, Counts, ListHead, Outcome, Verdict
from gateway.channel import Locks
from gateway.contract import Batch, CannotDo, Job, Limits, Opened, Receipt, Reply, Step, Style, VendorError, Verb
from gateway.creating import Created, Planned
from gateway.driver import Patience, run
from gateway.encoding import Encoded
from gateway.host import Host
from gateway.ingest import Normaliser, SourceError, collect, open_items
from gateway.operations import REFUSALS
from gateway.planning import Draft, activation_of, remote_key
from gateway.problem import Problem
from gateway.recording import AttemptRecorder, request_of
from gateway.resources import ATTEMPTS_SHOWN, ListOut, Standing, list_of
from gateway.routing import NO_REROUTINGS
from gateway.settings import Tenant
from gateway.store import attempts, chunk_writing, keys, locks, suppressions
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store import reroutings as switched
from gateway.store.attempts import Displaced, Purpose
from gateway.store.database import new_id, timestamp
from gateway.store.deliveries import StoredDelivery, StoredRemote
from gateway.store.lists import ReferenceTaken, StoredList

MOST: Final = 100
"""Contacts of a list that goes the short way, at most."""


log = structlog.get_logger("gateway.express")


class LongWay(Exception):
    """The list takes the long way; nothing of it is stored."""


@dataclass(frozen=True, slots=True)
class Key:
    """The caller's Idempotency-Key, and the digest of what it stands for."""

    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """A list of which every contact has its outcome; `body` is the list resource as JSON."""

    href: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Parcel:
    """A small list that goes to one destination in one request."""

    created: Created
    planned: Planned
    draft: Draft
    delivery_id: str
    rows: list[dict[str, Any]]
    stands_at: tuple[int, int]
    """Of the next contact and the next chunk of the list."""
    people: Sequence[Contact]
    phones: frozenset[str]
    now: str

    def job(self) -> Job[Any]:
        draft = self.draft
        start = activation_of(draft.destination.adapter, draft.head, draft.now) in ("started", "scheduled")
        key = remote_key(self.delivery_id, 1)
        now = datetime.fromisoformat(self.now)
        return Job(head=draft.head, profile=draft.profile, options=draft.options, key=key, now=now, start=start)

    def outcomes(self, receipt: Receipt) -> tuple[Counts, Counts, int]:
        """Of the list and of its delivery; and how many contacts the adapter or the vendor refused."""
        whole: Counter[str] = Counter()
        ours: Counter[str] = Counter()
        refused = 0
        for row in self.rows:
            if row["batch"] is None:
                tally = {outcome.value: row[outcome.value] for outcome in Outcome}
                whole.update(tally)
                ours.update(tally if row["delivery_id"] is not None else {})
                refused += row["by_vendor"]
        given = [receipt.items.get(contact.key) for contact in self.people]
        sent = Counter((receipt.rest if item is None else item.outcome).value for item in given)
        whole.update(sent)
        ours.update(sent)
        return Counts.of(whole.items()), Counts.of(ours.items()), refused + sent[Outcome.REJECTED]


def pack(host: Host, tenant: Tenant, head: ListHead, contacts: Sequence[object]) -> Parcel | None:
    """Take a list in and plan it; None for one that takes the long way, whatever is to be said against it."""
    try:
        intake = collect(
            open_items(contacts), Normaliser(head.default_region or tenant.default_region), head.duplicates
        )
        planned = creating.plan(host, tenant, head, intake, NO_REROUTINGS)
        if len(planned.drafts) != 1 or planned.staged:
            return None
        ((chain, draft),) = planned.drafts.items()
        if draft.plan.style is not Style.DELIVER:
            return None
        created, delivery_id = Created(new_id("cl"), new_id("op")), new_id("dl")
        writer = chunk_writing.Writer(created.list_id, created.operation_id, 1, 1)
        filling = {chain: Filling(writer, draft, delivery_id)}
        rows = [row for some in creating.fill(planned, writer, filling) for row in some]
    except (Problem, SourceError):
        return None
    if not 0 < draft.carried <= min(draft.plan.batch_size, draft.plan.contacts_per_list):
        return None
    people = [contact for row in rows if row["batch"] is not None for contact in chunk_writing.to_send(row)]
    phones = frozenset(item.phone for _, item in intake.rows() if isinstance(item, Contact))
    stands_at = (writer.seq, writer.no)
    return Parcel(created, planned, draft, delivery_id, rows, stands_at, people, phones, timestamp())


async def create(
    host: Host, tenant: Tenant, head: ListHead, contacts: Sequence[object], key: Key | None, seconds: float
) -> Delivered | Created | None:
    """The finished list; or what is still under way after so many seconds; None: take the long way.

    The answer is kept under the key in the first case only.
    """
    if len(contacts) > MOST or seconds <= 0 or not host.operations.working:
        return None
    parcel = pack(host, tenant, head, contacts)
    if parcel is None:
        return None
    if host.accounts.account(parcel.draft.destination).breaker.state != "closed":
        return None
    trip = _Trip(host, tenant, parcel, key)
    task = host.operations.adopt(parcel.created.operation_id, trip.go())
    await asyncio.wait({task}, timeout=seconds)
    if task.done():
        return task.result()
    if not trip.beginning:  # it waits for its turn at the vendor, and may do so where it is stored
        task.cancel()
        await asyncio.wait({task})
        return None
    await trip.stored.wait()
    trip.awaited = False
    if trip.ending or task.done():
        await asyncio.wait({task})
        return task.result()
    return parcel.created


@dataclass(frozen=True, slots=True)
class _Seen:
    """Credential locks for a channel that need not ask: whether one is locked is seen in the first transaction."""

    locks: Locks

    async def reason(self, _: str) -> str | None:
        return None

    async def lock(self, owner: str, reason: str) -> None:
        await self.locks.lock(owner, reason)

    async def unlock(self, owner: str) -> None:
        await self.locks.unlock(owner)


@dataclass(slots=True)
class _Trip:
    """A parcel on its way; also its channel's recorder."""

    host: Host
    tenant: Tenant
    parcel: Parcel
    key: Key | None
    stored: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the list is stored, or will not be."""
    beginning: bool = False
    awaited: bool = True
    ending: bool = False
    """Whether the answer is just being kept."""
    _delivery: StoredDelivery | None = None
    _only: dict[str, Any] = field(default_factory=dict)
    """What is recorded of the first request, as long as it is the only one."""
    _held: tuple[int, Verdict, Reply | None, str] | None = None

    async def go(self) -> Delivered | Created | None:
        try:
            return await self._go()
        finally:
            self.stored.set()

    async def _go(self) -> Delivered | Created | None:
        host, parcel = self.host, self.parcel
        adapter, job = parcel.draft.destination.adapter, parcel.job()
        assert adapter.deliver is not None
        channel = replace(
            host.accounts.channel(parcel.draft.destination, self._purpose),
            recorder=self,
            locks=_Seen(host.accounts.locks),
            inline=True,
        )
        try:
            exchange = adapter.deliver(job, Batch(1, f"{job.key}-1", parcel.people))
            patience = Patience.of(host.config.server.budget, attempts=1)
            opened: Opened = await run(exchange, channel, patience, host.courier.sleep)
            if self._held is not None and _is_settled(opened.receipt):
                self.ending = self.awaited
                return await host.database.run(self._end, opened)
        except Displaced:
            return parcel.created
        except REFUSALS:
            if not self.stored.is_set():  # perhaps it is: a commit whose end nobody heard must not be done once more
                raise
        except (LongWay, VendorError, CannotDo):
            pass
        except Exception as error:  # our own fault: the long way goes on from here, or ends it in order
            log.error("the short way failed", operation=parcel.created.operation_id, exc_info=error)
        if not self.stored.is_set():  # nothing has happened: the long way meets the same, and says it
            return None
        with suppress(*REFUSALS):  # then it counts as unknown
            await self._flush()
        await host.operations.run(parcel.created.operation_id, resumed=True)
        return parcel.created

    @property
    def _purpose(self) -> Purpose:
        return Purpose(Verb.DELIVER.value, self.parcel.created.operation_id, self.parcel.delivery_id, 1, 1)

    @property
    def _recorder(self) -> AttemptRecorder:
        return AttemptRecorder(self.host.database, self.host.operations.owner, self._purpose)

    async def intend(self, step: Step[Any], encoded: Encoded, account: str, limits: Limits) -> int | float:
        if self.stored.is_set():
            self._only = {}
            await self._flush()
            return await self._recorder.intend(step, encoded, account, limits)
        self.beginning = True
        attempt = await self.host.database.run(self._begin, account, limits, request_of(step, encoded))
        self.stored.set()
        return attempt

    async def conclude(self, attempt: int, verdict: Verdict, reply: Reply | None, detail: str) -> None:
        """An acceptance is held back, to be recorded together with the outcomes."""
        if verdict is Verdict.ACCEPTED:
            self._held = (attempt, verdict, reply, detail)
        else:
            await self._recorder.conclude(attempt, verdict, reply, detail)

    async def _flush(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await self._recorder.conclude(*held)

    def _begin(self, connection: Connection, account: str, limits: Limits, request: dict[str, str]) -> int:
        """The first transaction: everything, and that the request is about to leave. `LongWay` when it must not."""
        parcel, tenant, created = self.parcel, self.tenant.name, self.parcel.created
        planned, draft, owner = parcel.planned, parcel.draft, self.host.operations.owner
        locked = draft.destination.adapter.auth.locks and locks.reason_of(connection, account) is not None
        if locked or suppressions.suppressed(connection, tenant, parcel.phones):
            raise LongWay
        if switched.in_force(connection, tenant, to_act=True):
            raise LongWay
        source = planned.intake.info.model_dump(mode="json")
        try:
            if self.key is not None:
                keys.claim_for(connection, tenant, self.key.text, self.key.digest, owner, created.operation_id)
            store.add_list(
                connection,
                created.list_id,
                tenant,
                planned.head,
                planned.profile,
                source,
                staged=False,
                stands_at=parcel.stands_at,
                now=parcel.now,
            )
            work.add_operation(connection, created.operation_id, tenant, created.list_id, "create", owner, begun=True)
        except (IntegrityError, ReferenceTaken):
            raise LongWay from None
        chunk_writing.add(connection, parcel.rows)
        self._delivery = books.store_draft(
            connection, created.list_id, parcel.delivery_id, draft, created.operation_id, parcel.now
        )
        now = timestamp()
        self._only = {**request, "started_at": now}
        attempt = attempts.leave(connection, self._purpose, owner, account, limits, request, now)
        if isinstance(attempt, float):
            raise LongWay
        return attempt

    def _end(self, connection: Connection, opened: Opened) -> Delivered:
        """The second transaction: verdict, outcomes, the end, and the answer, which is returned."""
        created, owner = self.parcel.created, self.host.operations.owner
        if not work.end_own(connection, created.operation_id, owner):
            raise Displaced
        assert self._held is not None
        told = attempts.conclude(connection, *self._recorder.told(*self._held, settled=True))
        delivery_id, receipt = self.parcel.delivery_id, opened.receipt
        # nobody is suppressed here, so nobody who is sent has a mark
        now = books.write_receipt(connection, created.list_id, delivery_id, 1, 1, receipt, opened.remote, alike=True)
        shown = [self._only | told] if self._only else attempts.latest_of(connection, delivery_id, ATTEMPTS_SHOWN)
        body = self._resource(opened, now, shown).model_dump_json().encode()
        if self.key is not None and self.ending:
            keys.keep_answer(connection, self.tenant.name, self.key.text, 201, {"Location": created.href}, body)
        return Delivered(created.href, body)

    def _resource(self, opened: Opened, now: str, shown: Sequence[Mapping[str, Any]]) -> ListOut:
        """The list as it stands now; nothing of it needs to be read back."""
        parcel, planned = self.parcel, self.parcel.planned
        assert self._delivery is not None
        one = StoredList(
            id=parcel.created.list_id,
            tenant=self.tenant.name,
            head=planned.head,
            profile=planned.profile,
            source=planned.intake.info.model_dump(mode="json"),
            staged=False,
            corrected=0,
            next_seq=parcel.stands_at[0],
            created_at=parcel.now,
            updated_at=now,
            deleted_at=None,
            remains=None,
            moved_to=None,
            migration_id=None,
        )
        counts, ours, refused = parcel.outcomes(opened.receipt)
        remote = StoredRemote(1, opened.remote.key, opened.remote, deleted=False)
        return list_of(one, counts, refused, [Standing(self._delivery, [remote], shown, ours, refused)])


def _is_settled(receipt: Receipt) -> bool:
    """Whether nothing needs to be watched or looked up."""
    outcomes = {receipt.rest, *(item.outcome for item in receipt.items.values())}
    return outcomes <= {Outcome.ACCEPTED, Outcome.REJECTED}
