"""Making, filling and looking up lists. Adds are queued by the vendor without a word on what became of them, so the
list's count is watched, and nothing is claimed before it shows every contact."""

from adapters.koreai.mapping import bears, from_list, to_new_list, to_record
from adapters.koreai.settings import Options
from adapters.koreai.steps import add_contacts, all_lists, create_list, list_details, the_list_to_fill
from adapters.koreai.wire import ListObject
from gateway.canonical import DuplicatePolicy, Outcome, Verdict
from gateway.contract import (
    Batch,
    DeadlinePassed,
    Exchange,
    Finding,
    Job,
    NotAuthorised,
    NotSent,
    Receipt,
    Refused,
    RemoteList,
    Unclear,
    VendorError,
    Wait,
    ask,
)


def create(jobs: tuple[Job[Options], ...]) -> Exchange[tuple[RemoteList, ...]]:
    """Make the remote lists of a delivery, empty, one call each (3.1)."""
    made = []
    for job in jobs:
        made.append((yield from _create(job)))
    return tuple(made)


def _create(job: Job[Options]) -> Exchange[RemoteList]:
    """One list. A refusal may mean that an earlier, lost attempt made it: our key in a name settles that (6)."""
    try:
        shown = yield from ask(create_list(to_new_list(job), job.options))
    except NotAuthorised:
        raise
    except Refused as refusal:
        try:
            lists = yield from ask(all_lists(job.options))
        except VendorError:
            raise Unclear(f"{refusal.detail}; whether the list is there already could not be read") from refusal
        ours = _ours(lists, job.key)
        if len(ours) != 1:
            raise refusal
        shown = ours[0]
    return from_list(shown, job.key, _extra(job))


def append(job: Job[Options], remote: RemoteList, batch: Batch) -> Exchange[Receipt]:
    """Add one batch by the list's name, looked up right before, and watch the count (3.3, 7.7, 7.10).

    `accepted` once the count has grown by exactly the batch. Nothing after the add raises: it is queued by then, so the
    batch is pending or unknown, never refused.
    """
    options = job.options
    try:
        listed = yield from ask(the_list_to_fill(options, remote))
    except Unclear as error:
        raise NotSent(f"the list could not be looked up, so nothing was added: {error.detail}") from error
    records = [to_record(contact, options) for contact in batch.contacts]
    yield from ask(add_contacts(listed.name, records, options))
    start = listed.count or 0
    return (yield from _watch(options, remote.id, start, max(start, remote.count or 0), len(records)))


def _watch(options: Options, list_id: str, start: int, before: int, sent: int) -> Exchange[Receipt]:
    """Look at the count until it has grown from `before` by `sent`, overshoots, or stands still too long.

    `start` is what the list showed; `before` is more where an earlier add has not come in whole, so that a contact of
    that add which comes in late cannot be taken for one of these.
    """
    last, still = start, 0
    while still < options.stable_looks:
        try:
            yield Wait(options.poll_seconds, "the vendor is adding the contacts")
            shown = yield from ask(list_details(options, list_id, previewed=before + sent))
        except DeadlinePassed:
            return Receipt(rest=Outcome.PENDING, detail=f"queued; {_numbers(before, sent, last)}")
        except VendorError as error:
            detail = f"queued; {_numbers(before, sent, last)}, then the count could not be read ({error.detail})"
            return Receipt(rest=Outcome.PENDING, detail=detail)
        count = shown.count or 0
        receipt = _weigh(before, sent, count)
        if receipt is not None:
            return receipt
        still = still + 1 if count == last else 0
        last = count
    numbers = _numbers(before, sent, last)
    if last == start:
        return Receipt(rest=Outcome.PENDING, detail=f"queued, and nothing to be seen yet; {numbers}")
    return Receipt(rest=Outcome.UNKNOWN, detail=f"the count stands still; {numbers}")


