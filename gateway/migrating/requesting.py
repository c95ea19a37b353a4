"""What can be asked of migrations: to plan one, to apply it, to go back, to take a person's word."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from gateway.contract import AnyAdapter
from gateway.host import Host
from gateway.managing import destination_of
from gateway.migrating import plans
from gateway.migrating.documents import PlanOut, Proof
from gateway.migrating.wishes import ApplyIn, PlanIn, RollbackIn
from gateway.planning import destination_of as target_of
from gateway.problem import ErrorItem, Problem, invalid
from gateway.settings import Tenant, explain
from gateway.store import keys, moves
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.database import new_id, timestamp
from gateway.store.moves import Move, MovingList
from gateway.switching import INLINE

PLAN, APPLY, ROLLBACK = "plan", "migrate", "rollback"
KINDS = (PLAN, APPLY, ROLLBACK)
"""Operations whose list is a migration."""


async def get(host: Host, tenant: Tenant, move_id: str) -> Move:
    """The tenant's migration; 404 when it is nobody's, or another tenant's."""
    move: Move | None = await host.database.run(moves.get, tenant.name, move_id)
    if move is None:
        raise Problem("not_found", "there is no such migration")
    return move


async def refuse_failed(host: Host, operation_id: str) -> None:
    """What an operation of a migration has failed with, as a problem; nothing when it has not."""
    ended = await host.database.run(work.any_operation, operation_id)
    if ended is not None and ended.error is not None:
        raise Problem.of(ended.error)


async def plan(host: Host, tenant: Tenant, wish: PlanIn, by: str, key: str | None = None) -> Move:
    """Begin to plan: durable when this returns."""
    target = target_of(tenant, wish.target, "/target")
    if wish.source.destination is not None:
        target_of(tenant, wish.source.destination, "/source/destination")
        if wish.source.destination == target.name:
            raise invalid([ErrorItem(pointer="/target", code="field.invalid", detail="is where the lists are already")])
    _check_options(target.adapter, wish.vendor_options)
    move_id, operation_id = new_id("mg"), new_id("op")
    asked = wish.source.model_dump(exclude_none=True), wish.wishes().model_dump(mode="json")

    def write(connection: Connection) -> None:
        moves.add(connection, move_id, tenant.name, "planning", asked[0], target.name, asked[1], by, operation_id)
        _operation(connection, host, tenant, move_id, operation_id, PLAN, key)

    await host.database.run(write)
    await _begin(host, tenant, operation_id, await _size(host, tenant, wish))
    return await get(host, tenant, move_id)


def _check_options(adapter: AnyAdapter, given: Mapping[str, Any]) -> None:
    try:
        adapter.list_options.model_validate(dict(given))
    except ValidationError as error:
        raise invalid(
            [
                ErrorItem(pointer=f"/vendor_options/{where.replace('.', '/')}", code="field.invalid", detail=why)
                for where, why in explain(error)
            ]
        ) from None


async def _size(host: Host, tenant: Tenant, wish: PlanIn) -> int:
    """About how many contacts are concerned, as far as that is known already."""
    if wish.source.list is not None:
        one = await host.database.run(store.get_list, tenant.name, wish.source.list)
        return one.profile.count if one is not None else 0
    return 0 if wish.source.remote_list is not None else INLINE + 1


async def _begin(host: Host, tenant: Tenant, operation_id: str, size: int) -> None:
    if size > INLINE:
        await host.operations.submit(operation_id, tenant.name)
    else:
        host.operations.start(operation_id)


def _operation(
    connection: Connection,
    host: Host,
    tenant: Tenant,
    move_id: str,
    operation_id: str,
    kind: str,
    key: str | None,
    given: Mapping[str, Any] | None = None,
) -> None:
    owner = host.operations.owner
    stage = "reading" if kind == PLAN else "stopping"
    work.add_operation(connection, operation_id, tenant.name, move_id, kind, owner, stage=stage, input=given)
    if key is not None:
        keys.key_operation(connection, tenant.name, key, operation_id)


async def apply(host: Host, tenant: Tenant, wish: ApplyIn, by: str, key: str | None = None) -> Move:
    """Begin to apply a plan, if it can hold still: durable when this returns. 409 with what stands against it."""
    move = await get(host, tenant, wish.plan)
    target = target_of(tenant, move.target, "/target")
    if move.state != "planned" or move.plan is None:
        raise Problem("migration.not_planned", f"the migration is {move.state}; make a new plan")
    _refuse_other(move, plans.facts_of_target(target), wish.digest)
    planned = PlanOut.model_validate(move.plan["out"])
    _refuse_impossible(host, tenant, planned, move.target)
    operation_id = new_id("op")

    def write(connection: Connection) -> None:
        now = moves.get(connection, tenant.name, move.id, to_change=True)
        if now is None or now.state != "planned":
            raise Problem("migration.not_planned", "somebody else has just begun to apply it")
        lists = moves.lists_of(connection, move.id)
        for moving in lists:
            _claim(connection, tenant, move.id, moving)
        moves.change(connection, move.id, state="applying", operation_id=operation_id, by=by, error=None)
        _operation(connection, host, tenant, move.id, operation_id, APPLY, key)

    await host.database.run(write)
    await _begin(host, tenant, operation_id, planned.counts.received)
    return await get(host, tenant, move.id)


