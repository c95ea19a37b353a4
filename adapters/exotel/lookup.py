"""Reading lists and contacts page by page, and what it proves about a request whose outcome nobody knows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.exotel import calls
from adapters.exotel.codes import Shown
from adapters.exotel.mapping import number_forms, shown_number
from adapters.exotel.settings import Options
from adapters.toolkit.pages import Place
from gateway.contract import Batch, Exchange, Page, RemoteList, Unclear, ask

PROVEN_PAGE: Final = 20
"""No page is smaller than this but the last: it is the default, and the smallest maximum that the vendor names."""
MAX_CONTACT_PAGE: Final = 500
"""The console's maximum for the contacts of a list."""

Records = Page[Mapping[str, Any]]


def _page(shown: Shown, place: Place, limit: int) -> Records:
    """A page of what is shown at this place. One of fewer rows than asked for, and than any is proven to have, is the
    last, unless the vendor counts more."""
    entries = [_name(record) for record in shown.records]
    circle = place.circle(entries)
    if circle:
        return Page((), incomplete=circle)
    short = len(entries) < min(limit, PROVEN_PAGE) and shown.total <= place.offset + len(entries)
    return Page(shown.records, place.after(entries) if entries and not short else None)


def _name(record: Mapping[str, Any]) -> str:
    return str(record.get("sid") or json.dumps(record, sort_keys=True))


def lists_named(options: Options, name: str | None, cursor: str | None, limit: int) -> Exchange[Records]:
    """One page of lists; `cursor` is a place (see `Place`)."""
    place = Place.of(cursor)
    return _page((yield from ask(calls.get_lists(options, name, place.offset, limit))), place, limit)


def scan_contacts(options: Options, list_sid: str, cursor: str | None, limit: int) -> Exchange[Records]:
    """One page of a list's contacts, of at most 500; `cursor` is a place (see `Place`)."""
    place, limit = Place.of(cursor), min(limit, MAX_CONTACT_PAGE)
    return _page((yield from ask(calls.get_contacts(options, list_sid, place.offset, limit))), place, limit)


def read_contacts(options: Options, list_sid: str, cursor: str | None, limit: int) -> Exchange[Records]:
    """As `scan_contacts`, but to a page with nothing new, each beginning with the last row of the one before: nobody
    is missed because a page is short, or because the list changes meanwhile."""
    place, limit = Place.of(cursor), min(max(limit, 2), MAX_CONTACT_PAGE)
    shown = yield from ask(calls.get_contacts(options, list_sid, place.overlapping, limit))
    entries = [_name(record) for record in shown.records]
    moved = place.moved(entries)
    if moved:
        return Page((), incomplete=moved)
    fresh = entries[place.known :]
    if not fresh:
        told = f"the vendor counts {shown.total} contacts and shows {place.offset}"
        return Page((), incomplete=told if shown.total > place.offset else "")
    return Page(shown.records[place.known :], place.after(fresh))


def expect_whole(page: Records) -> None:
    """Raise `Unclear` for a page behind which there is more than the vendor shows: it proves no absence."""
    if page.incomplete:
        raise Unclear(page.incomplete)


def lookup_list(options: Options, name: str) -> Exchange[RemoteList | None]:
    """The list of exactly this name; None when the account provably has none. Raises `Unclear` when lists come
    without names, which proves nothing."""
    cursor: str | None = None
    nameless = False
    while True:
        page: Records = yield from lists_named(options, name, cursor, PROVEN_PAGE)
        expect_whole(page)
        for record in page.items:
            nameless = nameless or not isinstance(record.get("name"), str)
            if record.get("name") == name and isinstance(record.get("sid"), str):
                return RemoteList(record["sid"], name)
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    if nameless:
        raise Unclear("the vendor shows lists without their names: which one is meant cannot be told")
    return None


@dataclass(slots=True)
class Sightings:
    """Which of a batch's numbers stand on a list: by phone, the sid of each contact that bears it."""

    sids: dict[str, tuple[str, ...]] = field(default_factory=dict)
    nameless: bool = False
    """The vendor shows contacts without their numbers: nothing can be told by them."""


def sightings(options: Options, list_sid: str, batch: Batch) -> Exchange[Sightings]:
    """Read the whole list for the batch's numbers: a call for each `page_size` contacts on it."""
    phone_of = {form: contact.phone for contact in batch.contacts for form in number_forms(contact.phone)}
    seen = Sightings()
    cursor: str | None = None
    while True:
        page: Records = yield from scan_contacts(options, list_sid, cursor, options.page_size)
        expect_whole(page)
        for record in page.items:
            number = shown_number(record)
            seen.nameless = seen.nameless or number is None
            phone = phone_of.get(number or "")
            if phone is not None:
                seen.sids[phone] = (*seen.sids.get(phone, ()), str(record.get("sid") or ""))
        if page.next_cursor is None:
            return seen
        cursor = page.next_cursor
