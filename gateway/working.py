"""What each kind of operation does: one table. An operation that is begun again after a crash comes here too."""

from collections.abc import Awaitable, Callable, Mapping

from gateway import reading, switching
from gateway.dispatch import Leg
from gateway.host import Host
from gateway.migrating import applying, plans, requesting, returning, shadowing
from gateway.problem import Problem
from gateway.settings import Tenant
from gateway.store import operations as work
from gateway.store.operations import StoredOperation


async def _deliver(host: Host, tenant: Tenant, one: StoredOperation, leg: Leg) -> None:
    if one.input is not None:
        await reading.read(host, tenant, one, leg)
    await host.courier.deliver(tenant, one.list_id, leg)
    await shadowing.shadow(host, tenant, one, leg)


async def _stop(host: Host, tenant: Tenant, one: StoredOperation, _: Leg) -> None:
    await switching.perform_stop(host, tenant, one)


async def _resume(host: Host, tenant: Tenant, one: StoredOperation, leg: Leg) -> None:
    if leg.resumed:
        raise Problem("vendor.unclear", "the gateway was stopped while it let the list dial again; look, and ask again")
    await switching.perform_resume(host, tenant, one)


async def _delete(host: Host, tenant: Tenant, one: StoredOperation, _: Leg) -> None:
    await switching.perform_delete(host, tenant, one)


async def _plan(host: Host, tenant: Tenant, one: StoredOperation, leg: Leg) -> None:
    await plans.perform(host, tenant, await requesting.get(host, tenant, one.list_id), one, leg)


async def _migrate(host: Host, tenant: Tenant, one: StoredOperation, leg: Leg) -> None:
    await applying.perform(host, tenant, await requesting.get(host, tenant, one.list_id), one, leg)


async def _roll_back(host: Host, tenant: Tenant, one: StoredOperation, leg: Leg) -> None:
    await returning.perform(host, tenant, await requesting.get(host, tenant, one.list_id), one, leg)


KINDS: Mapping[str, Callable[[Host, Tenant, StoredOperation, Leg], Awaitable[None]]] = {
    "create": _deliver,
    "append": _deliver,
    "activate": _deliver,
    "stop": _stop,
    "resume": _resume,
    "delete": _delete,
    requesting.PLAN: _plan,
    requesting.APPLY: _migrate,
    requesting.ROLLBACK: _roll_back,
}
DELIVERING = ("create", "append", "activate")


async def perform(host: Host, one: StoredOperation, leg: Leg) -> None:
    """Do the work of an operation. Raises `Problem` when it cannot be done."""
    tenant = host.config.tenants.get(one.tenant)
    if tenant is None:
        raise Problem("destination.unknown", f"the tenant {one.tenant} is not in the configuration any more")
    await KINDS[one.kind](host, tenant, one, leg)


async def abandon(host: Host, one: StoredOperation) -> None:
    """The work cannot go on: settle what it leaves behind."""
    if one.kind in requesting.KINDS:
        await applying.abandon(host, one.tenant, one)
        return
    now = await host.database.run(work.any_operation, one.id)
    if now is not None and now.input is not None:
        await host.database.run(reading.discard, now)
    elif one.kind in DELIVERING and now is not None and now.stage != "refused":
        await host.courier.abandon(one.list_id)