def _refuse_other(move: Move, now: Mapping[str, Any], digest: str | None) -> None:
    assert move.plan is not None
    items = [
        ErrorItem(pointer=f"/target{at}", code="migration.stale", detail=f"was {before}, is {after}")
        for at, before, after in plans.differences(move.plan["facts"]["target"], dict(now))
    ]
    if digest is not None and digest != move.digest:
        items.append(ErrorItem(pointer="/digest", code="migration.stale", detail=f"the plan has {move.digest}"))
    if items:
        raise Problem("migration.stale", f"{len(items)} differences since the plan was made: plan again", items)


def _refuse_impossible(host: Host, tenant: Tenant, planned: PlanOut, target: str) -> None:
    """What can be said against a plan before anything is touched."""
    refused = [one for one in planned.lists if one.refused]
    if refused:
        items = [
            ErrorItem(pointer=f"/lists/{one.source.list_id}", code="migration.refused", detail=str(one.refused))
            for one in refused
        ]
        raise Problem("migration.refused", f"{target} cannot take {len(refused)} of the lists, see errors", items)
    names = {target} | {name for one in planned.lists for name in one.source.destinations}
    for name in sorted(names):
        host.accounts.account(destination_of(tenant, name))  # refuses what has no credentials


def _claim(connection: Connection, tenant: Tenant, move_id: str, moving: MovingList) -> None:
    """Let nobody else work on the list from now on; 409 when somebody does."""
    one = store.get_list(connection, tenant.name, moving.list_id, to_change=True)
    if one is None or one.deleted_at:
        raise Problem("migration.stale", f"the list {moving.list_id} was deleted: plan again")
    if one.moved_to:
        raise Problem("migration.moved", f"the list {one.id} was moved before: it goes on as {one.moved_to}")
    busy = work.running_operation(connection, one.id)
    if busy is not None:
        raise Problem("list.busy", f"work on the list {one.id} is still going on", operation=busy)
    other = moves.claim(connection, move_id, one.id)
    if other is not None:
        raise Problem("migration.conflict", f"the migration {other} works on the list {one.id}")


async def rollback(host: Host, tenant: Tenant, move_id: str, wish: RollbackIn, by: str, key: str | None = None) -> Move:
    """Begin to go back: durable when this returns."""
    await get(host, tenant, move_id)
    operation_id = new_id("op")

    def write(connection: Connection) -> int:
        move = moves.get(connection, tenant.name, move_id, to_change=True)
        assert move is not None
        if move.state not in ("done", "failed"):
            raise Problem("migration.not_applied", f"the migration is {move.state}")
        for moving in moves.lists_of(connection, move_id):
            _claim_back(connection, tenant, move_id, moving)
        moves.change(connection, move_id, state="rolling_back", operation_id=operation_id, by=by, error=None)
        _operation(connection, host, tenant, move_id, operation_id, ROLLBACK, key, wish.model_dump())
        return int(move.plan["out"]["counts"]["received"]) if move.plan else 0

    await _begin(host, tenant, operation_id, await host.database.run(write))
    return await get(host, tenant, move_id)


def _claim_back(connection: Connection, tenant: Tenant, move_id: str, moving: MovingList) -> None:
    gone = (moving.result or {}).get(moves.DELETED)
    if gone:
        why = f"was deleted at its vendor, as planned ({', '.join(gone)})"
        why += f": plan a migration of {moving.target_list_id} back"
        raise Problem("migration.not_applied", f"the old list {moving.list_id} {why}")
    for list_id in (moving.list_id, moving.target_list_id):
        one = store.get_list(connection, tenant.name, list_id, to_change=True) if list_id else None
        if one is None:
            if list_id == moving.list_id or moving.stage not in ("planned", "quiet"):
                raise Problem("migration.not_applied", f"the list {list_id} was removed: there is no way back")
            continue
        if list_id == moving.list_id and one.deleted_at:
            raise Problem("migration.not_applied", f"the old list {one.id} was deleted: there is no way back to it")
        if list_id == moving.target_list_id and one.moved_to and moving.stage != "returned":
            raise Problem("migration.not_applied", f"the list {one.id} has moved on to {one.moved_to}: go back there")
        busy = work.running_operation(connection, one.id)
        if busy is not None:
            raise Problem("list.busy", f"work on the list {one.id} is still going on", operation=busy)
        other = moves.claim(connection, move_id, one.id)
        if other is not None:
            raise Problem("migration.conflict", f"the migration {other} works on the list {one.id}")


async def vouch(host: Host, tenant: Tenant, move_id: str, by: str) -> Move:
    """A person's word that the sources are quiet, where nobody could prove it: what is held may be activated then."""
    move = await get(host, tenant, move_id)
    if move.state not in ("done", "failed"):
        raise Problem("migration.not_applied", f"the migration is {move.state}")

    def write(connection: Connection) -> None:
        open_ = [
            moving
            for moving in moves.lists_of(connection, move_id)
            if moving.proof is not None and not moving.proof["proven"] and not moving.proof.get("by")
        ]
        if not open_:
            raise Problem("delivery.nothing_unknown", "that every source is quiet is proven, or was said before")
        for moving in open_:
            proof = Proof.model_validate(moving.proof)
            said = proof.model_copy(
                update={"by": by, "how": f"{proof.how}; quiet by the word of {by} at {timestamp()}"}
            )
            moves.change_list(connection, moving, proof=said.model_dump(mode="json"))

    await host.database.run(write)
    return await get(host, tenant, move_id)
