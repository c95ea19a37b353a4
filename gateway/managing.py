"""What can be done to a list that exists, at once: rename it, take a contact off, settle a doubt; and checks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from gateway.canonical import Contact, Outcome
from gateway.canonical.faults import fault
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
from gateway.driver import Patience, run
from gateway.host import Host
from gateway.planning import merged_options
from gateway.problem import Problem
from gateway.settings import Destination, Tenant
from gateway.store import chunks
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.attempts import Purpose
from gateway.store.chunks import Mark, StoredContact
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


async def current(host: Host, tenant: Tenant, list_id: str) -> store.StoredList:
    """As `get`; of a list that was moved to another vendor, the one that goes on in its place."""
    one = await get(host, tenant, list_id)
    while one.moved_to is not None:
        one = await get(host, tenant, one.moved_to)
    return one


async def settled(host: Host, tenant: Tenant, list_id: str) -> store.StoredList:
    """As `get`; 409 while a migration works on the list."""
    one = await get(host, tenant, list_id)
    if one.migration_id is not None:
        raise Problem("list.busy", f"the migration {one.migration_id} works on this list")
    return one


def destination_of(tenant: Tenant, name: str) -> Destination:
    destination = tenant.destinations.get(name)
    if destination is None:
        raise Problem("not_found", f"there is no destination {name}")
    return destination


async def talk(
    host: Host,
    destination: Destination,
    verb: Verb,
    exchange: Exchange[Any],
    delivery: StoredDelivery | None = None,
    operation_id: str | None = None,
) -> Any:
    """Drive an exchange that puts no contacts anywhere; a vendor's refusal becomes a `Problem`."""
    channel = host.accounts.channel(destination, Purpose(verb.value, operation_id, delivery.id if delivery else None))
    try:
        return await run(exchange, channel, Patience.of(host.config.server.budget))
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


async def remotes_of(host: Host, delivery: StoredDelivery) -> list[RemoteList]:
    found = await host.database.run(stored.remotes_of, delivery.id)
    return [one.remote for one in found if one.remote is not None and not one.deleted]


async def rename(host: Host, tenant: Tenant, list_id: str, name: str | None, description: str | None) -> None:
    """Change name or description, at the vendors first: a vendor that cannot rename refuses the whole change."""
    one = await settled(host, tenant, list_id)
    deliveries = await host.database.run(stored.of_list, list_id)
    there = [(delivery, remotes) for delivery in deliveries if (remotes := await remotes_of(host, delivery))]
    for delivery, _ in there:
        require(destination_of(tenant, delivery.destination), Verb.RENAME)
    for delivery, remotes in there:
        destination = destination_of(tenant, delivery.destination)
        options = merged_options(destination, delivery.options)
        exchange = require(destination, Verb.RENAME)(tuple(remotes), name or one.head.name, description, options)
        renamed = await talk(host, destination, Verb.RENAME, exchange, delivery)
        parts = {remote.id: remote for remote in renamed}
        for known in await host.database.run(stored.remotes_of, delivery.id):
            if known.remote is not None and known.remote.id in parts:
                fresh = replace(parts[known.remote.id], count=known.remote.count)
                await host.database.run(stored.save_remote, delivery.id, known.part, fresh)
    changed = {key: value for key, value in (("name", name), ("description", description)) if value is not None}
    head = one.head.model_copy(update=changed)
    await host.database.run(store.change_list, list_id, head=head.model_dump_json(), name=head.name)


async def remove_contact(host: Host, tenant: Tenant, list_id: str, contact_id: str) -> None:
    """Take one contact off a list, at the vendor too when the vendor has it."""
    await settled(host, tenant, list_id)
    found = await host.database.run(chunks.get_contact, list_id, contact_id)
    if found is None:
        raise Problem("not_found", "there is no such contact on this list")
    outcome, place = found.mark.outcome, found.place
    busy: str | None = await host.database.run(work.running_operation, list_id)
    if outcome is Outcome.PENDING and busy is not None:
        raise Problem("list.busy", "the contact is just being sent", operation=busy)
    if outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN) and place.delivery_id is not None:
        delivery = await host.database.run(stored.get_delivery, place.delivery_id)
        destination = destination_of(tenant, delivery.destination)
        if destination.adapter.capability(Verb.REMOVE).support is Support.NONE:
            require(destination, Verb.REMOVE)
        remotes = await host.database.run(stored.remotes_of, delivery.id)
        remote = next((one.remote for one in remotes if one.part == place.part and one.remote), None)
        if remote is not None:
            if not isinstance(contact := found.item, Contact):
                raise Problem("not_found", "the contact was erased: take it off at the vendor, by its own records")
            who = RemoteContact({"phone": contact.phone, "id": contact.id}, contact.key, found.mark.remote_id)
            options = merged_options(destination, delivery.options)
            exchange = require(destination, Verb.REMOVE)(remote, who, options)
            await talk(host, destination, Verb.REMOVE, exchange, delivery)
    await host.database.run(_remove, found)


def _remove(connection: Connection, found: StoredContact) -> None:
    chunks.remove(connection, found)
    store.change_list(connection, found.list_id)


async def resolve(host: Host, tenant: Tenant, list_id: str, delivery_id: str, as_: str) -> None:
    """A person's word on contacts whose outcome no look-up can settle."""
    await get(host, tenant, list_id)
    if delivery_id not in [one.id for one in await host.database.run(stored.of_list, list_id)]:
        raise Problem("not_found", "there is no such delivery of this list")
    outcome = Outcome.ACCEPTED if as_ == "accepted" else Outcome.REJECTED
    sent = outcome is Outcome.ACCEPTED
    why = () if sent else (fault("delivery.not_sent", detail="resolved by a person as not sent"),)
    becomes = Mark(outcome, None, why, "resolved by a person", not sent)
    number = await host.database.run(chunks.settle, chunks.place_in(delivery_id), Outcome.UNKNOWN, becomes)
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
            host.accounts.channel(destination, Purpose(Verb.CHECK.value), checking=True),
            Patience.of(host.config.server.budget, attempts=1 if destination.adapter.auth.locks else 3),
        )
    except CannotDo as error:
        raise Problem("vendor.cannot", f"{name}: {error.why}") from None
    except VendorError as error:
        raise vendor_problem(name, error) from error
    await host.accounts.unlock(destination)
    return dict(report.facts)
