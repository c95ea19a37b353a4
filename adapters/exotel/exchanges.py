"""The verbs at Exotel: lists, contacts by JSON, and the choice between JSON and CSV."""

from collections.abc import Sequence
from typing import Any

from adapters.exotel import calls
from adapters.exotel.codes import LINKED, code_of, entry_failure, fails
from adapters.exotel.csv_path import append_csv
from adapters.exotel.lookup import expect_whole, lists_named, lookup_list, read_contacts, scan_contacts
from adapters.exotel.mapping import from_list, from_record, keyed_name, number_forms, shown_number, tag_of, to_record
from adapters.exotel.matching import matched
from adapters.exotel.paths import CEILINGS, way_into
from adapters.exotel.settings import Kind, Options, SinglePut
from adapters.exotel.wire import Entry, Envelope, ListChange, ListOut
from gateway.canonical import Contact, Fault, Outcome
from gateway.contract import (
    Batch,
    CheckReport,
    Done,
    Exchange,
    Item,
    Job,
    Page,
    Receipt,
    Refused,
    RemoteContact,
    RemoteList,
    RemoteStatus,
    Unclear,
    ask,
)

MAX_UPDATES = 5_000
STATIC_LIST = {"kind": Kind.STATIC.value}
CONTACTS_STAY = "the contacts stay in the account's address book"


def create(jobs: tuple[Job[Options], ...]) -> Exchange[tuple[RemoteList, ...]]:
    """All the lists in one `POST /lists`. A name that is taken is ours, since it ends with our key: it is looked up.

    Raises `Refused` when every list was refused, `Unclear` when only some were.
    """
    options = jobs[0].options
    names = [keyed_name(job.head.name, job.key) for job in jobs]
    out = [ListOut(name=name, tag=tag_of(job)) for name, job in zip(names, jobs, strict=True)]
    try:
        envelope: Envelope = yield from ask(calls.create_lists(options, out))
    except Refused as error:
        if error.code not in ("409", "1008"):
            raise
        entries: Sequence[Entry | None] = [Entry(code=409)] * len(jobs)
    else:
        forms = [frozenset({name}) for name in names]
        entries = matched(envelope.response, forms, lambda entry: entry.item.get("name"))
    remotes: list[RemoteList] = []
    refusals: list[Refused] = []
    for job, name, entry in zip(jobs, names, entries, strict=True):
        if entry is not None and entry.sid and not fails(entry):
            remotes.append(RemoteList(entry.sid, name, job.key, 0, STATIC_LIST))
        elif entry is not None and code_of(entry) == 409:
            remotes.append((yield from _existing(job, name)))
        elif entry is not None and fails(entry) and isinstance(refusal := entry_failure(entry), Refused):
            refusals.append(refusal)
    if len(refusals) == len(jobs):
        raise refusals[0]
    if len(remotes) != len(jobs):
        why = f": {refusals[0].detail}" if refusals else ""
        raise Unclear(f"asked for {len(jobs)} lists, the vendor confirms {len(remotes)}{why}")
    return tuple(remotes)


def _existing(job: Job[Options], name: str) -> Exchange[RemoteList]:
    found = yield from lookup_list(job.options, name)
    if found is None:
        raise Unclear(f"the vendor says that the list {name} exists, but does not show it", code="409")
    return RemoteList(found.id, name, job.key, extra=STATIC_LIST)


def append(job: Job[Options], remote: RemoteList, batch: Batch) -> Exchange[Receipt]:
    """More contacts for a list that is there: by JSON or CSV as the list's kind, its size and the options say.

    Raises `Refused` before anything is sent when the list would pass its ceiling, or cannot take the attributes.
    """
    way = way_into(remote, job.profile, job.options)
    ceiling = CEILINGS[way.kind]
    if remote.count is not None and remote.count + len(batch.contacts) > ceiling:
        raise Refused(f"the list holds {remote.count} contacts and takes {ceiling} in all; make another list")
    if way.csv:
        return (yield from append_csv(job, remote, batch, way))
    return (yield from _append_json(job, remote, batch))


