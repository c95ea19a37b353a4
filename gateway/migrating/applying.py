"""Carrying out a plan: the source is made quiet, the lists are stored anew for the target, delivered, and compared.

Each list passes the stages planned, quiet, stored, delivered, verified; a run that begins again goes on where the one
before it ended. Nothing is stored for the target before every source is quiet, or known not to be.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from gateway import creating
from gateway.canonical import DuplicatePolicy, ListHead, Mode
from gateway.canonical.lists import Activation
from gateway.contract import ActivationKind
from gateway.dispatch import Cancelled, Leg
from gateway.host import Host
from gateway.ingest import Intake, Rejected, SourceInfo
from gateway.ingest.repeats import Repeats
from gateway.ingest.spool import Spool
from gateway.managing import destination_of
from gateway.migrating import finishing, plans, returning, sources, verifying
from gateway.migrating.documents import Fate, Proof
from gateway.migrating.plans import Adapted, adapt, keeper, sides_of, sort_unit
from gateway.migrating.quieting import quiet
from gateway.migrating.sorting import Rows, Sorted
from gateway.migrating.sources import Unit
from gateway.migrating.wishes import Wishes
from gateway.problem import ErrorItem, Problem
from gateway.settings import Destination, Tenant
from gateway.store import chunk_writing, moves
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.database import new_id, timestamp
from gateway.store.moves import Move, MovingList
from gateway.store.operations import StoredOperation


async def perform(host: Host, tenant: Tenant, move: Move, one: StoredOperation, leg: Leg) -> None:
    """Apply a plan to its end. Raises `Problem` when it does not hold any more, `Cancelled` between batches."""
    if await plans.is_over(move, "applying", leg):
        return
    try:
        target = destination_of(tenant, move.target)
        if all(each.stage == "planned" for each in await _lists(host, move)):
            await _refuse_stale(host, tenant, move, one)
        await _quiet_all(host, tenant, move, one, leg)
        for moving in await _lists(host, move):
            await _carry(host, tenant, target, move, moving, one, leg)
        await _stage(host, one, "certifying")
        await finishing.finish(host, tenant, target, move, one)
    except Cancelled:
        detail = "cancelled; what the target had accepted by then stays there: see its lists, or roll back"
        await host.database.run(_end, move, {"code": "migration.cancelled", "detail": detail})
        raise
    except Problem as problem:
        await _fail(host, move, problem.kept())
        raise


async def _fail(host: Host, move: Move, error: Mapping[str, object]) -> None:
    """The work cannot go on: what was tried and not proven is unknown, the rest was never sent."""
    for moving in await _lists(host, move):
        if moving.stage == "stored" and moving.target_list_id is not None:
            await host.courier.abandon(moving.target_list_id)
    await host.database.run(_end, move, error)


def _end(connection: Connection, move: Move, error: Mapping[str, object]) -> None:
    """Nothing touched: the plan may be made anew. Else it has failed half-way, and says where."""
    found = moves.lists_of(connection, move.id)
    begun = any(each.stage != "planned" or each.proof is not None for each in found)
    for moving in found:
        if moving.stage == "quiet" and moving.target_list_id is not None:
            store.discard(connection, moving.target_list_id)  # half of it may be written, and nobody sees it
    moves.release(connection, move.id)
    moves.change(connection, move.id, state="failed" if begun else "planned", error=error)


async def abandon(host: Host, tenant: str, one: StoredOperation) -> None:
    """Our own fault ended the work: the lists are nobody's again, and the record says how far they came."""
    move = await host.database.run(moves.get, tenant, one.list_id)
    if move is None or move.state not in ("planning", "applying", "rolling_back"):
        return
    if move.state == "planning":
        await host.database.run(moves.change, move.id, state="failed", error=one.error or _OURS)
        return
    if move.state == "rolling_back":
        await host.database.run(returning.fail, move, _OURS)
        return
    await _fail(host, move, _OURS)


_OURS = {"code": "internal", "detail": "the gateway failed while it worked on this; its log has the details"}


async def _lists(host: Host, move: Move) -> list[MovingList]:
    found: list[MovingList] = await host.database.run(moves.lists_of, move.id)
    return found


async def _stage(host: Host, one: StoredOperation, stage: str) -> None:
    await host.database.run(work.change_operation, one.id, stage=stage)


