"""Contacts by CSV: upload, look at its status until it is done, and what its counts say of the rows."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from adapters.exotel import calls
from adapters.exotel.codes import COMPLETED, FAILED, fails
from adapters.exotel.lookup import lookup_list
from adapters.exotel.mapping import csv_rows, keyed_name, tag_of
from adapters.exotel.paths import CSV_BYTES, Way, way_of
from adapters.exotel.settings import Kind, Options
from adapters.exotel.wire import ListChange, UploadStats, UploadStatus
from adapters.toolkit.csv_rows import csv_chunks
from gateway.canonical import Contact, Outcome
from gateway.contract import (
    Batch,
    DeadlinePassed,
    Exchange,
    Item,
    Job,
    Opened,
    Receipt,
    Refused,
    RemoteList,
    Unclear,
    VendorError,
    Wait,
    ask,
)

SETTLED: Final = frozenset({COMPLETED, FAILED})


def is_settled(upload: UploadStatus) -> bool:
    """The upload changes no more. Any other state counts as running, until the deadline (sheet 7.6)."""
    return upload.state.lower() in SETTLED


def deliver(job: Job[Options], batch: Batch) -> Exchange[Opened]:
    """Upload a file under a new list name, which makes the list. The list's tag is set afterwards.

    A deadline that passes leaves the contacts pending; `extra` keeps the upload's id for `find`.
    """
    way = way_of(job.profile, job.options)
    if not way.csv:  # a caller that asks for a first upload whatever the plan says
        way = Way(True, Kind.STATIC, way.columns)
    name = keyed_name(job.head.name, job.key)
    upload_id, sid = yield from _upload(job, name, way, batch)
    upload, receipt = yield from _settle(job.options, upload_id, batch)
    sid = sid or (upload.list_sid if upload else None)
    if sid is None:
        found = yield from lookup_list(job.options, name)
        if found is None:
            raise Unclear(f"the vendor took upload {upload_id}, but does not show the list {name}")
        sid = found.id
    extra = {**way.extra, "upload_id": upload_id, "upload_batch": batch.key}
    extra |= yield from _tag(job, sid)
    count = upload.stats.success if upload and upload.stats and is_settled(upload) else None
    return Opened(RemoteList(sid, name, job.key, count, extra), receipt)


def append_csv(job: Job[Options], remote: RemoteList, batch: Batch, way: Way) -> Exchange[Receipt]:
    """Upload a file under the name of a list that is there."""
    upload_id, sid = yield from _upload(job, remote.name, way, batch)
    if sid not in (None, remote.id):  # somebody renamed the list: a new one was made under its old name
        return Receipt(detail=f"upload {upload_id} went into the list {sid}, not into {remote.id}: was it renamed?")
    _, receipt = yield from _settle(job.options, upload_id, batch)
    return replace(receipt, extra={"upload_id": upload_id, "upload_batch": batch.key})


def _upload(job: Job[Options], name: str, way: Way, batch: Batch) -> Exchange[tuple[str, str | None]]:
    refuse_if_too_large(way, batch)
    file_name = f"{job.key}-{batch.number}.csv"
    answer = yield from ask(calls.upload(job.options, name, file_name, way, batch))
    return answer.upload_id, answer.list_sid


def refuse_if_too_large(way: Way, batch: Batch) -> None:
    """Raise `Refused` when the file would not be under 60 MB. Its bytes are only counted when they might not fit."""
    if way.header_bytes + len(batch.contacts) * way.widest_row < CSV_BYTES:
        return
    size = 0
    for chunk in csv_chunks(way.header, csv_rows(batch.contacts, way.columns)):
        size += len(chunk)
        if size >= CSV_BYTES:
            raise Refused(
                f"the CSV of {len(batch.contacts)} contacts is not under 60 MB; raise bytes_per_row or lower batch_size"
            )


def _settle(options: Options, upload_id: str, batch: Batch) -> Exchange[tuple[UploadStatus | None, Receipt]]:
    """Look at the upload until it is done. Between looks 1, 2, 4 ... seconds, at most `poll_seconds`."""
    look, upload = 0, None
    try:
        while True:
            yield Wait(min(options.poll_seconds, 2.0 ** min(look, 10)), f"upload {upload_id} is being processed")
            upload = yield from ask(calls.upload_status(options, upload_id, len(batch.contacts)))
            if is_settled(upload):
                return upload, receipt_of(upload, upload_id, batch)
            look += 1
    except DeadlinePassed:
        state = upload.state if upload else "not looked at yet"
        return upload, Receipt(rest=Outcome.PENDING, detail=f"upload {upload_id}: {state}")
    except VendorError as error:
        # The upload itself was taken: what became of it is for `find`.
        return upload, Receipt(rest=Outcome.PENDING, detail=f"upload {upload_id}: no status, {error.detail}")


def receipt_of(upload: UploadStatus, upload_id: str, batch: Batch) -> Receipt:
    """What the counts of a finished upload settle without a look at the list; the rest stays unknown."""
    sent, stats = len(batch.contacts), upload.stats
    detail = f"upload {upload_id} {upload.state}: {shown(stats, sent)}"
    if stats is None or not adds_up(stats, sent):
        return Receipt(detail=detail)
    if stats.success == sent and upload.state.lower() == COMPLETED:
        return Receipt(rest=Outcome.ACCEPTED)
    if stats.failed == sent:
        return Receipt(rest=Outcome.REJECTED, detail=detail)
    repeats = {contact.key: Item(Outcome.DUPLICATE) for contact in repeated(batch)} if not stats.failed else {}
    if repeats and len(repeats) == stats.duplicate:
        return Receipt(repeats, Outcome.ACCEPTED, detail)
    return Receipt(detail=detail)


def adds_up(stats: UploadStats, sent: int) -> bool:
    return (
        stats.total == sent == stats.success + stats.duplicate + stats.failed and min(stats.model_dump().values()) >= 0
    )


def shown(stats: UploadStats | None, sent: int) -> str:
    """Both sides' numbers in a sentence."""
    if stats is None:
        return f"sent {sent}, the vendor gives no counts"
    return (
        f"sent {sent}, the vendor counts {stats.total}: {stats.success} added, {stats.duplicate} duplicate, "
        f"{stats.failed} failed"
    )


def repeated(batch: Batch) -> Iterator[Contact]:
    """The contacts whose number stands in the batch before them: the vendor keeps the first."""
    seen: set[str] = set()
    for contact in batch.contacts:
        if contact.phone in seen:
            yield contact
        seen.add(contact.phone)


def _tag(job: Job[Options], sid: str) -> Exchange[Mapping[str, str]]:
    """Give an uploaded list its tag. The contacts are there already: a failure is kept in `extra`, not raised."""
    try:
        envelope = yield from ask(calls.update_lists(job.options, [ListChange(sid=sid, tag=tag_of(job))]))
    except VendorError as error:
        return {"tag": f"not set: {error.detail}"}
    if len(envelope.response) != 1 or fails(envelope.response[0]):
        return {"tag": "not set: the vendor does not confirm it"}
    return {}
