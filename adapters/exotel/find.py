"""Settles, by reading only, what became of a request whose outcome is unknown or of an upload that is pending."""

from adapters.exotel import calls
from adapters.exotel.csv_path import adds_up, is_settled, receipt_of, shown
from adapters.exotel.lookup import Sightings, lookup_list, sightings
from adapters.exotel.mapping import keyed_name
from adapters.exotel.paths import way_into, way_of
from adapters.exotel.settings import Kind, Options
from adapters.exotel.wire import UploadStatus
from gateway.canonical import Fault, Outcome, Verdict
from gateway.contract import (
    Batch,
    Exchange,
    Finding,
    Item,
    Job,
    NotAuthorised,
    Receipt,
    Refused,
    RemoteList,
    Unclear,
    ask,
)

NOT_THERE = Fault(
    "vendor.refused", None, "Exotel finished the upload and counts the row as failed: it is not on the list"
)


def find(job: Job[Options], remote: RemoteList | None, batch: Batch | None) -> Exchange[Finding]:
    """Whether the list was made, or the batch got in. A look-up that the vendor refuses proves nothing."""
    try:
        if remote is None or batch is None:
            return (yield from _find_list(job, batch))
        return (yield from _find_batch(job, remote, batch))
    except NotAuthorised:
        raise
    except (Refused, Unclear) as error:
        return Finding(Verdict.UNKNOWN, remote, detail=f"the look-up failed: {error.detail}")


def _find_list(job: Job[Options], batch: Batch | None) -> Exchange[Finding]:
    name = keyed_name(job.head.name, job.key)
    found = yield from lookup_list(job.options, name)
    if found is None:
        return Finding(Verdict.NOT_SENT, detail=f"the account has no list {name}")
    made = way_of(job.profile, job.options).extra if batch else {"kind": Kind.STATIC.value}
    remote = RemoteList(found.id, name, job.key, extra=made)
    if batch is None:
        return Finding(Verdict.ACCEPTED, remote)
    seen = yield from sightings(job.options, remote.id, batch)
    # Only an upload can have made this list, so it got in: rows that are missing may still be in the making.
    return _by_sight(remote, batch, seen, none_is=Verdict.UNKNOWN)


def _find_batch(job: Job[Options], remote: RemoteList, batch: Batch) -> Exchange[Finding]:
    upload_id = remote.extra.get("upload_id")
    if upload_id is not None and remote.extra.get("upload_batch") == batch.key:
        return (yield from _find_upload(job.options, remote, batch, upload_id))
    seen = yield from sightings(job.options, remote.id, batch)
    csv = way_into(remote, job.profile, job.options).csv
    proof = job.options.absence_is_proof or not csv
    return _by_sight(remote, batch, seen, none_is=Verdict.NOT_SENT if proof else Verdict.UNKNOWN)


def _find_upload(options: Options, remote: RemoteList, batch: Batch, upload_id: str) -> Exchange[Finding]:
    try:
        upload: UploadStatus = yield from ask(calls.upload_status(options, upload_id, len(batch.contacts)))
    except NotAuthorised:
        raise
    except Refused:  # an upload of which the vendor knows nothing any more
        seen = yield from sightings(options, remote.id, batch)
        return _by_sight(remote, batch, seen, none_is=Verdict.UNKNOWN)
    if not is_settled(upload):
        pending = Receipt(rest=Outcome.PENDING, detail=f"upload {upload_id}: {upload.state}")
        return Finding(Verdict.ACCEPTED, remote, pending)
    receipt = receipt_of(upload, upload_id, batch)
    if receipt.rest is not Outcome.UNKNOWN:
        return Finding(Verdict.ACCEPTED, remote, receipt)
    seen = yield from sightings(options, remote.id, batch)
    return _by_counts(remote, batch, seen, upload, receipt)


def items_by_sight(batch: Batch, seen: Sightings) -> dict[str, Item]:
    """An item for each contact whose number is on the list; repeats beyond those on the list are duplicates."""
    items: dict[str, Item] = {}
    used: dict[str, int] = {}
    for contact in batch.contacts:
        sids = seen.sids.get(contact.phone, ())
        place = used.get(contact.phone, 0)
        if place < len(sids):
            items[contact.key] = Item(Outcome.ACCEPTED, sids[place] or None)
        elif sids:
            items[contact.key] = Item(Outcome.DUPLICATE, sids[0] or None)
        used[contact.phone] = place + 1
    return items


def _by_sight(remote: RemoteList, batch: Batch, seen: Sightings, *, none_is: Verdict) -> Finding:
    """What the list alone shows. `none_is`: what it means when nothing of the batch is there."""
    items, total = items_by_sight(batch, seen), len(batch.contacts)
    if len(items) == total:
        return Finding(Verdict.ACCEPTED, remote, Receipt(items))
    if seen.nameless:
        return Finding(Verdict.UNKNOWN, remote, detail="the vendor shows the list's contacts without their numbers")
    detail = f"{len(items)} of {total} contacts are on the list"
    if not items:
        return Finding(none_is, remote, detail=detail)
    return Finding(Verdict.UNKNOWN, remote, Receipt(items, detail=detail), detail)


def _by_counts(remote: RemoteList, batch: Batch, seen: Sightings, upload: UploadStatus, receipt: Receipt) -> Finding:
    """A finished upload with failures: rows that are missing failed, but only when there are as many as it counts."""
    items, sent = items_by_sight(batch, seen), len(batch.contacts)
    missing = sent - len(items)
    stats = upload.stats
    counted = stats is not None and adds_up(stats, sent) and stats.failed == missing
    if not seen.nameless and (counted or not missing):
        rejected = {one.key: Item(Outcome.REJECTED, fault=NOT_THERE) for one in batch.contacts if one.key not in items}
        return Finding(Verdict.ACCEPTED, remote, Receipt(items | rejected, detail=receipt.detail))
    detail = f"{receipt.detail}; {len(items)} of them are on the list" if receipt.detail else shown(stats, sent)
    return Finding(Verdict.UNKNOWN, remote, Receipt(items, detail=detail), detail)
