"""Handlers of `/v1/contact-lists`, `/v1/preview`, `/v1/routes/explain` and `/v1/operations`."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from gateway import creating, express, managing, previewing, reading, switching
from gateway.canonical import ContactIn, ListHead, Outcome
from gateway.canonical.lists import Text
from gateway.creating import Created
from gateway.problem import Problem
from gateway.rejections import charset_of, rejections_file
from gateway.resources import (
    ContactOut,
    ListOut,
    OperationOut,
    OperationRef,
    PageOf,
    contact_out,
    list_out,
    operation_out,
)
from gateway.store import chunks, reroutings, uploads
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.web.bodies import Incoming, read_incoming, read_model, take_in
from gateway.web.call import Answer, Call
from gateway.web.idempotency import keep, once, whole_digest
from gateway.web.paging import PageQuery, cut, decode
from gateway.working import DELIVERING

T = TypeVar("T")


class ListIn(ListHead):
    """A contact list with its contacts."""

    contacts: list[ContactIn] = Field(min_length=1)


class PreviewIn(ListIn):
    """A contact list, and the destinations to show it for."""

    destinations: list[str] | Literal["all"] | None = None


class ContactsIn(BaseModel):
    """Contacts to append."""

    model_config = ConfigDict(extra="forbid")

    contacts: list[ContactIn] = Field(min_length=1)


class ContactsQuery(PageQuery):
    outcome: Outcome | None = None


class RejectionsQuery(PageQuery):
    outcome: Outcome = Outcome.REJECTED


class ListPatch(BaseModel):
    """What of a list can be changed."""

    model_config = ConfigDict(extra="forbid")

    name: Text | None = Field(None, min_length=1, max_length=255)
    description: Text | None = Field(None, min_length=1, max_length=2000)


class ResolveIn(BaseModel):
    """A person's word on the unknown contacts of a delivery."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    delivery: str
    as_: Literal["accepted", "not_sent"] = Field(alias="as")


async def create(call: Call) -> Answer:
    incoming = await read_incoming(call, long=True)
    head = incoming.head
    assert head is not None
    answer = await _express(call, incoming, head)
    if answer is not None:
        return answer

    async def act(key: str | None) -> Answer:
        if incoming.upload is not None:
            created = await reading.create(call.host, call.tenant, head, incoming.upload, key)
            incoming.taken = True
        else:
            intake = await asyncio.to_thread(take_in, call, incoming, head)
            created = await creating.create(call.host, call.tenant, head, intake, key)
        return await _when_done(call, created, 201)

    return await _taking(call, incoming, act)


async def _express(call: Call, incoming: Incoming, head: ListHead) -> Answer | None:
    """The answer of a small list that could go the short way; None when it has to go the long one."""
    if incoming.contacts is None:
        return None
    text, seconds = call.idempotency_key(), call.patience()
    key = express.Key(text, whole_digest(call, incoming.digest)) if text is not None else None
    begin = time.monotonic()
    ended = await express.create(call.host, call.tenant, head, incoming.contacts, key, seconds)
    if ended is None:
        return None
    if isinstance(ended, express.Delivered):
        return Answer(201, ended.body, {"Location": ended.href})
    answer = await _when_done(call, ended, 201, max(seconds - (time.monotonic() - begin), 0.0))
    if text is not None:
        await keep(call, text, answer)
    return answer


async def append(call: Call) -> Answer:
    list_id = (await managing.current(call.host, call.tenant, call.path("list_id"))).id
    incoming = await read_incoming(call, head_needed=False, long=True)

    async def act(key: str | None) -> Answer:
        async with call.host.turn(list_id):
            one = await managing.get(call.host, call.tenant, list_id)
            if incoming.upload is not None:
                created = await reading.append(call.host, call.tenant, one, incoming.upload, key)
                incoming.taken = True
            else:
                intake = await asyncio.to_thread(take_in, call, incoming, one.head, one)
                created = await creating.append(call.host, call.tenant, one, intake, key)
        return await _when_done(call, created, 201)

    return await _taking(call, incoming, act)


