"""What Kore.ai's answers mean. No error codes are documented for these calls, so a few words and HTTP must do."""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.contract import NotSent, Refused, Reply, Unclear, VendorError, expect_success, retry_after

SUCCESS: Final = "success"

STATUS_WORDS: Final[Mapping[str, type[VendorError]]] = {"failure": Refused}
"""Words of `status` that are a documented no ("Campaign status" page); any other word but `success` is unclear."""

RATE_LIMIT: Final = re.compile(r"per-minute (rate )?limit|rate limit exceeded|exceeded the .{0,20}rate limit", re.I)
"""The documented sentence is "You've exceeded the per-minute rate limit. ..." (rate-limit page); its HTTP status is
not documented, so the words count as much as a 429."""

WINDOW: Final = 60.0
"""Seconds of the vendor's rate window (rate-limit page): how long to wait when no Retry-After says better."""

ACKNOWLEDGED: Final = ("adding contacts to public list is in progress", "contacts queued for addition")
"""Both documented acknowledgements of an add, newest and oldest pages; the newest comes without a `status`."""

_QUOTED = 200


def read_words(reply: Reply) -> dict[str, Any]:
    """The object in a reply that is not a no. Raises what the vendor's words prove, else what the HTTP status does.

    The success word is looked at first, because a success message quotes the caller's list name.
    """
    answer = _object(reply)
    word, message = _text(answer, "status").casefold(), _text(answer, "message")
    ok = 200 <= reply.status < 300
    if ok and word == SUCCESS:
        return answer
    said = f": {message[:_QUOTED]}" if message else ""
    if reply.status == 429 or (reply.status < 500 and RATE_LIMIT.search(message)):
        after = retry_after(reply)
        code = "429" if reply.status == 429 else ""
        raise NotSent(f"the vendor's rate limit{said}", code=code, retry_after=WINDOW if after is None else after)
    if ok and word in STATUS_WORDS:
        raise STATUS_WORDS[word](f"the vendor answered {word}{said}", code=word)
    _expect_success(reply, said)
    if word:
        raise Unclear(f"the vendor answered with a status that it does not document{said}")
    return answer


def succeeded(reply: Reply) -> dict[str, Any]:
    """The object in a reply that says `"status": "success"`; anything else raises."""
    answer = read_words(reply)
    if _text(answer, "status").casefold() != SUCCESS:
        raise Unclear("the vendor's answer does not say whether it succeeded")
    return answer


def acknowledged(reply: Reply) -> None:
    """Return when an add was queued, in either documented shape. It says nothing of what was stored."""
    answer = read_words(reply)
    message = _text(answer, "message").strip().rstrip(".").casefold()
    if _text(answer, "status").casefold() != SUCCESS and message not in ACKNOWLEDGED:
        raise Unclear("the vendor's answer does not say that the contacts were queued")


def _expect_success(reply: Reply, said: str) -> None:
    try:
        expect_success(reply)
    except VendorError as error:
        raise type(error)(error.detail + said, code=error.code, retry_after=error.retry_after) from None


def _object(reply: Reply) -> dict[str, Any]:
    """The JSON object of the reply; an empty one for the body of an error that is not JSON."""
    try:
        answer = reply.json()
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return answer
    if 200 <= reply.status < 300:
        raise Unclear("the vendor's answer is not a JSON object")
    return {}


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    return value if isinstance(value, str) else ""
