"""What a strict Exotel would refuse, as pure functions: numbers, fields, CSV headers and rows (sheet 3, 4, 5)."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_BULK = 5_000
CEILING = {"static": 100_000, "dynamic": 500_000}
MAX_CSV_BYTES = 60_000_000
MAX_VARIABLES = 5
STANDARD = ("first_name", "last_name", "company_name", "email", "tag")
CONTACT_TEXTS = {"number", *STANDARD}
CUSTOM = {"custom", "custom_field"}


class Bad(Exception):
    """A refusal: HTTP status, application code, and the vendor's words."""

    def __init__(self, status: int, code: int, description: str) -> None:
        super().__init__(description)
        self.status, self.code, self.description = status, code, description


MESSAGES = {
    1000: "Not found",
    1001: "Mandatory parameter missing",
    1002: "Invalid parameter",
    1003: "Not authorised",
    1007: "Invalid body",
    1008: "Duplicate resource",
    1010: "Authorisation failed",
    1011: "Unsupported content type",
}


def international(number: object) -> str | None:
    """The number as +E.164: India is guessed where the country is missing. None: punctuation, too short."""
    if not isinstance(number, str):
        return None
    if re.fullmatch(r"\+[1-9]\d{7,14}", number):
        return number
    if re.fullmatch(r"91\d{10}", number):
        return "+" + number
    if re.fullmatch(r"0?[1-9]\d{9}", number):
        return "+91" + number[-10:]
    return None


def bulk(body: Any, name: str) -> list[Any]:
    """The array of a bulk call, and nothing else in the body."""
    if not isinstance(body, dict) or name not in body:
        raise Bad(400, 1001, f"{name} is missing")
    if set(body) != {name}:
        raise Bad(400, 1002, f"only {name} is known here")
    entries = body[name]
    if not isinstance(entries, list) or not entries:
        raise Bad(400, 1002, f"{name} must be a filled array")
    if len(entries) > MAX_BULK:
        raise Bad(400, 1002, f"{name} has more than {MAX_BULK} entries")
    return entries


def list_fields(entry: Any, required: set[str], known: set[str]) -> dict[str, str]:
    """An entry of texts: every required one filled, none unknown."""
    if not isinstance(entry, dict):
        raise Bad(400, 1002, "an entry must be an object")
    missing = sorted(name for name in required if not entry.get(name))
    if missing:
        raise Bad(400, 1001, f"{missing[0]} is missing")
    for name, value in entry.items():
        if name not in known or not isinstance(value, str):
            raise Bad(400, 1002, f"{name} is unknown or no text")
    return dict(entry)


def contact_fields(entry: Any) -> dict[str, Any]:
    """A contact as it is stored, its number as +E.164."""
    if not isinstance(entry, dict):
        raise Bad(400, 1002, "a contact must be an object")
    custom = {name: value for name, value in entry.items() if name in CUSTOM}
    if any(not isinstance(value, dict) for value in custom.values()):
        raise Bad(400, 1002, "custom fields must be an object")
    texts = list_fields({n: v for n, v in entry.items() if n not in CUSTOM}, {"number"}, CONTACT_TEXTS)
    number = international(texts["number"])
    if number is None:
        raise Bad(400, 1002, "number is invalid")
    return {**texts, **custom, "number": number}


@dataclass
class Upload:
    """A CSV that was taken: where it goes, its rows, and the counts once it is done."""

    id: str
    list_sid: str
    kind: str
    rows: list[dict[str, str] | None]
    looks: int
    forgotten: int | None = None
    counts: dict[str, int] = field(default_factory=dict)


def csv_header(line: list[str], kind: str) -> list[str]:
    """The header, refused when a column may not be there."""
    if len(set(line)) != len(line):
        raise Bad(400, 1002, "a column stands twice")
    for name in line:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise Bad(400, 1002, "a column name has blanks or special characters, or is empty")
    if "number" not in line:
        raise Bad(400, 1001, "the column number is missing")
    others = [name for name in line if name != "number"]
    if kind == "static" and not set(others) <= set(STANDARD):
        raise Bad(400, 1002, "a static list takes no columns of its own")
    if kind == "dynamic" and len(others) > MAX_VARIABLES:
        raise Bad(400, 1002, f"a dynamic list takes {MAX_VARIABLES} variables")
    return line


def csv_content(content: bytes, kind: str) -> list[dict[str, str] | None]:
    """The rows of a file; None for a row that fails (wrong number of cells, bad number)."""
    if len(content) >= MAX_CSV_BYTES:
        raise Bad(400, 1002, "the file is not under 60 MB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad(400, 1007, "the file is not UTF-8") from None
    if text.startswith("\ufeff"):
        raise Bad(400, 1002, "the file begins with a byte-order mark")
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = csv_header(next(lines), kind)
        return list(_rows(lines, header))
    except (csv.Error, StopIteration):
        raise Bad(400, 1007, "the file is no CSV") from None


def _rows(lines: Iterator[list[str]], header: list[str]) -> Iterator[dict[str, str] | None]:
    for cells in lines:
        if len(cells) != len(header):
            yield None
            continue
        row = dict(zip(header, cells, strict=True))
        number = international(row["number"])
        yield None if number is None else {**row, "number": number}
