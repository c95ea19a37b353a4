"""Do-not-contact numbers: taken from a file or a list of numbers, and stored chunk by chunk in constant memory.

Of a row only the number counts: a bad e-mail address must not be the reason why somebody is contacted after all.
"""

import asyncio
import codecs
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, Literal

from pydantic import Field

from gateway.canonical import Fault
from gateway.canonical.faults import fault
from gateway.ingest import (
    CsvRow,
    Phone,
    RawRow,
    Source,
    SourceError,
    SourceInfo,
    SourceLimits,
    normalise_phone,
    open_csv,
    open_ndjson,
)
from gateway.ingest.charset import find_charset
from gateway.ingest.columns import Layout
from gateway.ingest.csv_source import block_of, seekable
from gateway.ingest.delimiter import check_delimiter, vote
from gateway.ingest.json_values import as_sent, decode_item
from gateway.ingest.phones import known_region
from gateway.ingest.source import CsvBlock
from gateway.ingest.table import Borrowed, Table
from gateway.resources import Resource
from gateway.store import suppressions as store
from gateway.store.database import Database, timestamp

CHUNK = 5_000
"""Rows of one transaction: other calls have their turn between two of them."""
SHOWN = 100
_LONGEST_SHOWN = 64
_SAMPLE = 64 * 1024

Format = Literal["csv", "ndjson"]


class RejectedNumber(Resource):
    """A row that holds no number, and why."""

    row: int = Field(description="line of the file, or place in the array from 1")
    code: str
    column: str | None
    detail: str
    phone: str = Field(description="as sent, its first 64 characters")


class Added(Resource):
    """What became of the numbers: received = added + already + rejected."""

    received: int
    added: int
    already: int = Field(description="suppressed before, or earlier in the same body")
    rejected: int
    total: int = Field(description="how many numbers the tenant has suppressed now")
    rejections: list[RejectedNumber] = Field(description="the first 100")
    source: SourceInfo | None = Field(description="what was found in a file; null for JSON")


class Removed(Resource):
    """What became of the numbers: received = removed + absent + rejected."""

    received: int
    removed: int
    absent: int = Field(description="not suppressed, or named earlier in the same body")
    rejected: int
    total: int = Field(description="how many numbers the tenant has suppressed now")
    rejections: list[RejectedNumber] = Field(description="the first 100")


class BrokenOff(Exception):
    """The file cannot be read to its end. Its first `done` rows were taken, and stay so."""

    def __init__(self, error: SourceError, done: int) -> None:
        self.error, self.done = error, done
        super().__init__(self.detail)

    @property
    def detail(self) -> str:
        """What is wrong, and how far it went."""
        done = f"the first {self.done} rows are done and stay so" if self.done else "nothing of it was taken"
        return f"{self.error.detail}; {done}: send the corrected file again"


@dataclass(slots=True)
class _Tally:
    received: int = 0
    changed: int = 0
    rejected: int = 0
    shown: list[RejectedNumber] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        return self.received - self.changed - self.rejected


def open_numbers(
    file: BinaryIO,
    form: Format,
    *,
    mapping: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
) -> Source:
    """The rows of a file of numbers. Blocking: the file is read once to find its charset. Raises SourceError.

    CSV: the column is found as it is for contacts; a file of one column may have no header.
    """
    if form == "ndjson":
        return open_ndjson(file, encoding=encoding)
    body = seekable(file)
    start = body.tell()
    try:
        return open_csv(body, delimiter=delimiter, encoding=encoding, mapping=mapping)
    except SourceError as error:
        if error.code != "source.no_header" or mapping:
            raise
        body.seek(start)
        return _without_header(body, delimiter, encoding, error)


def _without_header(file: BinaryIO, delimiter: str | None, encoding: str | None, refusal: SourceError) -> Source:
    """One number a line; `refusal` is raised when the first line holds more than one cell."""
    limits = SourceLimits()
    charset = find_charset(file, encoding, limits.row)
    codec = "utf-8" if charset == "utf-8-sig" else charset
    start = file.tell()
    chunk = file.read(_SAMPLE)
    sample = codecs.getincrementaldecoder(codec)("strict").decode(chunk)
    used = check_delimiter(delimiter) if delimiter is not None else vote(sample, len(chunk) < _SAMPLE, ())
    layout = Layout(("",), 0, (), (), {}, {}, False)

    def blocks() -> Iterator[CsvBlock]:
        file.seek(start)
        for rows in Table(Borrowed(file, codec, newline=""), used, limits, skip=0):
            yield block_of(rows, layout)

    if any(cell.strip() for cell in next(blocks()).cells[0][1:]):
        raise refusal
    return Source(SourceInfo(format="csv", charset=charset, delimiter=used), blocks())


