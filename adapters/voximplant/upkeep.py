"""Lists that are there already: reading them, renaming, stopping, resuming, deleting, and the check."""

from collections.abc import Mapping

from adapters.toolkit.pages import Place
from adapters.voximplant import calls
from adapters.voximplant.codes import UNKNOWN_LIST
from adapters.voximplant.lookups import one_list
from adapters.voximplant.mapping import task_uuid, to_contact
from adapters.voximplant.naming import key_in, title
from adapters.voximplant.quirks import cancelled, dials
from adapters.voximplant.settings import Options
from adapters.voximplant.wire import CallList, Task
from gateway.contract import (
    CheckReport,
    DeadlinePassed,
    Done,
    Exchange,
    NotAuthorised,
    Page,
    Refused,
    RemoteContact,
    RemoteList,
    RemoteStatus,
    Unclear,
    Wait,
    ask,
)

STILL_DIALLING = "calls that are under way are not cut; the list stays at the vendor as Canceled"
_LOOKS = 30
_PAUSE = 1.0


def browse(_options: Options, name: str | None, cursor: str | None, size: int) -> Exchange[Page[RemoteList]]:
    """The account's lists, or those with exactly this name. `cursor` is a place (see `Place`)."""
    place, size = Place.of(cursor), min(size, calls.MOST_IN_A_PAGE)
    page = yield from ask(calls.lists(name=name, count=size, offset=place.offset))
    ids, total = [str(one.list_id) for one in page.result], page.total_count
    circle = place.circle(ids)
    if circle:
        return Page((), incomplete=circle)
    more = bool(ids) and (len(ids) == size if total is None else place.offset + len(ids) < total)
    found = tuple(_remote(one) for one in page.result if name is None or one.list_name == name)
    return Page(found, place.after(ids) if more else None, total if name is None else None)


def _remote(found: CallList) -> RemoteList:
    return RemoteList(str(found.list_id), found.list_name, key_in(found.list_name))


def read(remote: RemoteList, options: Options, cursor: str | None, size: int) -> Exchange[Page[RemoteContact]]:
    """The list's contacts, to a page with nothing new: only the largest page is documented, and no order at all.

    `cursor` is a place (see `Place`); a page begins with the last contact of the one before. Raises `Refused` when the
    vendor has no such list.
    """
    place, size = Place.of(cursor), min(max(size, 2), calls.MOST_IN_A_PAGE)
    found = yield from _tasks(remote, place.overlapping, size)
    ids = [str(task.task_id) for task in found]
    moved = place.moved(ids)
    if moved:
        return Page((), incomplete=moved)
    contacts = tuple(to_contact(task, options) for task in found[place.known :])
    return Page(contacts, place.after(ids[place.known :]) if contacts else None)


def _tasks(remote: RemoteList, offset: int, size: int) -> Exchange[tuple[Task, ...]]:
    """One page of tasks. How the vendor says that a list is not there is not documented: the lists are asked then."""
    try:
        found = yield from ask(calls.tasks(remote.id, count=size, offset=offset))
    except Refused as error:
        if error.code in UNKNOWN_LIST and (yield from one_list(remote.id)) is None:
            raise Refused(f"the vendor has no list {remote.id} (any more)", code=error.code) from error
        raise
    # A list is never made without rows, so one without any is more likely not there.
    if not found and not offset and (yield from one_list(remote.id)) is None:
        raise Refused(f"the vendor has no list {remote.id} (any more)")
    return found


def status(remote: RemoteList, _options: Options) -> Exchange[RemoteStatus]:
    """The vendor's word on the list. Its record holds no counter of contacts."""
    found = yield from one_list(remote.id)
    if found is None:
        raise Refused(f"the vendor has no list {remote.id}")
    return RemoteStatus(None, found.status, dials(found), _facts(found))


def _facts(found: CallList) -> Mapping[str, str]:
    names = ("list_name", "rule_id", "priority", "max_simultaneous", "interval_seconds", "dt_submit", "dt_complete")
    values = {name: getattr(found, name) for name in names}
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def rename(
    remotes: tuple[RemoteList, ...], name: str, _description: str | None, _options: Options
) -> Exchange[tuple[RemoteList, ...]]:
    """EditCallList for each remote list; reference and key stay behind the new name. There is no description."""
    renamed = []
    for remote in remotes:
        new = title(name, remote.extra.get("reference")).with_key(remote.key)
        yield from ask(calls.edit_name(remote.id, new))
        renamed.append(RemoteList(remote.id, new, remote.key, remote.count, remote.extra))
    return tuple(renamed)


def stop(remote: RemoteList, _options: Options) -> Exchange[Done]:
    """StopCallListProcessing. A list that does not dial any more counts as stopped, whatever the vendor says to it."""
    try:
        yield from ask(calls.stop(remote.id))
    except NotAuthorised:
        raise
    except Refused:
        found = yield from one_list(remote.id)
        if found is None or dials(found):
            raise
    return Done(STILL_DIALLING)


def resume(remote: RemoteList, _options: Options) -> Exchange[Done]:
    """RecoverCallList: the stopped contacts are dialled again."""
    recovered = yield from ask(calls.recover(remote.id))
    number = recovered.count_recovery
    return Done("" if number is None else f"contacts that are dialled again: {number}")


def remove(remote: RemoteList, contact: RemoteContact, _options: Options) -> Exchange[Done]:
    """CancelCallListTask by the vendor's id of the task, else by our key of the contact."""
    if contact.remote_id:
        which = ("tasks_ids", contact.remote_id)
    elif contact.key:
        which = ("tasks_uuids", task_uuid(contact.key))
    else:
        raise Refused("neither the vendor's id nor the key of this contact is known")
    entries = cancelled((yield from ask(calls.cancel_task(remote.id, which))))
    if len(entries) != 1:
        raise Unclear(f"asked to cancel one contact, the vendor answered for {len(entries)}")
    if not entries[0].result:
        raise Refused(f"the vendor did not cancel the contact: {entries[0].error_msg or 'it gives no reason'}")
    return Done("the contact stays on the list as Canceled")


def delete(remote: RemoteList, _options: Options) -> Exchange[Done]:
    """DeleteCallList. A list in progress cannot be deleted: it is stopped first."""
    found = yield from one_list(remote.id)
    if found is None:
        return Done("nothing; the vendor had no such list any more")
    if dials(found):
        yield from stop(remote, _options)
        yield from _until_quiet(remote)
    yield from ask(calls.delete(remote.id))
    return Done()


def _until_quiet(remote: RemoteList) -> Exchange[None]:
    """Whether a stop shows at once is not documented."""
    for _ in range(_LOOKS):
        found = yield from one_list(remote.id)
        if found is None or not dials(found):
            return
        try:
            yield Wait(_PAUSE, "the list is stopped, but still in progress")
        except DeadlinePassed:
            break
    raise Refused("the list is stopped, but the vendor still shows it in progress: delete it later")


def check(_options: Options) -> Exchange[CheckReport]:
    """GetCallLists for one list: proves address, key and role, and changes nothing."""
    page = yield from ask(calls.lists(count=1))
    total = page.total_count
    return CheckReport({} if total is None else {"call lists": str(total)})
