"""Handlers of `/v1/destinations`, `/v1/vendors` and `/v1/passthrough`."""

import hashlib
import re
from urllib.parse import quote

from pydantic import Field

from gateway import managing
from gateway.breaker import CircuitState
from gateway.contract import (
    Raw,
    Reply,
    Request,
    Step,
    VendorError,
    ask,
)
from gateway.driver import Patience, run
from gateway.problem import Problem
from gateway.resources import PageOf, Resource
from gateway.settings import Destination
from gateway.store import audit as store
from gateway.store.attempts import Purpose
from gateway.vendors import LimitsOut, VendorOut, limits_out, vendor_out
from gateway.web.bodies import read_bytes
from gateway.web.call import Answer, Call


class CircuitOut(Resource):
    """Whether requests may leave for a destination from this process."""

    state: CircuitState
    detail: str = Field(description="the last failure; empty while the circuit is closed")


class DestinationOut(Resource):
    name: str
    adapter: str
    base_url: str
    limits: LimitsOut
    locked: str | None = Field(description="why its credential is not used, until a check passes")
    circuit: CircuitOut


class CheckOut(Resource):
    """What the call proved."""

    destination: str
    ok: bool
    facts: dict[str, str]


async def destinations(call: Call) -> Answer:
    items = [await _destination(call, one) for one in call.tenant.destinations.values()]
    return Answer(200, PageOf[DestinationOut](items=items))


async def _destination(call: Call, one: Destination) -> DestinationOut:
    breaker = call.host.accounts.account(one).breaker
    return DestinationOut(
        name=one.name,
        adapter=one.adapter.name,
        base_url=one.base_url,
        limits=limits_out(one.limits),
        locked=await call.host.accounts.locked(one),
        circuit=CircuitOut(state=breaker.state, detail=breaker.detail),
    )


async def check(call: Call) -> Answer:
    name = call.path("name")
    facts = await managing.check(call.host, call.tenant, name)
    return Answer(200, CheckOut(destination=name, ok=True, facts=facts))


async def vendors(call: Call) -> Answer:
    items = [vendor_out(adapter) for adapter in call.host.registry.adapters.values()]
    return Answer(200, PageOf[VendorOut](items=items))


async def vendor(call: Call) -> Answer:
    adapter = call.host.registry.adapters.get(call.path("adapter"))
    if adapter is None:
        raise Problem(
            "not_found", f"there is no adapter of this name; there are: {', '.join(call.host.registry.adapters)}"
        )
    return Answer(200, vendor_out(adapter))


async def passthrough(call: Call) -> Answer:
    """The vendor's own API with our stored credentials: allow-listed calls only, each recorded before it leaves."""
    destination = managing.destination_of(call.tenant, call.path("destination"))
    method, path = call.request.method, "/" + call.path("path")
    if not any(one.allows(method, path) for one in destination.adapter.passthrough) or ".." in path:
        allowed = ", ".join(f"{one.method} {one.path}" for one in destination.adapter.passthrough) or "none"
        raise Problem("passthrough.not_allowed", f"{method} {path} is not allowed; allowed calls: {allowed}")
    body = await read_bytes(call)
    content_type = call.request.headers.get("content-type", "application/json")
    request = Request(
        method,
        quote(path, safe="/:@-._~!$&'()*+,;="),
        query=tuple(call.request.query_params.multi_items()),
        body=Raw(content_type, lambda: [body]) if body else None,
    )
    step = Step(name="passthrough", request=request, read=lambda reply: reply, success=lambda: Reply(200))
    digest = hashlib.sha256(body).hexdigest()
    database = call.host.database
    audit = await database.run(store.add_audit, call.tenant.name, destination.name, method, path, digest)
    try:
        patience = Patience.of(call.host.config.server.budget, attempts=1)
        channel = call.host.accounts.channel(destination, Purpose("passthrough"))
        reply: Reply = await run(ask(step), channel, patience)
    except VendorError as error:
        await database.run(store.finish_audit, audit, None)
        raise managing.vendor_problem(destination.name, error) from error
    await database.run(store.finish_audit, audit, reply.status)
    media_type = reply.headers.get("content-type", "application/octet-stream")
    status = reply.status if 200 <= reply.status < 600 and not re.match(r"1|304", str(reply.status)) else 502
    return Answer(status, reply.body, {"Gateway-Vendor-Status": str(reply.status)}, media_type)
