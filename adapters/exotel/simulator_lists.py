"""Lists of the simulated Exotel, and the contacts on them."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from adapters.exotel import simulator_rules as rules
from adapters.exotel.simulator_frame import Frame, done, failed
from adapters.exotel.simulator_rules import Bad
from gateway.contract.simulation import LedgerList


class Lists(Frame):
    """`/lists` and what is below it."""

    def _new_list(self, name: str, tag: str | None, kind: str) -> LedgerList:
        made = LedgerList(self._sid(), name, facts={"tag": tag, "kind": kind})
        self.ledger.lists[made.id] = made
        self.members[made.id] = {}
        return made

    def _named(self, name: str) -> LedgerList | None:
        return next((one for one in self.ledger.lists.values() if one.name == name), None)

    def _shown_list(self, one: LedgerList) -> dict[str, Any]:
        if not self.echoes:
            return {"sid": one.id}
        return {"sid": one.id, "name": one.name, "tag": one.facts["tag"], "contact_count": len(one.phones)}

    async def create_lists(self, request: Request) -> Response:
        entries, taken = [], False
        for entry in rules.bulk(await self._json(request), "lists"):
            try:
                texts = rules.list_fields(entry, {"name"}, {"name", "tag"})
                if self._named(texts["name"]):
                    taken = True
                    raise Bad(409, 1008, "list name exists")
                entries.append(done(self._shown_list(self._new_list(texts["name"], texts.get("tag"), "static"))))
            except Bad as bad:
                entries.append(failed(bad))
        return self._bulk("POST", entries, self.taken_name_status if taken else 207)

    async def get_lists(self, request: Request) -> Response:
        order = request.query_params.get("sort_by", "date_created:asc")
        if order not in ("date_created:asc", "name:asc"):
            raise Bad(400, 1002, "sort_by is unknown")
        name, found = request.query_params.get("name"), list(self.ledger.lists.values())
        if name is not None and self.name_search != "ignored":
            partial = self.name_search == "partial"
            found = [one for one in found if (name in one.name if partial else name == one.name)]
        if order == "name:asc":
            found.sort(key=lambda one: one.name)
        page = self._page(request, found, None)
        return self._bulk("GET", [done(self._shown_list(one)) for one in page], 200, len(found))

    def _change(self, one: LedgerList, texts: dict[str, str]) -> dict[str, Any]:
        name = texts.get("name", one.name)
        if self._named(name) not in (None, one):
            raise Bad(409, 1008, "list name exists")
        one.name = name
        one.facts["tag"] = texts.get("tag", one.facts["tag"])
        return done(self._shown_list(one))

    async def update_lists(self, request: Request) -> Response:
        entries = []
        for entry in rules.bulk(await self._json(request), "lists"):
            try:
                texts = rules.list_fields(entry, {"sid"}, {"sid", "name", "tag"})
                one = self.ledger.lists.get(texts.pop("sid"))
                if one is None:
                    raise Bad(404, 1000, "no such list")
                entries.append(self._change(one, texts))
            except Bad as bad:
                entries.append(failed(bad))
        return self._bulk("PUT", entries)

    async def update_list(self, request: Request) -> Response:
        one, body = self._list(request), await self._json(request)
        entry = rules.bulk(body, "lists")[0] if self.single_put == "wrapped" else body
        texts = rules.list_fields(entry, set(), {"name", "tag"})
        return JSONResponse(
            {"request_id": "r", "method": "PUT", "http_code": 200, "response": self._change(one, texts)}
        )

    async def get_list(self, request: Request) -> Response:
        return self._one("GET", self._shown_list(self._list(request)))

    async def delete_list(self, request: Request) -> Response:
        one = self._list(request)
        if any(one.id in run["lists"] and run["status"] in ("InProgress", "Paused") for run in self.campaigns.values()):
            raise Bad(400, 1002, "the list is used by a campaign")
        del self.ledger.lists[one.id], self.members[one.id]
        return self._gone()

    def _gone(self) -> Response:
        return Response(status_code=204) if self.deletes_with == 204 else self._one("DELETE", None)

    def _shown_contact(self, sid: str) -> dict[str, Any]:
        if not self.echoes:
            return {"sid": sid}
        contact = self.contacts[sid]
        number = contact["number"]
        if self.numbers_shown != "+":
            number = number[1:]
        if self.numbers_shown == "national" and re.fullmatch(r"91\d{10}", number):
            number = "0" + number[2:]
        return {"sid": sid, **contact, "number": number}

    def _link(self, one: LedgerList, sid: str) -> None:
        self.members[one.id][sid] = None
        one.rows.append({"sid": sid, **self.contacts[sid]})
        one.phones.append(self.contacts[sid]["number"])

    async def add_contacts(self, request: Request) -> Response:
        one, entries = self._list(request), []
        references = rules.bulk(await self._json(request), "contact_references")
        if self.takes("drop_row", request.url.path):
            references = references[:-1]
        for reference in references:
            try:
                sid = rules.list_fields(reference, {"contact_sid"}, {"contact_sid"})["contact_sid"]
                if sid not in self.contacts:
                    raise Bad(400, 1002, "no such contact")
                if sid in self.members[one.id]:
                    raise Bad(409, 1008, "the contact is on the list")
                if len(one.phones) >= rules.CEILING[one.facts["kind"]]:
                    raise Bad(400, 1002, "the list is full")
                self._link(one, sid)
                entries.append(done({"sid": sid, "list_id": one.id}))
            except Bad as bad:
                entries.append(failed(bad))
        return self._bulk("POST", entries)

    async def get_list_contacts(self, request: Request) -> Response:
        if self.hides_unknown_lists and request.path_params["sid"] not in self.ledger.lists:
            return self._bulk("GET", [], 200, 0)
        one = self._list(request)
        for upload in self.uploads.values():
            if upload.list_sid == one.id:
                self._look(upload)
        members = list(self.members[one.id])
        page = self._page(request, members, 500)
        return self._bulk("GET", [done(self._shown_contact(sid)) for sid in page], 200, len(members))

    async def remove_contact(self, request: Request) -> Response:
        one, sid = self._list(request), request.path_params["contact"]
        if sid not in self.members[one.id]:
            raise Bad(404, 1000, "the contact is not on the list")
        self._unlink(one, sid)
        return self._gone()

    def _unlink(self, one: LedgerList, sid: str) -> None:
        place = list(self.members[one.id]).index(sid)
        del self.members[one.id][sid], one.rows[place], one.phones[place]
