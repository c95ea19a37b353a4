"""What can be done to a list that exists: start, stop, rename, delete, take a contact off, settle a doubt."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from gateway.canonical import Mode, Outcome
from gateway.canonical.faults import fault
from gateway.canonical.lists import Activation
from gateway.contract import (
    CannotDo,
    Exchange,
    NotSent,
    Refused,
    RemoteContact,
    RemoteList,
    Support,
    Unclear,
    VendorError,
    Verb,
)
from gateway.creating import Created, start_delivery
from gateway.driver import Patience, run
from gateway.host import Host
from gateway.planning import activation_of, merged_options
from gateway.problem import Problem
from gateway.recording import AttemptRecorder
from gateway.settings import Destination, Tenant
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.database import new_id, timestamp
from gateway.store.deliveries import StoredDelivery


def vendor_problem(destination: str, error: VendorError) -> Problem:
    """A vendor's refusal or silence as an answer to the caller."""
    code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
    return Problem(code, f"{destination}: {error.detail}", outcome=error.verdict.value)


_CODES: dict[type[VendorError], str] = {
    Refused: "vendor.refused",
    NotSent: "vendor.not_sent",
    Unclear: "vendor.unclear",
}


async def get(host: Host, tenant: Tenant, list_id: str) -> store.StoredList:
    """The tenant's list; 404 when it is nobody's, deleted, or another tenant's."""
    one = await host.database.run(store.get_list, tenant.name, list_id)
    if one is None or one.deleted_at:
        raise Problem("not_found", "there is no such list")
    return one


def destination_of(tenant: Tenant, name: str) -> Destination:
    destination = tenant.destinations.get(name)
    if destination is None:
        raise Problem("not_found", f"there is no destination {name}")
    return destination


async def talk(
    host: Host, destination: Destination, exchange: Exchange[Any], delivery: StoredDelivery | None = None
) -> Any:
    """Drive an exchange that no list waits for; a vendor's refusal becomes a `Problem`."""
    recorder = None
    if delivery is not None:
        recorder = AttemptRecorder(host.database, delivery.id, None, None)
    try:
        return await run(exchange, host.accounts.channel(destination, recorder), Patience.of(host.config.server.budget))
    except CannotDo as error:
        raise Problem("vendor.cannot", f"{destination.name}: {error.why}") from None
    except VendorError as error:
        raise vendor_problem(destination.name, error) from error


def require(destination: Destination, verb: Verb) -> Callable[..., Exchange[Any]]:
    """The adapter's function for a verb; 422 with what to do instead when the vendor has none."""
    function: Callable[..., Exchange[Any]] | None = getattr(destination.adapter, verb.value)
    if function is None:
        note = destination.adapter.capability(verb).note
        raise Problem("vendor.cannot", f"{destination.name} cannot {verb.value}: {note}")
    return function


async def activate(host: Host, tenant: Tenant, list_id: str) -> Created:
    """Start what was held back. A vendor that only stores lists answers where a campaign is started instead."""
    one = await get(host, tenant, list_id)
    found = await host.database.run(stored.of_list, list_id)
    live = [delivery for delivery in found if delivery.superseded_by is None]
    if not any(delivery.activation == "held" for delivery in live):
        return await _resume(host, tenant, one, live)
    head = one.head.model_copy(update={"activation": Activation(mode=Mode.START)})
    now = datetime.now(UTC)
    for delivery in live:
        destination = destination_of(tenant, delivery.destination)
        options = merged_options(destination, delivery.options)
        faults = destination.adapter.examine_list(head, delivery.profile, options, now).faults
        if delivery.activation == "held" and faults:
            raise Problem("list.refused", f"{destination.name} cannot take this list: {faults[0].detail}")
    activations = {
        delivery.id: activation_of(tenant.destinations[delivery.destination].adapter, head, now)
        for delivery in live
        if delivery.activation == "held"
    }
    created = Created(list_id, new_id("op"))
    if not await host.database.run(_start, tenant.name, created, head.model_dump_json(), activations):
        raise Problem("list.not_staged", "the list was started at this very moment by another call")
    start_delivery(host, tenant, created)
    return created


def _start(connection: Connection, tenant: str, created: Created, head: str, activations: dict[str, str]) -> bool:
    if not store.claim_staged(connection, created.list_id):
        return False
    store.change_list(connection, created.list_id, head=head)
    for delivery_id, activation in activations.items():
        # The vendor is told the time of the start, not of the creation: windows and delays count from here.
        stored.change_delivery(connection, delivery_id, activation=activation, created_at=timestamp())
    work.add_operation(connection, created.operation_id, tenant, created.list_id, "activate")
    return True


