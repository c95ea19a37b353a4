"""Shadows: what went to a destination is rehearsed for the one that may follow it. Nothing is sent, nothing is harmed.

A list is gone through three times, never held: for its profile, to be examined and laid out, to be written as requests.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from pydantic import Field
from sqlalchemy import Connection, select

from gateway.bookkeeping import StoredContacts
from gateway.canonical import Contact, ListHead, LossEntry, Outcome, added_up
from gateway.contract import CannotDo, Contacts
from gateway.dispatch import Cancelled, Interrupted, Leg
from gateway.encoding import encode
from gateway.host import Host
from gateway.ingest.spool import Spool
from gateway.planning import Draft, destination_of, draft, profile_of, refuse_losses
from gateway.previewing import Batches, rehearsed, seconds_for
from gateway.problem import Problem
from gateway.resources import Resource
from gateway.settings import Destination, Tenant
from gateway.store import chunks, deliveries
from gateway.store import lists as store
from gateway.store import reroutings as switched
from gateway.store.attempts import Displaced
from gateway.store.operations import StoredOperation
from gateway.store.reroutings import Rerouting
from gateway.store.schema import chunks as table

log = structlog.get_logger("gateway.shadowing")

SHADOWED: Final = ("create", "append")
"""Kinds of operations that bring contacts; what another one delivers was rehearsed when it came."""
_STEP: Final = 5_000
"""Contacts between two looks whether to go on."""


class Shadow(Resource):
    """What a destination would have made of one list. `contacts` is what it would carry and what it would refuse."""

    contacts: int
    carried: int = 0
    refused: dict[str, int] = Field(default_factory=dict, description="contacts by the code of their first fault")
    losses: list[LossEntry] = Field(default_factory=list)
    remote_lists: int = 0
    requests: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failed: str | None = None


class ShadowReport(Resource):
    """What a destination would have made of all lists since the rerouting was switched to `shadow`."""

    target: str
    since: str
    lists: int = 0
    contacts: int = 0
    carried: int = 0
    refused: dict[str, int] = Field(default_factory=dict, description="contacts by the code of their first fault")
    losses: list[LossEntry] = Field(default_factory=list)
    remote_lists: int = 0
    requests: int = 0
    bytes: int = Field(0, description="of all request bodies")
    seconds: float = Field(0.0, description="at least, at the rate that the vendor allows, list by list")
    failed: dict[str, int] = Field(
        default_factory=dict, description="lists that it could not have taken at all, by the reason"
    )


_SUMS: Final = ("contacts", "carried", "remote_lists", "requests", "bytes", "seconds")


async def shadow(host: Host, tenant: Tenant, one: StoredOperation, leg: Leg) -> None:
    """Rehearse what this operation delivered, for every rerouting in mode `shadow`. What goes wrong is only told."""
    if one.kind not in SHADOWED:
        return
    try:
        rules = await host.database.run(switched.in_force, tenant.name)
        for rule in rules.values():
            if rule.mode == "shadow":
                await _shadow(host, tenant, one, rule, leg)
    except (Displaced, Interrupted):
        raise
    except Exception as error:
        log.error("shadow lost", list=one.list_id, operation=one.id, exc_info=error)


async def _shadow(host: Host, tenant: Tenant, one: StoredOperation, rule: Rerouting, leg: Leg) -> None:
    found = await host.database.run(_delivered, one, rule)
    if found is None:
        return
    head, numbers, length = found
    contacts, loop = StoredContacts(host.database, one.list_id, numbers, length), asyncio.get_running_loop()

    async def may_go_on() -> None:
        await leg.go_on()

    def go_on() -> None:
        asyncio.run_coroutine_threadsafe(may_go_on(), loop).result()

    try:
        shown = await asyncio.to_thread(_rehearse, tenant, rule.target, head, _Watched(contacts, go_on))
    except (Displaced, Interrupted):
        raise
    except Cancelled:
        shown = Shadow(contacts=length, failed="cancelled while it was rehearsed")
    except Exception as error:
        log.error("shadow failed", list=one.list_id, source=rule.source, target=rule.target, exc_info=error)
        why = f"the rehearsal failed ({type(error).__name__}); the gateway's log has the details"
        shown = Shadow(contacts=length, failed=why)
    report = shown.model_dump(mode="json")
    await host.database.run(switched.add_shadow, rule.no, one.id, one.list_id, report)


def _delivered(connection: Connection, one: StoredOperation, rule: Rerouting) -> tuple[ListHead, list[int], int] | None:
    """What this operation brought to the rule's source, even if it went on from there.

    The list's head, numbers of chunks, and how many contacts these hold; None: nothing, or it was rehearsed before.
    """
    stored = store.get_list(connection, one.tenant, one.list_id)
    if stored is None or switched.has_shadow(connection, rule.no, one.id):
        return None
    ids = set()
    for delivery in deliveries.of_list(connection, one.list_id):  # a successor comes after what it follows
        if delivery.destination == rule.source or delivery.id in ids:
            ids |= {delivery.id} | ({delivery.superseded_by} if delivery.superseded_by else set())
    size: Any = sum(table.c[outcome.value] for outcome in Outcome if outcome is not Outcome.SUPPRESSED)
    where = chunks.of_operation(one.list_id, one.id) & table.c.delivery_id.in_(ids) & table.c.is_row.is_(False)
    rows = connection.execute(select(table.c.no, size).where(where).order_by(table.c.first_seq)).all()
    length = sum(number for _, number in rows)
    return (stored.head, [no for no, _ in rows], length) if length else None


class _Watched:
    """Contacts that are gone through only as long as nobody wants this to stop."""

    def __init__(self, contacts: Contacts, go_on: Callable[[], None]) -> None:
        self._contacts, self._go_on = contacts, go_on

    def __len__(self) -> int:
        return len(self._contacts)

    def __iter__(self) -> Iterator[Contact]:
        for place, contact in enumerate(self._contacts):
            if place % _STEP == 0:
                self._go_on()
            yield contact


def _rehearse(tenant: Tenant, target: str, head: ListHead, contacts: Contacts) -> Shadow:
    """As a preview does it, in constant memory. Blocking: run it in a thread."""
    losses: list[LossEntry] = []
    try:
        destination, now = destination_of(tenant, target), datetime.now(UTC)
        profile = profile_of(contacts)
        planned = draft(destination, (), head, profile, now)
        refused = Counter(faults[0].code for contact in contacts if (faults := _place(planned, contact)))
        losses = planned.losses
        refuse_losses(head, [planned])
        again = _batches(draft(destination, (), head, profile, now), contacts)
        requests, sent = _written(planned, head, again)
    except Problem as problem:
        return Shadow(contacts=len(contacts), losses=losses, failed=problem.detail)
    except CannotDo as error:
        return Shadow(contacts=len(contacts), losses=losses, failed=error.why)
    return _shadow_of(destination, planned, len(contacts), refused, requests, sent)


def _shadow_of(
    destination: Destination, planned: Draft, contacts: int, refused: Counter[str], requests: int, sent: int
) -> Shadow:
    return Shadow(
        contacts=contacts,
        carried=planned.carried,
        refused=dict(refused),
        losses=planned.losses,
        remote_lists=planned.parts,
        requests=requests,
        bytes=sent,
        seconds=seconds_for(requests, destination),
    )


def _place(planned: Draft, contact: Contact) -> Any:
    faults = planned.examine(contact)
    if not faults:
        planned.next_place()
    return faults


def _batches(planned: Draft, contacts: Contacts) -> Batches:
    """The batches of a draft as it carries these contacts, one at a time, on disk when it is long."""
    place, people = (0, 0), Spool(Contact)
    for contact in contacts:
        if planned.examine(contact):
            continue
        next_place = planned.next_place()
        if next_place != place:
            if len(people):
                yield *place, people
            place, people = next_place, Spool(Contact)
        people.append(contact)
    if len(people):
        yield *place, people


def _written(planned: Draft, head: ListHead, batches: Batches) -> tuple[int, int]:
    """How many requests there would be, and how many bytes of bodies. Each is written and thrown away."""
    requests = sent = 0
    for _, request in rehearsed(planned, head, batches):
        encoded = encode(request)
        try:
            requests, sent = requests + 1, sent + (encoded.content.length if encoded.content else 0)
        finally:
            encoded.close()
    return requests, sent


def report(connection: Connection, rule: Rerouting) -> ShadowReport:
    """The totals over all lists that were rehearsed for this rerouting."""
    sums: dict[str, Any] = dict.fromkeys(_SUMS, 0)
    refused, failed = Counter[str](), Counter[str]()
    losses: list[LossEntry] = []
    lists = 0
    for _, kept in switched.shadows_of(connection, rule.no):
        one = Shadow.model_validate(kept)
        lists += 1
        sums = {name: number + getattr(one, name) for name, number in sums.items()}
        refused.update(one.refused)
        losses = added_up([*losses, *one.losses])
        if one.failed is not None:
            failed[one.failed] += 1
    sums["seconds"] = round(sums["seconds"], 1)
    told = {"refused": dict(refused), "losses": losses, "failed": dict(failed.most_common(20))}
    return ShadowReport(target=rule.target, since=rule.at, lists=lists, **sums, **told)
