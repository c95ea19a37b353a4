"""Reading a contact list from a request body: JSON, CSV, NDJSON or multipart, within the limits."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from gateway.canonical import ListHead
from gateway.ingest import Intake, Normaliser, Source, SourceError, collect, open_csv, open_items, open_ndjson
from gateway.problem import ErrorItem, Problem, invalid
from gateway.web.call import Call, error_items

_DRAIN_BYTES = 1 << 30


class FileParameters(BaseModel):
    """Query parameters of a CSV or NDJSON body (and, but for the list's own fields, of a multipart one)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    reference: str | None = None
    destination: str | None = None
    channel: str | None = None
    default_region: str | None = None
    duplicates: str | None = None
    on_loss: str | None = None
    activation: str | None = Field(None, description="hold or start")
    mapping: str | None = Field(None, description='JSON: {"canonical field": "column"}')
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None


class NoParameters(BaseModel):
    """Of calls whose query says nothing: a parameter would be ignored in silence."""

    model_config = ConfigDict(extra="forbid")


LIST_PARAMETERS = ("name", "reference", "destination", "channel", "default_region", "duplicates", "on_loss")


class PreviewWish(BaseModel):
    """What a preview takes besides the list: the destinations to show, or all of them."""

    destinations: list[str] | Literal["all"] | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A list as it came in. `digest` is equal for equal payloads, whatever their multipart boundary."""

    head: ListHead | None
    wish: PreviewWish
    source: Source
    digest: str


async def read_incoming(call: Call, *, head_needed: bool = True) -> Incoming:
    """Read the body of a create, an append (`head_needed=False`), a preview or an explain."""
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        async with asyncio.timeout(call.host.config.server.upload_timeout):
            if media_type == "multipart/form-data":
                return await _multipart(call, head_needed)
            file, digest = await _spool(call)
    except TimeoutError:
        raise Problem("upload.too_slow", "the body did not arrive in time") from None
    except ClientDisconnect:
        raise Problem("upload.too_slow", "the client went away before the body was whole") from None
    if media_type in ("application/json", ""):
        call.query(NoParameters)
        return _json(file.read(), digest, head_needed)
    parameters = call.query(FileParameters)
    if not head_needed:
        _refuse_list_parameters(parameters, "an append takes contacts only")
    head = _head_of_query(parameters) if head_needed else None
    digest = hashlib.sha256(f"{digest}?{call.request.url.query}".encode()).hexdigest()
    return Incoming(head, PreviewWish(), open_file(media_type, file, parameters), digest)


def open_file(media_type: str, file: IO[bytes], parameters: FileParameters) -> Source:
    """A CSV or NDJSON source; `SourceError` and an unknown media type become problems."""
    try:
        if media_type == "text/csv":
            mapping = _mapping(parameters.mapping)
            return open_csv(file, delimiter=parameters.delimiter, encoding=parameters.encoding, mapping=mapping)  # type: ignore[arg-type]
        if media_type in ("application/x-ndjson", "application/ndjson", "application/jsonl"):
            return open_ndjson(file, encoding=parameters.encoding)  # type: ignore[arg-type]
    except SourceError as error:
        raise source_problem(error) from None
    raise Problem(
        "body.wrong_type",
        f"send application/json, text/csv, application/x-ndjson or multipart/form-data, not {media_type}",
    )


def source_problem(error: SourceError) -> Problem:
    code = "body.too_large" if error.status == 413 else "source.unusable"
    return Problem(
        code, error.detail, [ErrorItem(pointer="", code=error.code, detail=error.detail)], status=error.status
    )


def take_in(call: Call, incoming: Incoming, head: ListHead) -> Intake:
    """Parse, validate and normalise every row. Blocking: run it in a thread."""
    region = head.default_region or call.tenant.default_region
    most = call.host.config.server.max_contacts
    try:
        intake = collect(incoming.source, Normaliser(region), head.duplicates)
    except SourceError as error:
        raise source_problem(error) from None
    if intake.received > most:
        raise Problem(
            "list.too_large", f"{intake.received} contacts; one request takes at most {most}, send the rest with append"
        )
    return intake


async def read_bytes(call: Call) -> bytes:
    """A small body, within the limits."""
    try:
        async with asyncio.timeout(call.host.config.server.upload_timeout):
            file, _ = await _spool(call)
    except TimeoutError:
        raise Problem("upload.too_slow", "the body did not arrive in time") from None
    return file.read()


async def read_model(call: Call, model: type[Any]) -> Any:
    """A JSON body as this model; every fault with its pointer."""
    body = await read_bytes(call)
    members = _members(body)
    try:
        return model.model_validate_json(msgspec.json.encode(members), strict=True)
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


async def _spool(call: Call) -> tuple[IO[bytes], str]:
    file = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - closed when it is collected
    digest = hashlib.sha256()
    async for chunk in _limited(call.request, call.host.config.server.max_body << 20):
        file.write(chunk)
        digest.update(chunk)
    file.seek(0)
    return file, digest.hexdigest()


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


def _json(body: bytes, digest: str, head_needed: bool) -> Incoming:
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
    return Incoming(head, wish or PreviewWish(), open_items(contacts), digest)


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


def _mapping(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text.encode("utf-8", "replace"), type=dict[str, str])
    except msgspec.DecodeError:
        detail = 'must be a JSON object {"canonical field": "column"}'
        raise Problem(
            "request.invalid", f"mapping {detail}", [ErrorItem(pointer="mapping", code="field.invalid", detail=detail)]
        ) from None


async def _multipart(call: Call, head_needed: bool) -> Incoming:
    """A form with the part `list` (JSON) and the part `file` (CSV or NDJSON)."""
    stream = _limited(call.request, call.host.config.server.max_body << 20)
    try:
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
    given: dict[str, str] = {name: fields[name] for name in ("mapping", "delimiter", "encoding") if name in fields}
    parameters = parameters.model_copy(update=given)
    head = None
    if head_needed:
        members = _members(fields.get("list", "{}").encode("utf-8", "replace"))
        head, items = _validate(ListHead, members)
        if items:
            raise invalid([item.model_copy(update={"pointer": f"list{item.pointer}"}) for item in items])
    unknown = form.keys() - {"file", "list", "mapping", "delimiter", "encoding"}
    if unknown:
        raise invalid([ErrorItem(pointer=name, code="field.unknown", detail="is not a known part") for name in unknown])
    digest = hashlib.sha256(repr(sorted(fields.items())).encode("utf-8", "replace"))
    while chunk := await upload.read(1 << 20):
        digest.update(chunk)
    await upload.seek(0)
    source = open_file(_media_type(upload), upload.file, parameters)
    return Incoming(head, PreviewWish(), source, digest.hexdigest())


def _media_type(upload: UploadFile) -> str:
    """By the part's own type, else by the ending of its file name."""
    stated = (upload.content_type or "").partition(";")[0].strip().lower()
    name = (upload.filename or "").lower()
    if stated in ("text/csv", "application/x-ndjson"):
        return stated
    return "application/x-ndjson" if name.endswith((".ndjson", ".jsonl")) else "text/csv"
