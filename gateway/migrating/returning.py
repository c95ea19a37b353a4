"""The way back: the target is made quiet, the routing is what it was, the old lists count again.

The same rule as on the way there: nothing dials at the source before it is proven that the target is quiet, and a list
of which the target has reached anybody is not let loose again: if its source dials, it stays at the target.
"""

import asyncio
from collections.abc import Mapping

from sqlalchemy import Connection

from gateway.contract import ActivationKind, RemoteList, RemoteStatus, Verb
from gateway.dispatch import Cancelled, Leg
from gateway.host import Host
from gateway.managing import destination_of, talk
from gateway.migrating import sources
from gateway.migrating.documents import Proof
from gateway.migrating.plans import is_over, sides_of, sort_unit
from gateway.migrating.quieting import quiet
from gateway.migrating.sorting import Rows
from gateway.migrating.sources import Unit
from gateway.migrating.wishes import RollbackIn, Wishes
from gateway.problem import Problem
from gateway.settings import Destination, Tenant
from gateway.store import chunks, moves, reroutings
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.moves import Move, MovingList
from gateway.store.operations import StoredOperation


async def perform(host: Host, tenant: Tenant, move: Move, one: StoredOperation, leg: Leg) -> None:
    """Go back, list by list. What could not be taken back stands in the migration's `error`, and nothing is lost."""
    if await is_over(move, "rolling_back", leg):
        return
    wishes = RollbackIn.model_validate(one.input or {})
    await host.database.run(work.change_operation, one.id, stage="stopping")
    await host.database.run(_route_back, move)
    left = []
    try:
        for moving in reversed(await host.database.run(moves.lists_of, move.id)):
            await leg.go_on()
            left += await _return(host, tenant, moving, wishes, one)
    except Cancelled:
        detail = "cancelled on the way back; what is back stays so: go back once more for the others"
        await host.database.run(fail, move, {"code": "migration.cancelled", "detail": detail})
        raise
    except Problem as problem:
        await host.database.run(fail, move, problem.kept())
        raise
    error = {"code": "migration.left", "detail": "; ".join(left)} if left else None
    await host.database.run(_end, move, error)


def fail(connection: Connection, move: Move, error: Mapping[str, object]) -> None:
    """The way back ended before its end. What is back stays so, and it may be gone once more for the others."""
    moves.release(connection, move.id)
    moves.change(connection, move.id, state="failed", error=error)


def _end(connection: Connection, move: Move, error: dict[str, str] | None) -> None:
    """Rolled back when every list is; else it has failed half-way, and going back may be tried again."""
    moves.release(connection, move.id)
    left = any(each.stage in _MOVED for each in moves.lists_of(connection, move.id))
    moves.change(connection, move.id, state="failed" if left else "rolled_back", error=error)


def _route_back(connection: Connection, move: Move) -> None:
    """End what this migration switched, unless somebody has switched it again since."""
    reroutings.hold(connection, move.tenant)
    for source, now in reroutings.in_force(connection, move.tenant).items():
        if now.migration_id == move.id:
            reroutings.add(connection, move.tenant, source, now.target, "off", None, move.by, move.id)


async def _return(
    host: Host, tenant: Tenant, moving: MovingList, wishes: RollbackIn, one: StoredOperation
) -> list[str]:
    """Let the old list count again; what is left as it is, in sentences."""
    name = (moving.plan or {}).get("name", moving.list_id)
    told, safe = list[str](), True
    if moving.stage == "returned":  # by a run before this one
        told, safe = (moving.result or {})["left"], (moving.result or {})["safe"]
    if moving.target_list_id is not None and moving.stage in (*_MOVED, "returned"):
        unit = await host.database.run(_target_unit, tenant.name, moving.target_list_id)
        if moving.stage in _MOVED:
            why = await _why_unsafe(host, tenant, moving, unit, one)
            safe = not why
            if why and await _dials(host, tenant, moving):
                return [f"{name}: {why}"]
            told = [f"{name}: {each}" for each in (why, await host.database.run(_appended, moving)) if each]
            await host.database.run(_swap_back, moving, safe, told)
        if wishes.delete_target:
            told += [f"{name}: {why}" for why in await _delete_target(host, tenant, unit, one)]
    if wishes.resume and safe and moving.proof is not None:
        told += [f"{name}: {why}" for why in await _let_loose(host, tenant, moving, one)]
    return told


