"""Bringing contacts to the vendor: a list with its first contacts, and more contacts to it."""

from adapters.voximplant import calls
from adapters.voximplant.lookups import look_for
from adapters.voximplant.settings import Options
from adapters.voximplant.wire import Stored
from gateway.canonical import Outcome
from gateway.contract import Batch, CannotDo, Exchange, Job, Opened, Receipt, RemoteList, Unclear, VendorError, ask


def deliver(job: Job[Options], batch: Batch) -> Exchange[Opened]:
    """CreateCallList with the first contacts. It begins to dial at once, or at `__start_at`."""
    _refuse_to_dial_unasked(job)
    stored = yield from ask(calls.create(job, batch))
    return Opened(opened(job, str(stored.list_id), stored.count), (yield from _receipt(stored, batch)))


def append(job: Job[Options], remote: RemoteList, batch: Batch) -> Exchange[Receipt]:
    """AppendToCallList with further contacts. They are dialled as the first ones are."""
    _refuse_to_dial_unasked(job)
    stored = yield from ask(calls.append(job, remote.id, batch))
    if str(stored.list_id) != remote.id:
        raise Unclear(f"asked to append to list {remote.id}, the vendor answered for list {stored.list_id}")
    return (yield from _receipt(stored, batch))


def _refuse_to_dial_unasked(job: Job[Options]) -> None:
    if not job.start:
        raise CannotDo("deliver", "Voximplant dials what it is given: nothing may be sent for a list that is held")


def _receipt(stored: Stored, batch: Batch) -> Exchange[Receipt]:
    """The vendor only counts. Another number than ours does not say which rows: those that can be read back are in."""
    sent = len(batch.contacts)
    if stored.count == sent:
        return Receipt(rest=Outcome.ACCEPTED)
    detail = f"sent {sent}, the vendor counts {stored.count}"
    try:
        seen = yield from look_for(str(stored.list_id), batch)
    except VendorError:
        return Receipt(rest=Outcome.UNKNOWN, detail=detail)
    return Receipt(seen.items, Outcome.UNKNOWN, detail)


def opened(job: Job[Options], list_id: str, count: int | None = None) -> RemoteList:
    """This job's remote list. The reference is kept beside it: a later rename puts it into the name again."""
    extra = {"reference": job.head.reference} if job.head.reference else {}
    return RemoteList(list_id, calls.remote_name(job), job.key, count, extra)