async def _resume(host: Host, tenant: Tenant, one: store.StoredList, live: list[StoredDelivery]) -> Created:
    """Let a stopped list dial again where the vendor can; else say where a campaign is started."""
    started = any(delivery.activation in ("started", "scheduled") for delivery in live)
    if started and await host.database.run(work.last_of, one.id, ("create", "activate", "stop")) != "stop":
        raise Problem("list.not_staged", "the list was started before; nothing of it is held back")
    able = [delivery for delivery in live if tenant.destinations[delivery.destination].adapter.resume is not None]
    if not able:
        notes = {delivery.destination: tenant.destinations[delivery.destination].adapter for delivery in live}
        why = "; ".join(f"{name}: {adapter.activation_note}" for name, adapter in notes.items())
        raise Problem("vendor.cannot", why or "no destination holds this list")
    return await _in_operation(host, tenant, one, "activate", lambda: _each_remote(host, tenant, able, Verb.RESUME))


async def stop(host: Host, tenant: Tenant, list_id: str) -> Created:
    """Stop the dialling of a list at every vendor that dials it."""
    one = await get(host, tenant, list_id)
    live = [
        delivery
        for delivery in await host.database.run(stored.of_list, list_id)
        if delivery.superseded_by is None and delivery.activation in ("started", "scheduled")
    ]
    for delivery in live:
        require(destination_of(tenant, delivery.destination), Verb.STOP)
    if not live:
        raise Problem("vendor.cannot", "no vendor dials this list by itself: stop its campaign where it was started")
    return await _in_operation(host, tenant, one, "stop", lambda: _each_remote(host, tenant, live, Verb.STOP))


async def _in_operation(
    host: Host, tenant: Tenant, one: store.StoredList, kind: str, act: Callable[[], Awaitable[None]]
) -> Created:
    created = Created(one.id, new_id("op"))
    await host.database.run(work.add_operation, created.operation_id, tenant.name, one.id, kind)
    try:
        await act()
    except Problem as problem:
        error = {"code": problem.code, "detail": problem.detail}
        await host.database.run(work.change_operation, created.operation_id, state="failed", stage="done", error=error)
        raise
    await host.database.run(work.change_operation, created.operation_id, state="succeeded", stage="done")
    return created


async def _each_remote(host: Host, tenant: Tenant, deliveries: list[StoredDelivery], verb: Verb) -> None:
    for delivery in deliveries:
        destination = destination_of(tenant, delivery.destination)
        options = merged_options(destination, delivery.options)
        for remote in await _remotes(host, delivery):
            await talk(host, destination, require(destination, verb)(remote, options), delivery)


async def _remotes(host: Host, delivery: StoredDelivery) -> list[RemoteList]:
    found = await host.database.run(stored.remotes_of, delivery.id)
    return [one.remote for one in found if one.remote is not None and not one.deleted]


async def rename(host: Host, tenant: Tenant, list_id: str, name: str | None, description: str | None) -> None:
    """Change name or description, at the vendors first: a vendor that cannot rename refuses the whole change."""
    one = await get(host, tenant, list_id)
    deliveries = await host.database.run(stored.of_list, list_id)
    there = [(delivery, remotes) for delivery in deliveries if (remotes := await _remotes(host, delivery))]
    for delivery, _ in there:
        require(destination_of(tenant, delivery.destination), Verb.RENAME)
    for delivery, remotes in there:
        destination = destination_of(tenant, delivery.destination)
        options = merged_options(destination, delivery.options)
        exchange = require(destination, Verb.RENAME)(tuple(remotes), name or one.head.name, description, options)
        renamed = await talk(host, destination, exchange, delivery)
        parts = {remote.id: remote for remote in renamed}
        for known in await host.database.run(stored.remotes_of, delivery.id):
            if known.remote is not None and known.remote.id in parts:
                fresh = replace(parts[known.remote.id], count=known.remote.count)
                await host.database.run(stored.save_remote, delivery.id, known.part, fresh)
    changed = {key: value for key, value in (("name", name), ("description", description)) if value is not None}
    head = one.head.model_copy(update=changed)
    await host.database.run(store.change_list, list_id, head=head.model_dump_json(), name=head.name)