async def add(
    database: Database,
    tenant: str,
    source: Source,
    region: str | None,
    tell: Callable[[int], object] = lambda _: None,
) -> Added:
    """Suppress every number of the source; `region` is the country of national ones. Raises BrokenOff.

    Each chunk is committed on its own, and adding a number again changes nothing: an addition that was cut off is
    simply repeated. `tell` hears how many rows are done.
    """
    tally = await _store(database, tenant, source, region, store.add, tell)
    info = source.info
    return Added(
        received=tally.received,
        added=tally.changed,
        already=tally.unchanged,
        rejected=tally.rejected,
        total=await database.run(store.total, tenant),
        rejections=tally.shown,
        source=info if info.format != "json" else None,
    )


async def remove(
    database: Database,
    tenant: str,
    source: Source,
    region: str | None,
    tell: Callable[[int], object] = lambda _: None,
) -> Removed:
    """Suppress the numbers of the source no longer; as `add`."""
    tally = await _store(database, tenant, source, region, store.remove, tell)
    return Removed(
        received=tally.received,
        removed=tally.changed,
        absent=tally.unchanged,
        rejected=tally.rejected,
        total=await database.run(store.total, tenant),
        rejections=tally.shown,
    )


async def remove_all(database: Database, tenant: str) -> Removed:
    """Suppress nobody any longer. Numbers that are added while this runs stay."""
    until, last, number = timestamp(), "", 0
    while True:
        removed, more = await database.run(store.remove_next, tenant, last, until, CHUNK)
        number += removed
        if more is None:
            break
        last = more
    total = await database.run(store.total, tenant)
    return Removed(received=number, removed=number, absent=0, rejected=0, total=total, rejections=[])


def one_number(text: str, region: str | None) -> str | Fault:
    """The number in E.164, or why it is none."""
    found = normalise_phone(text.strip(), known_region(region))
    return found.e164 if isinstance(found, Phone) else found


async def _store(
    database: Database,
    tenant: str,
    source: Source,
    region: str | None,
    write: Callable[..., int],
    tell: Callable[[int], object],
) -> _Tally:
    tally, rows, known = _Tally(), iter(source), known_region(region)
    while True:
        try:
            phones = await asyncio.to_thread(_next_phones, rows, known, tally)
        except SourceError as error:
            raise BrokenOff(error, tally.received) from None
        if phones is None:
            return tally
        tally.changed += await database.run(write, tenant, phones)
        tell(tally.received)


def _next_phones(rows: Iterator[RawRow], region: str | None, tally: _Tally) -> list[str] | None:
    """The numbers of the next chunk of rows; None at the end. Rows without one are noted in the tally."""
    chunk = list(islice(rows, CHUNK))
    if not chunk:
        return None
    phones = []
    for raw in chunk:
        text, column, wrong = _phone_text(raw)
        found = wrong or normalise_phone(text.strip(), region)
        if isinstance(found, Phone):
            phones.append(found.e164)
            continue
        tally.rejected += 1
        if len(tally.shown) < SHOWN:
            tally.shown.append(_rejected(raw.row, found, column, text))
    tally.received += len(chunk)
    return phones


def _rejected(row: int, why: Fault, column: str | None, text: str) -> RejectedNumber:
    shown = text[:_LONGEST_SHOWN].encode("utf-8", "replace").decode()
    return RejectedNumber(row=row, code=why.code, column=column, detail=why.detail, phone=shown)


def _phone_text(raw: RawRow) -> tuple[str, str | None, Fault | None]:
    """What a row gives as its number, the column, and what is wrong with the row itself, if anything."""
    if not isinstance(raw, CsvRow):
        return _phone_text_of_item(raw.item)
    cells, width, place = raw.cells, raw.layout.width, raw.layout.phone
    text = cells[place] if place < len(cells) else ""
    wrong = None
    if len(cells) != width and (len(cells) < width or any(cell.strip() for cell in cells[width:])):
        # a cell too many or too few may have moved another number into the column
        code = "row.too_few_cells" if len(cells) < width else "row.too_many_cells"
        wrong = Fault(code, None, f"{len(cells)} cells, {width} expected")
    return text, raw.layout.columns[place] or None, wrong


def _phone_text_of_item(item: object) -> tuple[str, str | None, Fault | None]:
    value, problem = decode_item(item)
    if problem is not None:
        return "", None, fault(problem)
    if isinstance(value, str):
        return value, None, None
    if not isinstance(value, dict):
        return "", None, Fault("row.not_an_object", None, "send a number in quotes, or an object with a phone")
    phone = value.get("phone")
    if phone is None:
        return "", "phone", fault("phone.missing")
    if not isinstance(phone, str):
        return str(as_sent(phone))[:_LONGEST_SHOWN], "phone", fault("field.wrong_type", "phone")
    return phone, "phone", None
