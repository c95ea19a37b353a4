"""Handlers of `/v1/migrations`, and of the import of a list that is at a vendor already."""

import asyncio
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, RootModel
from sqlalchemy import Connection

from gateway import managing
from gateway.contract import RemoteList
from gateway.host import Host
from gateway.migrating import certifying, requesting, sources
from gateway.migrating.documents import Row
from gateway.migrating.files import readable, rows_csv
from gateway.migrating.resources import MigrationOut, migration_out
from gateway.migrating.wishes import ApplyIn, PlanIn, RollbackIn
from gateway.problem import Problem
from gateway.resources import ListOut, OperationRef, PageOf, list_out
from gateway.store import lists as store
from gateway.store import moves
from gateway.store.moves import Move
from gateway.web.bodies import read_incoming, read_model, take_in
from gateway.web.call import JSON, Answer, Call
from gateway.web.idempotency import once
from gateway.web.paging import PageQuery, cut, decode
from gateway.web.routing_api import asker

HTML = "text/html"
CSV = "text/csv"
NDJSON = "application/x-ndjson"


class MigrationIn(RootModel[PlanIn | ApplyIn]):
    """A migration to be planned, or a plan to be applied."""


def _wanted(members: dict[str, msgspec.Raw]) -> type[BaseModel]:
    return ApplyIn if bytes(members.get("mode", b"")).strip() == b'"apply"' else PlanIn


