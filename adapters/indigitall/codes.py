"""What indigitall's answers mean, as data. None of it is documented for sends: see the README for the evidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.indigitall.wire import Envelope
from gateway.contract import (
    NotAuthorised,
    NotSent,
    Refused,
    Reply,
    Unclear,
    VendorError,
    expect_success,
    retry_after,
)

RATE_LIMIT_WAIT = 60.0
"""Seconds to stay away after a 429 that does not say when to come back."""


@dataclass(frozen=True, slots=True)
class Meaning:
    error: type[VendorError]
    detail: str


MEANINGS: Mapping[int, Meaning] = {
    400: Meaning(Refused, "a parameter is missing or invalid"),
    401: Meaning(NotAuthorised, "the server key is not valid, or belongs to another region than the base URL"),
    403: Meaning(NotAuthorised, "the server key's role does not allow this"),
    404: Meaning(Refused, "no such route, application or campaign, or the path is closed to server keys"),
    409: Meaning(Unclear, "a conflict; the vendor does not document with what"),
}
"""Seen by integrators on other endpoints; 409 is seen nowhere, so nothing is concluded from it."""

SPEAKING = ("request/", "Route ", "Access token ", "Operation ")
"""How the known messages begin. They name parameters and routes, never a person: only these are repeated."""


def read_envelope(reply: Reply) -> Envelope:
    """The envelope of an explicit success: 2xx, `statusCode` 2xx inside, and no error anywhere in the body."""
    if reply.status in MEANINGS:
        meaning = MEANINGS[reply.status]
        raise meaning.error(meaning.detail + _message(reply), code=str(reply.status))
    if reply.status == 429:
        asked = retry_after(reply)
        raise NotSent("the vendor's rate limit", code="429", retry_after=RATE_LIMIT_WAIT if asked is None else asked)
    expect_success(reply)
    envelope = Envelope.model_validate_json(reply.body)
    if not 200 <= envelope.status_code < 300:
        raise Unclear(
            f"HTTP {reply.status}, but statusCode {envelope.status_code} in the body", code=str(envelope.status_code)
        )
    if errors := envelope.complaints():
        raise Unclear(
            f"HTTP {reply.status} with {errors} error(s) in the body: partly or wholly refused, "
            "and the vendor does not say for whom",
            code="data.errors",
        )
    return envelope


def _message(reply: Reply) -> str:
    try:
        body: Any = reply.json()
    except ValueError:
        return ""
    text = body.get("message") if isinstance(body, dict) else None
    return f": {text[:200]}" if isinstance(text, str) and text.startswith(SPEAKING) else ""