async def _refuse_stale(host: Host, tenant: Tenant, move: Move, one: StoredOperation) -> None:
    """409 with every difference when anything that the plan rests on is another now."""
    assert move.plan is not None
    now = await plans.facts_of(host, tenant, move)
    found = plans.differences(move.plan["facts"], now)
    for moving in await _lists(host, move):
        unit = await _unit(host, tenant, moving)
        if unit.adopted:
            found += await _changed_there(host, tenant, unit, moving, one)
    if found:
        items = [
            ErrorItem(pointer=at, code="migration.stale", detail=f"was {_short(before)}, is {_short(after)}")
            for at, before, after in found
        ]
        raise Problem("migration.stale", f"{len(items)} differences since the plan was made: plan again", items)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


async def _changed_there(
    host: Host, tenant: Tenant, unit: Unit, moving: MovingList, one: StoredOperation
) -> list[tuple[str, object, object]]:
    """What a list that we only read is now at its vendor: people gone from it, or new on it, since the plan."""
    assert moving.plan is not None
    sides = await sides_of(host, tenant, unit, one.id)
    found = await asyncio.to_thread(sort_unit, host, tenant, unit, sides, Rows(lambda _: None), Wishes())
    before = {"gone": moving.plan["counts"]["gone"], "new": moving.plan["source"]["unmanaged"]}
    now = {"gone": found.tally[Fate.GONE], "new": plans.unmanaged(unit, sides, found)}
    return plans.differences(before, now, f"/lists/{unit.one.id}/at the vendor")


async def _quiet_all(host: Host, tenant: Tenant, move: Move, one: StoredOperation, leg: Leg) -> None:
    await _stage(host, one, "stopping")
    for moving in await _lists(host, move):
        if moving.stage != "planned":
            continue
        await leg.go_on()
        if _nobody_moves(moving):
            proof = Proof(proven=False, how="nobody on it moves: it goes on as it was", at=timestamp())
        else:
            await host.database.run(moves.change_list, moving, proof=_stopping())
            proof = await _proof(host, tenant, await _unit(host, tenant, moving), one)
        values = {"proof": proof.model_dump(mode="json"), "stage": "quiet", "target_list_id": new_id("cl")}
        await host.database.run(moves.change_list, moving, **values)


def _nobody_moves(moving: MovingList) -> bool:
    """By the plan. Then there is no reason to stop the source."""
    return moving.plan is not None and not moving.plan["counts"]["moves"]


def _stopping() -> dict[str, Any]:
    """What is known of a source as long as nobody has looked whether it stands still: a stop may have left."""
    return Proof(proven=False, how="it was about to be stopped", at=timestamp()).model_dump(mode="json")


async def _proof(host: Host, tenant: Tenant, unit: Unit, one: StoredOperation) -> Proof:
    """That the source is quiet; also that the source before it is, when the list came here by an unproven move."""
    proof = await quiet(host, tenant, unit, one.id)
    before = await host.database.run(moves.unproven, unit.one.id)
    if before is None:
        return proof
    how = f"{proof.how}; where it came from may be calling: see the migration {before}"
    return proof.model_copy(update={"proven": False, "how": how})


async def _unit(host: Host, tenant: Tenant, moving: MovingList) -> Unit:
    unit: Unit = await host.database.run(sources.load, tenant.name, moving.list_id, moving.deliveries)
    return unit


async def _carry(
    host: Host, tenant: Tenant, target: Destination, move: Move, moving: MovingList, one: StoredOperation, leg: Leg
) -> None:
    """Bring one list from where it stands to its end."""
    if moving.stage == "quiet":
        await leg.go_on()
        await _stage(host, one, "reading")
        moving = await _store(host, tenant, target, move, moving, one)
    if moving.stage == "stored":
        await _stage(host, one, "delivering")
        assert moving.target_list_id is not None
        await host.courier.deliver(tenant, moving.target_list_id, leg)
        moving = await _reach(host, moving, "delivered")
    if moving.stage == "delivered":
        await _stage(host, one, "verifying")
        await verifying.verify(host, tenant, move, moving, one)


async def _reach(host: Host, moving: MovingList, stage: str) -> MovingList:
    await host.database.run(moves.change_list, moving, stage=stage)
    found: list[MovingList] = await host.database.run(moves.lists_of, moving.migration_id)
    return found[moving.no - 1]


