"""What a migration would do: every list is read, sorted and rendered for the target, and nothing is sent."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.canonical import Contact, ListHead, LossEntry, LossKind, added_up
from gateway.canonical.lists import Activation
from gateway.contract import Examination
from gateway.creating import StoredSuppressions
from gateway.dispatch import Cancelled, Leg
from gateway.host import Host
from gateway.managing import destination_of
from gateway.migrating import sources
from gateway.migrating.documents import Fate, Fates, ListPlan, PlanOut, RemoteOut, SourceSide
from gateway.migrating.quieting import stopping_of
from gateway.migrating.readings import digest_of, fields_of
from gateway.migrating.rendering import Carried, calls, carry
from gateway.migrating.sorting import Rows, Side, Sorted, echo_of, fingerprint, sort
from gateway.migrating.sources import Unit
from gateway.migrating.wishes import SourceIn, Wishes
from gateway.planning import activation_of, draft
from gateway.problem import Problem
from gateway.settings import Destination, Tenant
from gateway.store import moves
from gateway.store.database import timestamp
from gateway.store.moves import Move, MovingList, Row
from gateway.store.operations import StoredOperation
from gateway.vendors import fields_out

NO_CREDENTIALS = "the target has no credentials in this configuration: the plan cannot be applied"


async def is_over(move: Move, state: str, leg: Leg) -> bool:
    """Whether the work of this state had ended when its process died, and only the operation had not heard of it.

    Raises what had ended it, if it had failed.
    """
    if move.state == state:
        return False
    if move.state in ("planned", "failed") and move.error is not None:
        await leg.go_on()  # `Cancelled`, if that was why
        raise Problem.of(move.error)
    return True


async def perform(host: Host, tenant: Tenant, move: Move, one: StoredOperation, leg: Leg) -> None:
    """Plan a migration and keep the plan. Raises `Problem` for what cannot be planned at all."""
    if await is_over(move, "planning", leg):
        return
    try:
        await _make(host, tenant, move, one, leg)
    except Cancelled:
        error = {"code": "migration.cancelled", "detail": "cancelled while it was planned; nothing was touched"}
        await host.database.run(moves.change, move.id, state="failed", error=error)
        raise
    except Problem as problem:
        await host.database.run(moves.change, move.id, state="failed", error=problem.kept())
        raise


async def _make(host: Host, tenant: Tenant, move: Move, one: StoredOperation, leg: Leg) -> None:
    target = destination_of(tenant, move.target)
    wishes = Wishes.model_validate(move.wishes)
    source = SourceIn.model_validate(move.source)
    found = await sources.units_of(host, tenant, source, target.name, one.id)
    await host.database.run(_begin, move.id, found)
    plans = []
    for moving in await host.database.run(moves.lists_of, move.id):
        await leg.go_on()
        unit = await host.database.run(sources.load, tenant.name, moving.list_id, moving.deliveries)
        planned = await _plan_list(host, tenant, target, wishes, moving, unit, one.id)
        plans.append(planned)
        await host.database.run(moves.change_list, moving, plan=planned.model_dump(mode="json"))
    facts = await facts_of(host, tenant, move)
    plan = _whole(move, target, plans, facts)
    values = {"state": "planned", "plan": {"out": plan.model_dump(mode="json"), "facts": facts}, "error": None}
    await host.database.run(moves.change, move.id, digest=plan.digest, **values)


def _begin(connection: Connection, move_id: str, found: list[tuple[str, list[str]]]) -> None:
    moves.set_lists(connection, move_id, found)
    moves.drop_rows(connection, move_id, "plan")


async def sides_of(host: Host, tenant: Tenant, unit: Unit, operation_id: str) -> dict[str | None, Side]:
    """The deliveries of the source, with what their vendors show."""
    readings = await sources.read(host, tenant, unit, operation_id)
    sides: dict[str | None, Side] = {}
    for delivery in unit.deliveries:
        destination = destination_of(tenant, delivery.destination)
        echo, reading = destination.adapter.echo, readings.get(delivery.id)
        shown = echo_of(echo, unit.job(delivery, destination)) if echo is not None and reading is not None else None
        sides[delivery.id] = Side(destination.adapter, delivery.activation, reading, shown)
    return sides


def sort_unit(
    host: Host, tenant: Tenant, unit: Unit, sides: dict[str | None, Side], rows: Rows, wishes: Wishes
) -> Sorted:
    return sort(
        host.database,
        unit.one.id,
        sides,
        StoredSuppressions(host.database, tenant.name),
        rows,
        everyone=wishes.include == "all",
        whole=unit.whole,
        adopted=unit.adopted,
    )


async def _plan_list(
    host: Host, tenant: Tenant, target: Destination, wishes: Wishes, moving: MovingList, unit: Unit, operation_id: str
) -> ListPlan:
    sides = await sides_of(host, tenant, unit, operation_id)

    def judge() -> ListPlan:
        rows = Rows(keeper(host, moving, "plan"))
        found = sort_unit(host, tenant, unit, sides, rows, wishes)
        adapted = adapt(unit.one.head, target, wishes, found, sides)
        rendered = _render(target, adapted, found, rows)
        rows.flush()
        print_ = fingerprint(host.database, unit.one.id, moving.deliveries, unit.whole)
        return _list_plan(tenant, target, unit, found, sides, adapted, rendered, print_)

    return await asyncio.to_thread(judge)


def keeper(host: Host, moving: MovingList, phase: str, first: int = 1) -> Any:
    """Stores blocks of rows, numbered from `first`."""
    number = first - 1

    def keep(some: list[Row]) -> None:
        nonlocal number
        number += 1
        host.database.call(moves.add_rows, moving.migration_id, phase, moving.no, number, some)

    return keep


@dataclass(frozen=True, slots=True)
class Adapted:
    """The head of a list for its new vendor, and what cannot be carried over because it differs by contact."""

    head: ListHead
    losses: list[LossEntry]


def adapt(head: ListHead, target: Destination, wishes: Wishes, found: Sorted, sides: dict[str | None, Side]) -> Adapted:
    """What both vendors know is carried over: attempts left, calling hours, priorities."""
    changed: dict[str, Any] = {
        "destination": target.name,
        "activation": Activation(mode=wishes.activation),
        "on_loss": "report",  # the plan has shown them
    }
    if wishes.vendor_options:
        changed["vendor_options"] = {**head.vendor_options, target.adapter.name: wishes.vendor_options}
    losses = []
    left = {number: count for number, count in found.attempts_left.items() if number}
    if left:
        fewest = min(left)
        changed["dialing"] = head.dialing.model_copy(update={"max_attempts": fewest})
        if len(left) > 1:
            more = sum(count for number, count in left.items() if number > fewest)
            why = f"the source has between {fewest} and {max(left)} attempts left, a list has one number: the fewest"
            losses.append(LossEntry(field="dialing.max_attempts", kind=LossKind.CLAMPED, contacts=more, why=why))
    if head.schedule.daily_window is None and (windows := _windows(sides)):
        why = "the source keeps calling hours for each contact, a list has one window"
        losses.append(LossEntry(field="schedule.daily_window", kind=LossKind.DROPPED, contacts=windows, why=why))
    return Adapted(head.model_copy(update=changed), losses)


def _windows(sides: dict[str | None, Side]) -> int:
    """How many contacts have calling hours of their own."""
    readings = [side.reading for side in sides.values() if side.reading is not None]
    return sum(one.window is not None for reading in readings for one in reading.contacts)


@dataclass(frozen=True, slots=True)
class _Rendered:
    carried: Carried
    losses: list[LossEntry]
    parts: int
    calls: int
    activation: str
    refused: str | None = None


def _render(target: Destination, adapted: Adapted, found: Sorted, rows: Rows) -> _Rendered:
    now = datetime.now(UTC)
    activation = activation_of(target.adapter, adapted.head, now)
    if not len(found.moving):
        return _Rendered(Carried(), [], 0, 0, activation)
    try:
        planned = draft(target, (), adapted.head, found.profile, now)
    except Problem as problem:
        return _Rendered(Carried(refused=len(found.moving)), [], 0, 0, activation, problem.detail)

    def tell(contact: Contact, examined: Examination) -> None:
        rows.add(_row(contact, examined))

    carried = carry(planned, found.moving, tell)
    needed = calls(planned, carried, adapted.head)
    return _Rendered(carried, planned.losses, planned.parts, needed, activation)


def _row(contact: Contact, examined: Examination) -> Row:
    refused = bool(examined.faults)
    why = "; ".join(f"{one.code}: {one.detail}" if one.detail else one.code for one in examined.faults)
    return Row(
        fate=(Fate.REFUSED if refused else Fate.MOVES).value,
        row=contact.row,
        key=contact.key,
        phone=contact.phone,
        why=why,
        losses="" if refused else "; ".join(f"{one.field} {one.kind}" for one in examined.losses),
        digest=digest_of(fields_of(contact)).hex(),
    )


def source_side(unit: Unit, sides: dict[str | None, Side], found: Sorted, digest: str) -> SourceSide:
    readings = [side.reading for side in sides.values() if side.reading is not None]
    shown = {(one.id, one.name, one.count) for each in unit.deliveries for one in unit.there(each)}
    return SourceSide(
        list_id=unit.one.id,
        destinations=list(dict.fromkeys(each.destination for each in unit.deliveries)),
        remote_lists=[RemoteOut(id=id_, name=name, count=count) for id_, name, count in sorted(shown)],
        contacts=found.contacts,
        digest=digest,
        read="vendor" if readings else "export" if unit.adopted else "store",
        incomplete="; ".join(dict.fromkeys(one.incomplete for one in readings if one.incomplete)) or None,
        unmanaged=unmanaged(unit, sides, found),
    )


def _list_plan(
    tenant: Tenant,
    target: Destination,
    unit: Unit,
    found: Sorted,
    sides: dict[str | None, Side],
    adapted: Adapted,
    rendered: _Rendered,
    digest: str,
) -> ListPlan:
    head = unit.one.head
    return ListPlan(
        name=head.name,
        reference=head.reference,
        source=source_side(unit, sides, found, digest),
        counts=found.fates(rendered.carried.refused),
        losses=[*adapted.losses, *rendered.losses],
        remote_lists=rendered.parts,
        calls=rendered.calls,
        seconds=seconds_of(rendered.calls, target),
        stop=stopping_of(unit, tenant),
        activation=rendered.activation,
        refused=rendered.refused,
        notes=_notes(unit, sides, found),
    )


def unmanaged(unit: Unit, sides: dict[str | None, Side], found: Sorted) -> int:
    """How many contacts the vendors show that the list does not have."""
    return sum(unit.strangers(side.reading, found.tally[Fate.INVALID]) for side in sides.values() if side.reading)


def _notes(unit: Unit, sides: dict[str | None, Side], found: Sorted) -> list[str]:
    notes = []
    for side in sides.values():
        if side.dials and side.reading is not None and found.tally[Fate.REACHED] and found.tally[Fate.MOVES]:
            notes.append(
                f"whom {side.adapter.name} has tried counts as reached: when the list is stopped, it tries them no more"
            )
        if side.called_at_once:
            notes.append(
                f"{side.adapter.name} does not show whom it has reached: everybody whom it took counts as reached"
            )
        elif side.reading is None:
            notes.append(f"{side.adapter.name} shows no contacts: they are known from what the gateway sent")
        elif side.reading.incomplete:
            notes.append(f"{side.adapter.name}: {side.reading.incomplete}")
        strangers = unit.strangers(side.reading, found.tally[Fate.INVALID]) if side.reading is not None else 0
        if strangers:
            notes.append(
                f"{side.adapter.name} shows {strangers} contacts that never came through the gateway: "
                "they stay; read the list from the vendor (remote_list) to move them too"
            )
    if not unit.whole:
        notes.append("a part of the list lies at other destinations, and stays there")
    return list(dict.fromkeys(notes))


def seconds_of(number: int, target: Destination) -> float:
    per_minute = target.limits.requests_per_minute
    return round(max(number - per_minute, 0) * 60 / per_minute, 1)


def _whole(move: Move, target: Destination, plans: list[ListPlan], facts: dict[str, Any]) -> PlanOut:
    adapter = target.adapter
    number = sum(one.calls for one in plans)
    return PlanOut(
        id=move.id,
        digest=digest_of_facts(facts),
        made_at=timestamp(),
        target=target.name,
        adapter=adapter.name,
        api_version=adapter.api_version,
        counts=sum((one.counts for one in plans), Fates()),
        losses=added_up([loss for one in plans for loss in one.losses]),
        fidelity=fields_out(adapter),
        calls=number,
        seconds=seconds_of(number, target),
        activation=f"{', '.join(sorted({one.activation for one in plans}))}: {adapter.activation_note}",
        lists=plans,
        notes=[*([NO_CREDENTIALS] if target.credentials is None else []), *_reading_back(target, plans)],
        rows=f"/v1/migrations/{move.id}/rows?phase=plan",
    )


def _reading_back(target: Destination, plans: list[ListPlan]) -> list[str]:
    """What looking at the target afterwards takes, where its contacts can be read."""
    size = target.limits.page_size
    number = sum(-(-one.counts.moves // size) for one in plans)
    if target.adapter.read is None or not number:
        return []
    seconds = seconds_of(number, target)
    return [f"reading the target back, {size} contacts a call, takes up to {number} calls more, {seconds:g} s"]


async def facts_of(host: Host, tenant: Tenant, move: Move) -> dict[str, Any]:
    """What the plan rests on: when any of it is another, the plan does not hold any more."""
    target = destination_of(tenant, move.target)
    lists = {}
    for moving in await host.database.run(moves.lists_of, move.id):
        unit = await host.database.run(sources.load, tenant.name, moving.list_id, moving.deliveries)
        lists[moving.list_id] = {
            "head": unit.one.head.model_dump(mode="json", exclude_defaults=True),
            "deliveries": [one.id for one in unit.deliveries],
            "contacts": await asyncio.to_thread(
                fingerprint, host.database, moving.list_id, moving.deliveries, unit.whole
            ),
        }
    return {"lists": lists, "target": facts_of_target(target), "wishes": move.wishes}


def facts_of_target(target: Destination) -> dict[str, Any]:
    """The adapter as it translates now, and the destination as it is configured."""
    adapter = target.adapter
    mapping = msgspec.json.encode([one.model_dump(mode="json") for one in fields_out(adapter)])
    return {
        "destination": target.name,
        "base_url": target.base_url,
        "adapter": adapter.name,
        "api_version": adapter.api_version,
        "mapping": hashlib.sha256(mapping).hexdigest(),
        "options": target.options.model_dump(mode="json"),
        "limits": {name: getattr(target.limits, name) for name in ("batch_size", "contacts_per_list")},
    }


def digest_of_facts(facts: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()


def differences(before: Any, now: Any, at: str = "") -> list[tuple[str, Any, Any]]:
    """(pointer, before, now) of everything that is another."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = dict.fromkeys([*before, *now])
        return [each for name in names for each in differences(before.get(name), now.get(name), f"{at}/{name}")]
    return [] if before == now else [(at, before, now)]
