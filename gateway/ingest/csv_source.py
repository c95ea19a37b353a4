"""CSV files as rows, streamed: any delimiter, charset and line end, quoted line breaks, exact line numbers."""

import codecs
import itertools
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO, Final

from gateway.ingest.charset import find_charset
from gateway.ingest.columns import Layout, map_columns, name_columns
from gateway.ingest.delimiter import check_delimiter, told_delimiter, vote
from gateway.ingest.magic import refuse_other_formats
from gateway.ingest.problems import SourceError
from gateway.ingest.source import CsvBlock, Source, SourceInfo, SourceLimits
from gateway.ingest.table import Borrowed, Rows, Table

_ESCAPED: Final = re.compile(r"'+[=+\-@\t\r]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SAMPLE: Final = 64 * 1024


def open_csv(
    file: BinaryIO,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    mapping: Mapping[str, str] | None = None,
    usual: Mapping[str, str] | None = None,
    limits: SourceLimits = SourceLimits(),  # noqa: B008  (frozen)
) -> Source:
    """The rows of a CSV file, from where the file stands. A file that is not seekable is spooled to disk first.

    Raises SourceError here for all that can be told of the file as a whole, and in the iteration for a quote that is
    never closed and for rows or cells that are too long.
    """
    stated = check_delimiter(delimiter) if delimiter is not None else None
    body = seekable(file)
    refuse_other_formats(body, encoding)
    charset = find_charset(body, encoding, limits.row)
    codec = "utf-8" if charset == "utf-8-sig" else charset
    sample, whole = _sample(body, codec)
    told = told_delimiter(sample)
    used = stated or told or vote(sample, whole, set((mapping or {}).values()))
    rows = iter(Table(Borrowed(body, codec, newline=""), used, limits, skip=1 if told else 0))
    header = next(rows, None)
    if header is None:
        raise SourceError("source.empty")
    layout = layout_by(header.cells[0], mapping, usual, limits)
    first = next(rows, None)
    if first is None:
        raise SourceError("source.header_only")
    info = SourceInfo(
        format="csv",
        charset=charset,
        delimiter=used,
        columns=list(layout.columns),
        mapping=layout.mapping,
        ignored=layout.ignored,
        corrections=layout.corrections,
    )
    return Source(info, (block_of(some, layout) for some in itertools.chain((first,), rows)))


def seekable(file: BinaryIO) -> BinaryIO:
    """The file itself, or a spooled copy of it when it cannot be read twice."""
    with suppress(AttributeError, OSError):
        if file.seekable():
            return file
    copy = tempfile.SpooledTemporaryFile(max_size=_SAMPLE)  # noqa: SIM115  (lives as long as the source)
    while chunk := file.read(_SAMPLE):
        copy.write(chunk)
    copy.seek(0)
    return copy  # type: ignore[return-value]  # a binary file in all but its declared type


def _sample(body: BinaryIO, codec: str) -> tuple[str, bool]:
    start = body.tell()
    chunk = body.read(_SAMPLE)
    body.seek(start)
    return codecs.getincrementaldecoder(codec)("strict").decode(chunk), len(chunk) < _SAMPLE


def layout_by(
    header: list[str], mapping: Mapping[str, str] | None, usual: Mapping[str, str] | None, limits: SourceLimits
) -> Layout:
    """The layout of a file whose first row is this one."""
    names = name_columns(header)
    if len(names) > limits.columns:
        raise SourceError("source.too_many_columns", f"{len(names)} columns, at most {limits.columns}")
    if any(_CONTROL.search(name) for name in names):
        raise SourceError("source.binary", "the header holds control characters")
    if "error_code" in names and "error_detail" in names:
        names = tuple(map(_unescape, names))
    return map_columns(names, mapping, usual)


def block_of(rows: Rows, layout: Layout) -> CsvBlock:
    """The rows as this layout has them."""
    cells = rows.cells
    if layout.corrections:
        cells = [
            [cell if place == layout.phone else _unescape(cell) for place, cell in enumerate(row)] for row in cells
        ]
    return CsvBlock(layout, rows.lines, cells, rows.plain, rows.longest)


def _unescape(text: str) -> str:
    """The text without the apostrophe that our rejections file has added, so that no spreadsheet runs it."""
    return text[1:] if _ESCAPED.match(text) else text
