"""What the vendor's error codes mean for the contacts, as data, and how errors are found in a reply.

Errors come as `{"error": {"code", "msg"}}`, some as an `errors` array, usually with HTTP 200; the status is not
documented. So the body is looked at before the status. Codes and texts: the error list of the vendor's PHP client,
https://github.com/voximplant/apiclient-php; what they mean for a retry is our judgement.
"""

import re
from collections.abc import Mapping
from typing import Any

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

ERRORS: Mapping[int, tuple[type[VendorError], str]] = {
    1: (Unclear, "fatal error"),
    2: (Unclear, "internal error"),
    4: (Unclear, "database error"),
    13: (Unclear, "error in the configuration table"),
    21: (Unclear, "the call service failed"),
    100: (NotAuthorised, "authorization failed"),
    101: (Refused, "invalid arguments"),
    102: (Refused, "the command is missing"),
    103: (Refused, "unknown command"),
    104: (Refused, "the service account lacks the role for this command; give it Call list manager"),
    105: (Refused, "this output format is not supported"),
    111: (Refused, "invalid date format"),
    115: (Refused, "invalid account_id"),
    116: (Refused, "invalid application_id"),
    123: (Refused, "invalid date range"),
    127: (Refused, "not enough money on the account"),
    131: (Refused, "the account is not activated"),
    134: (Refused, "a required parameter is empty"),
    147: (Refused, "invalid rule_id"),
    162: (NotSent, "try later"),
    247: (Refused, "invalid priority"),
    248: (Refused, "invalid max_simultaneous"),
    249: (Refused, "invalid num_attempts"),
    250: (Refused, "invalid CSV file"),
    251: (Unclear, "call service error"),
    252: (Unclear, "error response from the call service"),
    253: (Refused, "invalid name"),
    255: (Refused, "invalid list_id"),
    257: (Refused, "invalid reference_ip"),
    314: (NotSent, "too many requests at once"),
    340: (NotSent, "rate limit exceeded"),
    375: (Refused, "no scenario is bound to the rule"),
    416: (NotSent, "the vendor asks to come back later"),
    427: (Refused, "invalid list type"),
    428: (Refused, "invalid status"),
    447: (NotAuthorised, "invalid token format"),
    454: (NotAuthorised, "the token lives too long"),
    455: (NotAuthorised, "the token is issued in the future: check this machine's clock"),
    456: (NotAuthorised, "the token has expired: check this machine's clock"),
    458: (Refused, "parameters that exclude each other"),
    484: (Unclear, "taken for an automatic resend"),
    485: (Refused, "a parameter is missing"),
    492: (Refused, "a forbidden parameter"),
    493: (Refused, "a value that must be unique is not"),
    496: (Refused, "an invalid parameter"),
    497: (Refused, "a parameter out of range"),
    499: (Refused, "a parameter is too long"),
    501: (Refused, "file not found"),
    515: (Unclear, "the same operation has been performed recently"),
}

Overrides = Mapping[int, type[VendorError]]

ON_UPLOAD: Overrides = {493: Unclear}
"""Our list names and task keys are unique: "not unique" says that an earlier request may have got through."""

ON_LIST: Overrides = {251: Refused}
"""Where a call only names a list, 251 is what EditCallList documents for an unknown one; never a passing trouble."""

UNKNOWN_LIST = frozenset({"251", "255"})
"""Codes for a list that is not there: the first by EditCallList's page, the second by the error list."""

_SECONDS = re.compile(r"(\d{1,6})\s*s(?:ec|\b)", re.IGNORECASE)
_LONGEST_WORDS = 200


def checked(reply: Reply, overrides: Overrides | None = None) -> Any:
    """The reply's JSON when it is no error. Raises what the vendor's words mean, else what the HTTP status proves."""
    try:
        value = reply.json()
    except ValueError:
        expect_success(reply)
        raise Unclear("the vendor answered 200 with something that is not JSON") from None
    errors = _errors(value)
    if errors:
        raise _the_error(errors, value, reply, overrides or {})
    expect_success(reply)
    return value


def _errors(value: Any) -> list[Any]:
    if not isinstance(value, dict):
        return []
    single, several = value.get("error"), value.get("errors")
    found = [] if single is None else [single]
    return found + (several if isinstance(several, list) else [] if several is None else [several])


def _the_error(errors: list[Any], value: dict[str, Any], reply: Reply, overrides: Overrides) -> VendorError:
    """One exception for all of the reply's errors. When they disagree, or stand next to a result, it is unclear."""
    raised = [_one(error, reply, overrides) for error in errors]
    first = raised[0]
    if value.get("result") or len({type(error) for error in raised}) > 1:
        return Unclear(f"the vendor answered with contradictions: {first.detail}", code=first.code)
    return first


def _one(error: Any, reply: Reply, overrides: Overrides) -> VendorError:
    code = _code(error)
    words = str(error.get("msg", ""))[:_LONGEST_WORDS] if isinstance(error, dict) else ""
    if code is None or code not in ERRORS:
        return _unknown("" if code is None else str(code), words, reply)
    kind, meaning = ERRORS[code]
    kind = overrides.get(code, kind)
    wait = retry_after(reply)
    if wait is None and kind is NotSent and (seconds := _SECONDS.search(words)):
        wait = float(seconds[1])
    return kind(
        f"{meaning} (error {code}: {words})" if words else f"{meaning} (error {code})", code=str(code), retry_after=wait
    )


def _unknown(code: str, words: str, reply: Reply) -> VendorError:
    """An error that is not in the table: unclear, unless the HTTP status says more."""
    try:
        expect_success(reply)
    except VendorError as by_status:
        by_status.code = code or by_status.code
        return by_status
    return Unclear(f"an error that the vendor does not document ({code or 'no code'}: {words})", code=code)


def _code(error: Any) -> int | None:
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isdecimal():
        return int(code)
    return code if isinstance(code, int) and not isinstance(code, bool) else None
