"""How the simulator reads an uploaded file: strictly, by fact sheet section 4."""

import csv
import io
import re
from dataclasses import dataclass

UUID = "__task_uuid"
_UUID = re.compile(r"[A-Za-z0-9:-]{1,40}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d")
_RESERVED = {UUID, "__start_at", "__start_execution_time", "__end_execution_time"}


class BadFile(Exception):
    """The file is refused. `code` is the vendor's error code."""

    def __init__(self, why: str, code: int = 250) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the file is read. `escape` "": no escape character; `doubled`: a doubled quote is a quote."""

    encoding: str
    delimiter: str
    escape: str
    doubled: bool = True


def parse(content: bytes, dialect: Dialect) -> list[dict[str, str]]:
    """The rows by column name. Raises `BadFile`."""
    try:
        text = content.decode(dialect.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise BadFile("Invalid CSV file: encoding") from error
    if text.startswith("\ufeff"):
        raise BadFile("Invalid CSV file: byte-order mark")
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect.delimiter,
        quotechar='"',
        doublequote=dialect.doubled,
        escapechar=dialect.escape if dialect.escape not in ("", '"') else None,
        strict=True,
    )
    try:
        header, *lines = list(reader)
    except (csv.Error, ValueError) as error:
        raise BadFile("Invalid CSV file") from error
    _judge_header(header)
    if not lines:
        raise BadFile("Invalid CSV file: no rows")
    rows = []
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(header):
            raise BadFile(f"Invalid CSV file: line {number} has {len(cells)} cells")
        row = dict(zip(header, cells, strict=True))
        _judge_row(row, number)
        rows.append(row)
    return rows


def _judge_header(header: list[str]) -> None:
    if not header or "" in header or len(set(header)) != len(header):
        raise BadFile("Invalid CSV file: header")
    unknown = {name for name in header if name.startswith("__")} - _RESERVED
    if unknown:
        raise BadFile(f"Invalid CSV file: unknown column {min(unknown)}")
    if ("__start_execution_time" in header) != ("__end_execution_time" in header):
        raise BadFile("Invalid CSV file: one execution time without the other")


def _judge_row(row: dict[str, str], number: int) -> None:
    if any("\n" in cell or "\r" in cell for cell in row.values()):
        raise BadFile(f"Invalid CSV file: line break inside a value, line {number}")
    if UUID in row and not _UUID.fullmatch(row[UUID]):
        raise BadFile("The '__task_uuid' parameter is invalid", 496)
    if not re.fullmatch(r"\d{0,12}", row.get("__start_at", "")):
        raise BadFile("The '__start_at' parameter is invalid", 496)
    for name in ("__start_execution_time", "__end_execution_time"):
        if row.get(name) and not _CLOCK.fullmatch(row[name]):
            raise BadFile(f"The '{name}' parameter is invalid", 496)
    if not re.fullmatch(r"\d{1,10}", row.get("task_priority", "0")):
        raise BadFile("The 'task_priority' parameter is invalid", 496)
