"""Lists that are there: browse, read back, status, rename, delete, and the check of the destination."""

from adapters.koreai.mapping import MAX_DESCRIPTION, cut, from_list, from_record, title
from adapters.koreai.settings import Options
from adapters.koreai.steps import all_lists, change_list, delete_list, list_contacts, list_details
from adapters.koreai.wire import ContactPage, ListChange, ListObject
from adapters.toolkit.pages import Place
from gateway.contract import (
    CheckReport,
    Done,
    Exchange,
    NotAuthorised,
    Page,
    Refused,
    RemoteContact,
    RemoteList,
    RemoteStatus,
    Unclear,
    VendorError,
    ask,
)


def browse(options: Options, name: str | None, _cursor: str | None, _page_size: int) -> Exchange[Page[RemoteList]]:
    """All lists, or those of a name without regard to case. The vendor gives them in one answer, so one page it is."""
    lists = yield from ask(all_lists(options))
    wanted = [one for one in lists if name is None or one.name.casefold() == name.casefold()]
    return Page(items=tuple(from_list(one) for one in wanted), total=len(wanted))


def read(remote: RemoteList, options: Options, cursor: str | None, _page_size: int) -> Exchange[Page[RemoteContact]]:
    """A page of contacts; the cursor is a place (see `Place`). Raises `Refused` when the vendor has no such list.

    Only the first 50 are proven. Later ones need the option `page_parameter`; without it, or when the vendor takes no
    notice of it, the page says that it is incomplete.
    """
    place = Place.of(cursor)
    shown = yield from _contacts(remote, options, place.offset)
    if shown.skip != place.offset:
        why = f"asked to skip {place.offset}, it skipped {shown.skip}"
        why = f"the vendor took no notice of {options.page_parameter}: {why}"
        return Page(items=(), total=shown.total, incomplete=why)
    items = tuple(from_record(record) for record in shown.results)
    ids = [f"{one.remote_id} {one.fields['phone']}" for one in items]
    circle = place.circle(ids)
    if circle:
        return Page(items=(), total=shown.total, incomplete=circle)
    end = place.offset + len(items)
    if not _has_more(shown, end):
        return Page(items=items, total=shown.total)
    if options.page_parameter is None or not items:
        why = f"the vendor shows {end} of {shown.total or 'more'} contacts and documents no way to ask for the rest"
        return Page(items=items, total=shown.total, incomplete=f"{why} (option page_parameter)")
    return Page(items=items, next_cursor=place.after(ids), total=shown.total)


def _contacts(remote: RemoteList, options: Options, start: int) -> Exchange[ContactPage]:
    """One page. How the vendor says that a list is not there is not documented: all lists are looked through then."""
    refusal: Refused | None = None
    try:
        shown = yield from ask(list_contacts(options, remote.id, _paging(options, start)))
    except NotAuthorised:
        raise
    except Refused as error:
        refusal = error
    if refusal is None and (shown.results or start):
        return shown
    lists = yield from ask(all_lists(options, [{"_id": remote.id, "name": remote.name}]))
    if _with_id(lists, remote.id) is None:
        raise Refused(f"the vendor has no list {remote.id} (any more)", code=refusal.code if refusal else "")
    if refusal is not None:
        raise refusal
    return shown


def _paging(options: Options, start: int) -> tuple[tuple[str, str], ...]:
    if options.page_parameter is None or start == 0:
        return ()
    value = start if options.page_parameter_counts == "contacts" else start // PAGE + 1
    return ((options.page_parameter, str(value)),)


PAGE = 50
"""Contacts of a page, as every sample shows it (5)."""


def _has_more(shown: ContactPage, end: int) -> bool:
    return shown.has_more or (shown.total is not None and shown.total > end)


def status(remote: RemoteList, options: Options) -> Exchange[RemoteStatus]:
    """The list's count and state. A list that a campaign uses counts as dialling: only the campaign knows (3.5)."""
    shown = yield from ask(list_details(options, remote.id))
    facts = {
        "name": shown.name,
        "source": shown.source,
        "campaigns": ", ".join(shown.campaign_names),
        "updated_at": shown.updated_at,
    }
    return RemoteStatus(
        count=shown.count,
        state=shown.status,
        dialing=_used(shown),
        facts={fact: value for fact, value in facts.items() if value},
    )


def _used(shown: ListObject) -> bool:
    return shown.in_use or bool(shown.campaigns)


def rename(
    remotes: tuple[RemoteList, ...], name: str, description: str | None, options: Options
) -> Exchange[tuple[RemoteList, ...]]:
    """Rename every list of a delivery; each keeps its key (3.7). The description stays when none is given."""
    text = cut(description, MAX_DESCRIPTION) if description and description.strip() else None
    renamed = []
    for remote in remotes:
        change = ListChange(name=title(name, remote.extra.get("reference"), remote.key), description=text)
        yield from ask(change_list(options, remote.id, change))
        renamed.append(RemoteList(remote.id, change.name, remote.key, remote.count, remote.extra))
    return tuple(renamed)


def delete(remote: RemoteList, options: Options) -> Exchange[Done]:
    """Delete a list that no campaign uses; whether it is gone is judged by looking, not by the answer (3.8, 7.21).

    Raises `Refused` while a campaign uses it or the vendor refuses, `Unclear` when it is still listed.
    """
    listed = _with_id((yield from ask(all_lists(options))), remote.id)
    if listed is not None and _used(listed):
        names = ", ".join(listed.campaign_names) or "a campaign"
        raise Refused(f"the list is used by {names}; free it from its campaigns first")
    failure: VendorError | None = None
    try:
        yield from ask(delete_list(options, remote.id))
    except NotAuthorised:
        raise
    except (Refused, Unclear) as error:
        failure = error
    try:
        lists = yield from ask(all_lists(options))
    except VendorError as error:
        if failure is None:
            return Done(remains="the vendor confirmed the deletion, but its lists could not be read afterwards")
        raise failure from error
    if _with_id(lists, remote.id) is None:
        return Done()
    raise failure or Unclear("the vendor confirmed the deletion and still shows the list")


def _with_id(lists: tuple[ListObject, ...], list_id: str) -> ListObject | None:
    return next((one for one in lists if one.id == list_id), None)


def check(options: Options) -> Exchange[CheckReport]:
    """Read all lists: it proves address, token, scope and application, and changes nothing."""
    lists = yield from ask(all_lists(options))
    return CheckReport(facts={"contact_lists": str(len(lists))})
