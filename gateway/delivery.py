"""Carries the deliveries of a list to their end, and hands them on where a destination provably took nothing."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from gateway import bookkeeping as books
from gateway.accounts import Accounts
from gateway.canonical import Fault, Outcome
from gateway.canonical.faults import fault
from gateway.channel import CredentialLocked
from gateway.contract import CannotDo, NotAuthorised, Refused, VendorError
from gateway.dispatch import Cancelled, Dispatch, Leg, Stopped
from gateway.planning import draft, merged_options
from gateway.problem import Problem
from gateway.readback import Sleep
from gateway.settings import Server, Tenant
from gateway.store import deliveries as stored
from gateway.store.chunks import Mark
from gateway.store.database import Database, new_id
from gateway.store.deliveries import StoredDelivery

log = structlog.get_logger("gateway.delivery")


@dataclass(slots=True)
class Courier:
    """Delivers lists. All state is in the database; one courier serves all tenants."""

    database: Database
    accounts: Accounts
    server: Server
    sleep: Sleep = asyncio.sleep

    async def deliver(self, tenant: Tenant, list_id: str, leg: Leg) -> None:
        """Carry every delivery of the list that has something to send; returns when each contact is settled."""
        found = await self.database.run(stored.of_list, list_id)
        ready = [one for one in found if one.activation != "held" and one.live]
        if len(ready) == 1:
            await self._carry(tenant, ready[0], leg)
            return
        endings = await asyncio.gather(*(self._carry(tenant, one, leg) for one in ready), return_exceptions=True)
        for ending in endings:  # one that cannot go on does not keep the others from their end
            if isinstance(ending, BaseException):
                raise ending

    async def _carry(self, tenant: Tenant, delivery: StoredDelivery, leg: Leg) -> None:
        next_one: StoredDelivery | None = delivery
        while next_one is not None and next_one.activation != "held":
            work = await self._work(tenant, next_one, leg)
            try:
                await work.send_all()
                return
            except Cancelled:
                await self._give_up(work.delivery, fault("delivery.cancelled"))
                raise
            except CannotDo as error:
                next_one = await self._fall_back(tenant, work, Refused(error.why))
            except Stopped as stop:
                next_one = await self._fall_back(tenant, work, stop.error)

    async def _work(self, tenant: Tenant, delivery: StoredDelivery, leg: Leg) -> Dispatch:
        stored_list, remotes = await self.database.run(books.load, tenant.name, delivery)
        destination = tenant.destinations.get(delivery.destination)
        if destination is None:
            raise Problem("destination.unknown", f"{delivery.destination} is not in the configuration any more")
        options = merged_options(destination, delivery.options)
        return Dispatch(
            self.database,
            self.accounts,
            self.server,
            self.sleep,
            leg,
            delivery,
            stored_list,
            destination,
            options,
            len(remotes),
        )

    async def _fall_back(self, tenant: Tenant, work: Dispatch, error: VendorError) -> StoredDelivery | None:
        """Hand the list to the next destination, if this one provably took nothing; else give up what is left."""
        refused = isinstance(error, Refused) and not isinstance(error, NotAuthorised | CredentialLocked)
        why = fault("vendor.refused_batch" if refused else "delivery.not_sent", detail=error.detail)
        delivery = work.delivery
        untouched = await self.database.run(books.took_nothing, delivery)
        for place, name in enumerate(delivery.fallbacks if untouched else ()):
            if name not in tenant.destinations:
                continue  # the configuration has changed since
            try:
                planned = draft(
                    tenant.destinations[name],
                    delivery.fallbacks[place + 1 :],
                    work.of_list.head,
                    delivery.profile,
                    datetime.now(UTC),
                )
            except Problem as problem:
                why = fault("delivery.not_sent", detail=f"{error.detail}; {problem.detail}")
                continue
            log.info("fallback", list=work.of_list.id, delivery=delivery.id, to=name)
            return await self.database.run(
                books.supersede, delivery, new_id("dl"), planned, work.leg.operation_id, error.detail
            )
        await self._give_up(delivery, why)
        return None

    async def _give_up(self, delivery: StoredDelivery, why: Fault) -> None:
        """Nothing more is sent: what is still pending was provably never taken."""
        await self.database.run(books.settle, delivery, None, None, Mark(Outcome.REJECTED, None, (why,), None, True))
        await self.database.run(stored.change_delivery, delivery.id, detail=why.detail)

    async def abandon(self, list_id: str) -> None:
        """Our own fault ended the work: what was tried is unknown, the rest was never sent."""
        for delivery in await self.database.run(stored.of_list, list_id):
            if delivery.activation == "held" or not delivery.live:
                continue
            await self.database.run(books.leave_open, delivery, "the gateway failed while this was under way")
            await self._give_up(delivery, fault("delivery.not_sent", detail="the gateway failed before this was sent"))
