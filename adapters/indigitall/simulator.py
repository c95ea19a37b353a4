"""A simulator of indigitall's campaign sends, written from the vendor's public pages.

Those pages name neither the send's path nor the fields of the delay and of the slicing condition: the paths and names
below are INVENTED by this simulator, and stand in its `options` as a real destination's would.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.indigitall.simulator_forms import (
    Refusal,
    check_columns,
    parse_csv,
    parse_form,
    parse_json,
    parse_layout,
    render,
)
from gateway.contract.simulation import LedgerList, Simulation

INVENTED_SEND_PATH = "/v1/application/{application_id}/campaign/{campaign_id}/send/csv"
INVENTED_JSON_PATH = "/v1/application/{application_id}/campaign/{campaign_id}/send/json"
OBSERVED_CONTACTS_PATH = "/v1/chat/contacts"
SLICING = ("fragmentedSlots", "immediateConsecutiveSlots", "deferredConsecutiveSlots")
MONTHS_AHEAD = 3

Sent = tuple[list[dict[str, Any]], str, Mapping[str, str]]
"""Messages, the file's name, and the fields of time and slicing."""


class IndigitallSimulation(Simulation):
    """One application with one proactive campaign (880) and one reactive (881).

    Plain attributes are the switches for what is not documented: `layout_name`, `file_name`, `delay_name`,
    `slicing_name` (names of form fields), `success` (status and body of an accepted send), `required_variables` (of
    the campaign), `clock` (what time it is).
    """

    credentials: Mapping[str, Any] = {"server_key": "00000000-0000-4000-8000-000000000000"}
    options: Mapping[str, Any] = {
        "application_id": 4501,
        "campaign_id": 880,
        "send_csv_path": INVENTED_SEND_PATH,
        "check_path": OBSERVED_CONTACTS_PATH + "?applicationId={application_id}&limit=1&offset=0",
    }

    def __init__(self) -> None:
        super().__init__()
        self.campaigns = {"880": "proactive", "881": "reactive"}
        self.layout_name = "layout"
        self.file_name = "file"
        self.delay_name = "delay"
        self.slicing_name = "slicingCondition"
        self.success: tuple[int, Any] = (200, {"statusCode": 200, "message": "OK", "data": {}})
        self.required_variables: frozenset[str] = frozenset()
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def routes(self) -> list[Route]:
        return [
            Route(INVENTED_SEND_PATH, self._send_csv, methods=["POST"]),
            Route(INVENTED_JSON_PATH, self._send_json, methods=["POST"]),
            Route(OBSERVED_CONTACTS_PATH, self._contacts, methods=["GET"]),
            Route("/{path:path}", self._no_route, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    def rate_limited(self, retry_after: float | None) -> Response:
        headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
        return JSONResponse({"statusCode": 429, "message": "Too many requests"}, 429, headers)

    def ok_with_error(self, path: str) -> Response:
        return JSONResponse({"statusCode": 200, "message": "OK", "data": {"errors": [{"message": "simulated"}]}})

    async def _send_csv(self, request: Request) -> Response:
        """`Send campaign from CSV`."""
        return await self._send(request, self._from_csv)

    async def _send_json(self, request: Request) -> Response:
        """`Send campaign from JSON`."""
        return await self._send(request, self._from_json)

    async def _send(self, request: Request, read: Callable[[str, bytes], Sent]) -> Response:
        if refusal := self._refused(request):
            return refusal
        application, campaign = request.path_params["application_id"], request.path_params["campaign_id"]
        if application != str(self.options["application_id"]) or campaign not in self.campaigns:
            return _error(404, "Campaign not found")
        if self.campaigns[campaign] != "proactive":
            return _error(400, "Operation not possible with a reactive campaign")
        try:
            messages, filename, fields = read(request.headers.get("content-type", ""), await request.body())
            facts = self._timing(fields) | {"campaign": campaign}
        except Refusal as refusal_of_form:
            return _error(400, str(refusal_of_form))
        if self.takes("drop_row", request.url.path):
            messages.pop()
        self._store(messages, filename, facts)
        status, body = self.success
        return JSONResponse(body, status)

    def _refuse_others(self, names: set[str], own: set[str]) -> None:
        if unknown := names - own - {"scheduleAt", self.delay_name, self.slicing_name}:
            raise Refusal(f"request/body must NOT have additional properties: {', '.join(sorted(unknown))}")

    def _from_json(self, content_type: str, body: bytes) -> Sent:
        value, messages = parse_json(content_type, body)
        self._refuse_others(set(value), {"contacts"})
        if any(self.required_variables - set(message["customFields"]) for message in messages):
            raise Refusal("request/body/contacts lacks variables of the campaign")
        return messages, "", {name: text for name, text in value.items() if name != "contacts"}

    def _from_csv(self, content_type: str, body: bytes) -> Sent:
        form = parse_form(content_type, body)
        self._refuse_others(set(form.fields) | set(form.files), {self.layout_name, self.file_name})
        if self.layout_name not in form.fields:
            raise Refusal(f"request/body must have required property '{self.layout_name}'")
        if self.file_name not in form.files:
            raise Refusal(f"request/body must have required property '{self.file_name}'")
        layout = parse_layout(form.fields[self.layout_name])
        if missing := self.required_variables - set(json.loads(layout).get("customFields", {})):
            raise Refusal(f"request/body/layout/customFields lacks variables: {', '.join(sorted(missing))}")
        upload = form.files[self.file_name]
        header, rows = parse_csv(upload.content)
        check_columns(layout, header)
        return [render(layout, header, row) for row in rows], upload.filename, form.fields

    def _timing(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The scheduled time and the rest, checked; a missing one is left out."""
        at, delay = fields.get("scheduleAt"), fields.get(self.delay_name)
        if at is not None and delay is not None:
            raise Refusal("request/body/scheduleAt cannot be used together with the delay")
        if at is not None:
            self._check_time(at)
        if delay is not None and not _is_duration(delay):
            raise Refusal("request/body delay must match format duration")
        slicing = fields.get(self.slicing_name, SLICING[0])
        if slicing not in SLICING:
            raise Refusal("request/body slicing condition must be equal to one of the allowed values")
        return {"slicing": slicing} | ({"scheduleAt": at} if at else {}) | ({"delay": delay} if delay else {})

    def _check_time(self, text: str) -> None:
        if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text):
            raise Refusal('request/body/scheduleAt must match format "date-time"')
        try:
            at, now = datetime.fromisoformat(text), self.clock()
        except ValueError:
            raise Refusal('request/body/scheduleAt must match format "date-time"') from None
        if not now <= at <= _months_after(now, MONTHS_AHEAD):
            raise Refusal("request/body/scheduleAt must be between now and 3 months ahead")

    def _store(self, messages: list[dict[str, Any]], filename: str, facts: dict[str, str]) -> None:
        """Keep the send; people are messaged at once unless it is for later."""
        number = f"send-{len(self.ledger.lists) + 1}"
        phones = [message["contact"]["contactCode"] for message in messages]
        self.ledger.lists[number] = LedgerList(number, filename, messages, phones, dict(facts))
        if "scheduleAt" not in facts and "delay" not in facts:
            self.ledger.calls += phones

    async def _contacts(self, request: Request) -> Response:
        """`GET /v1/chat/contacts`, known from integrators only."""
        if refusal := self._refused(request):
            return refusal
        for name in ("applicationId", "limit", "offset"):
            if not request.query_params.get(name, "").isdigit():
                return _error(400, f"request/query must have required property '{name}'")
        codes = list(dict.fromkeys(self.ledger.calls))
        start, size = int(request.query_params["offset"]), int(request.query_params["limit"])
        items = [
            {"id": place, "contactId": code, "channel": "cloudapi", "chatAllowed": True}
            for place, code in enumerate(codes, start=1)
        ]
        return JSONResponse(
            {"statusCode": 200, "message": "OK", "count": len(items), "data": items[start : start + size]}
        )

    async def _no_route(self, request: Request) -> Response:
        return self._refused(request) or _error(404, f"Route {request.method} {request.url.path} not found")

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"ServerKey {self.credentials['server_key']}":
            return _error(401, "Access token is not valid")
        return None


def _error(status: int, message: str) -> Response:
    return JSONResponse({"statusCode": status, "message": message}, status)


def _is_duration(text: str) -> bool:
    clock = r"(?:T(?=\d)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?"
    return re.fullmatch(rf"P(?=\d|T\d)(?:\d+W|(?:\d+Y)?(?:\d+M)?(?:\d+D)?{clock})", text) is not None


def _months_after(moment: datetime, months: int) -> datetime:
    """The same day and time some calendar months later; the last day of a shorter month."""
    year, month = divmod(moment.month - 1 + months, 12)
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=moment.year + year, month=month + 1, day=day)
        except ValueError:
            continue
    return moment.replace(year=moment.year + year, month=month + 1)
