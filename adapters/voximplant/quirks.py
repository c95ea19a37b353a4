"""What the vendor's pages leave open or say twice, read on the careful side. Each with why and its source."""

from typing import Any

from adapters.voximplant.wire import CallList, Cancelled, Task

_UNTOUCHED = {"new", "canceled"}
_STATUS_NAMES: dict[int | None, str] = {0: "new", 1: "in progress", 2: "processed", 3: "error", 4: "canceled"}
_QUIET = {"completed", "canceled"}


def dials(found: CallList) -> bool:
    """Whether a list may dial by itself: every status but `Completed` and `Canceled`.

    The record's description has three statuses, a filter of the newest clients a fourth (`Suspended`, for want of
    money, which ends by itself after a top-up), an error text lower-case ones. An unknown one may dial.
    https://voximplant.com/docs/references/httpapi/calllisttype, seen 2026-11.
    """
    return found.status.strip().lower() not in _QUIET


def called(task: Task) -> bool:
    """Whether the person was called or is just being called: every status but `New` and `Canceled`, or an attempt.

    A task goes back to `New` between attempts, so a `last_attempt` counts as well. An unknown status was called.
    https://voximplant.com/docs/references/httpapi/calllistdetailtype, seen 2026-11.
    """
    if task.last_attempt:
        return True
    status = task.status.strip().lower() if task.status else _STATUS_NAMES.get(task.status_id, "")
    return status not in _UNTOUCHED


def cancelled(value: Any) -> tuple[Cancelled, ...]:
    """The entries of CancelCallListTask's answer.

    Whether they stand at top level, in `result`, or are the whole answer is not documented: the vendor's clients only
    name the fields of an entry (Node client 4.11.0, seen 2026-11).
    """
    entries = value.get("result") if isinstance(value, dict) and isinstance(value.get("result"), list) else value
    return tuple(Cancelled.model_validate(entry) for entry in (entries if isinstance(entries, list) else [entries]))