_MOVED = ("stored", "delivered", "verified")
"""Stages of lists whose contacts count at the target."""


async def _why_unsafe(host: Host, tenant: Tenant, moving: MovingList, unit: Unit, one: StoredOperation) -> str:
    """Make the target quiet. Why the old list must not dial again all the same; "" when it may."""
    proof = await quiet(host, tenant, unit, one.id)
    if not proof.proven:
        return f"that the target is quiet is not proven, so the source is not let loose: {proof.how}"
    reached = await _reached(host, tenant, unit, one)
    if not reached:
        return ""
    return (
        f"{reached} of its contacts were reached at the target, so the old list is not let loose: "
        f"plan a migration of {moving.target_list_id} back, which moves only the others"
    )


async def _dials(host: Host, tenant: Tenant, moving: MovingList) -> bool:
    """Whether a call of ours could make the old list dial."""
    unit = await host.database.run(sources.load_any, tenant.name, moving.list_id, moving.deliveries)
    adapters = [destination_of(tenant, each.destination).adapter for each in unit.deliveries]
    return any(adapter.activation is ActivationKind.DIALS for adapter in adapters)


def _appended(connection: Connection, moving: MovingList) -> str:
    """What to say of contacts that came to the new list after it was made."""
    assert moving.target_list_id is not None
    assert moving.result is not None
    counts, _, _ = chunks.counts(connection, moving.target_list_id)
    number = counts.received - moving.result["fates"]["moves"]
    return f"{number} contacts were appended since: they are at the target only" if number > 0 else ""


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


def _swap_back(connection: Connection, moving: MovingList, safe: bool, left: list[str]) -> None:
    """The old list counts again, under its reference; the other one says where its contacts are. What was found out
    is kept with it, for a run after this one."""
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
    result = {**(moving.result or {}), "safe": safe, "left": left}
    moves.change_list(connection, moving, stage="returned", result=result)


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
    told: list[str] = []
    if await host.database.run(work.last_of, moving.list_id, ("create", "activate", "resume", "stop")) == "stop":
        return told  # somebody stopped it before the migration: it stays so
    asked = list((moving.result or {}).get(moves.LOOSED, ()))
    for delivery in unit.deliveries:
        destination = destination_of(tenant, delivery.destination)
        if delivery.activation not in ("started", "scheduled"):
            continue
        for remote in unit.there(delivery):
            place = f"{remote.id} at {destination.name}"
            if destination.adapter.resume is None:
                told.append(f"{place}: {_note(destination, Verb.RESUME)}")
            elif not proof.proven:
                told.append(f"{place} may have been told to stop, and was not seen to: look at it there")
            elif place in asked:
                told += await _is_loose(host, destination, remote, place, one)
            else:
                asked.append(place)
                await host.database.run(moves.note, moving, moves.LOOSED, asked)
                try:
                    exchange = destination.adapter.resume(remote, destination.options)
                    await talk(host, destination, Verb.RESUME, exchange, delivery, one.id)
                except Problem as problem:
                    told.append(f"{place} was not let loose: {problem.detail}")
    return told


async def _is_loose(
    host: Host, destination: Destination, remote: RemoteList, place: str, one: StoredOperation
) -> list[str]:
    """Whether a list dials again whose letting loose may have left: it is not asked for twice."""
    why = "and it does not dial"
    try:
        if destination.adapter.status is not None:
            exchange = destination.adapter.status(remote, destination.options)
            shown: RemoteStatus = await talk(host, destination, Verb.STATUS, exchange, None, one.id)
            if shown.dialing:
                return []
            why = f"and the vendor shows it as {shown.state}"
    except Problem as problem:
        why = problem.detail
    return [f"{place}: the gateway was stopped while it let it loose, {why}: look at it there"]
