"""The end of a migration: the certificate, the routing, the old lists where deleting them was planned."""

import asyncio
from typing import Any

from sqlalchemy import Connection

from gateway.contract import Verb
from gateway.host import Host
from gateway.managing import destination_of, talk
from gateway.migrating import certifying, sources
from gateway.migrating.documents import Compared, TargetSide
from gateway.migrating.signing import sealed
from gateway.migrating.wishes import Wishes
from gateway.problem import Problem
from gateway.settings import Destination, Tenant
from gateway.store import deliveries as stored
from gateway.store import moves, reroutings
from gateway.store import operations as work
from gateway.store.moves import Move, MovingList
from gateway.store.operations import StoredOperation


async def finish(host: Host, tenant: Tenant, target: Destination, move: Move, one: StoredOperation) -> None:
    """Everything is verified: what is left to do besides, and the certificate of it all."""
    wishes = Wishes.model_validate(move.wishes)
    lists = await host.database.run(moves.lists_of, move.id)
    deleted = {}
    if wishes.delete_source:
        for moving in lists:
            deleted[moving.no] = await _delete_source(host, tenant, moving, one)
    await host.database.run(_seal_routing, move, wishes, lists)
    routing = await host.database.run(_routing_of, move)
    made = await asyncio.to_thread(
        certifying.certificate, host.database, move, target, one.created_at, routing, deleted
    )
    text = await asyncio.to_thread(sealed, made, host.config.signing_key)
    await host.database.run(_end, move, text, one)


def _end(connection: Connection, move: Move, text: str, one: StoredOperation) -> None:
    moves.release(connection, move.id)
    moves.change(connection, move.id, state="done", certificate=text, error=None)
    work.change_operation(connection, one.id, stage="done")


def _seal_routing(connection: Connection, move: Move, wishes: Wishes, lists: list[MovingList]) -> None:
    """Switch the routing as planned, once. Not while anything is unknown at the target."""
    if wishes.routing is None or _changes(connection, move):
        return
    if any((moving.result or {}).get("target") and _unknown(moving) for moving in lists):
        return
    for source in sources_of(connection, lists):
        if source != move.target:
            reroutings.add(
                connection, move.tenant, source, move.target, wishes.routing, wishes.percent, move.by, move.id
            )


def _unknown(moving: MovingList) -> int:
    assert moving.result is not None
    return TargetSide.model_validate(moving.result["target"]).outcomes.unknown


def sources_of(connection: Connection, lists: list[MovingList]) -> list[str]:
    """The destinations that the lists of a migration come from."""
    found = dict.fromkeys(
        stored.get_delivery(connection, delivery_id).destination
        for moving in lists
        for delivery_id in moving.deliveries
    )
    return list(found)


def _changes(connection: Connection, move: Move) -> list[reroutings.Rerouting]:
    recent = reroutings.history(connection, move.tenant, None, 1_000)
    return [one for one in reversed(recent) if one.migration_id == move.id]


def _routing_of(connection: Connection, move: Move) -> list[str]:
    """What this migration switched, in sentences."""
    told = []
    for one in _changes(connection, move):
        much = f" {one.percent:g} %" if one.percent is not None else ""
        told.append(f"{one.at}: {one.mode}{much}, {one.target} instead of {one.source}, by {one.by}")
    if not told and move.wishes.get("routing"):
        told.append("not switched: contacts are unknown at the target; resolve them, then switch")
    return told


async def _delete_source(host: Host, tenant: Tenant, moving: MovingList, one: StoredOperation) -> str:
    """Delete the old list at its vendor, if all that was to move has provably arrived; what became of it."""
    why = _why_keep(moving)
    if why:
        return f"kept: {why}"
    unit = await host.database.run(sources.load_any, tenant.name, moving.list_id, moving.deliveries)
    told = []
    for delivery in unit.deliveries:
        destination = destination_of(tenant, delivery.destination)
        delete = destination.adapter.delete
        for known in unit.remotes[delivery.id]:
            if known.remote is None or known.deleted:
                continue
            if delete is None:
                return f"kept: {destination.name}: {destination.adapter.capability(Verb.DELETE).note}"
            try:
                exchange = delete(known.remote, destination.options)
                done: Any = await talk(host, destination, Verb.DELETE, exchange, delivery, one.id)
            except Problem as problem:
                return f"kept: {problem.detail}"
            await host.database.run(stored.mark_deleted, delivery.id, known.part)
            told.append(f"{known.remote.id}" + (f" ({done.remains})" if done.remains else ""))
    return f"deleted: {', '.join(told)}" if told else "kept: nothing of it was at the vendor"


def _why_keep(moving: MovingList) -> str:
    result = moving.result or {}
    compared = Compared.model_validate(result["compared"])
    if result.get("target") is None:
        return "nothing of it moved"
    outcomes = TargetSide.model_validate(result["target"]).outcomes
    if compared.missing or compared.different or compared.unexpected:
        return "the target differs"
    if outcomes.unknown or outcomes.pending:
        return "not everything has arrived"
    if moving.proof is None or not moving.proof["proven"]:
        return "that it is quiet is not proven"
    return ""
