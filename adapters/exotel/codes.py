"""What Exotel's codes mean, as data, and the one reading of its envelopes.

Outer statuses and item codes: developer.exotel.com/api/http-status-codes and the list and contact pages. The
application codes are published for the sibling v2 API and presumed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.exotel.wire import Entry, Envelope, rest_exception
from gateway.canonical import Outcome
from gateway.contract import NotAuthorised, NotSent, Refused, Reply, Unclear, VendorError, expect_success, retry_after

SUCCESSES: Final = frozenset({200, 201, 202, 207})

STATUSES: Final[Mapping[int, type[VendorError]]] = {
    400: Refused,  # malformed, or a mandatory parameter is missing
    401: NotAuthorised,
    402: Refused,  # limit of the plan or the balance
    403: NotAuthorised,  # valid credentials without a right to the account or resource
    404: Refused,
    409: Refused,  # conflict; the callers that must look something up first read it themselves
    413: Refused,
    415: Refused,
    422: Refused,
    429: NotSent,
}
"""Every status that proves something; any other is unclear."""

APPLICATION_CODES: Final[Mapping[int, int]] = {
    1000: 404,  # not found
    1001: 400,  # a mandatory parameter is missing
    1002: 400,  # a parameter is invalid, a bad number among them
    1003: 403,  # not authorised for that resource
    1007: 400,  # the body could not be parsed
    1008: 409,  # duplicate resource
    1010: 401,  # authorisation failed
    1011: 415,  # unsupported content type
}
"""`error_data.code` as the HTTP status it stands for, for entries without a status of their own."""

LINKED: Final[Mapping[int, Outcome]] = {200: Outcome.ACCEPTED, 409: Outcome.UNKNOWN}
"""Item codes of an add of references; others are failures. 409 is undocumented here: the list is read to settle it."""

COMPLETED: Final = "completed"
FAILED: Final = "failed"


def code_of(entry: Entry) -> int | None:
    """The status of an item: its own `code`, else what its application code stands for, else None."""
    if entry.code is not None:
        return entry.code
    error = entry.error_data
    return APPLICATION_CODES.get(error.code, 400) if error and error.code is not None else None


def fails(entry: Entry) -> bool:
    """The entry says that it failed, by its code, its status or its error."""
    code = code_of(entry)
    return (code is not None and code not in SUCCESSES) or (entry.status or "").lower() in ("failure", "failed")


def failure(status: int, detail: str, code: str = "", wait: float | None = None) -> VendorError:
    """The error that a status proves."""
    kind = STATUSES.get(status, Unclear)
    return kind(detail or f"the vendor answered {status}", code=code or str(status), retry_after=wait)


def entry_failure(entry: Entry, status: int | None = None) -> VendorError:
    """The error that a failed entry proves, with the vendor's application code and words."""
    status = code_of(entry) or status or 400
    application = entry.error_data.code if entry.error_data else None
    return failure(status, entry.reason, str(application) if application is not None else "")


def envelope_of(reply: Reply) -> Envelope:
    """The envelope of a 2xx answer whose own `http_code` is no failure; raises what anything else proves.

    Says nothing about the items: a 200 or 207 may hold failed ones. An answer that is no envelope raises `ValueError`.
    """
    other = rest_exception(reply)
    if other is not None:
        raise failure(other.status or reply.status, other.message, str(other.code), retry_after(reply))
    try:
        envelope = Envelope.model_validate(reply.json())
    except ValueError:
        expect_success(reply)
        raise
    status = reply.status if reply.status not in SUCCESSES else envelope.http_code
    if status is not None and status not in SUCCESSES:
        failed = next((entry for entry in envelope.response if entry.error_data), Entry())
        application = failed.error_data.code if failed.error_data else None
        code = str(application) if application is not None else ""
        raise failure(status, failed.reason, code, retry_after(reply))
    if envelope.http_code is None and "response" not in envelope.model_fields_set:
        raise ValueError("neither http_code nor response")
    return envelope


def single(reply: Reply) -> Entry:
    """The one entry of an answer; raises when it failed or is not there."""
    envelope = envelope_of(reply)
    if len(envelope.response) != 1:
        raise ValueError(f"{len(envelope.response)} entries where one was expected")
    entry = envelope.response[0]
    if fails(entry):
        raise entry_failure(entry)
    return entry


@dataclass(frozen=True, slots=True)
class Shown:
    """One page: its objects, and the total beside them, which may count the page or everything."""

    records: tuple[Mapping[str, Any], ...]
    total: int = 0


def rows(reply: Reply) -> Shown:
    """A page; raises when any entry failed, since a page with holes proves no absence."""
    envelope = envelope_of(reply)
    for entry in envelope.response:
        if fails(entry):
            raise entry_failure(entry)
    if "response" not in envelope.model_fields_set:
        raise ValueError("a page without entries")
    total = (envelope.metadata or {}).get("total")
    return Shown(tuple(envelope.items()), total if isinstance(total, int) else 0)
