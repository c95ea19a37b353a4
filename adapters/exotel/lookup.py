"""Reading lists and contacts page by page, and what it proves about a request whose outcome nobody knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.exotel import calls
from adapters.exotel.mapping import number_forms, shown_number
from adapters.exotel.settings import Options
from gateway.contract import Batch, Exchange, Page, RemoteList, Unclear, ask

PROVEN_PAGE: Final = 20
"""No page is smaller than this but the last: it is the default, and the smallest maximum that the vendor names."""
MAX_CONTACT_PAGE: Final = 500
"""The console's maximum for the contacts of a list."""

Records = Page[Mapping[str, Any]]


def _page(records: tuple[Mapping[str, Any], ...], offset: int, limit: int) -> Records:
    """The offset moves by the rows received, never by the limit asked for: the vendor may cap it (sheet 7.3)."""
    last = len(records) < min(limit, PROVEN_PAGE)
    return Page(records, None if last else str(offset + len(records)))


def lists_named(options: Options, name: str | None, offset: int, limit: int) -> Exchange[Records]:
    """One page of lists."""
    return _page((yield from ask(calls.get_lists(options, name, offset, limit))), offset, limit)


def scan_contacts(options: Options, list_sid: str, offset: int, limit: int) -> Exchange[Records]:
    """One page of a list's contacts, of at most 500."""
    limit = min(limit, MAX_CONTACT_PAGE)
    return _page((yield from ask(calls.get_contacts(options, list_sid, offset, limit))), offset, limit)


def lookup_list(options: Options, name: str) -> Exchange[RemoteList | None]:
    """The list of exactly this name; None when the account provably has none. Raises `Unclear` when lists come
    without names, which proves nothing."""
    cursor, nameless = "0", False
    while True:
        page: Records = yield from lists_named(options, name, int(cursor), PROVEN_PAGE)
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
    seen, cursor = Sightings(), "0"
    while True:
        page: Records = yield from scan_contacts(options, list_sid, int(cursor), options.page_size)
        for record in page.items:
            number = shown_number(record)
            seen.nameless = seen.nameless or number is None
            phone = phone_of.get(number or "")
            if phone is not None:
                seen.sids[phone] = (*seen.sids.get(phone, ()), str(record.get("sid") or ""))
        if page.next_cursor is None:
            return seen
        cursor = page.next_cursor
