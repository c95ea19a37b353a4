"""Reading a contact list from a request body: JSON, CSV, NDJSON, XLSX or multipart, within the limits."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from gateway.canonical import ListHead
from gateway.creating import StoredNumbers, StoredSuppressions
from gateway.ingest import Earlier, Intake, Normaliser, Source, SourceError, collect, open_items
from gateway.problem import ErrorItem, Problem, invalid
from gateway.reading import Upload
from gateway.sources import FILES, NDJSON, XLSX, FileParameters, open_file, source_problem
from gateway.store.lists import StoredList
from gateway.web.call import Call, error_items
from gateway.web.receiving import MEMORY, Received, Receiver, discard

_DRAIN_BYTES = 1 << 30


class NoParameters(BaseModel):
    """Of calls whose query says nothing: a parameter would be ignored in silence."""

    model_config = ConfigDict(extra="forbid")


LIST_PARAMETERS = ("name", "reference", "destination", "channel", "default_region", "duplicates", "on_loss")


class PreviewWish(BaseModel):
    """What a preview takes besides the list: the destinations to show, or all of them."""

    destinations: list[str] | Literal["all"] | None = None


@dataclass(slots=True)
class Incoming:
    """A list as it came in. `digest` is equal for equal payloads, whatever their multipart boundary.

    A long file is an `upload`, which is thrown away when the call ends and nobody has `taken` it.
    """

    head: ListHead | None
    wish: PreviewWish
    source: Source
    digest: str
    upload: Upload | None = None
    taken: bool = False
    contacts: list[msgspec.Raw] | None = None
    """Of a JSON body, as they came."""


async def read_incoming(
    call: Call, *, head_needed: bool = True, long: bool = False, usual: Mapping[str, str] | None = None
) -> Incoming:
    """Read the body of a create, an append (`head_needed=False`), a preview or an explain; `long`: of any length.

    `usual`: fields and the columns of a CSV file where they usually stand.
    """
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    long = long and media_type in ("multipart/form-data", *FILES)
    server = call.host.config.server
    receiver = Receiver(call.host.database, call.host.operations.owner, server.upload_timeout, spill=long)
    chunks = _limited(call.request, (server.max_upload if long else server.max_body) << 20)
    try:
        if media_type == "multipart/form-data":
            return await _multipart(call, receiver, chunks, head_needed, usual)
        received = await receiver.receive(chunks)
    except TimeoutError:
        raise Problem("upload.too_slow", "the body did not arrive in time; nothing of it was kept") from None
    except ClientDisconnect:
        raise Problem("upload.too_slow", "the client went away; nothing of the body was kept") from None
    if media_type in ("application/json", ""):
        call.query(NoParameters)
        return _json(received.file.read(), received.digest, head_needed, server.max_contacts)
    return await _file(call, received, media_type, head_needed, usual)


async def _file(
    call: Call, received: Received, media_type: str, head_needed: bool, usual: Mapping[str, str] | None
) -> Incoming:
    """The list in a raw CSV, NDJSON or XLSX body."""
    try:
        parameters = call.query(FileParameters)
        if not head_needed:
            _refuse_list_parameters(parameters, "an append takes contacts only")
        head = _head_of_query(parameters) if head_needed else None
        digest = hashlib.sha256(f"{received.digest}?{call.request.url.query}".encode()).hexdigest()
        return await _opened(head, received, media_type, parameters, digest, usual)
    except Problem:
        await discard(call.host.database, received)
        raise


async def _opened(
    head: ListHead | None,
    received: Received,
    media_type: str,
    parameters: FileParameters,
    digest: str,
    usual: Mapping[str, str] | None,
) -> Incoming:
    source = await asyncio.to_thread(open_file, media_type, received.file, parameters, usual)
    upload = Upload(received.upload, media_type, parameters) if received.upload else None
    return Incoming(head, PreviewWish(), source, digest, upload)


def take_in(call: Call, incoming: Incoming, head: ListHead, one: StoredList | None = None) -> Intake:
    """Parse, validate and normalise every row; `one` is the list it is added to. Blocking: run it in a thread."""
    database = call.host.database
    region = head.default_region or call.tenant.default_region
    earlier = Earlier() if one is None else StoredNumbers(database, one.id)
    suppressed = StoredSuppressions(database, call.tenant.name)
    try:
        return collect(incoming.source, Normaliser(region), head.duplicates, suppressed, earlier)
    except SourceError as error:
        raise source_problem(error) from None


async def read_bytes(call: Call) -> bytes:
    """A small body, within the limits."""
    server = call.host.config.server
    receiver = Receiver(call.host.database, call.host.operations.owner, server.upload_timeout, spill=False)
    try:
        received = await receiver.receive(_limited(call.request, server.max_body << 20))
    except TimeoutError:
        raise Problem("upload.too_slow", "the body did not arrive in time") from None
    return received.file.read()


async def read_model(call: Call, model: type[BaseModel] | Callable[[dict[str, msgspec.Raw]], type[BaseModel]]) -> Any:
    """A JSON body as this model, or as the one that its members ask for; every fault with its pointer."""
    body = await read_bytes(call)
    members = _members(body)
    chosen: Any = model if isinstance(model, type) else model(members)
    try:
        return chosen.model_validate_json(msgspec.json.encode(members), strict=True)
    except ValidationError as error:
        raise invalid(error_items(error, "")) from None


async def _limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body's chunks; beyond the limit the rest is read and thrown away, so that the 413 reaches the client."""
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen <= most:
            yield chunk
        elif seen > _DRAIN_BYTES:
            break
    if seen > most:
        raise Problem("body.too_large", f"a body may have {most >> 20} MiB")


