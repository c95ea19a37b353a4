"""Handlers of `/v1/suppressions`: a tenant's do-not-contact numbers."""

import asyncio
import base64
import binascii
import re
import tempfile
from collections.abc import AsyncGenerator
from typing import IO, Annotated, Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, FailFast, Field
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from gateway import suppressing
from gateway.canonical import Fault
from gateway.canonical.lists import Region
from gateway.ingest import Source, SourceError, open_items
from gateway.problem import ErrorItem, Problem, invalid
from gateway.resources import PageOf, Resource
from gateway.sources import NDJSON, source_problem
from gateway.store import suppressions as store
from gateway.suppressing import BrokenOff, Format
from gateway.web.bodies import read_model
from gateway.web.call import Answer, Call
from gateway.web.receiving import MEMORY, Receiver

_DRAINED: Final = 1 << 30
_FORMATS: Final[dict[str, Format]] = {"text/csv": "csv", **dict.fromkeys(NDJSON, "ndjson")}
_ONLY_OF: Final = {"mapping": ("csv",), "delimiter": ("csv",), "encoding": ("csv", "ndjson")}
_HOW_TO_REMOVE: Final = (
    "say which numbers: ?phone=%2B<country><number>, or a body as of PUT, or ?all=true to remove every one"
)


class NumbersIn(BaseModel):
    """Phone numbers: international, or national ones of the default region."""

    model_config = ConfigDict(extra="forbid")

    # fail_fast: a body of a million wrong items gets one fault as its answer, not a million
    phones: Annotated[list[str], FailFast(), Field(min_length=1)]


class SuppressionOut(Resource):
    """A number that nobody contacts."""

    phone: str
    added_at: str


class NumbersQuery(BaseModel):
    """How the numbers of a body are to be read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default_region: Region | None = Field(None, description="ISO 3166 country of national numbers; else the tenant's")
    mapping: str | None = Field(None, description='JSON: {"phone": "column"}; CSV only')
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="CSV only")
    encoding: str | None = Field(None, description="CSV and NDJSON only")


class RemoveQuery(NumbersQuery):
    """Which numbers to remove, where no body says it."""

    phone: str | None = Field(None, description="one number; write its plus sign as %2B")
    all: Literal["true"] | None = Field(None, description="`true` removes every number")


class SuppressionsQuery(BaseModel):
    """A page, or one number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int = Field(100, ge=1, le=1_000)
    cursor: str | None = Field(None, max_length=200)
    phone: str | None = Field(None, description="this number only; write its plus sign as %2B")
    default_region: Region | None = Field(None, description="ISO 3166 country of national numbers; else the tenant's")


async def suppress(call: Call) -> Answer:
    """Add numbers. Each chunk is committed on its own: what a lost connection cut off is sent again without harm."""
    query = call.query(NumbersQuery)
    source = await _numbers(call, query)
    try:
        return Answer(200, await suppressing.add(call.host.database, call.tenant.name, source, _region(call, query)))
    except BrokenOff as broken:
        raise _broken_off(broken) from None


async def unsuppress(call: Call) -> Answer:
    """Remove the numbers that are named, or all when that is said; nothing when nothing is said."""
    query = call.query(RemoveQuery)
    database, tenant = call.host.database, call.tenant.name
    ways = [query.phone is not None, query.all is not None, _has_body(call)]
    if sum(ways) != 1:
        why = "phone, all and a body exclude each other" if any(ways) else "nothing says what to remove"
        raise Problem("request.invalid", f"{why}; {_HOW_TO_REMOVE}")
    if not _has_body(call):
        _refuse_parameters(query, "json")
    if query.all is not None:
        return Answer(200, await suppressing.remove_all(database, tenant))
    if query.phone is not None:
        source = open_items([_phone(call, query.phone, query.default_region)])
    else:
        source = await _numbers(call, query)
    try:
        return Answer(200, await suppressing.remove(database, tenant, source, _region(call, query)))
    except BrokenOff as broken:
        raise _broken_off(broken) from None


async def suppressions(call: Call) -> Answer:
    """A page in the order of the numbers: those that come and go meanwhile move no other one."""
    query = call.query(SuppressionsQuery)
    phone = None if query.phone is None else _phone(call, query.phone, query.default_region)
    after = "" if query.cursor is None else _place(query.cursor)
    found = await call.host.database.run(store.page, call.tenant.name, after, query.limit + 1, phone)
    items = [SuppressionOut(phone=one.phone, added_at=one.added_at) for one in found[: query.limit]]
    cursor = _cursor(items[-1].phone) if len(found) > query.limit else None
    return Answer(200, PageOf[SuppressionOut](items=items, next_cursor=cursor))


