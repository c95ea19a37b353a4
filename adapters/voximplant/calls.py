"""The vendor's methods as steps: each one a request, and what its reply must say to be a success."""

from collections.abc import Mapping
from typing import Any, TypeVar

from adapters.voximplant.codes import ON_LIST, ON_UPLOAD, Overrides, checked
from adapters.voximplant.mapping import file_chunks
from adapters.voximplant.naming import title
from adapters.voximplant.settings import MOST_ATTEMPTS, Options
from adapters.voximplant.wire import AppendToCallList, CallLists, Confirmed, CreateCallList, Stored, Task, Tasks
from gateway.contract import (
    Batch,
    Credential,
    File,
    Job,
    Multipart,
    Reply,
    Request,
    Step,
    Unclear,
    json_reply,
)
from gateway.contract.requests import Value

MOST_IN_A_PAGE = 1000
"""Of lists and of tasks (JSON); the vendor's newest clients say so."""

ACCOUNT = Credential("service_account.account_id")

A = TypeVar("A", Stored, Confirmed)
Query = tuple[tuple[str, Value], ...]


def remote_name(job: Job[Options]) -> str:
    """The name of this job's remote list: what `find` looks for."""
    return title(job.head.name, job.head.reference).with_key(job.key)


def create(job: Job[Options], batch: Batch) -> Step[Stored]:
    """CreateCallList: stores the rows and begins to dial. Sent twice it would dial everyone twice."""
    options, dialing = job.options, job.head.dialing
    interval = dialing.retry_interval
    attempts = options.num_attempts if dialing.max_attempts is None else min(dialing.max_attempts, MOST_ATTEMPTS)
    query = CreateCallList(
        rule_id=options.rule_id,
        priority=options.priority if dialing.priority is None else dialing.priority,
        max_simultaneous=dialing.max_concurrent or options.max_simultaneous,
        num_attempts=attempts,
        name=remote_name(job),
        interval_seconds=options.interval_seconds if interval is None else int(interval.total_seconds()),
        encoding=options.encoding,
        delimiter=options.delimiter,
        escape=options.escape,
        reference_ip=None if options.reference_ip is None else str(options.reference_ip),
        server_location=options.server_location,
        task_priority_strategy=options.task_priority_strategy,
    )
    return _upload("create", "CreateCallList", query.pairs(), job, batch, "1")


def append(job: Job[Options], list_id: str, batch: Batch) -> Step[Stored]:
    """AppendToCallList: stores more rows, which are dialled as well. Not repeatable, as `create`."""
    options = job.options
    query = AppendToCallList(
        list_id=list_id, encoding=options.encoding, delimiter=options.delimiter, escape=options.escape
    )
    return _upload("append", "AppendToCallList", query.pairs(), job, batch, list_id)


def _upload(
    name: str, method: str, query: tuple[tuple[str, str], ...], job: Job[Options], batch: Batch, list_id: str
) -> Step[Stored]:
    rows = File("file_content", f"{batch.key}.csv", "text/csv", lambda: file_chunks(job, batch.contacts))
    success = {"result": True, "count": len(batch.contacts), "list_id": int(list_id), "batch_id": "0"}
    return Step(
        name=name,
        request=Request("POST", f"/{method}", query, body=Multipart(batch.boundary, files=(rows,))),
        read=lambda reply: _confirmed(Stored, reply, ON_UPLOAD),
        success=lambda: json_reply(success),
    )


def lists(*, list_id: str | None = None, name: str | None = None, count: int, offset: int = 0) -> Step[CallLists]:
    """GetCallLists: one page. Whether `name` is compared as a whole is not documented: compare it again."""
    wanted = {"list_id": list_id, "name": name, "count": str(count), "offset": str(offset)}
    return Step(
        name="get_lists",
        request=_post("GetCallLists", wanted),
        read=lambda reply: CallLists.model_validate(checked(reply, ON_LIST if list_id else None)),
        success=lambda: json_reply({"result": [], "count": 0, "total_count": 0}),
        repeatable=True,
    )


def tasks(list_id: str, *, count: int, offset: int) -> Step[tuple[Task, ...]]:
    """GetCallListDetails: one page of tasks. It answers a CSV file unless JSON is asked for."""
    wanted = {"list_id": list_id, "output": "json", "count": str(count), "offset": str(offset)}
    return Step(
        name="get_tasks",
        request=_post("GetCallListDetails", wanted),
        read=lambda reply: Tasks.model_validate(checked(reply, ON_LIST)).result,
        success=lambda: json_reply({"result": [], "count": 0}),
        repeatable=True,
    )


def edit_name(list_id: str, name: str) -> Step[Confirmed]:
    return _simple("rename", "EditCallList", (("list_id", list_id), ("name", name)), repeatable=True)


def stop(list_id: str) -> Step[Confirmed]:
    return _simple("stop", "StopCallListProcessing", (("list_id", list_id),), repeatable=True)


def recover(list_id: str) -> Step[Confirmed]:
    """RecoverCallList: brings tasks back to be dialled. Which ones is not documented, so it is not repeated."""
    return _simple("resume", "RecoverCallList", (("list_id", list_id),), repeatable=False)


def delete(list_id: str) -> Step[Confirmed]:
    """DeleteCallList with both parameters: the vendor's clients disagree on which are needed."""
    return _simple("delete", "DeleteCallList", (("account_id", ACCOUNT), ("list_id", list_id)), repeatable=True)


def cancel_task(list_id: str, which: tuple[str, str]) -> Step[Any]:
    """CancelCallListTask for one task; `which` is `tasks_ids` or `tasks_uuids` with its value."""
    query: Query = (("account_id", ACCOUNT), ("list_id", list_id), which)
    return Step(
        name="remove",
        request=Request("POST", "/CancelCallListTask", query),
        read=lambda reply: checked(reply, ON_LIST),
        success=lambda: json_reply({"result": [{"result": True}]}),
        repeatable=True,
    )


def _simple(name: str, method: str, query: Query, *, repeatable: bool) -> Step[Confirmed]:
    return Step(
        name=name,
        request=Request("POST", f"/{method}", query),
        read=lambda reply: _confirmed(Confirmed, reply, ON_LIST),
        success=lambda: json_reply({"result": True}),
        repeatable=repeatable,
    )


def _post(method: str, wanted: Mapping[str, str | None]) -> Request:
    return Request("POST", f"/{method}", tuple((name, value) for name, value in wanted.items() if value is not None))


def _confirmed(shape: type[A], reply: Reply, overrides: Overrides) -> A:
    """The answer, when it says `"result": true`."""
    answer = shape.model_validate(checked(reply, overrides))
    if not answer.result:
        raise Unclear("the vendor answered with a false result and no error")
    return answer