class VouchIn(BaseModel):
    """A person's word."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    as_: Literal["quiet"] = Field(alias="as", description="nobody is called from the source any more")


class RowsQuery(PageQuery):
    phase: Literal["plan", "certificate"] = "certificate"


class RowOut(BaseModel):
    """What there is to say of one contact."""

    fate: str
    contact_id: str
    row: int
    key: str
    phone: str
    why: str
    losses: str
    outcome: str
    compared: str
    digest: str
    found: str


async def create(call: Call) -> Answer:
    wish: PlanIn | ApplyIn = await read_model(call, _wanted)

    async def act(key: str | None) -> Answer:
        if isinstance(wish, PlanIn):
            made = await requesting.plan(call.host, call.tenant, wish, asker(call), key)
            return await _when_done(call, made, 201)
        applied = await requesting.apply(call.host, call.tenant, wish, asker(call), key)
        return await _when_done(call, applied, 200)

    return await once(call, wish.model_dump_json(), act)


async def rollback(call: Call) -> Answer:
    wish: RollbackIn = await read_model(call, RollbackIn)

    async def act(key: str | None) -> Answer:
        begun = await requesting.rollback(call.host, call.tenant, call.path("migration_id"), wish, asker(call), key)
        return await _when_done(call, begun, 200)

    return await once(call, wish.model_dump_json(), act)


async def _when_done(call: Call, move: Move, status: int) -> Answer:
    """Wait as long as the caller allows: how the migration stands then, or 202 with the operation to watch."""
    if not await call.waits_for(move.operation_id):
        body = await call.host.database.run(_out, move)
        watch = OperationRef(id=move.operation_id, href=f"/v1/operations/{move.operation_id}")
        return Answer(202, body.model_copy(update={"operation": watch}), {"Location": watch.href})
    await requesting.refuse_failed(call.host, move.operation_id)
    return Answer(status, await call.host.database.run(_out, move), {"Location": f"/v1/migrations/{move.id}"})


def _out(connection: Connection, move: Move) -> MigrationOut:
    now = moves.get(connection, move.tenant, move.id)
    assert now is not None
    return migration_out(connection, now)


async def index(call: Call) -> Answer:
    query = call.query(PageQuery)
    after = str(decode(query.cursor, ""))
    found = await call.host.database.run(_page, call.tenant.name, after, query.limit + 1)
    items, cursor = cut(found, query.limit, lambda last: last.id)
    return Answer(200, PageOf[MigrationOut](items=items, next_cursor=cursor))


def _page(connection: Connection, tenant: str, after: str, limit: int) -> list[MigrationOut]:
    return [migration_out(connection, one) for one in moves.page(connection, tenant, after, limit)]


async def show(call: Call) -> Answer:
    move = await requesting.get(call.host, call.tenant, call.path("migration_id"))
    return Answer(200, await call.host.database.run(_out, move))


async def vouch(call: Call) -> Answer:
    await read_model(call, VouchIn)
    move = await requesting.vouch(call.host, call.tenant, call.path("migration_id"), asker(call))
    return Answer(200, await call.host.database.run(_out, move))


async def certificate(call: Call) -> Answer:
    """As JSON, byte by byte as it was signed; or as a page for people."""
    move = await requesting.get(call.host, call.tenant, call.path("migration_id"))
    if move.certificate is None:
        raise Problem("not_found", f"the migration is {move.state}: it has no certificate")
    if call.likes(HTML) > call.likes(JSON):
        host = call.host
        shown = await asyncio.to_thread(readable, host.database, move, host.config.signing_key)
        return Answer(200, shown.encode(), media_type=HTML)
    return Answer(200, move.certificate.encode())


async def rows(call: Call) -> Answer:
    """The rows of a plan or a certificate: a page as JSON, or all of them as CSV or NDJSON."""
    query = call.query(RowsQuery)
    move = await requesting.get(call.host, call.tenant, call.path("migration_id"))
    liked = max((JSON, CSV, NDJSON), key=call.likes)
    if not call.likes(liked):
        raise Problem("not_acceptable", f"rows come as {JSON}, {CSV} or {NDJSON}")
    if liked == NDJSON:
        return Answer(200, certifying.ndjson(call.host.database, move.id, query.phase), media_type=NDJSON)
    if liked == CSV:
        named = {"Content-Disposition": f'attachment; filename="{move.id}-{query.phase}.csv"'}
        return Answer(200, rows_csv(call.host.database, move.id, query.phase), named, "text/csv; charset=utf-8")
    after = int(decode(query.cursor, 0))
    found = await asyncio.to_thread(_some, call.host, move.id, query.phase, after, query.limit + 1)
    items, cursor = cut(found, query.limit, lambda last: last[0])
    shown = [RowOut.model_validate(msgspec.structs.asdict(row)) for _, row in items]
    return Answer(200, PageOf[RowOut](items=shown, next_cursor=cursor))


def _some(host: Host, move_id: str, phase: str, after: int, limit: int) -> list[tuple[int, Row]]:
    """Rows with their places, those after a place."""
    found: list[tuple[int, Row]] = []
    place = 0
    for block in certifying.rows(host.database, move_id, phase):
        if place + len(block) > after:
            found += [(at, row) for at, row in enumerate(block, start=place + 1) if at > after]
        place += len(block)
        if len(found) >= limit:
            break
    return found[:limit]


async def adopt(call: Call) -> Answer:
    """Keep a list that is at a vendor already, from the vendor's own export of it, so that it can be moved."""
    destination = managing.destination_of(call.tenant, call.path("name"))
    remote_id = call.path("remote_list")
    await sources.refuse_known(call.host, call.tenant, destination, remote_id)
    incoming = await read_incoming(call, usual=destination.adapter.export)
    head = incoming.head
    assert head is not None
    head = head.model_copy(update={"destination": destination.name})

    async def act(_: str | None) -> Answer:
        intake = await asyncio.to_thread(take_in, call, incoming, head)
        remote = RemoteList(remote_id, head.name, count=intake.received)
        list_id, _deliveries = await sources.adopt(call.host, call.tenant, destination, head, remote, intake)
        one = await call.host.database.run(store.get_list, call.tenant.name, list_id)
        assert one is not None
        body: ListOut = await call.host.database.run(list_out, one)
        return Answer(201, body, {"Location": f"/v1/contact-lists/{list_id}"})

    return await once(call, incoming.digest, act)
