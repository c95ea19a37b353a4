"""A simulator of the call lists of Voximplant's Management API, written from the fact sheet.

It refuses what the sheet does not know (parameters, columns, encodings). What the sheet leaves open is an attribute:
the tests prove the adapter against each reading. It dials at once: a task whose list is in progress and whose
`__start_at` has come puts its number into `ledger.calls`; daily windows are stored, and not waited for.
"""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.voximplant.simulator_auth import token_error
from adapters.voximplant.simulator_csv import UUID, BadFile, Dialect, parse
from adapters.voximplant.simulator_parameters import BadParameter, judged
from adapters.voximplant.simulator_platform import (
    CANCELED,
    COMPLETED,
    IN_PROGRESS,
    MOST_IN_A_PAGE,
    STATUS_WORDS,
    CallList,
    Task,
)
from adapters.voximplant.simulator_upkeep import Upkeep
from gateway.contract.simulation import LedgerList

RULES = {7: True, 8: False}
"""Routing rules of the account, and whether a scenario is bound to them."""
SERVER_LOCATIONS = {"fra", "nyc"}


class VoximplantSimulation(Upkeep):
    """The vendor: its methods by name, the uploads and the reads."""

    def routes(self) -> list[Route]:
        methods: Mapping[str, Callable[[dict[str, Any], bytes], Any]] = {
            "CreateCallList": self._create,
            "AppendToCallList": self._append,
            "GetCallLists": self._lists,
            "GetCallListDetails": self._details,
            "EditCallList": self._edit,
            "StopCallListProcessing": self._stop,
            "RecoverCallList": self._recover,
            "DeleteCallList": self._delete,
            "CancelCallListTask": self._cancel_tasks,
            "CancelCallListBatch": self._cancel_batches,
            "EditCallListTasksPriority": self._edit_priorities,
        }
        routes = [
            Route(f"{self.base_path}/{name}", self._endpoint(name, call), methods=["POST"])
            for name, call in methods.items()
        ]
        return [*routes, Route(f"{self.base_path}/{{name}}", self._unknown_command, methods=["GET", "POST"])]

    async def _unknown_command(self, request: Request) -> Response:
        return self._failed(103, "Unknown command")

    def _endpoint(
        self, name: str, call: Callable[[dict[str, Any], bytes], Any]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            code = token_error(request.headers.get("authorization"), self.clock())
            if code:
                return self._failed(code, "Authorization failed")
            self.dial_due()
            try:
                parameters, content = await _arguments(request)
                answer = call(judged(name, parameters), content)
            except (BadParameter, BadFile) as error:
                return self._failed(error.code, str(error))
            self.dial_due()
            return answer if isinstance(answer, Response) else JSONResponse(answer)

        return endpoint

    def _create(self, given: dict[str, Any], content: bytes) -> Any:
        if given["rule_id"] not in RULES:
            raise BadParameter(147, "The 'rule_id' parameter is invalid")
        if not RULES[given["rule_id"]]:
            raise BadParameter(375, "No scenario is bound to the rule")
        if given.get("server_location", "fra") not in SERVER_LOCATIONS:
            raise BadParameter(496, "The 'server_location' parameter is invalid")
        rows = self._rows(given, content, set())
        one = CallList(self.next_id, given, self._stamp())
        self.next_id += 1
        self.held[str(one.id)] = one
        facts = {name: value for name, value in given.items() if name != "name"}
        self.ledger.lists[str(one.id)] = LedgerList(str(one.id), given["name"], facts=facts)
        return self._store(one, rows, "/CreateCallList", numbered=False)

    def _append(self, given: dict[str, Any], content: bytes) -> Any:
        one = self._list(given["list_id"])
        if one.status in (CANCELED, COMPLETED):
            raise BadParameter(255, "The 'list_id' parameter is invalid")
        taken = {task.row[UUID] for task in one.tasks if UUID in task.row}
        return self._store(one, self._rows(given, content, taken), "/AppendToCallList", self.batch_id_is_number)

    def _rows(self, given: dict[str, Any], content: bytes, taken: set[str]) -> list[dict[str, str]]:
        escape = given.get("escape", self.default_escape)
        doubled = given.get("escape", '"') == '"'
        dialect = Dialect(given.get("encoding", "UTF-8"), given.get("delimiter", ";"), escape, doubled)
        rows = []
        for row in parse(content, dialect):
            key = row.get(UUID)
            if key is not None and key in taken and self.duplicates != "store":
                if self.duplicates == "refuse":
                    raise BadFile("The '__task_uuid' is not unique", 493)
                continue
            taken.add(key or "")
            rows.append(row)
        return rows

    def _store(self, one: CallList, rows: list[dict[str, str]], path: str, numbered: bool) -> dict[str, Any]:
        if self.takes("drop_row", self.base_path + path):
            rows = rows[:-1]
        batch = str(self.next_id) if numbered else str(uuid.uuid4())
        ledger = self.ledger.lists[str(one.id)]
        for row in rows:
            task = Task(900_001 + len(one.tasks) + 100_000 * (one.id - 4711), batch, row, one.settings["num_attempts"])
            one.tasks.append(task)
            ledger.rows.append(row)
            if row.get(self.phone_column):
                ledger.phones.append(row[self.phone_column])
        return {
            "result": True,
            "count": len(rows),
            "list_id": one.id,
            "batch_id": int(batch) if numbered else batch,
        }

    def _lists(self, given: dict[str, Any], content: bytes) -> Any:
        found = [one for one in self.held.values() if self._matches(one, given)]
        offset = self._offset(given)
        page = found[offset : offset + given.get("count", 20)]
        return {"result": [self._record(one) for one in page], "count": len(page), "total_count": len(found)}

    def _matches(self, one: CallList, given: dict[str, Any]) -> bool:
        ids = given.get("list_id", "all")
        if ids != "all" and str(one.id) not in ids.split(";"):
            return False
        if "status" in given and given["status"].lower() != one.status.lower():
            return False
        wanted, name = given.get("name"), str(one.settings["name"])
        if wanted is None:
            return True
        return wanted == name if self.name_search == "exact" else self.name_search == "substring" and wanted in name

    def _record(self, one: CallList) -> dict[str, Any]:
        status = one.status
        if one.looks_until_quiet > 0:
            one.looks_until_quiet -= 1
            status = IN_PROGRESS
        settings = one.settings
        names = ("priority", "rule_id", "max_simultaneous", "num_attempts")
        return {
            "list_id": one.id,
            "list_name": settings["name"],
            **{name: settings[name] for name in names},
            "dt_submit": one.submitted,
            "dt_complete": "",
            "interval_seconds": settings.get("interval_seconds", 0),
            "status": status,
            "task_priority_strategy": settings.get("task_priority_strategy", "first_attempts"),
        }

    def _offset(self, given: dict[str, Any]) -> int:
        return 0 if self.ignores_offset else int(given.get("offset", 0))

    def _details(self, given: dict[str, Any], content: bytes) -> Any:
        if self.hides_unknown_lists and str(given["list_id"]) not in self.held:
            return {"result": [], "count": 0}
        one = self._list(given["list_id"])
        tasks = [task for task in one.tasks if given.get("batch_id", task.batch) == task.batch]
        if self.newest_first:
            tasks.reverse()
        if given.get("output", "csv") != "json":
            return Response("task_id;status\r\n", media_type="application/octet-stream")
        offset = self._offset(given)
        page = tasks[offset : offset + min(given.get("count", MOST_IN_A_PAGE), self.page_cap)]
        return {"result": [self._task(one, task) for task in page], "count": len(page)}

    def _task(self, one: CallList, task: Task) -> dict[str, Any]:
        row = task.row
        shown = row if self.shows_reserved_columns else {n: v for n, v in row.items() if not n.startswith("__")}
        return {
            "list_id": one.id,
            "task_id": task.id,
            **({"task_uuid": row.get(UUID, str(task.id))} if self.shows_task_uuid else {}),
            "custom_data": json.dumps(shown, ensure_ascii=False),
            "start_execution_time": self._clock_shown(row.get("__start_execution_time", "")),
            "finish_execution_time": self._clock_shown(row.get("__end_execution_time", "")),
            "result_data": task.result_data,
            "last_attempt": task.last_attempt,
            "attempts_left": task.attempts_left,
            "status_id": task.status,
            "status": STATUS_WORDS[task.status],
        }

    def _clock_shown(self, clock: str) -> str:
        return f"2026-11-21 {clock}" if clock and self.times_with_dates else clock


async def _arguments(request: Request) -> tuple[dict[str, str], bytes]:
    """The parameters, from query and form, and the uploaded file: a part of the form, or the whole body."""
    pairs = list(request.query_params.multi_items())
    kind = request.headers.get("content-type", "").partition(";")[0]
    content = b""
    if kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        async with request.form() as form:
            for name, value in form.multi_items():
                if name == "file_content":
                    content = await value.read() if isinstance(value, UploadFile) else value.encode()
                else:
                    pairs.append((name, str(value)))
    elif kind:
        content = await request.body()
    if len(dict(pairs)) != len(pairs):
        raise BadParameter(101, "Invalid arguments")
    return dict(pairs), content
