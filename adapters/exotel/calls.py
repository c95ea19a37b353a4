"""The twelve calls of the campaign lists page, and the one that creates contacts, as steps.

Paths follow `/v2/accounts/{account_sid}`; https://developer.exotel.com/api/campaigns-lists.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from adapters.exotel.codes import SUCCESSES, Shown, entry_failure, envelope_of, fails, rows, single
from adapters.exotel.mapping import csv_rows, number_forms, shown_number
from adapters.exotel.matching import matched
from adapters.exotel.paths import Way
from adapters.exotel.settings import Options, SinglePut
from adapters.exotel.wire import (
    ContactOut,
    ContactReference,
    Entry,
    Envelope,
    ListChange,
    ListOut,
    Uploaded,
    UploadStats,
    UploadStatus,
)
from adapters.toolkit.csv_rows import csv_chunks
from gateway.contract import Batch, File, Json, Multipart, Refused, Reply, Request, Step, Unclear, WireOut, json_reply

ORDER: Final = "date_created:asc"
"""The oldest first: a list that is made while pages are read comes at the end."""


def _path(options: Options, *parts: str) -> str:
    """The path of a call; an id stays one segment of it, whatever it holds."""
    if {"", ".", ".."} & set(parts):
        raise Refused("an empty or dotted id names nothing at Exotel")
    return "/".join(("/v2/accounts", options.account_sid, *(quote(part, safe="") for part in parts)))


def _body(name: str, entries: Sequence[WireOut]) -> Json:
    return Json({name: [_plain(entry) for entry in entries]})


def _plain(entry: WireOut) -> dict[str, Any]:
    return entry.model_dump(exclude_none=True)


def _succeeded(*data: Mapping[str, Any]) -> Reply:
    entries = [{"code": 200, "error_data": None, "status": "success", "data": item} for item in data]
    return json_reply({"http_code": 207, "response": entries}, 207)


def _sample_sid(number: int) -> str:
    return f"{number:032x}"


def create_lists(options: Options, lists: Sequence[ListOut]) -> Step[Envelope]:
    """`POST /lists`: one entry a list. Not repeated blindly: a second one answers 409 for what the first made."""
    return Step(
        name="create_lists",
        request=Request("POST", _path(options, "lists"), body=_body("lists", lists)),
        read=envelope_of,
        success=lambda: _succeeded(*({"sid": _sample_sid(n), "name": one.name} for n, one in enumerate(lists, 1))),
    )


def create_contacts(options: Options, contacts: Sequence[ContactOut]) -> Step[tuple[Entry, ...]]:
    """`POST /contacts`, at most 5000. Repeatable: it dials nobody, and only contacts that are linked count.

    Answers an entry for each contact, in their order.
    """
    return Step(
        name="create_contacts",
        request=Request("POST", _path(options, "contacts"), body=_body("contacts", contacts)),
        read=lambda reply: _answer_for_each(envelope_of(reply), contacts),
        success=lambda: _succeeded(*({"sid": _sample_sid(n)} for n in range(1, len(contacts) + 1))),
        repeatable=True,
    )


def _answer_for_each(envelope: Envelope, contacts: Sequence[ContactOut]) -> tuple[Entry, ...]:
    forms = [number_forms(one.number) for one in contacts]
    found = matched(envelope.response, forms, lambda entry: shown_number(entry.item))
    entries = tuple(entry for entry in found if entry is not None)
    if len(entries) != len(contacts):
        raise Unclear(f"sent {len(contacts)} contacts, the vendor does not answer for each of them")
    return entries


def add_contacts(options: Options, list_sid: str, sids: Sequence[str]) -> Step[Envelope]:
    """`POST /lists/{list_sid}/contacts`, at most 5000 references; what a second one does is not documented."""
    references = [ContactReference(contact_sid=sid) for sid in sids]

    def read(reply: Reply) -> Envelope:
        try:
            return envelope_of(reply)
        except Refused as error:
            if error.code in ("409", "1008"):  # conflict or concurrent update: some may be on the list
                raise Unclear(error.detail, code=error.code) from error
            raise

    return Step(
        name="add_contacts",
        request=Request(
            "POST", _path(options, "lists", list_sid, "contacts"), body=_body("contact_references", references)
        ),
        read=read,
        success=lambda: _succeeded(*({"sid": sid, "list_id": list_sid} for sid in sids)),
    )


def upload(options: Options, list_name: str, file_name: str, way: Way, batch: Batch) -> Step[Uploaded]:
    """`POST /contacts/csv-upload`: the list by name, made when it is missing. The rows are written as they are sent."""
    file = File(
        "file_name",
        file_name,
        "text/csv",
        lambda: csv_chunks(way.header, csv_rows(batch.contacts, way.columns)),
    )

    def read(reply: Reply) -> Uploaded:
        try:
            return uploaded(single(reply))
        except Refused as error:
            if error.code in ("409", "1008"):
                raise Unclear(error.detail, code=error.code) from error
            raise

    return Step(
        name="upload",
        request=Request(
            "POST",
            _path(options, "contacts", "csv-upload"),
            body=Multipart(batch.boundary, (("list_name", list_name), ("type", way.kind.value)), (file,)),
        ),
        read=read,
        success=lambda: _succeeded({"upload_id": "u-1", "list_sid": _sample_sid(1), "status": "processing"}),
    )


def uploaded(entry: Entry) -> Uploaded:
    """The ids of an upload: in `summary`, in `data`, or the upload's in the address to poll (sheet 3.4, 7.5)."""
    summary = entry.item.get("summary")
    found = {**entry.item, **(summary if isinstance(summary, dict) else {})}
    address = re.search(r"/csv-status/([^/?#]+)", str(found.get("url", "")))
    if found.get("upload_id") is None and address:
        found["upload_id"] = address[1]
    return Uploaded.model_validate({**found, "upload_id": str(found["upload_id"])})


