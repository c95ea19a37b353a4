"""An Acme that keeps lists. It is written from the vendor's pages and shares no code with the adapter."""

import json
import re
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.contract.simulation import LedgerList, Simulation

TEXTS = {"phone", "id", "first_name", "last_name"}
MOST = 1_000


class AcmeSimulation(Simulation):
    """One workspace."""

    credentials: ClassVar = {"api_key": "simulated-acme-key"}
    options: ClassVar = {"workspace": "sales"}

    def routes(self) -> list[Route]:
        return [Route("/v3/sales/lists", self._lists, methods=["GET", "POST"])]

    def ok_with_error(self, path: str) -> Response:
        return JSONResponse({"ok": False, "error": "simulated"})

    async def _lists(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Key {self.credentials['api_key']}":
            return _error(401, "unknown key")
        if request.method == "POST":
            return self._create(await request.body(), request.url.path)
        shown = [{"id": one.id, "name": one.name, "contacts": len(one.rows)} for one in self.ledger.lists.values()]
        return JSONResponse({"ok": True, "lists": shown})

    def _create(self, body: bytes, path: str) -> Response:
        try:
            said = json.loads(body)
            name, rows = said["name"], said["contacts"]
            good = (
                isinstance(name, str)
                and 1 <= len(name) <= 76
                and 1 <= len(rows) <= MOST
                and all(map(_is_contact, rows))
            )
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            return _error(400, "not a list")
        if any(one.name == name for one in self.ledger.lists.values()):
            return _error(409, "the name is taken")
        if self.takes("drop_row", path):
            rows = rows[:-1]
        number = f"al-{len(self.ledger.lists) + 1}"
        self.ledger.lists[number] = LedgerList(number, name, rows, [row["phone"] for row in rows])
        return JSONResponse({"ok": True, "id": number, "stored": len(rows)})


def _is_contact(row: dict[str, Any]) -> bool:
    texts = {name: value for name, value in row.items() if name != "vars"}
    strings = [*texts.values(), *row["vars"].values()]
    known = set(texts) <= TEXTS and all(isinstance(text, str) for text in strings)
    return known and re.fullmatch(r"\+[1-9]\d{7,14}", row["phone"]) is not None


def _error(status: int, why: str) -> Response:
    return JSONResponse({"ok": False, "error": why}, status)
