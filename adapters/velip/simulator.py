"""A Velip that keeps lists (API v2): CreateDestinationBase, GetDestinationsList, GetUserID, and the campaign calls.

Strict where Velip's pages are silent. Plain attributes switch the forms that the pages leave open.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.velip.simulator_access import Access
from adapters.velip.simulator_campaigns import Campaigns
from adapters.velip.simulator_input import BadFile, Input, NoBase, read_destinations, read_input
from gateway.contract.simulation import LedgerList, Simulation

TOKEN = "EXAMPLETOKEN30CHARS00000000000"
MOST_DESTINATIONS = 500_000
FIRST_ID = 70_123


class VelipSimulation(Simulation):
    """One Velip account with one permanent token."""

    base_path = "/api/v2"
    credentials: Mapping[str, Any] = {"tsid": TOKEN}
    options: Mapping[str, Any] = {}

    def __init__(self) -> None:
        self.key_set = "portal"
        """Which record keys the account understands in JSON: `portal` or `manual`."""
        self.suffixes = (".php",)
        self.form_charset = "iso-8859-1"
        self.file_charset = "iso-8859-1"
        """The charset in which files are read; the pages give none."""
        self.foreign_numbers = False
        self.error_status = 400
        """HTTP status of the list codes 205 and 230, which the pages do not give."""
        self.create_auth: tuple[int, str] | None = (401, "210")
        """HTTP status and code of an authentication failure on list creation; None: as everywhere else."""
        self.numbers_as_text = False
        """GetDestinationsList as the MCP pages show it: numbers as text."""
        self.codes_as_numbers = False
        self.no_match: Any = []
        """What stands in `lists` when nothing matches: not documented."""
        self.invisible_lookups = 0
        """For so many look-ups a new list stays invisible."""
        self.clock: Callable[[], float] = time.monotonic
        self.access = Access({TOKEN: None})
        self.campaigns = Campaigns()
        self._next_id = FIRST_ID
        super().__init__()

    def reset(self) -> None:
        """Forget lists, campaigns and bans."""
        super().reset()
        self.access = Access({TOKEN: None})
        self.campaigns = Campaigns()
        self._next_id = FIRST_ID

    def routes(self) -> list[Route]:
        return [Route(f"{self.base_path}/{{endpoint}}", self._dispatch, methods=["GET", "POST"])]

    def rate_limited(self, retry_after: float | None) -> Response:
        headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
        return JSONResponse({"return": {"status": "too many requests", "status_code": "429"}}, 429, headers)

    def ok_with_error(self, path: str) -> Response:
        status, code = ("internal error", "500") if "GetDestinationsList" in path else ("Erro na base ...", "230")
        return JSONResponse({"return": {"status": status, "status_code": code, "cd_id": "0"}})

    def answer(self, fields: dict[str, Any] | None = None, **beside: Any) -> Response:
        """A success."""
        code: Any = 0 if self.codes_as_numbers else "0"
        return JSONResponse({"return": {"status": "OK", "status_code": code, **(fields or {})}, **beside})

    def error(self, code: str, status: str, http: int = 400) -> Response:
        """A failure in Velip's envelope."""
        shown: Any = int(code) if self.codes_as_numbers else code
        return JSONResponse({"return": {"status": status, "status_code": shown, "cd_id": "0"}}, http)

    async def _dispatch(self, request: Request) -> Response:
        endpoints: dict[str, Callable[[Input], Response]] = {
            "CreateDestinationBase": self._create,
            "GetDestinationsList": self._lists,
            "GetUserID": self._user,
            "CreateCampaign": lambda said: self.campaigns.create(self, said),
            "ChangeCampaign": lambda said: self.campaigns.change(self, said),
            "GetCampaignsList": lambda said: self.campaigns.show(self, said),
            "GetCallStatus": lambda said: self.campaigns.calls(self, said),
        }
        asked = request.path_params["endpoint"]
        name = next((name for name in endpoints if asked in {name + suffix for suffix in self.suffixes}), None)
        if name is None:
            return Response("Not Found", 404)
        said = read_input(request, await request.body(), self.form_charset)
        refusal = self.access.refusal(said, self.clock())
        if refusal is None:
            return endpoints[name](said)
        code, status = refusal
        if name == "CreateDestinationBase" and self.create_auth and code != "199":
            return self.error(self.create_auth[1], status, self.create_auth[0])
        return self.error(code, status, 401)

    def _create(self, said: Input) -> Response:
        try:
            form, records = read_destinations(said, self.key_set, self.file_charset)
        except BadFile:
            return self.error("205", "not allowed executable file", self.error_status)
        except NoBase as trouble:
            return self.error("230", f"Erro na base {trouble}", self.error_status)
        rows = [row for record in records if (row := self._valid(record))]
        if self.takes("drop_row", "/CreateDestinationBase"):
            rows = rows[:-1]
        ctid = said.fields.get("ctid", "")
        if not isinstance(ctid, str) or (ctid and not (ctid.isascii() and ctid.isalnum() and len(ctid) <= 15)):
            return self.error("230", "Erro na base: ctid", self.error_status)
        if not rows or len(rows) > MOST_DESTINATIONS:
            return self.error("230", "Erro na base: destinos", self.error_status)
        one = self._store(said, form, rows)
        size = len(json.dumps(rows))
        return self.answer({"cdlc_id": one.id, "num_dest": str(len(rows)), "base_size": str(size)})

    def _valid(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """The record with its number in the form 55DDD..., or None when it has no usable one."""
        number = record.get("phone")
        if not isinstance(number, str) or any(not isinstance(text, str) for text in record.values()):
            return None
        digits = number.replace(" ", "").replace("-", "")
        if not (digits.isascii() and digits.isdigit()):
            return None
        if digits.startswith("55") and len(digits) in (12, 13):
            return {**record, "phone": digits}
        if self.foreign_numbers:
            return {**record, "phone": digits} if 8 <= len(digits) <= 15 else None
        national = digits.removeprefix("0")
        return {**record, "phone": "55" + national} if len(national) in (10, 11) else None

    def _store(self, said: Input, form: str, rows: list[dict[str, Any]]) -> LedgerList:
        number, self._next_id = self._next_id, self._next_id + 1
        name = said.fields.get("name") or f"API_{form}_501_{number}"
        facts = {
            "ctid": said.fields.get("ctid") or "0",
            "active": 1,
            "deleted": 0,
            "file": said.filename,
            "date": "2026-10-02",
            "hidden": self.invisible_lookups,
        }
        one = LedgerList(str(number), name, rows, [row["phone"] for row in rows], facts)
        self.ledger.lists[one.id] = one
        return one

    def _lists(self, said: Input) -> Response:
        fields = said.fields
        try:
            maxreg = int(fields.get("maxreg", 100))
            wanted = str(fields.get("list", "1"))
            setactive = None if fields.get("setactive") in (None, "") else int(fields["setactive"])
        except (TypeError, ValueError):
            return self.error("500", "internal error")
        if wanted not in ("0", "1", "all") or setactive not in (None, 0, 1):
            return self.error("500", "internal error")
        matches = [one for one in self.ledger.lists.values() if _matches(one, fields) and self._visible(one)]
        matches = [one for one in matches if wanted in ("all", str(one.facts["active"]))]
        if setactive is not None:
            for one in matches:
                one.facts["active"] = setactive
        matches.sort(key=lambda one: int(one.id), reverse=True)
        shown = [self._shown(one) for one in (matches[:maxreg] if maxreg > 0 else matches)]
        return self.answer(lists=shown or self.no_match)

    def _visible(self, one: LedgerList) -> bool:
        if one.facts["hidden"] > 0:
            one.facts["hidden"] -= 1
            return False
        return True

    def _shown(self, one: LedgerList) -> dict[str, Any]:
        facts = one.facts
        numbers = {
            "cdlc_id": int(one.id),
            "cdlc_active": facts["active"],
            "cdlc_num": len(one.rows),
            "cdlc_deleted": facts["deleted"],
        }
        shown: dict[str, Any] = {
            "cdlc_ctid": facts["ctid"],
            "cdlc_name": one.name,
            "cdlc_file": facts["file"] or "null",
            "cdlc_date": facts["date"],
        }
        return shown | ({name: str(number) for name, number in numbers.items()} if self.numbers_as_text else numbers)

    def _user(self, said: Input) -> Response:
        rights = {"aut_app": "1", "aut_send": "1", "aut_camp": "1"}
        return self.answer({"cdcs_id": "501", "cdcsu_id": "77", **rights, "tsid": "null"})


def _matches(one: LedgerList, fields: dict[str, Any]) -> bool:
    """`ctid` overrides `cdlc_id`, which goes before `search`; no filter matches everything."""
    if fields.get("ctid"):
        return bool(one.facts["ctid"] == fields["ctid"])
    if fields.get("cdlc_id"):
        return one.id == str(fields["cdlc_id"])
    if fields.get("search"):
        wanted = str(fields["search"]).casefold()
        return wanted in one.name.casefold() or wanted in one.facts["file"].casefold()
    return True
