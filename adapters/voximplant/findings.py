"""What became of an upload whose outcome is unclear, settled by reading only.

Absence is believed only after pages were read to an empty one, and only when nothing about them is odd: a wrong
"not there" would dial everyone twice.
"""

from adapters.voximplant import calls
from adapters.voximplant.exchanges import opened
from adapters.voximplant.lookups import Sighting, every_list, look_for, one_list
from adapters.voximplant.settings import Options
from gateway.canonical import Outcome, Verdict
from gateway.contract import Batch, Exchange, Finding, Job, NotAuthorised, Receipt, Refused, RemoteList


def find(job: Job[Options], remote: RemoteList | None, batch: Batch | None) -> Exchange[Finding]:
    """The list by its exact name (or by its id), then each contact by its `__task_uuid`."""
    there = (yield from _by_name(job)) if remote is None else (yield from _by_id(remote))
    if there.remote is None or batch is None:
        return there
    try:
        seen = yield from look_for(there.remote.id, batch)
    except NotAuthorised:
        raise
    except Refused as error:
        return Finding(Verdict.UNKNOWN, there.remote, detail=f"the list cannot be read: {error.detail}")
    return _judge(there.remote, batch, seen, made_with_batch=remote is None)


def _judge(remote: RemoteList, batch: Batch, seen: Sighting, *, made_with_batch: bool) -> Finding:
    sent, found = len(batch.contacts), len(seen.items)
    if found == sent:
        return Finding(Verdict.ACCEPTED, remote, Receipt(seen.items))
    detail = f"sent {sent}, {found} of them are in list {remote.id}"
    if found:
        return Finding(Verdict.ACCEPTED, remote, Receipt(seen.items, Outcome.UNKNOWN, detail), detail)
    if made_with_batch:
        # The vendor makes no list without rows: they were taken, and are not shown yet or not under their keys.
        return Finding(Verdict.UNKNOWN, remote, detail="the list is there, but its contacts do not show")
    if seen.doubt:
        return Finding(Verdict.UNKNOWN, remote, detail=seen.doubt)
    return Finding(Verdict.NOT_SENT, remote, detail=detail)


def _by_name(job: Job[Options]) -> Exchange[Finding]:
    """The list with exactly the name that this job gives. The vendor's own search is not relied on for absence."""
    name = calls.remote_name(job)
    named = [one for one in (yield from every_list(name)) if one.list_name == name]
    if not named:
        everything = yield from every_list(None)
        named = [one for one in everything if one.list_name == name]
        alike = [one for one in everything if one.list_name.endswith(job.key)]
        if alike and not named:
            return Finding(Verdict.UNKNOWN, detail=f"list {alike[0].list_id} has our key in its name, but another name")
    if not named:
        return Finding(Verdict.NOT_SENT, detail="no list has this name")
    if len(named) > 1:
        ids = ", ".join(str(one.list_id) for one in named)
        return Finding(Verdict.UNKNOWN, detail=f"several lists have this name: {ids}")
    return Finding(Verdict.ACCEPTED, opened(job, str(named[0].list_id)))


def _by_id(remote: RemoteList) -> Exchange[Finding]:
    """The list itself. When it is gone nobody can say any more what was in it."""
    if (yield from one_list(remote.id)) is not None:
        return Finding(Verdict.ACCEPTED, remote)
    return Finding(Verdict.UNKNOWN, detail=f"the vendor has no list {remote.id} any more")
