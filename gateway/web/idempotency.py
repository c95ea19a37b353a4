"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): one key, one payload, one effect."""

import hashlib
from collections.abc import Awaitable, Callable

from pydantic import BaseModel
from sqlalchemy import Connection

from gateway.migrating import requesting
from gateway.migrating.resources import migration_out
from gateway.problem import Problem
from gateway.resources import list_out
from gateway.store import keys as store
from gateway.store import lists, moves
from gateway.store import operations as work
from gateway.web.call import Answer, Call
from gateway.working import DELIVERING

_KEPT = ("Location",)
_REPLAYED = {"Idempotent-Replayed": "true"}


async def once(call: Call, digest: str, act: Callable[[str | None], Awaitable[Answer]]) -> Answer:
    """Act, unless the key's first request did: then its answer again, or where it stands.

    A request that is refused before anything was stored gives its key back.
    """
    key = call.idempotency_key()
    if key is None:
        return await act(None)
    host, tenant = call.host, call.tenant.name
    whole = whole_digest(call, digest)
    earlier = await host.database.run(store.claim_key, tenant, key, whole, host.operations.owner)
    if earlier is not None:
        return await _replay(call, earlier, whole)
    try:
        answer = await act(key)
    except BaseException:
        await host.database.run(store.release_unused_key, tenant, key)
        raise
    await keep(call, key, answer)
    return answer


def whole_digest(call: Call, digest: str) -> str:
    """What a key stands for: method, path and payload."""
    return hashlib.sha256(f"{call.request.method} {call.request.url.path}\n{digest}".encode()).hexdigest()


async def keep(call: Call, key: str, answer: Answer) -> None:
    """Keep the answer for whoever asks with the key again."""
    body = answer.body.model_dump_json().encode() if isinstance(answer.body, BaseModel) else b""
    kept = {name: value for name, value in answer.headers.items() if name in _KEPT}
    await call.host.database.run(store.keep_answer, call.tenant.name, key, answer.status, kept, body)


async def _replay(call: Call, earlier: store.StoredAnswer, digest: str) -> Answer:
    """The first request's answer; one that a crash has swallowed is made of what its operation came to."""
    if earlier.digest != digest:
        raise Problem("idempotency.mismatch", "use a new key for a new payload")
    if earlier.status is not None:
        return Answer(earlier.status, earlier.body, {**earlier.headers, **_REPLAYED})
    if earlier.operation_id is None:
        raise Problem("idempotency.in_flight", "the first request with this key has not been stored yet; ask again")
    return await call.host.database.run(_answer_of, earlier.operation_id)


def _answer_of(connection: Connection, operation_id: str) -> Answer:
    one = work.any_operation(connection, operation_id)
    if one is None or not one.done:
        raise Problem(
            "idempotency.in_flight",
            "the first request with this key is at work; watch its operation",
            headers={"Location": f"/v1/operations/{operation_id}"},
            operation=operation_id,
        )
    if one.kind in requesting.KINDS:
        return _migration(connection, one)
    found = lists.get_list(connection, one.tenant, one.list_id)
    if found is None or (one.error is not None and one.kind not in DELIVERING):
        raise Problem.of(one.error or {"code": "not_found", "detail": "the list is not there any more"})
    status = 201 if one.kind in ("create", "append") else 200
    return Answer(status, list_out(connection, found), {"Location": f"/v1/contact-lists/{found.id}", **_REPLAYED})


def _migration(connection: Connection, one: work.StoredOperation) -> Answer:
    move = moves.get(connection, one.tenant, one.list_id)
    if move is None or one.error is not None:
        raise Problem.of(one.error or {"code": "not_found", "detail": "the migration is not there any more"})
    status = 201 if one.kind == requesting.PLAN else 200
    return Answer(status, migration_out(connection, move), {"Location": f"/v1/migrations/{move.id}", **_REPLAYED})
