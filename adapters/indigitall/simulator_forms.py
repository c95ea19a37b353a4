"""The simulator's own strict reading of forms, layouts, CSV and JSON; it shares no code with the adapter."""

import csv
import io
import json
import re
from dataclasses import dataclass, field
from typing import Any

_DISPOSITION = re.compile(rb'form-data; name="([^"]+)"(?:; filename="([^"]*)")?')
_PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")


class Refusal(Exception):
    """What is wrong with a request; the text is the answer's `message`."""


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    content: bytes


@dataclass(slots=True)
class FormData:
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)


def parse_form(content_type: str, body: bytes) -> FormData:
    """A `multipart/form-data` body (RFC 7578), to the letter: no preamble, no epilogue, each name once."""
    match = re.fullmatch(r"multipart/form-data; boundary=([A-Za-z0-9'()+_,./:=?-]{1,70})", content_type)
    if not match:
        raise Refusal("request/headers Content-Type must be multipart/form-data with a boundary")
    boundary = b"--" + match[1].encode()
    if not body.startswith(boundary + b"\r\n") or not body.endswith(b"\r\n" + boundary + b"--\r\n"):
        raise Refusal("request/body is not a whole multipart body")
    form = FormData()
    inner = body[len(boundary) + 2 : -len(boundary) - 6]
    for part in inner.split(b"\r\n" + boundary + b"\r\n"):
        _add(form, part)
    return form


def _add(form: FormData, part: bytes) -> None:
    head, separator, content = part.partition(b"\r\n\r\n")
    headers = dict(line.partition(b": ")[::2] for line in head.split(b"\r\n"))
    match = _DISPOSITION.fullmatch(headers.get(b"Content-Disposition", b""))
    if not separator or not match:
        raise Refusal("request/body holds a part without a form-data disposition")
    name = match[1].decode()
    if name in form.fields or name in form.files:
        raise Refusal(f"request/body has {name} twice")
    if match[2] is None:
        form.fields[name] = content.decode("utf-8")
    elif headers.get(b"Content-Type") != b"text/csv":
        raise Refusal(f"request/body {name} must be text/csv")
    else:
        form.files[name] = Upload(match[2].decode("utf-8"), content)


def parse_layout(text: str) -> str:
    """The layout's text, once it is sure to be one: `contact` with both of its keys, and flat `customFields`."""
    try:
        layout = json.loads(text)
    except ValueError:
        raise Refusal("request/body/layout must be JSON") from None
    if not isinstance(layout, dict) or set(layout) - {"contact", "customFields", "sendType", "messageContent"}:
        raise Refusal("request/body/layout must be an object of contact and customFields")
    contact, variables = layout.get("contact"), layout.get("customFields", {})
    if not isinstance(contact, dict) or set(contact) != {"contactCode", "channelType"}:
        raise Refusal("request/body/layout/contact must have required property contactCode and channelType")
    if not isinstance(variables, dict) or not all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in variables):
        raise Refusal("request/body/layout/customFields must have names of letters, digits and underscores")
    if not all(isinstance(value, str) for value in [*contact.values(), *variables.values()]):
        raise Refusal("request/body/layout must hold strings")
    return text


def parse_csv(content: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a UTF-8 file with commas; every row as wide as the header, at least one."""
    if content.startswith(b"\xef\xbb\xbf"):
        raise Refusal("request/body/file begins with a byte-order mark")
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise Refusal("request/body/file must be a CSV file in UTF-8") from None
    if len(lines) < 2:
        raise Refusal("request/body/file must have a header and a row")
    header, rows = lines[0], lines[1:]
    if len(set(header)) < len(header) or not all(re.fullmatch(r"\w+", name) for name in header):
        raise Refusal("request/body/file has a header with bad or repeated names")
    if any(len(row) != len(header) for row in rows):
        raise Refusal("request/body/file has a row of another width than the header")
    return header, rows


def check_columns(layout: str, header: list[str]) -> None:
    """`Each column in the CSV file represents a variable in the layout`, read strictly, and the other way round."""
    named = set(_PLACEHOLDER.findall(layout))
    if missing := named - set(header):
        raise Refusal(f"request/body/layout names a column that the file lacks: {', '.join(sorted(missing))}")
    if unused := set(header) - named:
        raise Refusal(f"request/body/file has a column that the layout lacks: {', '.join(sorted(unused))}")


def render(layout: str, header: list[str], row: list[str]) -> dict[str, Any]:
    """One message: the cells put into the layout's text as they are, the worst reading of what is not documented."""
    cells = dict(zip(header, row, strict=True))
    try:
        message: dict[str, Any] = json.loads(_PLACEHOLDER.sub(lambda match: cells[match[1]], layout))
    except ValueError:
        raise Refusal("request/body/file has a row that breaks the layout") from None
    _check_contact(message["contact"])
    return message


def parse_json(content_type: str, body: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The body of a JSON send and its messages: 1 to 100 contacts; that each has its own `customFields` is assumed."""
    try:
        value = json.loads(body)
    except ValueError:
        raise Refusal("request/body must be JSON") from None
    contacts = value.get("contacts") if isinstance(value, dict) else None
    if content_type != "application/json" or not isinstance(contacts, list) or not 1 <= len(contacts) <= 100:
        raise Refusal("request/body/contacts must have 1 to 100 items")
    if not all(isinstance(text, str) for name, text in value.items() if name != "contacts"):
        raise Refusal("request/body must hold strings beside contacts")
    return value, [_listed(contact) for contact in contacts]


def _listed(contact: Any) -> dict[str, Any]:
    if not isinstance(contact, dict) or set(contact) - {"customFields"} != {"contactCode", "channelType"}:
        raise Refusal("request/body/contacts must have required property contactCode and channelType")
    whom = {name: contact[name] for name in ("contactCode", "channelType")}
    variables = contact.get("customFields", {})
    if not isinstance(variables, dict) or not all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in variables):
        raise Refusal("request/body/contacts/customFields must have names of letters, digits and underscores")
    if not all(isinstance(text, str) for text in [*whom.values(), *variables.values()]):
        raise Refusal("request/body/contacts must hold strings")
    _check_contact(whom)
    return {"contact": whom, "customFields": variables}


def _check_contact(contact: dict[str, str]) -> None:
    if not re.fullmatch(r"[1-9][0-9]{6,14}", contact["contactCode"]):
        raise Refusal("request/body has a contactCode that is not a number with its country code")
    if contact["channelType"] != "cloud_api":
        raise Refusal("request/body channelType must be equal to one of the allowed values: cloud_api")
