"""The simulated methods that change lists and tasks that are there already."""

from typing import Any

from starlette.responses import JSONResponse

from adapters.voximplant.simulator_csv import UUID
from adapters.voximplant.simulator_parameters import BadParameter
from adapters.voximplant.simulator_platform import (
    CANCELED,
    IN_PROGRESS,
    MOST_IN_A_PAGE,
    NEW,
    RUNNING,
    SUSPENDED,
    TASK_CANCELED,
    CallList,
    Platform,
)


class Upkeep(Platform):
    """EditCallList, StopCallListProcessing, RecoverCallList, DeleteCallList, the cancellations and priorities."""

    def _edit(self, given: dict[str, Any], _: bytes) -> Any:
        one = self.held.get(str(given.pop("list_id")))
        if one is None:
            raise BadParameter(251, "Call service error")
        one.settings |= given
        ledger = self.ledger.lists[str(one.id)]
        ledger.name = one.settings["name"]
        ledger.facts |= {name: value for name, value in given.items() if name != "name"}
        return {"result": True}

    def _stop(self, given: dict[str, Any], _: bytes) -> Any:
        one = self._list(given["list_id"])
        if one.status not in (IN_PROGRESS, SUSPENDED):
            raise BadParameter(251, "Call service error")
        stopped = {"result": True, "msg": f"List {one.id} is stopped"}
        if self.ignores_stop:
            return stopped
        one.status, one.looks_until_quiet = CANCELED, self.looks_until_quiet
        for task in one.tasks:
            if task.status == NEW:
                task.status = TASK_CANCELED
            elif task.status == RUNNING and self.talks_until_stopped:
                self.hang_up(task)
        return stopped

    def _recover(self, given: dict[str, Any], _: bytes) -> Any:
        one = self._list(given["list_id"])
        if one.status != CANCELED:
            raise BadParameter(251, "Call service error")
        one.status, one.looks_until_quiet = IN_PROGRESS, 0
        back = [
            task for task in one.tasks if task.status == TASK_CANCELED and (self.recovers_removed or not task.removed)
        ]
        for task in back:
            task.status, task.removed = NEW, False
        return {"result": True, "count_recovery": len(back)}

    def _delete(self, given: dict[str, Any], _: bytes) -> Any:
        self._own_account(given)
        one = self._list(given["list_id"])
        if one.status in (IN_PROGRESS, SUSPENDED) or one.looks_until_quiet > 0:
            raise BadParameter(251, "Call service error: the list is in progress")
        del self.held[str(one.id)]
        self.ledger.lists[str(one.id)].facts["deleted"] = True
        return {"result": True, "msg": f"List {one.id} is deleted"}

    def _cancel_tasks(self, given: dict[str, Any], _: bytes) -> Any:
        self._own_account(given)
        one = self._list(given["list_id"])
        if ("tasks_ids" in given) == ("tasks_uuids" in given):
            raise BadParameter(458, "Specify only one of the following parameters: tasks_ids, tasks_uuids")
        wanted = (given.get("tasks_ids") or given["tasks_uuids"]).split(";")
        if len(wanted) > MOST_IN_A_PAGE:
            raise BadParameter(497, "The 'tasks_ids' should be in range of 1 to 1000")
        by_id = "tasks_ids" in given
        entries = [self._cancel_one(one, which, by_id) for which in wanted]
        if self.cancel_shape == "array":
            return {"result": entries}
        return entries[0] if self.cancel_shape == "top" else JSONResponse(entries)

    def _cancel_one(self, one: CallList, which: str, by_id: bool) -> dict[str, Any]:
        for task in one.tasks:
            if which == (str(task.id) if by_id else task.row.get(UUID)):
                entry = {"task_id": task.id, "task_uuid": task.row.get(UUID, "")}
                if task.status not in (NEW, TASK_CANCELED):
                    return {**entry, "result": False, "error_msg": "Task is processed already"}
                task.status, task.removed = TASK_CANCELED, True
                phones = self.ledger.lists[str(one.id)].phones
                if task.row.get(self.phone_column) in phones:
                    phones.remove(task.row[self.phone_column])
                return {**entry, "result": True, "error_msg": ""}
        return {"task_id": 0, "task_uuid": "", "result": False, "error_msg": "Task is not found"}

    def _cancel_batches(self, given: dict[str, Any], _: bytes) -> Any:
        wanted = given["batch_ids"].split(";")
        for task in self._list(given["list_id"]).tasks:
            if task.batch in wanted and task.status == NEW:
                task.status = TASK_CANCELED
        return {"result": True}

    def _edit_priorities(self, given: dict[str, Any], _: bytes) -> Any:
        if str(given["list_id"]) not in self.held:
            raise BadParameter(251, "Call service error")
        return {"results": "[]"}
