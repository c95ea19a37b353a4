"""Exotel's words: what we send and what we read (campaign lists and contacts, v2)."""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from gateway.contract import Reply, WireIn, WireOut


class ListOut(WireOut):
    """An entry of `POST /lists`."""

    name: str
    tag: str | None = None


class ListChange(WireOut):
    """An entry of `PUT /lists`, or the body of `PUT /lists/{sid}` without its sid."""

    sid: str | None = None
    name: str | None = None
    tag: str | None = None


class ContactOut(WireOut):
    """An entry of `POST /contacts`."""

    number: str
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    email: str | None = None
    tag: str | None = None
    custom_field: dict[str, Any] | None = None


class ContactReference(WireOut):
    """An entry of `POST /lists/{list_sid}/contacts`."""

    contact_sid: str


class ErrorData(WireIn):
    """Why an entry failed (published for the sibling v2 API, presumed here)."""

    code: int | None = None
    message: str | None = None
    description: str | None = None


class Entry(WireIn):
    """The vendor's word on one item. `data` is the item, or None."""

    code: int | None = None
    status: str | None = None
    error_data: ErrorData | None = None
    data: dict[str, Any] | list[dict[str, Any]] | None = None

    @property
    def item(self) -> Mapping[str, Any]:
        """The item's own fields; empty where there are none."""
        return self.data if isinstance(self.data, dict) else {}

    @property
    def sid(self) -> str | None:
        sid = self.item.get("sid")
        return sid if isinstance(sid, str) and sid else None

    @property
    def reason(self) -> str:
        """The vendor's words on a failure; "" when it gave none."""
        error = self.error_data
        words = [word for word in (error.message, error.description) if word] if error else []
        return ": ".join(dict.fromkeys(words))


def _as_entries(value: object) -> object:
    """Bulk calls answer an array, single calls an object, and the CSV calls either (sheet 2 and 7.5)."""
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


class Envelope(WireIn):
    """The v2 envelope around every answer but one kind of 429. A success or a refusal has `response` or `http_code`."""

    request_id: str | None = None
    http_code: int | None = None
    metadata: dict[str, Any] | None = None
    response: Annotated[tuple[Entry, ...], BeforeValidator(_as_entries)] = ()

    def items(self) -> Iterator[Mapping[str, Any]]:
        """The objects of a reading call, whether each has an entry of its own or one entry holds them all."""
        for entry in self.response:
            if isinstance(entry.data, list):
                yield from entry.data
            elif entry.data is not None:
                yield entry.data


class RestException(WireIn):
    """The other envelope, seen around 429."""

    status: int | None = Field(None, alias="Status")
    message: str = Field("", alias="Message")
    code: str | int = Field("", alias="Code")


def rest_exception(reply: Reply) -> RestException | None:
    """The `RestException` of a reply, None when it holds none or is not JSON."""
    try:
        value = json.loads(reply.body)
    except ValueError:
        return None
    inner = value.get("RestException") if isinstance(value, dict) else None
    return RestException.model_validate(inner) if isinstance(inner, dict) else None


class Uploaded(WireIn):
    """What an upload is answered with; `upload_id` is what its status is asked by."""

    upload_id: str
    list_sid: str | None = None


class UploadStats(WireIn):
    """Rows of one upload: the older reference's names and the guide's."""

    total: int
    success: int
    duplicate: int
    failed: int


class UploadStatus(WireIn):
    """How an upload stands; `stats` is None while the vendor gives no complete set of counts."""

    state: str
    list_sid: str | None = None
    stats: UploadStats | None = None
