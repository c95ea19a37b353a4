"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): one key, one payload, one effect."""

import hashlib
from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from gateway.problem import Problem
from gateway.store import keys as store
from gateway.web.call import Answer, Call

_KEPT = ("Location",)


async def once(call: Call, digest: str, act: Callable[[str | None], Awaitable[Answer]]) -> Answer:
    """Act, unless the key's first request did: then its answer again, or where it stands.

    A request that is refused before anything was stored gives its key back.
    """
    key = call.idempotency_key()
    if key is None:
        return await act(None)
    host, tenant = call.host, call.tenant.name
    whole = hashlib.sha256(f"{call.request.method} {call.request.url.path}\n{digest}".encode()).hexdigest()
    earlier = await host.database.run(store.claim_key, tenant, key, whole, host.operations.owner)
    if earlier is not None:
        return _replay(earlier, whole)
    try:
        answer = await act(key)
    except BaseException:
        await host.database.run(store.release_unused_key, tenant, key)
        raise
    body = answer.body.model_dump_json().encode() if isinstance(answer.body, BaseModel) else b""
    kept = {name: value for name, value in answer.headers.items() if name in _KEPT}
    await host.database.run(store.keep_answer, tenant, key, answer.status, kept, body)
    return answer


def _replay(earlier: store.StoredAnswer, digest: str) -> Answer:
    if earlier.digest != digest:
        raise Problem("idempotency.mismatch", "use a new key for a new payload")
    if earlier.status is not None:
        return Answer(earlier.status, earlier.body, {**earlier.headers, "Idempotent-Replayed": "true"})
    if earlier.operation_id is not None:
        href = f"/v1/operations/{earlier.operation_id}"
        raise Problem(
            "idempotency.in_flight",
            "the first request with this key is at work; watch its operation",
            headers={"Location": href},
            operation=earlier.operation_id,
        )
    raise Problem("idempotency.in_flight", "the first request with this key has not been stored yet; ask again")
