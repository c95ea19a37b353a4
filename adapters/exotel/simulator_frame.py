"""The account of the simulated Exotel: switches, authorisation, rate, envelopes, pages."""

import json
import re
import time
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.exotel import simulator_rules as rules
from adapters.exotel.simulator_rules import Bad
from gateway.contract.simulation import LedgerList, Simulation

Handler = Callable[[Request], Awaitable[Response]]


class Frame(Simulation):
    """One account at Exotel: its state, who is let in, and how it answers."""

    credentials: Mapping[str, Any] = {"api_key": "sim-key", "api_token": "sim-token"}
    options: Mapping[str, Any] = {"account_sid": "acme1", "poll_seconds": 0.01}

    # What the sheet leaves open, as switches.
    shapes = "reference"
    """Answers of upload and status: `reference` (object, summary, stats) or `guide` (array, *_count)."""
    names_upload_id = True
    """False: the summary of the reference shape holds the address to poll only."""
    running_word = ""
    """State of an upload that is not done; "" is the word of the shape."""
    looks_until_done = 0
    """How often an upload is looked at (status, or contacts of its list) before its rows are on the list."""
    upload_fails = False
    """Uploads end as `failed`, without counts and without a row."""
    existing_number = "same_sid"
    """A number created again: `same_sid`, `new_sid`, `conflict_with_sid` or `conflict`."""
    taken_name_status = 207
    """Outer status when a list name is taken: 200, 207 or 409."""
    echoes = True
    """Entries of lists and contacts show their fields; False: only the sid."""
    echoes_numbers = False
    """Entries of created contacts show the number, too."""
    shuffles = False
    """Bulk answers come in reverse order."""
    numbers_shown = "+"
    """How numbers are read back: `+`, `digits` (no plus sign) or `national` (India without its country)."""
    page_cap: int | None = None
    """Silently give at most so many rows a page."""
    ignores_offset = False
    """Every page is the first one."""
    shows_total = False
    """`metadata.total` of a page counts everything, not the page."""
    hides_unknown_lists = False
    """The contacts of a list that is not there are an empty page."""
    name_search = "partial"
    """`partial`, `exact`, or `ignored`."""
    single_put = "flat"
    """Body of PUT /lists/{sid}: `flat` or `wrapped`."""
    rate_envelope = "rest"
    """Body of a 429: `rest` (RestException) or `v2`."""
    requests_per_minute: int | None = None
    """The account's rate; None: unlimited."""
    deletes_with = 200
    """Status of a deletion: 200 with an envelope, or 204."""

    def __init__(self) -> None:
        self._forget()
        super().__init__()

    def _forget(self) -> None:
        self.contacts: dict[str, dict[str, Any]] = {}
        self.sids_of: dict[str, str] = {}
        self.members: dict[str, dict[str, None]] = {}
        self.uploads: dict[str, rules.Upload] = {}
        self.campaigns: dict[str, dict[str, Any]] = {}
        self.arrivals: deque[float] = deque()
        self._last = 0

    def reset(self) -> None:
        super().reset()
        self._forget()

    def _look(self, upload: rules.Upload) -> None:
        """Somebody looks at an upload: it comes one look nearer to its end."""
        raise NotImplementedError

    def _sid(self) -> str:
        self._last += 1
        return f"{self._last:08x}" + "5d2f8c1a9b7e4d3c8f6a1b2c"

    def _guarded(self, handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            try:
                self._admit(request)
                if self._too_fast():
                    return self.rate_limited(60)
                return await handler(request)
            except Bad as bad:
                return self._refusal(request.method, bad)

        return endpoint

    def _admit(self, request: Request) -> None:
        pair = f"{self.credentials['api_key']}:{self.credentials['api_token']}"
        if request.headers.get("authorization") != "Basic " + b64encode(pair.encode()).decode():
            raise Bad(401, 1010, "API key or token is wrong")
        if request.path_params["account"] != self.options["account_sid"]:
            raise Bad(403, 1003, "the key has no right to this account")

    def _too_fast(self) -> bool:
        if self.requests_per_minute is None:
            return False
        now = time.monotonic()
        while self.arrivals and self.arrivals[0] <= now - 60:
            self.arrivals.popleft()
        if len(self.arrivals) >= self.requests_per_minute:
            return True
        self.arrivals.append(now)
        return False

    def rate_limited(self, retry_after: float | None) -> Response:
        headers = {"X-RateLimit-Limit": "30", "X-RateLimit-Remaining": "0"}
        if retry_after is not None:
            headers["Retry-After"] = str(int(retry_after))
        if self.rate_envelope == "rest":
            body: Any = {"Status": 429, "Message": "Too many requests", "Code": "RATE_LIMIT_EXCEEDED"}
            return JSONResponse({"RestException": body}, 429, headers)
        entry = failed(Bad(429, 1002, "Too many requests"))
        return JSONResponse({"request_id": "r", "http_code": 429, "response": entry}, 429, headers)

    def ok_with_error(self, path: str) -> Response:
        entry = failed(Bad(400, 1002, "simulated refusal"))
        return JSONResponse({"request_id": "r", "http_code": 400, "response": entry})

    def _refusal(self, method: str, bad: Bad) -> Response:
        body = {"request_id": "r", "method": method, "http_code": bad.status, "response": failed(bad)}
        return JSONResponse(body, bad.status)

    def _bulk(self, method: str, entries: list[Any], status: int = 207, total: int | None = None) -> Response:
        good = sum(entry["code"] == 200 for entry in entries)
        whole = len(entries) if total is None or not self.shows_total else total
        counts = {"failed": len(entries) - good, "total": whole, "success": good}
        shown = entries[::-1] if self.shuffles else entries
        body = {"request_id": "r", "method": method, "http_code": status, "metadata": counts, "response": shown}
        return JSONResponse(body, status)

    def _one(self, method: str, data: Any) -> Response:
        return JSONResponse({"request_id": "r", "method": method, "http_code": 200, "response": done(data)})

    async def _json(self, request: Request) -> Any:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            raise Bad(415, 1011, "send application/json")
        try:
            return json.loads(await request.body())
        except ValueError:
            raise Bad(400, 1007, "the body is no JSON") from None

    def _list(self, request: Request) -> LedgerList:
        found = self.ledger.lists.get(request.path_params["sid"])
        if found is None:
            raise Bad(404, 1000, "no such list")
        return found

    def _page(self, request: Request, found: list[Any], most: int | None) -> list[Any]:
        texts = {name: request.query_params.get(name, default) for name, default in (("offset", "0"), ("limit", "20"))}
        if not all(re.fullmatch(r"\d{1,9}", text) for text in texts.values()) or int(texts["limit"]) < 1:
            raise Bad(400, 1002, "offset and limit must be whole numbers")
        offset, limit = 0 if self.ignores_offset else int(texts["offset"]), int(texts["limit"])
        if most is not None and limit > most:
            raise Bad(400, 1002, f"limit is {most} at most")
        return found[offset : offset + min(limit, self.page_cap or limit)]


def done(data: Any) -> dict[str, Any]:
    return {"code": 200, "error_data": None, "status": "success", "data": data}


def failed(bad: Bad) -> dict[str, Any]:
    error = {"code": bad.code, "message": rules.MESSAGES.get(bad.code, "Error"), "description": bad.description}
    return {"code": bad.status, "error_data": error, "status": "failure", "data": None}
