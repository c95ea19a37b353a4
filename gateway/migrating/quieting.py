"""Nobody is called by two vendors: a source that dials is stopped, and that it stands still is proven by looking."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from gateway.canonical import Verdict
from gateway.contract import ActivationKind, RemoteList, RemoteStatus, Verb
from gateway.driver import Patience
from gateway.host import Host
from gateway.managing import destination_of, talk
from gateway.migrating.documents import Proof
from gateway.migrating.sources import Unit
from gateway.problem import Problem
from gateway.settings import Destination, Tenant
from gateway.store import chunks
from gateway.store import deliveries as stored
from gateway.store.database import timestamp
from gateway.store.deliveries import StoredDelivery

LOOKS = 30
"""How often a stopped list is looked at until it stands still."""
_PAUSE = 1.0
_STORED = "the vendor only stores lists: they dial nobody by themselves"


def stopping_of(unit: Unit, tenant: Tenant) -> str:
    """How the source will be made quiet, in words for a plan."""
    told = []
    for delivery in unit.deliveries:
        adapter = destination_of(tenant, delivery.destination).adapter
        if delivery.activation == "held":
            told.append("held by the gateway: it never left")
        elif adapter.activation is ActivationKind.PASSIVE:
            told.append(f"{delivery.destination} only stores the list: what the vendor shows to use it is asked there")
        elif adapter.stop is not None:
            told.append(f"{delivery.destination} dials: the list is stopped, then looked at until it stands still")
        else:
            note = adapter.capability(Verb.STOP).note
            told.append(f"{delivery.destination} cannot be stopped ({note}): nothing starts without a person's word")
    return "; ".join(dict.fromkeys(told))


async def quiet(host: Host, tenant: Tenant, unit: Unit, operation_id: str) -> Proof:
    """Stop what dials, and prove that nobody is called from this list any more; or say why that is not proven."""
    told, proven = [], True
    for delivery in unit.deliveries:
        destination = destination_of(tenant, delivery.destination)
        try:
            sure, how = await _quiet_one(host, unit, delivery, destination, operation_id)
        except Problem as problem:
            sure, how = False, problem.detail
        proven = proven and sure
        told.append(how if how.startswith(delivery.destination) else f"{delivery.destination}: {how}")
    return Proof(proven=proven, how="; ".join(told), at=timestamp())


async def _quiet_one(
    host: Host, unit: Unit, delivery: StoredDelivery, destination: Destination, operation_id: str
) -> tuple[bool, str]:
    adapter = destination.adapter
    if delivery.activation == "held":
        return True, "held by the gateway: it never left"
    remotes = unit.there(delivery) + await _unseen(host, unit, delivery, destination, operation_id)
    if adapter.activation is ActivationKind.PASSIVE:
        return await _nothing_dials(host, destination, remotes, operation_id)
    counts = (await host.database.run(chunks.counts, unit.one.id))[1].get(delivery.id)
    if not remotes and (counts is None or not counts.accepted + counts.unknown):
        return True, "nothing of this list ever came to the vendor"
    if not remotes:
        return False, "what the vendor has of this list cannot be told, so it cannot be stopped"
    if adapter.stop is None:
        return False, f"it cannot be stopped: {adapter.capability(Verb.STOP).note}"
    said = []
    for remote in remotes:
        await talk(host, destination, Verb.STOP, adapter.stop(remote, destination.options), delivery, operation_id)
        sure, how = await _stands_still(host, destination, remote, operation_id)
        if not sure:
            return False, how
        said.append(how)
    return True, "; ".join(said)


async def _unseen(
    host: Host, unit: Unit, delivery: StoredDelivery, destination: Destination, operation_id: str
) -> list[RemoteList]:
    """Remote lists whose making was unclear, and that a look-up finds now."""
    find = destination.adapter.find
    missing = [one for one in unit.remotes[delivery.id] if one.remote is None]
    if find is None or not missing:
        return []
    found = []
    for one in missing:
        job = replace(unit.job(delivery, destination), key=one.key, part=one.part)
        exchange = find(job, None, None)
        finding = await talk(host, destination, Verb.FIND, exchange, delivery, operation_id)
        if finding.remote is not None:
            await host.database.run(stored.save_remote, delivery.id, one.part, finding.remote)
            found.append(finding.remote)
        elif finding.verdict is not Verdict.NOT_SENT:
            raise Problem("vendor.unclear", "whether one of its lists was made there is unclear; resolve that first")
    return found


async def _nothing_dials(
    host: Host, destination: Destination, remotes: Sequence[RemoteList], operation_id: str
) -> tuple[bool, str]:
    adapter = destination.adapter
    if adapter.status is None or not remotes:
        return True, _STORED
    seen = True
    for remote in remotes:
        shown: RemoteStatus = await talk(
            host, destination, Verb.STATUS, adapter.status(remote, destination.options), None, operation_id
        )
        seen = seen and shown.dialing is not None
        if shown.dialing:
            what = ", ".join(f"{name} {value}" for name, value in shown.facts.items() if name == "campaigns")
            return False, f"a campaign uses the list {remote.id} ({what or shown.state}): end it there first"
    if not seen:
        return True, f"{_STORED}; it does not show what uses them: pause there what may"
    return True, "the vendor only stores lists, and shows no campaign that uses it"


async def _stands_still(
    host: Host, destination: Destination, remote: RemoteList, operation_id: str
) -> tuple[bool, str]:
    """Look at a stopped list until it does not dial any more."""
    status = destination.adapter.status
    if status is None:
        return False, f"the list {remote.id} was told to stop, and the vendor does not show whether it did"
    patience, state = Patience.of(host.config.server.budget), ""
    for _ in range(LOOKS):
        shown: RemoteStatus = await talk(
            host, destination, Verb.STATUS, status(remote, destination.options), None, operation_id
        )
        state = shown.state
        if shown.dialing is False:
            return True, f"the list {remote.id} was stopped; the vendor shows it as {state}"
        if patience.left < _PAUSE:
            break
        await asyncio.sleep(min(_PAUSE, max(destination.limits.visibility_delay / LOOKS, 0.02)))
    return False, f"the list {remote.id} was told to stop, and the vendor still shows it as {state}"
