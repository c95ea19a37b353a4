"""A Kore.ai look-alike: contact lists by API v2, adding contacts by 1.1, a queue that says nothing of what it does.

Written from the vendor's pages alone. Where they are silent it takes the strict side; the attributes of
`KoreaiSimulation` switch to the other reading.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.koreai.simulator_checks import (
    Denied,
    body_of,
    check_token,
    checked_change,
    checked_list,
    checked_records,
    digits_of,
    failure,
)
from adapters.koreai.simulator_shelf import STAMP, Queued, Shelf
from gateway.contract.simulation import LedgerList, Simulation

CLIENT_ID = "cs-0a1b2c3d-1111-2222-3333-444455556666"
CLIENT_SECRET = "simulated-secret-of-at-least-32-bytes="
STREAM = "st-11112222-3333-4444-5555-666677778888"
ACCOUNT = "65f0a1b2c3d4e5f6a7b8c9d0"
LISTS = "/campaign/api/v2/public/{stream}/campaign/contactList"
ADD = "/api/1.1/public/{stream}/campaign/contactList/addContacts"
TOO_FAST = "You've exceeded the per-minute rate limit. Please wait for sometime before retrying."

Handler = Callable[[Request], Any]


class KoreaiSimulation(Simulation):
    """One application of one account."""

    credentials: Mapping[str, Any] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    options: Mapping[str, Any] = {"stream_id": STREAM, "account_id": ACCOUNT, "poll_seconds": 0.02}

    requests_per_minute = 60
    """Of the account, in any sixty seconds."""
    rate_limit_status = 429
    """The vendor gives only the sentence; with 200 it comes inside a `failure`."""
    looks_until_added = 1
    """How many looks at a list's count an add stays invisible for."""
    seconds_until_added = 0.0
    """... and how long at least."""
    old_answers = False
    """Answer an add as the oldest pages do, with a `status`."""
    integration_source = False
    """Show `source` as `passiveApiIntegration`, as several samples do."""
    campaign_objects = True
    """Show `campaignInUse` as objects (the samples) or as ids (the table)."""
    shows_fields = True
    """Whether the contacts of a list show more than their number."""
    paging_parameter: str | None = None
    """The query parameter that pages through contacts; the vendor's pages name none."""
    pages_by_number = False
    """Whether that parameter takes a page number from 1, or the contacts to skip."""
    repeats_first_page = False
    """Whether that parameter is echoed, and the first contacts come all the same."""
    hides_unknown_lists = False
    """The contacts of a list that is not there are an empty page."""
    enforces_jti = True
    """Every token needs a `jti` of its own."""
    forbids_delete_in_use = True

    def __init__(self) -> None:
        super().__init__()
        self.clock: Callable[[], float] = time.monotonic
        self._forget()

    def _forget(self) -> None:
        self.console_lists: list[dict[str, Any]] = []
        """Lists made in the console (`localDrive`), shown among the others."""
        self._shelves: dict[str, Shelf] = {}
        self._numbers = itertools.count(1)
        self._tokens: set[str] = set()
        self._starts: deque[float] = deque()

    def reset(self) -> None:
        super().reset()
        self._forget()

    def routes(self) -> list[Route]:
        one = LISTS + "/{list_id}"
        return [
            Route(LISTS + "/createContactList", self._guarded(self._create), methods=["POST"]),
            Route(LISTS + "/getAllListDetails", self._guarded(self._all), methods=["POST"]),
            Route(one, self._guarded(self._details), methods=["GET"]),
            Route(one, self._guarded(self._update), methods=["PUT"]),
            Route(one, self._guarded(self._delete), methods=["DELETE"]),
            Route(one + "/getAllContacts", self._guarded(self._contacts), methods=["GET"]),
            Route(ADD, self._guarded(self._add), methods=["POST"]),
        ]

    def rate_limited(self, retry_after: float | None) -> Response:
        headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
        return JSONResponse({"status": "failure", "message": TOO_FAST}, self.rate_limit_status, headers)

    def ok_with_error(self, path: str) -> Response:
        return failure("Something went wrong", 200)

    def use_in_campaign(self, list_id: str, campaign: str) -> None:
        """Let a campaign use this list, as a person does in the console."""
        self._shelves[list_id].campaigns.append(campaign)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            try:
                self._check_rate()
                self._check_account(request)
                return await handler(request)  # type: ignore[no-any-return]
            except Denied as denied:
                return denied.response

        return guarded

    def _check_rate(self) -> None:
        now = self.clock()
        while self._starts and self._starts[0] <= now - 60.0:
            self._starts.popleft()
        if len(self._starts) >= self.requests_per_minute:
            raise Denied(self.rate_limited(None))
        self._starts.append(now)

    def _check_account(self, request: Request) -> None:
        jti = check_token(request.headers.get("auth"), CLIENT_ID, CLIENT_SECRET, enforces_jti=self.enforces_jti)
        if jti is not None and jti in self._tokens:
            raise Denied(failure("jti has been used already", 401))
        if jti is not None:
            self._tokens.add(jti)
        if request.path_params["stream"] != STREAM or request.headers.get("iid") != STREAM:
            raise Denied(failure("unknown application in path or iid", 400))
        if request.headers.get("accountId") != ACCOUNT or request.query_params.get("accountId") != ACCOUNT:
            raise Denied(failure("unknown account in header or query", 400))

    async def _create(self, request: Request) -> Response:
        wanted = checked_list(await body_of(request))
        if self._named(wanted["name"]):
            raise Denied(failure("Contact list name already exists", 400))
        list_id = f"cl-{next(self._numbers):07d}-bbbb-cccc-dddd-eeee2222ffff"
        entry = LedgerList(list_id, wanted["name"])
        shelf = Shelf(entry, wanted["description"], wanted["allowDuplicates"])
        self._shelves[list_id] = shelf
        self.ledger.lists[list_id] = entry
        entry.facts = {"description": shelf.description, "allowDuplicates": shelf.allow_duplicates}
        return _success(f"Contact list {entry.name} created successfully", self._shown(shelf))

    async def _add(self, request: Request) -> Response:
        name, records = checked_records(await body_of(request))
        shelf = self._named(name)
        if shelf:
            self._take_in(shelf, records, request.url.path)
        if self.old_answers:
            return JSONResponse({"status": "success", "message": "Contacts queued for addition."})
        return JSONResponse({"message": "Adding contacts to public list is in progress"})

    def _take_in(self, shelf: Shelf, records: list[dict[str, Any]], path: str) -> None:
        """Into the queue and the ledger. Records without a usable number, and duplicates, vanish without a word."""
        if records and self.takes("drop_row", path):
            records = records[:-1]
        before = len(shelf.entry.rows)
        for record in records:
            number = digits_of(record.get("phoneNumber"))
            if number is None or (number in shelf.entry.phones and not shelf.allow_duplicates):
                continue
            shelf.entry.rows.append({"_id": f"cc-{next(self._numbers)}", **record})
            shelf.entry.phones.append(number)
        taken = len(shelf.entry.rows) - before
        shelf.queued.append(Queued(taken, self.looks_until_added, self.clock() + self.seconds_until_added))

    async def _all(self, request: Request) -> Response:
        await body_of(request)
        if request.query_params.get("type", "call") != "call":
            raise Denied(failure("unknown type", 400))
        shown = [self._shown(shelf) for shelf in self._shelves.values()]
        return _success("", [*shown, *self.console_lists])

    async def _details(self, request: Request) -> Response:
        return _success("", self._shown(self._shelf(request)))

    async def _update(self, request: Request) -> Response:
        shelf = self._shelf(request)
        change = checked_change(await body_of(request))
        namesake = self._named(change.get("name", ""))
        if namesake is not None and namesake is not shelf:
            raise Denied(failure("Contact list name already exists", 400))
        shelf.entry.name = change.get("name", shelf.entry.name)
        shelf.description = change.get("description", shelf.description)
        shelf.entry.facts["description"] = shelf.description
        body = {"scope": ["campaign_management"], "iId": STREAM, "listType": "call", "accountId": ACCOUNT}
        echo = {"name": change["name"]} if "name" in change else {}
        data = {"contactListId": shelf.entry.id, "body": {**echo, **body}}
        return _success(f"Contact list {shelf.entry.name} updated successfully", data)

    async def _delete(self, request: Request) -> Response:
        shelf = self._shelf(request)
        if shelf.campaigns and self.forbids_delete_in_use:
            raise Denied(failure("Contact list is in use", 400))
        shown = self._shown(shelf)
        del self._shelves[shelf.entry.id], self.ledger.lists[shelf.entry.id]
        return _success("Contact list deleted successfully", shown)

    async def _contacts(self, request: Request) -> Response:
        if self.hides_unknown_lists and request.path_params["list_id"] not in self._shelves:
            rows = []
        else:
            shelf = self._shelf(request)
            rows = shelf.entry.rows[: shelf.look(self.clock())]
        skip = self._skip(request)
        page = rows[:50] if self.repeats_first_page else rows[skip : skip + 50]
        data = {
            "results": [self._contact(row) for row in page],
            "skip": skip,
            "limit": 50,
            "hasMore": skip + len(page) < len(rows),
            "totalPages": -(-len(rows) // 50),
            "totalResults": len(rows),
        }
        return _success("Contacts retrieved successfully", data)

    def _skip(self, request: Request) -> int:
        text = request.query_params.get(self.paging_parameter) if self.paging_parameter else None
        if text is None:
            return 0
        return (int(text) - 1) * 50 if self.pages_by_number else int(text)

    def _contact(self, row: dict[str, Any]) -> dict[str, Any]:
        seen = row if self.shows_fields else {"_id": row["_id"], "phoneNumber": row["phoneNumber"]}
        return {**seen, "createdAt": STAMP, "updatedAt": STAMP}

    def _named(self, name: str) -> Shelf | None:
        """The list of this name, without regard to case."""
        wanted = name.casefold()
        return next((shelf for shelf in self._shelves.values() if shelf.entry.name.casefold() == wanted), None)

    def _shelf(self, request: Request) -> Shelf:
        shelf = self._shelves.get(request.path_params["list_id"])
        if shelf is None:
            raise Denied(failure("Contact list not found", 404))
        return shelf

    def _shown(self, shelf: Shelf) -> dict[str, Any]:
        return shelf.shown(self.clock(), integration_source=self.integration_source, objects=self.campaign_objects)


def _success(message: str, data: Any) -> Response:
    return JSONResponse({"status": "success", "message": message, "data": data})
