"""How the simulated Velip reads a request: JSON as UTF-8, forms as ISO-8859-1, multipart with a CSV or JSON file."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

_COLUMNS = ("phone", "name", "cod_cli", "extra1", "extra2", "extra3", "extra4")
_CSV_ALIASES = {"tel": "phone", "telefone": "phone", "numero": "phone"}
_KEYS = {
    "portal": {name: name for name in _COLUMNS},
    "manual": {"number": "phone", "name": "name", "codcli": "cod_cli"}
    | {name: name for name in ("extra1", "extra2", "extra3")},
}


class BadFile(Exception):
    """Another extension than .csv or .json."""


class NoBase(Exception):
    """Nothing that can be read as destinations."""


@dataclass(slots=True)
class Input:
    """A request as Velip sees it. `file` is the uploaded file's bytes."""

    fields: dict[str, Any] = field(default_factory=dict)
    query_token: str = ""
    bearer: str = ""
    filename: str = ""
    file: bytes | None = None

    @property
    def body_token(self) -> str:
        token = self.fields.get("tsid", "")
        return token if isinstance(token, str) else ""


def read_input(request: Request, body: bytes, form_charset: str) -> Input:
    """The request's fields; an unreadable body gives none. The query wins over the body."""
    said = Input()
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if kind == "application/json":
        said.fields = _json_fields(body)
    elif kind == "multipart/form-data":
        _read_multipart(body, rest.partition("boundary=")[2].strip('"'), form_charset, said)
    elif kind == "application/x-www-form-urlencoded":
        said.fields = _form_fields(body, form_charset)
    query = dict(request.query_params)
    said.query_token = query.pop("tsid", "")
    said.fields |= query
    said.bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return said


def _json_fields(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body.decode("utf-8"))
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _form_fields(body: bytes, charset: str) -> dict[str, Any]:
    pairs = (pair.partition(b"=")[::2] for pair in body.replace(b"+", b" ").split(b"&") if pair)
    return {unquote_to_bytes(name).decode(charset): unquote_to_bytes(text).decode(charset) for name, text in pairs}


def _read_multipart(body: bytes, boundary: str, charset: str, said: Input) -> None:
    for part in body.split(b"--" + boundary.encode())[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        content = content.removesuffix(b"\r\n")
        disposition = {
            name.strip(): text.strip('"')
            for name, _, text in (piece.partition("=") for piece in head.split(b"\r\n")[0].decode().split(";"))
        }
        if "filename" in disposition:
            said.filename, said.file = disposition["filename"], content
        else:
            said.fields[disposition["name"]] = content.decode(charset)


def read_destinations(said: Input, key_set: str, file_charset: str) -> tuple[str, list[dict[str, Any]]]:
    """How they came (`json` or `file`), and the records under the portal's column names; unknown keys are left out."""
    given = said.fields.get("datajson")
    if said.file is None:
        return "json", _records(given, key_set)
    if given is not None:
        raise NoBase("datajson and file")
    text = said.file.decode(file_charset)
    if said.filename.endswith(".json"):
        return "file", _records(text, key_set)
    if said.filename.endswith(".csv"):
        return "file", _csv_records(text)
    raise BadFile


def _records(given: Any, key_set: str) -> list[dict[str, Any]]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            raise NoBase("json") from None
    if not isinstance(given, list):
        raise NoBase("json")
    keys = _KEYS[key_set]
    return [
        {keys[key]: value for key, value in record.items() if key in keys}
        for record in given
        if isinstance(record, dict)
    ]


def _csv_records(text: str) -> list[dict[str, Any]]:
    """Plain cells only: neither quotes nor line breaks inside cells are documented, so they get no meaning here."""
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines:
        raise NoBase("csv")
    delimiter = "\t" if "\t" in lines[0] else ","
    header = [_CSV_ALIASES.get(name, name) for name in lines[0].split(delimiter)]
    rows = (line.split(delimiter) for line in lines[1:])
    return [
        {name: cell for name, cell in zip(header, cells, strict=True) if name in _COLUMNS}
        for cells in rows
        if len(cells) == len(header)
    ]
