"""The talks with indigitall: one send that messages people, and an optional harmless read that proves the key.

A send is asked once. It has no idempotency key, no id and no report, so an outcome that is not clear stays unknown
until a person resolves it.
"""

from urllib.parse import parse_qsl

from adapters.indigitall.codes import read_envelope
from adapters.indigitall.mapping import file_name, unset
from adapters.indigitall.schedule import send_time, timing_faults, wire_text
from adapters.indigitall.sends import MOST_IN_JSON, address, send_request
from adapters.indigitall.settings import Options
from gateway.canonical import ListHead, Outcome, Profile
from gateway.contract import (
    Batch,
    CannotDo,
    CheckReport,
    Exchange,
    Job,
    Limits,
    NotSent,
    Opened,
    Plan,
    Receipt,
    RemoteList,
    Request,
    Step,
    Style,
    ask,
    json_reply,
)

SUBMITTED = "submitted, unknown afterwards: indigitall documents no id, no counts and no report of a send"
HOLDS = "every indigitall send messages people at once or at its time; the list stays here until it is activated"


def plan(_head: ListHead, _profile: Profile, options: Options, limits: Limits) -> Plan:
    """One send, one remote list: a second batch would be a further send."""
    rows = min(limits.contacts_per_list, limits.batch_size)
    if options.by_json:
        rows = min(rows, MOST_IN_JSON)
    return Plan(Style.DELIVER, rows, rows)


def deliver(job: Job[Options], batch: Batch) -> Exchange[Opened]:
    """Message these contacts with the campaign. The remote list's id is our own key: the vendor gives none."""
    receipt = yield from _send(job, batch, "send_campaign")
    return Opened(_remote(job, batch), receipt)


def append(job: Job[Options], _remote_list: RemoteList, batch: Batch) -> Exchange[Receipt]:
    """A further send of the same campaign that messages only these contacts."""
    return (yield from _send(job, batch, "send_campaign_again"))


def check(options: Options) -> Exchange[CheckReport]:
    """A read of the operator's own choice; it proves address and key, not that the key may send."""
    if options.check_path is None:
        raise CannotDo("check", "indigitall documents no harmless call; set the option check_path to one")
    path, _, query = address(options.check_path, options).partition("?")
    yield from ask(
        Step(
            name="check",
            request=Request("GET", path, query=tuple(parse_qsl(query, keep_blank_values=True))),
            read=read_envelope,
            success=lambda: json_reply({"statusCode": 200, "message": "OK", "count": 0, "data": []}),
            repeatable=True,
        )
    )
    return CheckReport({"read": "answered", "send": "not proven: some chat paths are closed to server keys"})


def _send(job: Job[Options], batch: Batch, name: str) -> Exchange[Receipt]:
    _refuse(job)
    yield from ask(
        Step(
            name=name,
            request=send_request(job, batch),
            read=read_envelope,
            success=lambda: json_reply({"statusCode": 200, "message": "OK", "data": {}}),
            repeatable=False,
        )
    )
    return Receipt(rest=Outcome.ACCEPTED, detail=SUBMITTED)


def _refuse(job: Job[Options]) -> None:
    """The last guard before people are messaged."""
    if not job.start:
        raise CannotDo("deliver", HOLDS)
    if missing := unset(job.profile, job.options):
        raise CannotDo("deliver", "; ".join(fault.detail for fault in missing))
    if untimely := timing_faults(job.head, job.options, job.now):
        raise NotSent("; ".join(f"{fault.column} {fault.detail}" for fault in untimely), code="schedule")


def _remote(job: Job[Options], batch: Batch) -> RemoteList:
    at = send_time(job.head, job.options, job.now)
    return RemoteList(
        id=job.key,
        name=job.head.name if job.options.by_json else file_name(job.head, batch.key),
        key=job.key,
        count=len(batch.contacts),
        extra={
            "id": "our own key: the vendor gives none",
            "state": SUBMITTED,
            "application_id": str(job.options.application_id),
            "campaign_id": str(job.options.campaign_id),
            "send_at": "at once" if at is None else wire_text(at),
        },
    )