async def _store(
    host: Host, tenant: Tenant, target: Destination, move: Move, moving: MovingList, one: StoredOperation
) -> MovingList:
    """Sort the list as it is now that its source is quiet, and store those that move for the target."""
    wishes = Wishes.model_validate(move.wishes)
    unit = await _unit(host, tenant, moving)
    sides = await sides_of(host, tenant, unit, one.id)
    assert moving.target_list_id is not None
    await host.database.run(_forget, moving)

    def write() -> None:
        found = sort_unit(host, tenant, unit, sides, Rows(keeper(host, moving, "left")), wishes)
        adapted = adapt(unit.one.head, target, wishes, found, sides)
        side = plans.source_side(unit, sides, found, moving.plan["source"]["digest"] if moving.plan else "")
        told: dict[str, Any] = {"source": side.model_dump(mode="json"), "fates": found.fates().model_dump(mode="json")}
        told["losses"] = [loss.model_dump(mode="json") for loss in adapted.losses]
        if len(found.moving) and _nobody_moves(moving):
            raise Problem("migration.stale", f"{unit.one.head.name}: somebody on it may move now: plan again")
        if not len(found.moving):
            host.database.call(_nothing_moves, moving, told)
            return
        proof = Proof.model_validate(moving.proof)
        _write(host, tenant, moving, unit, found, _held_if_unproven(adapted, target, proof), told, one)

    await asyncio.to_thread(write)
    lists = await _lists(host, move)
    return lists[moving.no - 1]


def _held_if_unproven(adapted: Adapted, target: Destination, proof: Proof) -> Adapted:
    """Nothing starts at a target that dials while the source may be calling."""
    if proof.proven or target.adapter.activation is not ActivationKind.DIALS:
        return adapted
    return Adapted(adapted.head.model_copy(update={"activation": Activation(mode=Mode.HOLD)}), adapted.losses)


def _forget(connection: Connection, moving: MovingList) -> None:
    """Take back what an earlier run of the same stage has stored."""
    assert moving.target_list_id is not None
    store.discard(connection, moving.target_list_id)
    moves.drop_rows(connection, moving.migration_id, "left", moving.no)


def _nothing_moves(connection: Connection, moving: MovingList, told: dict[str, Any]) -> None:
    moves.change_list(connection, moving, stage="delivered", target_list_id=None, result=told)


def _write(
    host: Host,
    tenant: Tenant,
    moving: MovingList,
    unit: Unit,
    found: Sorted,
    adapted: Adapted,
    told: dict[str, Any],
    one: StoredOperation,
) -> None:
    """Store the list for the target in many small transactions; the last one makes it the list that counts."""
    call, list_id = host.database.call, str(moving.target_list_id)
    planned = creating.plan(host, tenant, adapted.head, _intake(found), {})
    nameless = adapted.head.model_copy(update={"reference": None})
    source = planned.intake.info.model_dump(mode="json")
    call(_add_hidden, tenant, nameless, list_id, planned, source, moving)
    layout = call(creating.lay_out, list_id, planned)
    writer = call(chunk_writing.writer, list_id, one.id)
    for rows in creating.fill(planned, writer, layout.fillings(planned, writer)):
        call(chunk_writing.write, writer, rows)

    def finish(connection: Connection) -> None:
        creating.store_deliveries(connection, list_id, one.id, planned, layout)
        for delivery in unit.deliveries:
            stored.change_delivery(connection, delivery.id, moved_to=list_id)
        if unit.whole:
            store.change_list(connection, unit.one.id, moved_to=list_id, reference=None)
        reference = adapted.head.reference if unit.whole else None
        head = adapted.head if unit.whole else nameless
        values = {"reference": reference, "head": head.model_dump_json(), "deleted_at": None}
        store.change_list(connection, list_id, **values)
        moves.change_list(connection, moving, stage="stored", result=told)

    call(finish)


def _add_hidden(
    connection: Connection,
    tenant: Tenant,
    head: ListHead,
    list_id: str,
    planned: creating.Planned,
    source: dict[str, object],
    moving: MovingList,
) -> None:
    """The new list, not to be seen until it is whole, and nobody else's as long as the migration works on it."""
    creating.add_list(connection, tenant, head, list_id, planned.profile, source)
    store.change_list(connection, list_id, deleted_at=timestamp(), migration_id=moving.migration_id)


def _intake(found: Sorted) -> Intake:
    """Those that move, as if they had just come in; their keys are settled already."""
    repeats = Repeats(DuplicatePolicy.KEEP_ALL)
    for contact in found.moving:
        repeats.add(contact.phone, contact.key)
    return Intake(SourceInfo(format="migration"), found.moving, Spool(Rejected), repeats)
