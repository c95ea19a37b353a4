"""NDJSON files and JSON arrays as rows, each contact left undecoded."""

import codecs
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

from gateway.ingest.charset import BOMS, codec_named, find_charset
from gateway.ingest.csv_source import seekable
from gateway.ingest.magic import refuse_other_formats
from gateway.ingest.problems import SourceError
from gateway.ingest.source import JsonRow, RawRow, Source, SourceInfo, SourceLimits
from gateway.ingest.table import Borrowed

_UTF8: Final = {"utf-8", "utf-8-sig", "ascii"}


def open_ndjson(
    file: BinaryIO,
    *,
    encoding: str | None = None,
    limits: SourceLimits = SourceLimits(),  # noqa: B008  (frozen)
) -> Source:
    """The contacts of a file with one JSON object a line: UTF-8 unless a BOM or the caller says otherwise.

    In UTF-8 a line with broken bytes is a rejected row; in other charsets the whole file is refused.
    """
    body = seekable(file)
    refuse_other_formats(body, encoding, json=True)
    start = body.tell()
    mark = body.read(4)
    body.seek(start)
    marked = next((charset for bom, charset in BOMS if mark.startswith(bom)), None)
    stated = codec_named(encoding) if encoding is not None else None
    if (marked or stated or "utf-8") in _UTF8 and (stated or "utf-8") in _UTF8:
        charset = marked or "utf-8"
        body.seek(start + (len(codecs.BOM_UTF8) if marked else 0))
        lines = _byte_lines(body, limits.row)
    else:
        charset = find_charset(body, encoding, limits.row)
        lines = (line.encode() for line in Borrowed(body, charset.removesuffix("-sig"), newline="\n"))
    rows = _rows(lines)
    first = next(rows, None)
    if first is None:
        raise SourceError("source.empty")
    if bytes(first.item).startswith(b"["):
        raise SourceError("source.json_array")
    return Source.of_rows(SourceInfo(format="ndjson", charset=charset), _chain(first, rows))


def open_items(items: Iterable[object], limits: SourceLimits = SourceLimits()) -> Source:  # noqa: ARG001, B008
    """The `contacts` of a JSON body, each undecoded (`msgspec.Raw`) or decoded; rows are places from 1."""
    return Source.of_rows(SourceInfo(format="json"), (JsonRow(place, item) for place, item in enumerate(items, 1)))


def _byte_lines(body: BinaryIO, longest: int) -> Iterator[bytes]:
    number = 0
    while line := body.readline(longest + 2):
        number += 1
        if len(line.rstrip(b"\r\n")) > longest:
            raise SourceError("source.row_too_long", f"line {number} is longer than {longest} bytes")
        if b"\0" in line:
            raise SourceError("source.nul_byte", f"line {number} holds a NUL")
        yield line


def _rows(lines: Iterator[bytes]) -> Iterator[JsonRow]:
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if line:
            yield JsonRow(number, msgspec.Raw(line))


def _chain(first: JsonRow, rows: Iterator[JsonRow]) -> Iterator[RawRow]:
    yield first
    yield from rows
