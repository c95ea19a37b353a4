"""Reading replies: what an HTTP status means when the vendor's own words say nothing more precise."""

from datetime import timedelta
from email.utils import parsedate_to_datetime

from gateway.contract.errors import NotAuthorised, NotSent, Refused, Unclear
from gateway.contract.requests import Reply


def retry_after(reply: Reply) -> float | None:
    """Seconds of the `Retry-After` header, a date being read against the reply's own `Date`; None: not readable."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(reply.headers["date"])
    except (ValueError, TypeError, KeyError):
        return None
    return max(wait / timedelta(seconds=1), 0.0)


def expect_success(reply: Reply) -> None:
    """Return for 2xx; else raise what the status alone proves.

    429 is `NotSent`; 401 and 403 are `NotAuthorised`; other 4xx `Refused`, but 408 and 425, whose effect is open, and
    every 3xx (a redirect is not followed, and may come after the work was done) and 5xx are `Unclear`.
    """
    status = reply.status
    if 200 <= status < 300:
        return
    if status == 429:
        raise NotSent("the vendor's rate limit", code="429", retry_after=retry_after(reply))
    if status in (401, 403):
        raise NotAuthorised(f"the vendor refused the credentials (HTTP {status})", code=str(status))
    if 400 <= status < 500 and status not in (408, 425):
        raise Refused(f"the vendor refused the request (HTTP {status})", code=str(status))
    raise Unclear(f"the vendor answered HTTP {status}", code=str(status))