_COUNTS: Final = (
    ("total", "success", "duplicate", "failed"),  # the older reference, inside `stats`
    ("total_records", "success_count", "duplicate_count", "failure_count"),  # the guide
)


def upload_status(options: Options, upload_id: str, count: int) -> Step[UploadStatus]:
    """`GET /csv-status/{upload_id}`; `count` is how many rows were sent."""
    stats = {"total": count, "success": count, "duplicate": 0, "failed": 0}
    return Step(
        name="upload_status",
        request=Request("GET", _path(options, "csv-status", upload_id)),
        read=lambda reply: _upload_status(single(reply)),
        success=lambda: _succeeded({"list_sid": _sample_sid(1), "status": "completed", "stats": stats}),
        repeatable=True,
    )


def _upload_status(entry: Entry) -> UploadStatus:
    data = entry.item
    stats = data.get("stats")
    found = {**data, **(stats if isinstance(stats, dict) else {})}
    counts = next((names for names in _COUNTS if all(name in found for name in names)), None)
    numbers = None
    if counts:
        numbers = UploadStats(**dict(zip(_COUNTS[0], (found[name] for name in counts), strict=True)))
    return UploadStatus(state=data["status"], list_sid=data.get("list_sid"), stats=numbers)


def update_lists(options: Options, changes: Sequence[ListChange]) -> Step[Envelope]:
    """`PUT /lists`: name and tag of at most 5000 lists."""
    return Step(
        name="update_lists",
        request=Request("PUT", _path(options, "lists"), body=_body("lists", changes)),
        read=envelope_of,
        success=lambda: _succeeded(*(_plain(change) for change in changes)),
        repeatable=True,
    )


def update_list(options: Options, sid: str, change: ListChange) -> Step[Envelope]:
    """`PUT /lists/{sid}`, in the form that the option names."""
    flat = options.single_put is SinglePut.FLAT
    return Step(
        name="update_list",
        request=Request(
            "PUT", _path(options, "lists", sid), body=Json(_plain(change)) if flat else _body("lists", [change])
        ),
        read=envelope_of,
        success=lambda: _succeeded({"sid": sid, **_plain(change)}),
        repeatable=True,
    )


def delete_list(options: Options, sid: str) -> Step[None]:
    """`DELETE /lists/{sid}`; a list that is gone already counts as deleted."""
    return _deletion("delete_list", _path(options, "lists", sid), "the list is in use by a campaign, or refused")


def remove_contact(options: Options, list_sid: str, contact_sid: str) -> Step[None]:
    """`DELETE /lists/{list_sid}/contacts/{contact_sid}`; gone already counts as removed."""
    return _deletion("remove_contact", _path(options, "lists", list_sid, "contacts", contact_sid), "refused")


def _deletion(name: str, path: str, otherwise: str) -> Step[None]:
    """The answer is not documented: 204, or an envelope that speaks of success and of no failure."""

    def read(reply: Reply) -> None:
        if reply.status == 204:
            return
        try:
            envelope = envelope_of(reply)
            for entry in envelope.response:
                if fails(entry):
                    raise entry_failure(entry)
        except Refused as error:
            if error.code in ("404", "1000"):
                return
            if type(error) is Refused:
                raise Refused(f"{otherwise}: {error.detail}", code=error.code) from error
            raise
        if envelope.http_code not in SUCCESSES and not any(entry.code in SUCCESSES for entry in envelope.response):
            raise ValueError("neither a status nor an entry of success")

    return Step(name=name, request=Request("DELETE", path), read=read, success=lambda: _succeeded({}), repeatable=True)


def get_list(options: Options, sid: str) -> Step[Mapping[str, Any]]:
    """`GET /lists/{sid}`: the list's own fields, of which only `sid` is certain."""

    def read(reply: Reply) -> Mapping[str, Any]:
        entry = single(reply)
        if entry.sid != sid:
            raise ValueError("the answer is about another list")
        return entry.item

    return Step(
        name="get_list",
        request=Request("GET", _path(options, "lists", sid)),
        read=read,
        success=lambda: _succeeded({"sid": sid}),
        repeatable=True,
    )


def get_lists(options: Options, name: str | None, offset: int, limit: int) -> Step[Shown]:
    """`GET /lists`: one page of lists, by name when given."""
    query = (("offset", str(offset)), ("limit", str(limit)), ("sort_by", ORDER))
    return _page("get_lists", _path(options, "lists"), query if name is None else (*query, ("name", name)))


def get_contacts(options: Options, list_sid: str, offset: int, limit: int) -> Step[Shown]:
    """`GET /lists/{list_sid}/contacts`: one page of a list's contacts."""
    return _page(
        "get_contacts", _path(options, "lists", list_sid, "contacts"), (("offset", str(offset)), ("limit", str(limit)))
    )


def _page(name: str, path: str, query: tuple[tuple[str, str], ...]) -> Step[Shown]:
    return Step(name=name, request=Request("GET", path, query=query), read=rows, success=_succeeded, repeatable=True)