def _append_json(job: Job[Options], remote: RemoteList, batch: Batch) -> Exchange[Receipt]:
    """Create the contacts, link those that have a sid; accepted is only what the link confirms."""
    options, contacts = job.options, list(batch.contacts)
    records = [to_record(contact, options.custom_field) for contact in contacts]
    entries: tuple[Entry, ...] = yield from ask(calls.create_contacts(options, records))
    items: dict[str, Item] = {}
    linked: dict[str, Contact] = {}
    for contact, entry in zip(contacts, entries, strict=True):
        usable = entry.sid if not fails(entry) or code_of(entry) == 409 else None
        if usable is None:
            items[contact.key] = _rejected(entry, "the vendor gave the contact no sid to link it by")
        elif usable in linked:
            items[contact.key] = Item(Outcome.DUPLICATE, usable)
        else:
            linked[usable] = contact
    if not linked:
        return Receipt(items)
    answer: Envelope = yield from ask(calls.add_contacts(options, remote.id, tuple(linked)))
    found = matched(answer.response, [frozenset({sid}) for sid in linked], lambda entry: entry.sid)
    for (sid, contact), told in zip(linked.items(), found, strict=True):
        items[contact.key] = link_item(sid, told)
    confirmed = sum(told is not None for told in found)
    detail = "" if confirmed == len(linked) else f"linked {len(linked)} contacts, the vendor speaks of {confirmed}"
    return Receipt(items, detail=detail)


def link_item(sid: str, entry: Entry | None) -> Item:
    """What an add of references said of one contact; nothing said, or an undocumented 409, is unknown."""
    if entry is None:
        return Item(Outcome.UNKNOWN, sid)
    code = code_of(entry)
    outcome = Outcome.UNKNOWN if code is None else LINKED.get(code, Outcome.REJECTED)
    if fails(entry) and outcome is Outcome.ACCEPTED:
        outcome = Outcome.REJECTED
    return _rejected(entry, "not linked", sid) if outcome is Outcome.REJECTED else Item(outcome, sid)


def _rejected(entry: Entry, otherwise: str, sid: str | None = None) -> Item:
    """The vendor's words in the fault; the sid of a contact that is in the address book, but on no list."""
    code = code_of(entry)
    reason = entry.reason or otherwise
    if code == 409 and sid is None:
        reason += "; the number is in the address book under an unknown sid: path=csv can add it"
    return Item(Outcome.REJECTED, sid, Fault("vendor.refused", None, f"{code}: {reason}" if code else reason))


def browse(options: Options, name: str | None, cursor: str | None, page_size: int) -> Exchange[Page[RemoteList]]:
    """Lists of the account, oldest first; `cursor` is a place (see `Place`)."""
    page = yield from lists_named(options, name, cursor, page_size)
    lists = tuple(one for record in page.items if (one := from_list(record)) is not None)
    return Page(lists, page.next_cursor, incomplete=page.incomplete)


def read(remote: RemoteList, options: Options, cursor: str | None, page_size: int) -> Exchange[Page[RemoteContact]]:
    """Contacts of a list, to a page with nothing new: the vendor's pages disagree on how long one is.

    `cursor` is a place (see `Place`). Raises `Refused` when the vendor has no such list.
    """
    try:
        page = yield from read_contacts(options, remote.id, cursor, page_size)
        # An empty list, or none: how the contacts of none are shown is not documented.
        if cursor is None and not page.items:
            yield from ask(calls.get_list(options, remote.id))
    except Refused as error:
        if error.code in ("404", "1000"):
            raise Refused(f"the vendor has no list {remote.id} (any more)", code=error.code) from error
        raise
    columns = [name for name in remote.extra.get("columns", "").split(",") if name]
    contacts = tuple(from_record(record, columns) for record in page.items)
    return Page(contacts, page.next_cursor, incomplete=page.incomplete)


