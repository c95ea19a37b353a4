"""The simulated platform: its lists and tasks, what sets the stage, and the dialling."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from adapters.voximplant.simulator_auth import ACCOUNT_ID, key_file
from adapters.voximplant.simulator_parameters import BadParameter
from gateway.contract.simulation import Simulation

IN_PROGRESS, COMPLETED, CANCELED, SUSPENDED = "In progress", "Completed", "Canceled", "Suspended"
NEW, RUNNING, PROCESSED, ERROR, TASK_CANCELED = range(5)
STATUS_WORDS = ("New", "In progress", "Processed", "Error", "Canceled")
MOST_IN_A_PAGE = 1000


@dataclass(slots=True)
class Task:
    """One row as the platform works on it."""

    id: int
    batch: str
    row: dict[str, str]
    attempts_left: int
    status: int = NEW
    removed: bool = False
    last_attempt: str = ""
    result_data: str = ""


@dataclass(slots=True)
class CallList:
    """One list as the platform works on it. `settings` are the parameters of CreateCallList."""

    id: int
    settings: dict[str, Any]
    submitted: str
    status: str = IN_PROGRESS
    tasks: list[Task] = field(default_factory=list)
    looks_until_quiet: int = 0


class Platform(Simulation):
    """What all methods share. Attributes choose among undocumented behaviours, and set the stage."""

    base_path = "/platform_api"

    def __init__(self) -> None:
        super().__init__()
        self.credentials = {"service_account": key_file()}
        self.options = {"rule_id": 7, "priority": 1, "max_simultaneous": 5, "num_attempts": 3}
        self.clock: Callable[[], float] = time.time
        self.phone_column = "phone_number"
        """The column that the scenario dials: the platform itself knows none."""
        self.balance = 100.0
        """USD; below 1 nothing is dialled."""
        self.duplicates = "refuse"
        """What a repeated `__task_uuid` does: `refuse` the file (493), `skip` the row, or `store` it."""
        self.name_search = "exact"
        """How GetCallLists compares `name`: `exact`, `substring`, or `broken` (never finds anything)."""
        self.unknown_list_code = 255
        """255, or 251 as EditCallList's page says."""
        self.cancel_shape = "array"
        """CancelCallListTask's entries: `array` in `result`, `top` level, or a bare `list`."""
        self.error_shape = "error"
        """`error` object or `errors` array."""
        self.error_status = 200
        self.default_escape = ""
        """The escape character when none is given: "" or a backslash."""
        self.shows_reserved_columns = False
        """Whether `custom_data` holds the `__` columns."""
        self.shows_task_uuid = True
        self.batch_id_is_number = False
        """On append: the page types it as a number."""
        self.newest_first = False
        """Order of the tasks in GetCallListDetails."""
        self.page_cap = MOST_IN_A_PAGE
        """The most tasks in a page, whatever was asked for."""
        self.looks_until_quiet = 0
        """How many look-ups still show a stopped list in progress."""
        self.dial_at_most: int | None = None
        """So many calls are placed in all; further tasks stay `New`."""
        self.talking = 0
        """So many of the next tasks that are dialled stay `In progress`: somebody talks and talks."""
        self.talks_until_stopped = False
        """Whether those talks end when the list is stopped; else never."""
        self.ignores_stop = False
        """StopCallListProcessing answers a success, and the list dials on."""
        self.ignores_offset = False
        """GetCallListDetails and GetCallLists always show the first page."""
        self.hides_unknown_lists = False
        """GetCallListDetails of a list that is not there answers an empty page."""
        self.times_with_dates = False
        """Execution times as `YYYY-MM-DD HH:mm:ss`, as the vendor's clients read them, or as `HH:mm:ss`."""
        self.recovers_removed = False
        """Whether RecoverCallList brings back what CancelCallListTask cancelled."""
        self.simulated_error = 127
        self.next_id = 4711
        self.held: dict[str, CallList] = {}

    def reset(self) -> None:
        super().reset()
        self.held.clear()
        self.next_id = 4711

    def rate_limited(self, retry_after: float | None) -> Response:
        headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
        return JSONResponse({"error": {"code": 340, "msg": "Rate limit exceed"}}, 429, headers)

    def ok_with_error(self, path: str) -> Response:
        return self._failed(self.simulated_error, "simulated")

    def dial_due(self) -> None:
        """Dial everything that may be dialled now."""
        now = self.clock()
        for one in self.held.values():
            if self.balance < 1 and one.status == IN_PROGRESS:
                one.status = SUSPENDED
            elif self.balance >= 1 and one.status == SUSPENDED:
                one.status = IN_PROGRESS
            if one.status != IN_PROGRESS:
                continue
            for task in one.tasks:
                if task.status == NEW and int(task.row.get("__start_at") or 0) <= now and self._may_call():
                    self._dial(task)

    def _may_call(self) -> bool:
        return self.dial_at_most is None or len(self.ledger.calls) < self.dial_at_most

    def _dial(self, task: Task) -> None:
        number = task.row.get(self.phone_column, "")
        task.last_attempt, task.attempts_left = self._stamp(), task.attempts_left - 1
        if not number:
            task.status, task.result_data = ERROR, f"no column {self.phone_column}"
            return
        self.ledger.calls.append(number.lstrip("+"))
        if self.talking > 0:
            self.talking -= 1
            task.status = RUNNING
        else:
            self.hang_up(task)

    @staticmethod
    def hang_up(task: Task) -> None:
        """The call of this task is over."""
        task.status, task.result_data = PROCESSED, json.dumps({"result": True})

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%d %H:%M:%S")

    def _failed(self, code: int, words: str) -> Response:
        error = {"code": code, "msg": words}
        body = {"error": error} if self.error_shape == "error" else {"errors": [error]}
        return JSONResponse(body, self.error_status)

    def _list(self, list_id: int) -> CallList:
        one = self.held.get(str(list_id))
        if one is None:
            raise BadParameter(self.unknown_list_code, "The 'list_id' parameter is invalid")
        return one

    @staticmethod
    def _own_account(given: dict[str, Any]) -> None:
        if given["account_id"] != ACCOUNT_ID:
            raise BadParameter(115, "The 'account_id' parameter is invalid")
