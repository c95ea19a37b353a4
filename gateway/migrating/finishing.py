"""The end of a migration: the certificate, the routing, the old lists where deleting them was planned."""

import asyncio
from typing import Any

from sqlalchemy import Connection

from gateway import rerouting
from gateway.contract import Verb
from gateway.host import Host
from gateway.managing import destination_of, talk
from gateway.migrating import certifying, sources
from gateway.migrating.documents import Compared, Fates, TargetSide
from gateway.migrating.signing import sealed
from gateway.migrating.wishes import Wishes
from gateway.problem import Problem
from gateway.rerouting import ReroutingIn
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
    routing = await _switch(host, tenant, move, wishes, lists)
    made = await asyncio.to_thread(
        certifying.certificate, host.database, move, target, one.created_at, routing, deleted
    )
    text = await asyncio.to_thread(sealed, made, host.config.signing_key)
    await host.database.run(_end, move, text, one)


def _end(connection: Connection, move: Move, text: str, one: StoredOperation) -> None:
    moves.release(connection, move.id)
    moves.change(connection, move.id, state="done", certificate=text, error=None)
    work.change_operation(connection, one.id, stage="done")


async def _switch(host: Host, tenant: Tenant, move: Move, wishes: Wishes, lists: list[MovingList]) -> list[str]:
    """Switch the routing as planned, once, and not while anything is unknown at the target; what became of it."""
    if wishes.routing is None:
        return []
    sources_there = [one for one in await host.database.run(sources_of, lists) if one != move.target]
    before = {one.source for one in await host.database.run(_changes, move)}
    unknown = sum(_unknown(moving) for moving in lists)
    wish = ReroutingIn(target=move.target, mode=wishes.routing, percent=wishes.percent)
    told: list[str] = []
    for source in sources_there:
        if source in before:
            continue
        if unknown:
            why = f"of {unknown} contacts nobody knows whether the target has them; resolve them, then switch"
            told.append(f"{source}: not switched: {why}")
            continue
        try:
            await rerouting.switch(host.database, tenant, source, wish, move.by, move.id)
        except Problem as problem:
            told.append(f"{source}: not switched: {problem.detail}")
    return await host.database.run(_switched, move) + told


def _unknown(moving: MovingList) -> int:
    if moving.result is None or moving.result.get("target") is None:
        return 0
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


def _switched(connection: Connection, move: Move) -> list[str]:
    """What this migration switched, in sentences."""
    told = []
    for one in _changes(connection, move):
        much = f" {one.percent:g} %" if one.percent is not None else ""
        told.append(f"{one.at}: {one.mode}{much}, {one.target} instead of {one.source}, by {one.by}")
    return told


async def _delete_source(host: Host, tenant: Tenant, moving: MovingList, one: StoredOperation) -> str:
    """Delete the old list at its vendor, if all that was to move has provably arrived; what became of it."""
    why = _why_keep(moving)
    if why:
        return f"kept: {why}"
    unit = await host.database.run(sources.load_any, tenant.name, moving.list_id, moving.deliveries)
    told = list((moving.result or {}).get(moves.DELETED, ()))
    kept = ""
    for delivery in unit.deliveries:
        destination = destination_of(tenant, delivery.destination)
        delete = destination.adapter.delete
        for known in unit.remotes[delivery.id]:
            if known.remote is None or known.deleted:
                continue
            if delete is None:
                kept = kept or f"{destination.name}: {destination.adapter.capability(Verb.DELETE).note}"
                continue
            try:
                exchange = delete(known.remote, destination.options)
                done: Any = await talk(host, destination, Verb.DELETE, exchange, delivery, one.id)
            except Problem as problem:
                kept = kept or problem.detail
                continue
            told.append(f"{known.remote.id}" + (f" ({done.remains})" if done.remains else ""))
            await host.database.run(_deleted, moving, delivery.id, known.part, told)
    if kept:
        return f"kept in part: {kept}; deleted: {', '.join(told)}" if told else f"kept: {kept}"
    return f"deleted: {', '.join(told)}" if told else "kept: nothing of it was at the vendor"


def _deleted(connection: Connection, moving: MovingList, delivery_id: str, part: int, told: list[str]) -> None:
    stored.mark_deleted(connection, delivery_id, part)
    moves.note(connection, moving, moves.DELETED, told)


def _why_keep(moving: MovingList) -> str:
    result = moving.result or {}
    compared, fates = Compared.model_validate(result["compared"]), Fates.model_validate(result["fates"])
    if result.get("target") is None:
        return "nothing of it moved"
    outcomes = TargetSide.model_validate(result["target"]).outcomes
    if fates.unclear or fates.refused or result.get("refused"):
        return "contacts on it were left out that neither were reached nor have arrived"
    if compared.missing or compared.different or compared.unexpected:
        return "the target differs"
    if outcomes.unknown or outcomes.pending:
        return "not everything has arrived"
    if moving.proof is None or not moving.proof["proven"]:
        return "that it is quiet is not proven"
    return ""