def _weigh(before: int, sent: int, count: int) -> Receipt | None:
    """What a count proves; None while it may still grow to the right number."""
    if count == before + sent:
        return Receipt(rest=Outcome.ACCEPTED)
    if count < before + sent:
        return None
    return Receipt(rest=Outcome.UNKNOWN, detail=f"others change this list too; {_numbers(before, sent, count)}")


def _numbers(before: int, sent: int, count: int) -> str:
    held = f" to a list of {before}" if before else ""
    return f"sent {sent}{held}, the vendor counts {count}"


def find(job: Job[Options], remote: RemoteList | None, batch: Batch | None) -> Exchange[Finding]:
    """Settle an unclear or pending outcome: the list by our key in its name, a batch by the count (DESIGN 6, 7.2)."""
    if remote is None:
        lists = yield from ask(all_lists(job.options))
        return _of_lists(_ours(lists, job.key), job)
    try:
        shown = yield from ask(list_details(job.options, remote.id))
    except NotAuthorised:
        raise
    except Refused as error:
        return Finding(Verdict.UNKNOWN, remote, detail=f"the vendor does not show the list: {error.detail}")
    if batch is None:
        return Finding(Verdict.ACCEPTED, _now(remote, shown))
    return (yield from _settle(job, remote, batch, shown))


def _of_lists(ours: list[ListObject], job: Job[Options]) -> Finding:
    if not ours:
        return Finding(Verdict.NOT_SENT, detail="no list of the application bears our key")
    if len(ours) > 1:
        return Finding(Verdict.UNKNOWN, detail=f"{len(ours)} lists bear our key; delete all but one in the console")
    return Finding(Verdict.ACCEPTED, from_list(ours[0], job.key, _extra(job)))


def _settle(job: Job[Options], remote: RemoteList, batch: Batch, shown: ListObject) -> Exchange[Finding]:
    """Whether the batch is in the list, by its count before and now.

    A count that has not moved proves nothing by itself, since adds are queued. It is believed only after the longest
    time that the operator says an add can be queued, and never where the vendor keeps duplicates.
    """
    sent, before, options = len(batch.contacts), remote.count, job.options
    if before is None:
        detail = f"sent {sent}, the vendor counts {shown.count}; how many it held before is not known"
        return Finding(Verdict.UNKNOWN, remote, detail=detail)
    keeps_all = job.head.duplicates is DuplicatePolicy.KEEP_ALL
    absence_counts = shown.count == before and options.absent_after_seconds is not None and not keeps_all
    receipt = _weigh(before, sent, shown.count or 0)
    if receipt is None:
        try:
            pause = options.absent_after_seconds if absence_counts else options.poll_seconds
            yield Wait(pause or options.poll_seconds, "the vendor may still be adding the contacts")
            shown = yield from ask(list_details(options, remote.id, previewed=before + sent))
        except DeadlinePassed:
            absence_counts = False
        receipt = _weigh(before, sent, shown.count or 0)
    if receipt is not None and receipt.rest is Outcome.ACCEPTED:
        return Finding(Verdict.ACCEPTED, _now(remote, shown), receipt)
    numbers = receipt.detail if receipt else _numbers(before, sent, shown.count or 0)
    if receipt is None and absence_counts and shown.count == before:
        detail = f"{numbers}, after the longest time that an add can be queued"
        return Finding(Verdict.NOT_SENT, remote, detail=detail)
    return Finding(Verdict.UNKNOWN, remote, detail=numbers)


def _ours(lists: tuple[ListObject, ...], key: str) -> list[ListObject]:
    return [one for one in lists if bears(one.name, key)]


def _now(remote: RemoteList, shown: ListObject) -> RemoteList:
    return from_list(shown, remote.key, remote.extra)


def _extra(job: Job[Options]) -> dict[str, str]:
    """What a later rename needs again: the reference stands in the name as well."""
    return {} if job.head.reference is None else {"reference": job.head.reference}