async def _numbers(call: Call, query: NumbersQuery) -> Source:
    """The rows of a body of any type that is taken."""
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    server, file = call.host.config.server, None
    receiver = Receiver(call.host.database, call.host.operations.owner, server.upload_timeout, spill=False)
    try:
        if media_type in ("application/json", ""):
            _refuse_parameters(query, "json")
            body: NumbersIn = await read_model(call, NumbersIn)
            return open_items(body.phones)
        async with receiver.in_time() as through:
            if media_type == "multipart/form-data":
                file, media_type, query = await _form(call, through(_limited(call)), query)
            else:
                _known(media_type)
                file = await _spooled(through(_limited(call)))
    except TimeoutError:
        raise Problem("upload.too_slow", "the body did not arrive in time; nothing of it was taken") from None
    except ClientDisconnect:
        raise Problem("upload.too_slow", "the client went away before the body was whole") from None
    form = _known(media_type)
    _refuse_parameters(query, form)
    given: dict[str, Any] = {"delimiter": query.delimiter, "encoding": query.encoding}
    try:
        mapping = _mapping(query.mapping)
        return await asyncio.to_thread(suppressing.open_numbers, file, form, mapping=mapping, **given)  # type: ignore[arg-type]
    except SourceError as error:
        raise source_problem(error) from None


def _known(media_type: str) -> Format:
    form = _FORMATS.get(media_type)
    if form is None:
        known = "application/json, text/csv, application/x-ndjson or multipart/form-data"
        raise Problem("body.wrong_type", f"send {known}, not {media_type[:100]}")
    return form


async def _limited(call: Call) -> AsyncGenerator[bytes, None]:
    """The body's chunks; beyond the limit the rest is read and thrown away, so that the 413 reaches the client."""
    most, seen = call.host.config.server.max_upload << 20, 0
    async for chunk in call.request.stream():
        seen += len(chunk)
        if seen <= most:
            yield chunk
        elif seen > most + _DRAINED:
            break
    if seen > most:
        raise Problem("body.too_large", f"an upload may have {most >> 20} MiB")


async def _spooled(chunks: AsyncGenerator[bytes, None]) -> IO[bytes]:
    file = tempfile.SpooledTemporaryFile(max_size=MEMORY)  # noqa: SIM115 - closed when it is collected
    async for chunk in chunks:
        file.write(chunk)
    file.seek(0)
    return file


async def _form(
    call: Call, chunks: AsyncGenerator[bytes, None], query: NumbersQuery
) -> tuple[IO[bytes], str, NumbersQuery]:
    """Of a multipart body its part `file`, the type of that, and what is said of it in query and parts."""
    try:
        form = await MultiPartParser(call.request.headers, chunks, max_files=1, max_fields=10).parse()
    except MultiPartException as error:
        raise Problem("request.invalid", f"the multipart body is not valid: {error.message}") from None
    except (KeyError, UnicodeDecodeError):
        raise Problem("request.invalid", "the multipart body is not valid: a header cannot be read") from None
    unknown = form.keys() - {"file", *_ONLY_OF}
    if unknown:
        raise invalid([ErrorItem(pointer=name, code="field.unknown", detail="is not a known part") for name in unknown])
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise invalid([ErrorItem(pointer="file", code="field.missing", detail="a file part named file is required")])
    stated = (upload.content_type or "").partition(";")[0].strip().lower()
    ndjson = (upload.filename or "").lower().endswith((".ndjson", ".jsonl"))
    media_type = stated if stated in _FORMATS else "application/x-ndjson" if ndjson else "text/csv"
    parts = {name: form[name] for name in _ONLY_OF if isinstance(form.get(name), str)}
    return upload.file, media_type, query.model_copy(update=parts)


def _broken_off(broken: BrokenOff) -> Problem:
    problem = source_problem(broken.error)
    return Problem(problem.code, broken.detail, problem.errors, status=problem.status)


def _refuse_parameters(query: NumbersQuery, form: str) -> None:
    """Raise for what would be ignored in silence."""
    items = [
        ErrorItem(pointer=name, code="field.unknown", detail=f"is for bodies of {' and '.join(forms)} only")
        for name, forms in _ONLY_OF.items()
        if getattr(query, name) is not None and form not in forms
    ]
    if items:
        raise Problem("request.invalid", "query parameters are not valid, see errors", items)


def _mapping(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text.encode("utf-8", "replace"), type=dict[str, str])
    except (msgspec.DecodeError, RecursionError):
        raise _invalid("mapping", "field.invalid", 'must be a JSON object {"phone": "column"}') from None


def _has_body(call: Call) -> bool:
    headers = call.request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _region(call: Call, query: NumbersQuery) -> str | None:
    return query.default_region or call.tenant.default_region


def _phone(call: Call, text: str, region: str | None) -> str:
    """The number of a query parameter; 400 when it is none."""
    if text.startswith(" "):
        text = "+" + text[1:]  # what a plus sign in a query becomes when it is not written as %2B
    found = suppressing.one_number(text, region or call.tenant.default_region)
    if isinstance(found, Fault):
        raise _invalid("phone", found.code, found.detail)
    return found


def _invalid(name: str, code: str, detail: str) -> Problem:
    return Problem("request.invalid", f"{name}: {detail}", [ErrorItem(pointer=name, code=code, detail=detail)])


def _cursor(phone: str) -> str:
    return base64.urlsafe_b64encode(phone.encode()).decode().rstrip("=")


def _place(cursor: str) -> str:
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        place = ""
    if not re.fullmatch(r"\+[0-9]{1,15}", place):
        raise _invalid("cursor", "field.invalid", "is not a cursor of this collection")
    return place