def _members(body: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, not decoded yet."""
    try:
        return msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        detail = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        code = "field.wrong_type" if isinstance(error, msgspec.ValidationError) else "request.broken_json"
        raise Problem(
            "request.invalid" if code == "field.wrong_type" else code,
            f"the body must be a JSON object: {detail}",
            [ErrorItem(pointer="", code=code, detail=detail)],
        ) from None


def _json(body: bytes, digest: str, head_needed: bool, most: int) -> Incoming:
    members = _members(body)
    items: list[ErrorItem] = []
    raw_contacts = members.pop("contacts", None)
    wish_members = {"destinations": members.pop("destinations")} if "destinations" in members and head_needed else {}
    wish, wish_faults = _validate(PreviewWish, wish_members)
    head, head_faults = _validate(ListHead, members) if head_needed else (None, _unknown(members))
    items += head_faults + wish_faults
    contacts: list[msgspec.Raw] = []
    if raw_contacts is None:
        items.append(ErrorItem(pointer="/contacts", code="field.missing", detail="is required"))
    else:
        try:
            contacts = msgspec.json.decode(raw_contacts, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            items.append(ErrorItem(pointer="/contacts", code="field.wrong_type", detail="must be an array of contacts"))
    if items:
        raise invalid(items)
    if len(contacts) > most:
        raise Problem("list.too_large", f"{len(contacts)} contacts; JSON takes at most {most}: send CSV or NDJSON")
    return Incoming(head, wish or PreviewWish(), open_items(contacts), digest, contacts=contacts)


def _unknown(members: Mapping[str, Any]) -> list[ErrorItem]:
    return [
        ErrorItem(pointer=f"/{name}", code="field.unknown", detail="an append takes contacts only") for name in members
    ]


def _validate(model: type[Any], members: dict[str, msgspec.Raw]) -> tuple[Any, list[ErrorItem]]:
    try:
        return model.model_validate_json(msgspec.json.encode(members), strict=True), []
    except ValidationError as error:
        return None, error_items(error, "")


def _head_of_query(parameters: FileParameters) -> ListHead:
    values: dict[str, Any] = parameters.model_dump(include=set(LIST_PARAMETERS), exclude_none=True)
    if parameters.activation is not None:
        values["activation"] = {"mode": parameters.activation}
    try:
        return ListHead.model_validate_json(msgspec.json.encode(values), strict=True)
    except ValidationError as error:
        items = error_items(error, "")
        named = [item.model_copy(update={"pointer": item.pointer.split("/")[1]}) for item in items]
        raise Problem("request.invalid", "query parameters are not valid, see errors", named) from None


def _refuse_list_parameters(parameters: FileParameters, why: str) -> None:
    """Raise for list fields in the query of a body that has another place for them, or none."""
    given = parameters.model_dump(include={*LIST_PARAMETERS, "activation"}, exclude_none=True)
    items = [ErrorItem(pointer=name, code="field.unknown", detail=why) for name in given]
    if items:
        raise Problem("request.invalid", "query parameters are not valid, see errors", items)


async def _multipart(
    call: Call,
    receiver: Receiver,
    chunks: AsyncGenerator[bytes, None],
    head_needed: bool,
    usual: Mapping[str, str] | None,
) -> Incoming:
    """A form with the part `list` (JSON) and the part `file`."""
    try:
        async with receiver.in_time() as seen:
            stream = seen(chunks)
            form = await MultiPartParser(call.request.headers, stream, max_files=1, max_fields=10).parse()
    except MultiPartException as error:
        raise Problem("request.invalid", f"the multipart body is not valid: {error.message}") from None
    except (KeyError, UnicodeDecodeError):
        raise Problem("request.invalid", "the multipart body is not valid: a header cannot be read") from None
    upload, fields = form.get("file"), {name: value for name, value in form.items() if isinstance(value, str)}
    if not isinstance(upload, UploadFile):
        raise invalid([ErrorItem(pointer="file", code="field.missing", detail="a file part named file is required")])
    parameters = call.query(FileParameters)
    _refuse_list_parameters(parameters, "of a multipart body it stands in the part list")
    given: dict[str, str] = {name: fields[name] for name in FILE_PARTS if name in fields}
    parameters = parameters.model_copy(update=given)
    head = None
    if head_needed:
        members = _members(fields.get("list", "{}").encode("utf-8", "replace"))
        head, items = _validate(ListHead, members)
        if items:
            raise invalid([item.model_copy(update={"pointer": f"list{item.pointer}"}) for item in items])
    unknown = form.keys() - {"file", "list", *FILE_PARTS}
    if unknown:
        raise invalid([ErrorItem(pointer=name, code="field.unknown", detail="is not a known part") for name in unknown])
    received = await receiver.receive(_pieces(upload))
    said = repr(sorted(fields.items())).encode("utf-8", "replace")
    digest = hashlib.sha256(said + received.digest.encode()).hexdigest()
    try:
        return await _opened(head, received, _media_type(upload), parameters, digest, usual)
    except Problem:
        await discard(call.host.database, received)
        raise


FILE_PARTS = ("mapping", "delimiter", "encoding", "sheet")


async def _pieces(upload: UploadFile) -> AsyncGenerator[bytes, None]:
    while piece := await upload.read(MEMORY):
        yield piece


def _media_type(upload: UploadFile) -> str:
    """By the part's own type, else by the ending of its file name."""
    stated = (upload.content_type or "").partition(";")[0].strip().lower()
    name = (upload.filename or "").lower()
    if stated in FILES:
        return stated
    if name.endswith((".xlsx", ".xlsm")):
        return XLSX
    return NDJSON[0] if name.endswith((".ndjson", ".jsonl")) else "text/csv"
