"""The parameters of each method, with their types and ranges (fact sheet section 3). Others are refused."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any


class BadParameter(Exception):
    """A parameter is refused. `code` is the vendor's error code."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


Check = Callable[[str], Any]


def _whole(lowest: int, highest: int, code: int) -> Check:
    def check(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text) or not lowest <= int(text) <= highest:
            raise BadParameter(code, f"The parameter should be in range of {lowest} to {highest}")
        return int(text)

    return check


def _name(text: str) -> str:
    if not text or len(text) > 255 or "/" in text or "\\" in text:
        raise BadParameter(253, "The 'name' parameter is invalid")
    return text


def _one_character(text: str) -> str:
    if len(text) != 1:
        raise BadParameter(496, "The parameter must be one character")
    return text


def _among(*words: str) -> Check:
    def check(text: str) -> str:
        if text not in words:
            raise BadParameter(496, "The parameter is invalid")
        return text

    return check


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise BadParameter(257, "The 'reference_ip' parameter is invalid") from None
    return text


_LARGEST = 2**31
_LIST = _whole(1, _LARGEST, 255)
_PAGE = _whole(1, 1000, 497)
_OFFSET = _whole(0, _LARGEST, 497)
_FILE: Mapping[str, Check] = {"encoding": str, "delimiter": _one_character, "escape": _one_character}
_DIALLING: Mapping[str, Check] = {
    "priority": _whole(0, _LARGEST, 247),
    "max_simultaneous": _whole(1, _LARGEST, 248),
    "name": _name,
    "interval_seconds": _whole(0, _LARGEST, 496),
    "server_location": str,
    "task_priority_strategy": _among("first_attempts", "repeated_attempts"),
}

PARAMETERS: Mapping[str, tuple[frozenset[str], Mapping[str, Check]]] = {
    # method: (required, all)
    "CreateCallList": (
        frozenset({"rule_id", "priority", "max_simultaneous", "num_attempts", "name"}),
        {
            **_DIALLING,
            **_FILE,
            "rule_id": _whole(1, _LARGEST, 147),
            "num_attempts": _whole(1, 5, 249),
            "reference_ip": _address,
        },
    ),
    "AppendToCallList": (frozenset({"list_id"}), {"list_id": _LIST, **_FILE}),
    "GetCallLists": (
        frozenset(),
        {"list_id": str, "name": str, "status": str, "count": _PAGE, "offset": _OFFSET},
    ),
    "GetCallListDetails": (
        frozenset({"list_id"}),
        {
            "list_id": _LIST,
            "count": _PAGE,
            "offset": _OFFSET,
            "output": _among("json", "csv", "xls"),
            "batch_id": str,
        },
    ),
    "EditCallList": (
        frozenset({"list_id"}),
        {"list_id": _LIST, **_DIALLING, "num_attempts": _whole(1, _LARGEST, 249)},
    ),
    "StopCallListProcessing": (frozenset({"list_id"}), {"list_id": _LIST}),
    "RecoverCallList": (frozenset({"list_id"}), {"list_id": _LIST}),
    "DeleteCallList": (
        frozenset({"account_id", "list_id"}),
        {"account_id": _whole(1, 10**18, 115), "list_id": _LIST},
    ),
    "CancelCallListTask": (
        frozenset({"account_id", "list_id"}),
        {"account_id": _whole(1, 10**18, 115), "list_id": _LIST, "tasks_ids": str, "tasks_uuids": str},
    ),
    "CancelCallListBatch": (frozenset({"list_id", "batch_ids"}), {"list_id": _LIST, "batch_ids": str}),
    "EditCallListTasksPriority": (frozenset({"list_id", "tasks"}), {"list_id": _LIST, "tasks": str}),
}


def judged(method: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The parameters with their types. Raises `BadParameter`."""
    required, known = PARAMETERS[method]
    for name in sorted(required):
        if not given.get(name):
            raise BadParameter(134, f"The required parameter '{name}' is empty")
    for name in given:
        if name not in known:
            raise BadParameter(101, "Invalid arguments")
    return {name: known[name](text) for name, text in given.items()}