async def delete(host: Host, tenant: Tenant, list_id: str) -> str:
    """Delete a list at its vendors where they can, and here; what remains there, in a sentence ("" for nothing)."""
    await get(host, tenant, list_id)
    busy: str | None = await host.database.run(work.running_operation, list_id)
    if busy is not None:
        raise Problem("list.busy", "wait for the operation, or cancel it first", operation=busy)
    remains = []
    for delivery in await host.database.run(stored.of_list, list_id):
        destination = destination_of(tenant, delivery.destination)
        options = merged_options(destination, delivery.options)
        for known in await host.database.run(stored.remotes_of, delivery.id):
            if known.remote is None or known.deleted:
                continue
            if destination.adapter.delete is None:
                note = destination.adapter.capability(Verb.DELETE).note
                remains.append(f"{destination.name}: the list {known.remote.id} stays at the vendor; {note}")
                continue
            done = await talk(host, destination, destination.adapter.delete(known.remote, options), delivery)
            if done.remains:
                remains.append(f"{destination.name}: {done.remains}")
            await host.database.run(stored.mark_deleted, delivery.id, known.part)
    text = "; ".join(remains)
    await host.database.run(store.change_list, list_id, deleted_at=timestamp(), remains=text or None, staged=False)
    return text


async def remove_contact(host: Host, tenant: Tenant, list_id: str, contact_id: str) -> None:
    """Take one contact off a list, at the vendor too when the vendor has it."""
    await get(host, tenant, list_id)
    found = await host.database.run(store.get_contact, list_id, contact_id)
    if found is None:
        raise Problem("not_found", "there is no such contact on this list")
    at_vendor = found.outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN)
    busy: str | None = await host.database.run(work.running_operation, list_id)
    if found.outcome is Outcome.PENDING and busy is not None:
        raise Problem("list.busy", "the contact is just being sent", operation=busy)
    if at_vendor and found.delivery_id is not None:
        delivery = await host.database.run(stored.get_delivery, found.delivery_id)
        destination = destination_of(tenant, delivery.destination)
        if destination.adapter.capability(Verb.REMOVE).support is Support.NONE:
            require(destination, Verb.REMOVE)
        remotes = await host.database.run(stored.remotes_of, delivery.id)
        remote = next((one.remote for one in remotes if one.part == found.part and one.remote), None)
        if remote is not None:
            contact = found.contact()
            who = RemoteContact({"phone": contact.phone, "id": contact.id}, contact.key, found.remote_id)
            options = merged_options(destination, delivery.options)
            await talk(host, destination, require(destination, Verb.REMOVE)(remote, who, options), delivery)
    await host.database.run(store.remove_contact, list_id, found.seq)


async def resolve(host: Host, tenant: Tenant, list_id: str, delivery_id: str, as_: str) -> None:
    """A person's word on contacts whose outcome no look-up can settle."""
    await get(host, tenant, list_id)
    if delivery_id not in [one.id for one in await host.database.run(stored.of_list, list_id)]:
        raise Problem("not_found", "there is no such delivery of this list")
    outcome = Outcome.ACCEPTED if as_ == "accepted" else Outcome.REJECTED
    why = [] if outcome is Outcome.ACCEPTED else [fault("delivery.not_sent", detail="resolved by a person as not sent")]
    number = await host.database.run(
        store.settle, delivery_id, None, None, outcome, was=Outcome.UNKNOWN, faults=why, detail="resolved by a person"
    )
    if not number:
        raise Problem("delivery.nothing_unknown", "no contact of this delivery is unknown")


async def check(host: Host, tenant: Tenant, name: str) -> dict[str, str]:
    """A harmless call that proves address and credentials; a success lifts a lock of the credential."""
    destination = destination_of(tenant, name)
    exchange = require(destination, Verb.CHECK)(destination.options)
    if not await host.accounts.claim_check(destination):
        raise Problem(
            "vendor.not_sent",
            f"{name}: this credential is locked and was checked less than ten minutes ago",
            outcome="not_sent",
        )
    try:
        report = await run(
            exchange,
            host.accounts.channel(destination, checking=True),
            Patience.of(host.config.server.budget, attempts=1 if destination.adapter.auth.locks else 3),
        )
    except CannotDo as error:
        raise Problem("vendor.cannot", f"{name}: {error.why}") from None
    except VendorError as error:
        raise vendor_problem(name, error) from error
    await host.accounts.unlock(destination)
    return dict(report.facts)