async def _taking(call: Call, incoming: Incoming, act: Callable[[str | None], Awaitable[Answer]]) -> Answer:
    """Act once for the key of the call; an upload that nobody takes is thrown away."""
    try:
        return await once(call, incoming.digest, act)
    finally:
        if incoming.upload is not None and not incoming.taken:
            await call.host.database.run(uploads.discard, incoming.upload.id)


async def _when_done(call: Call, created: Created, status: int, seconds: float | None = None) -> Answer:
    """Wait as long as the caller allows: the finished list, or 202 with the operation to watch."""
    done = await call.waits_for(created.operation_id, seconds)
    one = await call.host.database.run(store.get_list, call.tenant.name, created.list_id)
    if one is None:  # a file that was refused leaves no list; how the operation ended is just being recorded
        done = await call.host.operations.wait(created.operation_id, 60.0)
    if done:
        await _raise_what_refused_it(call, created)
    if one is None:
        detail = "cancelled while its file was being read; nothing of it was kept"
        raise Problem("not_found", detail, operation=created.operation_id)
    body = await call.host.database.run(list_out, one)
    if done:
        return Answer(status, body, {"Location": f"/v1/contact-lists/{created.list_id}"})
    watch = OperationRef(id=created.operation_id, href=f"/v1/operations/{created.operation_id}")
    return Answer(202, body.model_copy(update={"operation": watch}), {"Location": watch.href})


async def _raise_what_refused_it(call: Call, created: Created) -> None:
    """An operation that ended in an answer to the caller, with nothing left to look at but that."""
    ended = await call.host.database.run(work.any_operation, created.operation_id)
    if ended is None or ended.error is None:
        return
    if ended.stage == "refused" or ended.kind not in DELIVERING:
        raise Problem.of(ended.error)


async def _resource(call: Call, list_id: str) -> ListOut:
    one = await call.host.database.run(store.get_list, call.tenant.name, list_id)
    assert one is not None
    return await call.host.database.run(list_out, one)


async def show(call: Call) -> Answer:
    one = await call.host.database.run(store.get_list, call.tenant.name, call.path("list_id"))
    if one is None:
        raise Problem("not_found", "there is no such list")
    return Answer(200, await call.host.database.run(list_out, one))


async def index(call: Call) -> Answer:
    query = call.query(PageQuery)
    after = str(decode(query.cursor, ""))
    found = await call.host.database.run(_page, call.tenant.name, after, query.limit + 1)
    items, cursor = cut(found, query.limit, lambda last: last.id)
    return Answer(200, PageOf[ListOut](items=items, next_cursor=cursor))


def _page(connection: Connection, tenant: str, after: str, limit: int) -> list[ListOut]:
    return [list_out(connection, one, attempts=False) for one in store.page_of_lists(connection, tenant, after, limit)]


async def patch(call: Call) -> Answer:
    body: ListPatch = await read_model(call, ListPatch)
    if body.name is None and body.description is None:
        raise Problem("request.invalid", "send a name or a description")
    await managing.rename(call.host, call.tenant, call.path("list_id"), body.name, body.description)
    return Answer(200, await _resource(call, call.path("list_id")))


async def delete(call: Call) -> Answer:
    created = await switching.delete(call.host, call.tenant, call.path("list_id"))
    return await _when_done(call, created, 200)


async def contacts(call: Call) -> Answer:
    one = await managing.get(call.host, call.tenant, call.path("list_id"))
    query = call.query(ContactsQuery)
    return await _contacts(call, one, query, query.outcome)


async def _contacts(call: Call, one: store.StoredList, query: PageQuery, outcome: Outcome | None) -> Answer:
    after = int(decode(query.cursor, 0))
    found = await call.host.database.run(chunks.page, one.id, outcome, after, query.limit + 1)
    items, cursor = cut(found, query.limit, lambda last: last.seq)
    return Answer(200, PageOf[ContactOut](items=[contact_out(each) for each in items], next_cursor=cursor))


