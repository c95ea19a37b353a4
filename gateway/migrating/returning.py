"""The way back: the target is made quiet, the routing is what it was, the old lists count again.

The same rule as on the way there: nothing dials at the source before it is proven that the target is quiet, and a list
of which the target has reached anybody is not let loose again.
"""

import asyncio

from sqlalchemy import Connection

from gateway.contract import Verb
from gateway.dispatch import Leg
from gateway.host import Host
from gateway.managing import destination_of, talk
from gateway.migrating import sources
from gateway.migrating.documents import Proof
from gateway.migrating.plans import sides_of, sort_unit
from gateway.migrating.quieting import quiet
from gateway.migrating.sorting import Rows
from gateway.migrating.sources import Unit
from gateway.migrating.wishes import RollbackIn, Wishes
from gateway.problem import Problem
from gateway.settings import Destination, Tenant
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store import moves, reroutings
from gateway.store import operations as work
from gateway.store.moves import Move, MovingList
from gateway.store.operations import StoredOperation


async def perform(host: Host, tenant: Tenant, move: Move, one: StoredOperation, leg: Leg) -> None:
    """Go back, list by list. What could not be taken back stands in the migration's `error`, and nothing is lost."""
    wishes = RollbackIn.model_validate(one.input or {})
    await host.database.run(work.change_operation, one.id, stage="stopping")
    await host.database.run(_route_back, move)
    left = []
    for moving in reversed(await host.database.run(moves.lists_of, move.id)):
        await leg.go_on()
        left += await _return(host, tenant, moving, wishes, one)
    error = {"code": "migration.left", "detail": "; ".join(left)} if left else None
    await host.database.run(_end, move, error)


def _end(connection: Connection, move: Move, error: dict[str, str] | None) -> None:
    moves.release(connection, move.id)
    moves.change(connection, move.id, state="rolled_back", error=error)


def _route_back(connection: Connection, move: Move) -> None:
    """End what this migration switched, unless somebody has switched it again since."""
    for source, now in reroutings.in_force(connection, move.tenant).items():
        if now.migration_id == move.id:
            reroutings.add(connection, move.tenant, source, now.target, "off", None, move.by, move.id)


async def _return(
    host: Host, tenant: Tenant, moving: MovingList, wishes: RollbackIn, one: StoredOperation
) -> list[str]:
    """Let the old list count again; what is left as it is, in sentences."""
    name = (moving.plan or {}).get("name", moving.list_id)
    told, safe = [], True
    if moving.target_list_id is not None and moving.stage in ("stored", "delivered", "verified"):
        unit = await host.database.run(_target_unit, tenant.name, moving.target_list_id)
        proof = await quiet(host, tenant, unit, one.id)
        safe = proof.proven
        reached = await _reached(host, tenant, unit, one) if safe else 0
        if not safe:
            told.append(f"{name}: that the target is quiet is not proven, so the source is not let loose: {proof.how}")
        elif reached:
            safe = False
            told.append(
                f"{name}: {reached} of its contacts were reached at the target, so the old list is not let loose: "
                f"migrate {moving.target_list_id} back to move only the others"
            )
        await host.database.run(_swap_back, moving)
        if wishes.delete_target:
            told += [f"{name}: {why}" for why in await _delete_target(host, tenant, unit, one)]
    if wishes.resume and safe and moving.proof is not None:
        told += [f"{name}: {why}" for why in await _let_loose(host, tenant, moving, one)]
    return told


def _target_unit(connection: Connection, tenant: str, list_id: str) -> Unit:
    which = [each.id for each in stored.of_list(connection, list_id) if each.superseded_by is None]
    return sources.load_any(connection, tenant, list_id, which)


async def _reached(host: Host, tenant: Tenant, unit: Unit, one: StoredOperation) -> int:
    """How many contacts the target has called, or must be taken to have called."""
    sides = await sides_of(host, tenant, unit, one.id)
    rows = Rows(lambda _: None)
    found = await asyncio.to_thread(sort_unit, host, tenant, unit, sides, rows, Wishes())
    fates = found.fates()
    return fates.reached + fates.unclear


def _swap_back(connection: Connection, moving: MovingList) -> None:
    """The old list counts again, under its reference; the other one says where its contacts are."""
    assert moving.target_list_id is not None
    for delivery_id in moving.deliveries:
        stored.change_delivery(connection, delivery_id, moved_to=None)
    new = store.any_list(connection, moving.target_list_id)
    old = store.any_list(connection, moving.list_id)
    if new is None or old is None:
        return
    store.change_list(connection, new.id, moved_to=old.id, reference=None, staged=False)
    for delivery in stored.of_list(connection, new.id):
        stored.change_delivery(connection, delivery.id, moved_to=old.id)
    if old.moved_to == new.id:
        store.change_list(connection, old.id, moved_to=None, reference=old.head.reference)
    moves.change_list(connection, moving, stage="returned")


async def _delete_target(host: Host, tenant: Tenant, unit: Unit, one: StoredOperation) -> list[str]:
    told = []
    for delivery in unit.deliveries:
        destination = destination_of(tenant, delivery.destination)
        delete = destination.adapter.delete
        for known in unit.remotes[delivery.id]:
            if known.remote is None or known.deleted:
                continue
            if delete is None:
                told.append(f"{known.remote.id} stays at {destination.name}: {_note(destination, Verb.DELETE)}")
                continue
            try:
                exchange = delete(known.remote, destination.options)
                await talk(host, destination, Verb.DELETE, exchange, delivery, one.id)
                await host.database.run(stored.mark_deleted, delivery.id, known.part)
            except Problem as problem:
                told.append(f"{known.remote.id} stays at {destination.name}: {problem.detail}")
    return told


def _note(destination: Destination, verb: Verb) -> str:
    return destination.adapter.capability(verb).note


async def _let_loose(host: Host, tenant: Tenant, moving: MovingList, one: StoredOperation) -> list[str]:
    """Let a source dial again that the migration has stopped."""
    proof = Proof.model_validate(moving.proof)
    unit = await host.database.run(sources.load_any, tenant.name, moving.list_id, moving.deliveries)
    told = []
    for delivery in unit.deliveries:
        destination = destination_of(tenant, delivery.destination)
        resume = destination.adapter.resume
        if delivery.activation not in ("started", "scheduled") or not proof.proven:
            continue
        for remote in unit.there(delivery):
            if resume is None:
                told.append(f"{remote.id} at {destination.name}: {_note(destination, Verb.RESUME)}")
                continue
            try:
                await talk(host, destination, Verb.RESUME, resume(remote, destination.options), delivery, one.id)
            except Problem as problem:
                told.append(f"{remote.id} at {destination.name} was not let loose: {problem.detail}")
    return told
