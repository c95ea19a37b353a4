"""Starting, stopping and deleting a list that exists: operations, because its vendors have a part in them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from gateway import bookkeeping as books
from gateway.canonical import Mode, Outcome
from gateway.canonical.faults import fault
from gateway.canonical.lists import Activation
from gateway.contract import Verb
from gateway.creating import Created, refuse_if_moving
from gateway.host import Host
from gateway.managing import destination_of, get, remotes_of, require, settled, talk
from gateway.planning import activation_of, merged_options
from gateway.problem import Problem
from gateway.settings import Tenant
from gateway.store import deliveries as stored
from gateway.store import keys, moves
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.chunks import Mark
from gateway.store.database import new_id, timestamp
from gateway.store.deliveries import StoredDelivery
from gateway.store.operations import StoredOperation


async def _live(host: Host, list_id: str) -> list[StoredDelivery]:
    return [one for one in await host.database.run(stored.of_list, list_id) if one.live]


def _dialling(deliveries: Sequence[StoredDelivery]) -> list[StoredDelivery]:
    return [one for one in deliveries if one.activation in ("started", "scheduled")]


async def activate(host: Host, tenant: Tenant, list_id: str, key: str | None = None) -> Created:
    """Start what was held back. A vendor that only stores lists answers where a campaign is started instead."""
    one = await settled(host, tenant, list_id)
    live = await _live(host, list_id)
    held = [delivery for delivery in live if delivery.activation == "held"]
    unproven = await host.database.run(moves.unproven, list_id)
    if unproven is not None:
        why = f"that its source is quiet is not proven: see the migration {unproven}, and give your word there"
        raise Problem("migration.not_quiet", why)
    if not held:
        return await _resume(host, tenant, one, live, key)
    head = one.head.model_copy(update={"activation": Activation(mode=Mode.START)})
    now = datetime.now(UTC)
    activations = {}
    for delivery in held:
        destination = destination_of(tenant, delivery.destination)
        options = merged_options(destination, delivery.options)
        faults = destination.adapter.examine_list(head, delivery.profile, options, now).faults
        if faults:
            raise Problem("list.refused", f"{destination.name} cannot take this list: {faults[0].detail}")
        activations[delivery.id] = activation_of(destination.adapter, head, now)
    created = Created(list_id, new_id("op"))

    def start(connection: Connection) -> None:
        if not store.claim_staged(connection, list_id):
            raise Problem("list.not_staged", "the list was started at this very moment by another call")
        store.change_list(connection, list_id, head=head.model_dump_json())
        for delivery_id, activation in activations.items():
            # The vendor is told the time of the start, not of the creation: windows and delays count from here.
            stored.change_delivery(connection, delivery_id, activation=activation, created_at=timestamp())
        _add(connection, host, tenant, created, "activate", key)

    await host.database.run(start)
    await _begin(host, tenant, created, one.profile.count)
    return created


INLINE = 20_000
"""Lists of more contacts go through the engine, so that tenants take turns."""


async def _begin(host: Host, tenant: Tenant, created: Created, size: int = 0) -> None:
    if size > INLINE:
        await host.operations.submit(created.operation_id, tenant.name)
    else:
        host.operations.start(created.operation_id)


def _add(connection: Connection, host: Host, tenant: Tenant, created: Created, kind: str, key: str | None) -> None:
    one = store.get_list(connection, tenant.name, created.list_id, to_change=True)
    if one is not None and (one.migration_id is not None or kind != "delete"):
        refuse_if_moving(one)
    work.add_operation(connection, created.operation_id, tenant.name, created.list_id, kind, host.operations.owner)
    if key is not None:
        keys.key_operation(connection, tenant.name, key, created.operation_id)


async def _resume(
    host: Host, tenant: Tenant, one: store.StoredList, live: list[StoredDelivery], key: str | None
) -> Created:
    """Let a stopped list dial again where the vendor can; else say where a campaign is started."""
    kinds = ("create", "activate", "resume", "stop")
    last = await host.database.run(work.last_of, one.id, kinds)
    stopped = last == "stop" or (last != "resume" and await host.database.run(moves.left_stopped, one.id))
    if _dialling(live) and not stopped:
        raise Problem("list.not_staged", "the list was started before; nothing of it is held back")
    if not _able(tenant, live):
        notes = {delivery.destination: tenant.destinations[delivery.destination].adapter for delivery in live}
        why = "; ".join(f"{name}: {adapter.activation_note}" for name, adapter in notes.items())
        raise Problem("vendor.cannot", why or "no destination holds this list")
    return await _at_once(host, tenant, one.id, "resume", key)


def _able(tenant: Tenant, live: Sequence[StoredDelivery]) -> list[StoredDelivery]:
    return [one for one in live if destination_of(tenant, one.destination).adapter.resume is not None]


async def stop(host: Host, tenant: Tenant, list_id: str, key: str | None = None) -> Created:
    """Stop the dialling of a list at every vendor that dials it."""
    one = await settled(host, tenant, list_id)
    live = _dialling(await _live(host, list_id))
    for delivery in live:
        require(destination_of(tenant, delivery.destination), Verb.STOP)
    if not live:
        raise Problem("vendor.cannot", "no vendor dials this list by itself: stop its campaign where it was started")
    return await _at_once(host, tenant, one.id, "stop", key)


async def delete(host: Host, tenant: Tenant, list_id: str) -> Created:
    """Delete a list at its vendors where they can, and here; the list then says what remains there."""
    await get(host, tenant, list_id)
    busy: str | None = await host.database.run(work.running_operation, list_id)
    if busy is not None:
        raise Problem("list.busy", "wait for the operation, or cancel it first", operation=busy)
    return await _at_once(host, tenant, list_id, "delete")


async def _at_once(host: Host, tenant: Tenant, list_id: str, kind: str, key: str | None = None) -> Created:
    created = Created(list_id, new_id("op"))
    await host.database.run(_add, host, tenant, created, kind, key)
    await _begin(host, tenant, created)
    return created


async def perform_stop(host: Host, tenant: Tenant, one: StoredOperation) -> None:
    await _each_remote(host, tenant, _dialling(await _live(host, one.list_id)), Verb.STOP, one)


async def perform_resume(host: Host, tenant: Tenant, one: StoredOperation) -> None:
    await _each_remote(host, tenant, _able(tenant, await _live(host, one.list_id)), Verb.RESUME, one)


async def _each_remote(
    host: Host, tenant: Tenant, deliveries: Sequence[StoredDelivery], verb: Verb, one: StoredOperation
) -> None:
    for delivery in deliveries:
        destination = destination_of(tenant, delivery.destination)
        options = merged_options(destination, delivery.options)
        for remote in await remotes_of(host, delivery):
            await talk(host, destination, verb, require(destination, verb)(remote, options), delivery, one.id)


async def perform_delete(host: Host, tenant: Tenant, one: StoredOperation) -> None:
    """What was deleted before a crash is not asked for again; what stays at a vendor is said."""
    remains = []
    for delivery in await host.database.run(stored.of_list, one.list_id):
        destination = destination_of(tenant, delivery.destination)
        options = merged_options(destination, delivery.options)
        for known in await host.database.run(stored.remotes_of, delivery.id):
            if known.remote is None or known.deleted:
                continue
            if destination.adapter.delete is None:
                note = destination.adapter.capability(Verb.DELETE).note
                remains.append(f"{destination.name}: the list {known.remote.id} stays at the vendor; {note}")
                continue
            exchange = destination.adapter.delete(known.remote, options)
            done = await talk(host, destination, Verb.DELETE, exchange, delivery, one.id)
            if done.remains:
                remains.append(f"{destination.name}: {done.remains}")
            await host.database.run(stored.mark_deleted, delivery.id, known.part)
        # what was held back until now is never sent
        never = Mark(Outcome.REJECTED, None, (fault("delivery.cancelled", detail="the list was deleted"),), None, True)
        await host.database.run(books.settle, delivery, None, None, never)
    gone = {"deleted_at": timestamp(), "remains": "; ".join(remains) or None, "staged": False}
    await host.database.run(store.change_list, one.list_id, **gone)