async def rejections(call: Call) -> Answer:
    one = await managing.get(call.host, call.tenant, call.path("list_id"))
    query = call.query(RejectionsQuery)
    if not _wants_csv(call):
        return await _contacts(call, one, query, query.outcome)
    content = await asyncio.to_thread(rejections_file, call.host.database, one, query.outcome)
    charset = charset_of(one)
    headers = {"Content-Disposition": f'attachment; filename="{one.id}-{query.outcome.value}.csv"'}
    return Answer(200, content, headers, f"text/csv; charset={charset}")


def _wants_csv(call: Call) -> bool:
    """Which of JSON and CSV the Accept header likes better; JSON when it does not mind, 406 when it wants neither."""
    liked = {"application/json": 0.0, "text/csv": 0.0}
    exactness = dict.fromkeys(liked, -1)
    for part in (call.request.headers.get("accept") or "*/*").split(","):
        media_range, *parameters = (one.strip().lower() for one in part.split(";"))
        quality = next((_quality(one[2:]) for one in parameters if one.startswith("q=")), 1.0)
        for media_type in liked:
            ranges = ("*/*", media_type.partition("/")[0] + "/*", media_type)
            if media_range in ranges and ranges.index(media_range) > exactness[media_type]:
                exactness[media_type], liked[media_type] = ranges.index(media_range), quality
    if not any(liked.values()):
        raise Problem("not_acceptable", "application/json or text/csv can be given")
    return liked["text/csv"] > liked["application/json"]


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", text) else 0.0


async def remove_contact(call: Call) -> Answer:
    await managing.remove_contact(call.host, call.tenant, call.path("list_id"), call.path("contact_id"))
    return Answer(204)


async def activate(call: Call) -> Answer:
    return await _started(call, switching.activate)


async def stop(call: Call) -> Answer:
    return await _started(call, switching.stop)


async def _started(call: Call, act: Callable[..., Awaitable[Created]]) -> Answer:
    async def perform(key: str | None) -> Answer:
        one = await managing.current(call.host, call.tenant, call.path("list_id"))
        created = await act(call.host, call.tenant, one.id, key)
        return await _when_done(call, created, 200)

    return await once(call, "", perform)


async def resolve(call: Call) -> Answer:
    body: ResolveIn = await read_model(call, ResolveIn)
    await managing.resolve(call.host, call.tenant, call.path("list_id"), body.delivery, body.as_)
    return Answer(200, await _resource(call, call.path("list_id")))


async def preview(call: Call) -> Answer:
    incoming = await read_incoming(call)
    head = incoming.head
    assert head is not None
    rules = await call.host.database.run(reroutings.in_force, call.tenant.name)

    def work_it_out() -> previewing.Preview:
        intake, adapters = take_in(call, incoming, head), call.host.registry.adapters
        return previewing.preview(adapters, call.tenant, head, intake, incoming.wish.destinations, rules)

    return Answer(200, await asyncio.to_thread(work_it_out))


async def explain(call: Call) -> Answer:
    incoming = await read_incoming(call)
    head = incoming.head
    assert head is not None
    intake = await asyncio.to_thread(take_in, call, incoming, head)
    rules = await call.host.database.run(reroutings.in_force, call.tenant.name)
    return Answer(200, previewing.explain_routes(call.tenant, head, intake, rules))


async def operation(call: Call) -> Answer:
    return Answer(200, await _operation(call))


async def _operation(call: Call) -> OperationOut:
    found = await call.host.database.run(work.get_operation, call.tenant.name, call.path("operation_id"))
    if found is None:
        raise Problem("not_found", "there is no such operation")
    return await call.host.database.run(operation_out, found)


async def cancel(call: Call) -> Answer:
    await _operation(call)
    await call.host.operations.cancel(call.path("operation_id"))
    return Answer(202, await _operation(call))
