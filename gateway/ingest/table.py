"""Text as rows of cells: csv.reader with the line of every row, and guards against rows without an end."""

import csv
import io
import itertools
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from gateway.ingest.problems import SourceError
from gateway.ingest.source import SourceLimits

Line = tuple[int, list[str], bool]
"""The line on which a row starts, its cells, and whether all its characters are printable."""

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
    """The rows of a delimited text that hold anything, each with the physical line on which it starts, from 1."""

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

    def __iter__(self) -> Iterator[Line]:
        reader, longest, skip = self._reader, self._limits.cell, self._skip
        last = 0  # the line on which the row before ended, not counting skipped ones
        try:
            for cells in reader:
                if self._ended:
                    # a row that is complete only because the file ended was still inside its quote
                    raise self._unclosed(last)
                if self._held > longest and max(map(len, cells)) > longest:
                    raise csv.Error
                self._held = 0
                joined = "".join(cells)
                if joined and not joined.isspace() and joined != _DOS_END:
                    yield last + skip + 1, cells, joined.isprintable()
                last = reader.line_num
        except (_TooLong, csv.Error) as fault:
            if reader.line_num > last + 1:
                # a row that runs over many lines and out of bounds has lost its closing quote
                raise self._unclosed(last) from None
            row = isinstance(fault, _TooLong)
            code = "source.row_too_long" if row else "source.cell_too_long"
            wrong = f"a {'row' if row else 'cell'} is longer than {self._limits.row if row else longest} characters"
            raise SourceError(code, f"line {last + skip + 1}: {wrong}") from None
        finally:
            self._text.close()

    def _unclosed(self, last: int) -> SourceError:
        line = last + self._skip + 1
        return SourceError("source.unclosed_quote", f"a quote opened in the row of line {line} stays open")


def _allow_cells(limit: int) -> None:
    """Raise, and never lower, the reader's limit: it is one for the whole process."""
    with _field_limit:
        if csv.field_size_limit() < limit:
            csv.field_size_limit(limit)