def status(remote: RemoteList, options: Options) -> Exchange[RemoteStatus]:
    """The list's own fields as facts (which one counts is not documented), and how its upload stands."""
    fields = yield from ask(calls.get_list(options, remote.id))
    facts = {name: str(value) for name, value in fields.items() if isinstance(value, str | int) and name != "name"}
    upload_id = remote.extra.get("upload_id")
    if upload_id is None:
        return RemoteStatus(None, "stored", facts=facts)
    upload = yield from ask(calls.upload_status(options, upload_id, 0))
    if upload.stats:
        facts |= {f"upload_{name}": str(number) for name, number in upload.stats.model_dump().items()}
    return RemoteStatus(None, upload.state, facts=facts)


def rename(
    remotes: tuple[RemoteList, ...],
    name: str,
    description: str | None,  # noqa: ARG001
    options: Options,
) -> Exchange[tuple[RemoteList, ...]]:
    """New names for all remote lists of a delivery, each with its key. Raises `Unclear` when only some took it."""
    changes = [ListChange(sid=remote.id, name=keyed_name(name, remote.key)) for remote in remotes]
    if len(remotes) == 1 and options.single_put is not SinglePut.OFF:
        single = ListChange(name=changes[0].name)
        envelope: Envelope = yield from ask(calls.update_list(options, remotes[0].id, single))
        _expect_updated(envelope, [remotes[0].id])
    else:
        for start in range(0, len(changes), MAX_UPDATES):
            some = changes[start : start + MAX_UPDATES]
            envelope = yield from ask(calls.update_lists(options, some))
            _expect_updated(envelope, [one.sid or "" for one in some])
    return tuple(
        RemoteList(remote.id, change.name or remote.name, remote.key, remote.count, remote.extra)
        for remote, change in zip(remotes, changes, strict=True)
    )


def _expect_updated(envelope: Envelope, sids: Sequence[str]) -> None:
    found = matched(envelope.response, [frozenset({sid}) for sid in sids], lambda entry: entry.sid)
    failed = [entry for entry in found if entry is not None and fails(entry)]
    if failed and len(failed) == len(sids):
        raise entry_failure(failed[0])
    done = sum(entry is not None and code_of(entry) == 200 and not fails(entry) for entry in found)
    if done != len(sids):
        raise Unclear(f"asked for {len(sids)} lists to be changed, the vendor confirms {done}")


def delete(remote: RemoteList, options: Options) -> Exchange[Done]:
    """The list goes for good. A 4xx means that a campaign uses it, or that it was refused (sheet 7.14)."""
    yield from ask(calls.delete_list(options, remote.id))
    return Done(CONTACTS_STAY)


def remove(remote: RemoteList, contact: RemoteContact, options: Options) -> Exchange[Done]:
    """Take a contact off the list. Without its sid, as after CSV, the list is read until its number is found."""
    sid = contact.remote_id or (yield from _sid_of(remote, str(contact.fields.get("phone", "")), options))
    if sid is not None:
        yield from ask(calls.remove_contact(options, remote.id, sid))
    return Done("the contact stays in the account's address book")


def _sid_of(remote: RemoteList, phone: str, options: Options) -> Exchange[str | None]:
    forms, nameless = number_forms(phone), False
    cursor: str | None = None
    while True:
        page: Page[Any] = yield from scan_contacts(options, remote.id, cursor, options.page_size)
        expect_whole(page)
        for record in page.items:
            number = shown_number(record)
            nameless = nameless or number is None
            sid = record.get("sid")
            if number in forms and isinstance(sid, str):
                return sid
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    if nameless:
        raise Refused("the vendor shows the list's contacts without numbers: which one is meant cannot be told")
    return None


def check(options: Options) -> Exchange[CheckReport]:
    """One list at most is read: proves the address, the key, the token and the account's sid."""
    yield from ask(calls.get_lists(options, None, 0, 1))
    return CheckReport({"account_sid": options.account_sid})
