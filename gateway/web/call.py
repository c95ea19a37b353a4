"""One HTTP call: who calls, what was asked in path, query and headers; and what is answered."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.host import Host
from gateway.problem import ErrorItem, Problem
from gateway.settings import REASONS, Tenant

M = TypeVar("M", bound=BaseModel)

JSON = "application/json"
PROBLEM = "application/problem+json"
LONGEST_WAIT = 300.0
"""Seconds that `Prefer: wait=N` may ask for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with a resource or with bytes (at once, or piece by piece), or a response that is whole already."""

    status: int
    body: BaseModel | bytes | Iterator[bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON
    whole: Response | None = None
    """For what is made while it is read, such as events; nothing else of the answer counts then."""

    def response(self) -> Response:
        if self.whole is not None:
            return self.whole
        if isinstance(self.body, Iterator):
            return StreamingResponse(self.body, self.status, dict(self.headers), self.media_type)
        content = self.body.model_dump_json().encode() if isinstance(self.body, BaseModel) else self.body
        media_type = self.media_type if content is not None else None
        return Response(content, self.status, dict(self.headers), media_type=media_type)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been let in. `tenant` is who its key names."""

    host: Host
    request: Request
    tenant: Tenant

    def path(self, name: str) -> str:
        value: str = self.request.path_params[name]
        if "\0" in value and name != "path":  # no name holds one, and PostgreSQL does not even take the question
            raise Problem("not_found", "there is no such thing")
        return value

    def query(self, model: type[M]) -> M:
        """The query parameters as this model; every fault at once, by parameter name."""
        pairs = self.request.query_params.multi_items()
        values = dict(pairs)
        items = [
            ErrorItem(pointer=name, code="field.invalid", detail="is given twice")
            for name in values
            if sum(name == other for other, _ in pairs) > 1
        ]
        try:
            parsed = model.model_validate(values)
        except ValidationError as error:
            items += [one.model_copy(update={"pointer": one.pointer[1:]}) for one in error_items(error, "")]
        if items:
            raise Problem("request.invalid", "query parameters are not valid, see errors", items)
        return parsed

    def likes(self, media_type: str) -> float:
        """How much the Accept header likes this media type: 0 not at all, 1 most. The exactest range decides."""
        ranges = ("*/*", media_type.partition("/")[0] + "/*", media_type)
        exactness, quality = -1, 0.0
        for part in (self.request.headers.get("accept") or "*/*").split(","):
            media_range, *parameters = (one.strip().lower() for one in part.split(";"))
            if media_range in ranges and ranges.index(media_range) > exactness:
                exactness = ranges.index(media_range)
                stated = next((one[2:] for one in parameters if one.startswith("q=")), "1")
                quality = float(stated) if re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", stated) else 0.0
        return quality

    def patience(self) -> float:
        """How many seconds the caller waits for work, by its Prefer header (RFC 7240); 0: `respond-async`."""
        seconds = self.host.config.server.wait
        for part in self.request.headers.get("prefer", "").split(","):
            name, _, value = part.strip().partition("=")
            if name.lower() == "respond-async":
                return 0.0
            if name.lower() == "wait" and re.fullmatch(r"\d{1,4}", value.strip('" ')):
                seconds = min(float(value.strip('" ')), LONGEST_WAIT)
        return seconds

    async def waits_for(self, operation_id: str, seconds: float | None = None) -> bool:
        """Whether the work ended while the caller waited, by default as long as it wishes to.

        Never of a caller that does not wait, whatever has become of the work: its answer has one shape.
        """
        seconds = self.patience() if seconds is None else seconds
        return seconds > 0 and await self.host.operations.wait(operation_id, seconds)

    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header (draft-07 writes it in quotes; without is taken too)."""
        text = self.request.headers.get("idempotency-key")
        if text is None:
            return None
        key = text[1:-1] if len(text) >= 2 and text[0] == text[-1] == '"' else text
        if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}", key):
            detail = "must be 1 to 255 printable ASCII characters without blanks"
            raise Problem(
                "request.invalid",
                f"Idempotency-Key {detail}",
                [ErrorItem(pointer="Idempotency-Key", code="field.invalid", detail=detail)],
            )
        return key


def error_items(error: ValidationError, prefix: str) -> list[ErrorItem]:
    """The faults of a pydantic error as JSON pointers below `prefix`, without the values that were sent."""
    items = []
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        steps = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in one["loc"])
        code = {"extra_forbidden": "field.unknown", "missing": "field.missing"}.get(one["type"], "field.invalid")
        why = REASONS.get(one["type"], one["msg"].removeprefix("Value error, "))
        items.append(ErrorItem(pointer=prefix + steps, code=code, detail=why))
    return items


def tenant_of(host: Host, request: Request) -> Tenant:
    """The tenant that the bearer key names; 401 otherwise."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    challenge = {"WWW-Authenticate": "Bearer"}
    if scheme.lower() != "bearer" or not key.strip():
        raise Problem("auth.missing", "send the header Authorization: Bearer <api key>", headers=challenge)
    digest = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).digest()
    named = None
    for known, name in host.config.keys.items():
        if hmac.compare_digest(known, digest):
            named = name
    if named is None:
        raise Problem("auth.unknown_key", "this API key belongs to no tenant", headers=challenge)
    return host.tenant(named)


def operator_allowed(host: Host, request: Request) -> bool:
    """Whether the caller may see /metrics: from loopback, or with the operator's key."""
    client = request.client
    if client is not None:
        try:
            if ipaddress.ip_address(client.host).is_loopback and "forwarded" not in request.headers:
                return "x-forwarded-for" not in request.headers
        except ValueError:
            pass
    expected = host.config.operator_key
    _, _, key = request.headers.get("authorization", "").partition(" ")
    return expected is not None and hmac.compare_digest(expected, hashlib.sha256(key.strip().encode()).digest())


def problem_response(problem: Problem) -> Response:
    return Response(problem.body().model_dump_json().encode(), problem.status, problem.headers, media_type=PROBLEM)


def plain(value: Any) -> BaseModel:
    """A dict as an answer body."""
    return _Plain.model_validate(value)


class _Plain(BaseModel, extra="allow"):
    pass
