"""Text as blocks of rows: csv.reader with the line of every row, and guards against rows without an end."""

import csv
import io
import itertools
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from gateway.ingest.problems import SourceError
from gateway.ingest.source import SourceLimits

MOST_ROWS: Final = 1_000
MOST_CHARACTERS: Final = 256 * 1024
"""A block is complete with the row that reaches either."""


class Rows(NamedTuple):
    """Rows that follow each other: the lines on which they start and their cells.

    `plain`: all their characters are printable. `longest`: the characters of the longest row.
    """

    lines: list[int]
    cells: list[list[str]]
    plain: bool
    longest: int


_DOS_END: Final = "\x1a"
_field_limit = threading.Lock()


class Borrowed(io.TextIOWrapper):
    """Text over a file that is not ours to close."""

    def close(self) -> None:
        with suppress(ValueError):
            self.detach()


class _TooLong(Exception):
    pass


class Table:
    """The rows of a delimited text that hold anything, each with the physical line on which it starts, from 1.

    They come in blocks, none of which is empty; the first row comes alone.
    """

    def __init__(self, text: io.TextIOWrapper, delimiter: str, limits: SourceLimits, skip: int) -> None:
        self._text = text
        self._limits = limits
        self._skip = skip  # lines before the header
        self._held = 0  # characters of the row at hand
        self._ended = False
        _allow_cells(limits.cell)
        self._reader = csv.reader(self._lines(), delimiter=delimiter, skipinitialspace=True)

    def _lines(self) -> Iterator[str]:
        most = self._limits.row
        for line in itertools.islice(self._text, self._skip, None):
            self._held = held = self._held + len(line)
            if held > most:
                raise _TooLong
            yield line
        self._ended = True

    def __iter__(self) -> Iterator[Rows]:
        most = 1
        ends = [0]  # the line on which each row ended, not counting skipped ones; the first is that of the row before
        try:
            while True:
                cells: list[list[str]] = []
                fault = self._read(most, cells, ends)
                found = self._rows(ends, cells)
                if found is not None:
                    most = MOST_ROWS
                    yield found
                if fault is not None:
                    raise fault
                if self._ended:
                    return
                del ends[:-1]
        finally:
            self._text.close()

    def _read(self, most: int, rows: list[list[str]], ends: list[int]) -> SourceError | None:
        """Read so many rows; what is wrong with the one behind them."""
        reader, longest = self._reader, self._limits.cell
        size = 0
        try:
            for cells in reader:
                if self._ended:
                    # a row that is complete only because the file ended was still inside its quote
                    return self._unclosed(ends[-1])
                held = self._held
                if held > longest and max(map(len, cells)) > longest:
                    raise csv.Error
                self._held = 0
                rows.append(cells)
                ends.append(reader.line_num)
                size += held
                if len(rows) >= most or size > MOST_CHARACTERS:
                    break
        except (_TooLong, csv.Error) as fault:
            last = ends[-1]
            if reader.line_num > last + 1:
                # a row that runs over many lines and out of bounds has lost its closing quote
                return self._unclosed(last)
            row = isinstance(fault, _TooLong)
            code = "source.row_too_long" if row else "source.cell_too_long"
            wrong = f"a {'row' if row else 'cell'} is longer than {self._limits.row if row else longest} characters"
            return SourceError(code, f"line {last + self._skip + 1}: {wrong}")
        return None

    def _rows(self, ends: list[int], cells: list[list[str]]) -> Rows | None:
        """Those rows that hold anything."""
        lines = [end + self._skip + 1 for end in ends[:-1]]
        joined = list(map("".join, cells))
        if not all(joined) or _DOS_END in joined or any(map(str.isspace, joined)):
            held = [bool(text) and not text.isspace() and text != _DOS_END for text in joined]
            lines, cells = list(itertools.compress(lines, held)), list(itertools.compress(cells, held))
            joined = list(itertools.compress(joined, held))
        return Rows(lines, cells, "".join(joined).isprintable(), max(map(len, joined))) if joined else None

    def _unclosed(self, last: int) -> SourceError:
        line = last + self._skip + 1
        return SourceError("source.unclosed_quote", f"a quote opened in the row of line {line} stays open")


def _allow_cells(limit: int) -> None:
    """Raise, and never lower, the reader's limit: it is one for the whole process."""
    with _field_limit:
        if csv.field_size_limit() < limit:
            csv.field_size_limit(limit)
