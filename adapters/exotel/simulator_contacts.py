"""The address book of the simulated Exotel, and campaigns over its lists."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.exotel import simulator_rules as rules
from adapters.exotel.simulator_frame import done, failed
from adapters.exotel.simulator_lists import Lists
from adapters.exotel.simulator_rules import Bad


class AddressBook(Lists):
    """`/contacts` and `/campaigns`."""

    def _store(self, fields: dict[str, Any]) -> tuple[int, str]:
        """Item code and sid of a contact, by what is assumed of a number that exists."""
        known = self.sids_of.get(fields["number"])
        if known is None or self.existing_number == "new_sid":
            sid = self._sid()
            self.contacts[sid] = fields
            self.sids_of.setdefault(fields["number"], sid)
            return 200, sid
        if self.existing_number == "same_sid":
            self.contacts[known] = fields
            return 200, known
        return 409, known if self.existing_number == "conflict_with_sid" else ""

    async def create_contacts(self, request: Request) -> Response:
        entries = []
        people = rules.bulk(await self._json(request), "contacts")
        if self.takes("drop_row", request.url.path):
            people = people[:-1]
        for entry in people:
            try:
                fields = rules.contact_fields(entry)
                code, sid = self._store(fields)
                data = {"sid": sid, **({"number": fields["number"]} if self.echoes_numbers else {})} if sid else None
                conflict = failed(Bad(409, 1008, "the number exists")) | {"data": data}
                entries.append(done(data) if code == 200 else conflict)
            except Bad as bad:
                entries.append(failed(bad))
        return self._bulk("POST", entries)

    async def get_contacts(self, request: Request) -> Response:
        page = self._page(request, list(self.contacts), 20)
        return self._bulk("GET", [done(self._shown_contact(sid)) for sid in page], 200)

    def _contact(self, sid: object) -> dict[str, Any]:
        if not isinstance(sid, str) or sid not in self.contacts:
            raise Bad(404, 1000, "no such contact")
        return self.contacts[sid]

    async def get_contact(self, request: Request) -> Response:
        sid = request.path_params["contact"]
        self._contact(sid)
        return self._one("GET", self._shown_contact(sid))

    async def update_contacts(self, request: Request) -> Response:
        entries = []
        for entry in rules.bulk(await self._json(request), "contacts"):
            try:
                sid = entry.get("sid") if isinstance(entry, dict) else None
                entries.append(self._update(sid, {n: v for n, v in entry.items() if n != "sid"} if sid else {}))
            except Bad as bad:
                entries.append(failed(bad))
        return self._bulk("PUT", entries)

    def _update(self, sid: Any, fields: dict[str, Any]) -> dict[str, Any]:
        contact = self._contact(sid)
        contact.update(rules.contact_fields({**contact, **fields}))
        return done(self._shown_contact(sid))

    async def update_contact(self, request: Request) -> Response:
        entry = self._update(request.path_params["contact"], await self._json(request))
        return JSONResponse({"request_id": "r", "method": "PUT", "http_code": 200, "response": entry})

    async def delete_contact(self, request: Request) -> Response:
        sid = request.path_params["contact"]
        number = self._contact(sid)["number"]
        for one in self.ledger.lists.values():
            if sid in self.members[one.id]:
                self._unlink(one, sid)
        del self.contacts[sid]
        if self.sids_of.get(number) == sid:
            del self.sids_of[number]
        return self._gone()

    async def create_campaigns(self, request: Request) -> Response:
        entries = []
        for entry in rules.bulk(await self._json(request), "campaigns"):
            try:
                entries.append(self._start(entry))
            except Bad as bad:
                entries.append(failed(bad))
        return self._bulk("POST", entries)

    def _start(self, entry: Any) -> dict[str, Any]:
        lists = entry.get("lists") if isinstance(entry, dict) else None
        most = 1 if isinstance(entry, dict) and entry.get("campaign_type") == "dynamic" else 5
        if not isinstance(lists, list) or not 1 <= len(lists) <= most or not entry.get("caller_id"):
            raise Bad(400, 1001, "lists and caller_id are needed")
        if not all(sid in self.ledger.lists for sid in lists):
            raise Bad(404, 1000, "no such list")
        run: dict[str, Any] = {"id": self._sid(), "lists": lists, "status": "InProgress"}
        self.campaigns[run["id"]] = run
        self.ledger.calls += [phone.lstrip("+") for sid in lists for phone in self.ledger.lists[sid].phones]
        return done({"id": run["id"], "status": "Created"})

    async def change_campaign(self, request: Request) -> Response:
        run = self.campaigns.get(request.path_params["campaign"])
        if run is None:
            raise Bad(404, 1000, "no such campaign")
        entry = rules.bulk(await self._json(request), "campaigns")[0]
        states = {"pause": "Paused", "resume": "InProgress", "complete": "Completed"}
        action = entry.get("action") if isinstance(entry, dict) else None
        if action not in states:
            raise Bad(400, 1002, "action is unknown")
        run["status"] = states[action]
        return self._one("PUT", {"id": run["id"], "status": run["status"]})
