"""The XML of a workbook's sheets and texts, read as it streams: rows of cells as text, with what is wrong with them.

openpyxl keeps all texts in memory and something of every row; here both stay on disk.
"""

import lzma
import mmap
import re
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import IO, Any, Final, NamedTuple
from xml.etree.ElementTree import ParseError, XMLParser

from gateway.ingest.problems import SourceError
from gateway.ingest.source import SourceLimits

_NS: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT: Final = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_ROW, _CELL, _VALUE, _FORMULA = f"{_NS}row", f"{_NS}c", f"{_NS}v", f"{_NS}f"
_TEXT, _PHONETIC, _ITEM, _DATA = f"{_NS}t", f"{_NS}rPh", f"{_NS}si", f"{_NS}sheetData"
_PLACE: Final = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})", re.ASCII)
_ESCAPE: Final = re.compile("_x([0-9A-Fa-f]{4})_")
_CHUNK: Final = 64 * 1024
EXACT: Final = 2**53
"""Whole numbers from here on have lost digits: a spreadsheet computes in floats."""

ERROR_MARK: Final = "the cell holds a spreadsheet's error mark, not a value"
NO_RESULT: Final = "the cell holds a formula without a stored result: open and save the file in a spreadsheet program"
NO_DATE: Final = "the cell is formatted as a date, and holds a number that is none"
BROKEN: Final = (
    ParseError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RuntimeError,
    OSError,
)
"""What the reading of a broken workbook may end in."""

Dates = Callable[[int, float], str | None]
"""The ISO text of a number that its style (by index) makes a date; None for other styles. ValueError: it is none."""


class Cell(NamedTuple):
    """A cell that holds something: `column` from 0, and what forbids to read it, if anything."""

    column: int
    text: str
    wrong: str = ""


class SheetRow(NamedTuple):
    """`number` is the sheet's own, from 1."""

    number: int
    cells: list[Cell]


class Texts:
    """The workbook's shared texts, in a temporary file: eight bytes of memory for each."""

    def __init__(self, source: IO[bytes] | None, limits: SourceLimits) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the source)
        self._ends = array("Q", [0])
        if source is not None:
            self._read(source, limits)
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) if self._ends[-1] else b""

    def _read(self, source: IO[bytes], limits: SourceLimits) -> None:
        target = _TextsTarget(limits)
        for _ in _fed(source, target):
            for text in target.taken():
                self._ends.append(self._ends[-1] + self._file.write(text.encode("utf-8", "surrogatepass")))
        self._file.flush()

    def __getitem__(self, place: int) -> str:
        if place < 0:
            raise IndexError
        start, end = self._ends[place], self._ends[place + 1]
        return self._map[start:end].decode("utf-8", "surrogatepass")


class _Target:
    """Collects the character data of chosen elements. A document type is refused: it could define entities."""

    def __init__(self, limits: SourceLimits) -> None:
        self._limits = limits
        self._parts: list[str] | None = None
        self._length = 0
        self._phonetic = False

    def doctype(self, *_: object) -> None:
        raise SourceError("source.workbook", "the workbook holds an XML document type, which none needs")

    def data(self, text: str) -> None:
        if self._parts is not None:
            self._length += len(text)
            if self._length > self._limits.cell:
                raise SourceError("source.cell_too_long", f"a cell is longer than {self._limits.cell} characters")
            self._parts.append(text)

    def _collected(self) -> str:
        parts, self._parts = self._parts, None
        return "".join(parts or ())

    def close(self) -> None:
        return None


class _TextsTarget(_Target):
    def __init__(self, limits: SourceLimits) -> None:
        super().__init__(limits)
        self._runs: list[str] = []
        self._done: list[str] = []

    def start(self, tag: str, _: dict[str, str]) -> None:
        if tag == _ITEM:
            self._runs, self._length = [], 0
        elif tag == _PHONETIC:
            self._phonetic = True
        elif tag == _TEXT and not self._phonetic:
            self._parts = []

    def end(self, tag: str) -> None:
        if tag == _TEXT and not self._phonetic:
            self._runs.append(self._collected())
        elif tag == _PHONETIC:
            self._phonetic = False
        elif tag == _ITEM:
            self._done.append(_unescaped("".join(self._runs)))

    def taken(self) -> list[str]:
        done, self._done = self._done, []
        return done


class _SheetTarget(_Target):
    """Rows as they end. `_row` and `_column` are where the reading stands, both from 1."""

    def __init__(self, limits: SourceLimits, texts: Texts, dates: Dates) -> None:
        super().__init__(limits)
        self._texts, self._dates = texts, dates
        self._row = self._column = self._held = 0
        self._cells: list[Cell] = []
        self._done: list[SheetRow] = []
        self._kind, self._style = "n", 0
        self._value: str | None = None
        self._formula: str | None = None
        self.ended = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == _CELL:
            self._start_cell(attributes)
        elif tag in (_VALUE, _FORMULA) or (tag == _TEXT and not self._phonetic):
            self._parts = []
        elif tag == _ROW:
            number = int(attributes.get("r", self._row + 1))
            if not self._row < number <= 1 << 20:
                raise ValueError("rows out of order")
            self._row, self._column, self._cells, self._held = number, 0, [], 0
        elif tag == _PHONETIC:
            self._phonetic = True
        elif tag.startswith(_STRICT):
            raise SourceError("source.workbook", "the workbook is of the strict variant (Strict Open XML)")

    def _start_cell(self, attributes: dict[str, str]) -> None:
        column = self._column + 1
        if place := attributes.get("r"):
            match = _PLACE.fullmatch(place)
            if match is None or int(match[2]) != self._row or (named := _column_number(match[1])) < column:
                raise ValueError("cells out of order")
            column = named
        self._column, self._length = column, 0
        self._kind, self._style = attributes.get("t", "n"), int(attributes.get("s", 0))
        self._value = self._formula = None

    def end(self, tag: str) -> None:
        if tag == _VALUE:
            self._value = self._collected()
        elif tag == _CELL:
            self._end_cell()
        elif tag == _FORMULA:
            self._formula = self._collected()
        elif tag == _TEXT and not self._phonetic:
            self._value = (self._value or "") + self._collected()
        elif tag == _ROW:
            if self._cells:
                self._done.append(SheetRow(self._row, self._cells))
        elif tag == _PHONETIC:
            self._phonetic = False
        elif tag == _DATA:
            self.ended = True

    def _end_cell(self) -> None:
        text, wrong = self._read_cell()
        if not text:
            return
        if self._column > self._limits.columns and not text.isspace():
            most = self._limits.columns
            raise SourceError("source.too_many_columns", f"row {self._row} has cells beyond column {most}")
        self._held += len(text)
        if self._held > self._limits.row:
            wide = f"row {self._row} is longer than {self._limits.row} characters"
            raise SourceError("source.row_too_long", wide)
        self._cells.append(Cell(self._column - 1, text, wrong))

    def _read_cell(self) -> tuple[str, str]:
        kind, value = self._kind, self._value
        # a stored result may be an empty text; for other kinds an empty value is none
        if self._formula is not None and (value is None or (not value and kind != "str")):
            return f"={self._formula}", NO_RESULT
        if not value:
            return "", ""
        if kind == "s":
            return self._texts[int(value)], ""
        if kind == "n":
            return self._number(value)
        if kind == "b":
            return "true" if int(value) else "false", ""
        if kind == "e":
            return value, ERROR_MARK
        return (value if kind == "d" else _unescaped(value)), ""

    def _number(self, value: str) -> tuple[str, str]:
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            raise ValueError("not a number") from None
        if not number.is_finite():
            raise ValueError("not a number")
        try:
            date = self._dates(self._style, float(number))
        except (ValueError, OverflowError):
            return number_text(number), NO_DATE
        return number_text(number) if date is None else date, ""

    def taken(self) -> list[SheetRow]:
        done, self._done = self._done, []
        return done


def number_text(number: Decimal) -> str:
    """Whole numbers with all their digits, others with the 15 that a spreadsheet has.

    Numbers that are too large to be exact are left in their scientific form, which is how damage is told.
    """
    if not -EXACT < number < EXACT:
        return f"{number:E}"
    whole = int(number)
    return str(whole) if whole == number else f"{float(number):.15g}"


def sheet_rows(source: IO[bytes], texts: Texts, dates: Dates, limits: SourceLimits) -> Iterator[SheetRow]:
    """The rows of a sheet that hold anything, in constant memory. Raises SourceError, and what is in `BROKEN`."""
    target = _SheetTarget(limits, texts, dates)
    for _ in _fed(source, target):
        yield from target.taken()
        if target.ended:  # what follows (links, formats, rules) is not looked at
            return


def refuse_document_type(source: IO[bytes]) -> None:
    """Raise SourceError when a part is XML with a document type; what is no XML is left to those who read it."""
    target = _Prolog()
    try:
        for _ in _fed(source, target):
            if target.over:
                return
    except ParseError:
        return


class _Prolog(_Target):
    def __init__(self) -> None:
        super().__init__(SourceLimits())
        self.over = False

    def start(self, *_: object) -> None:
        self.over = True


def _fed(source: IO[bytes], target: Any) -> Iterator[None]:
    """Feed the target, with a stop after each chunk."""
    parser = XMLParser(target=target)  # noqa: S314  (the target refuses what makes it unsafe)
    while chunk := source.read(_CHUNK):
        parser.feed(chunk)
        yield
    parser.close()
    yield


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _unescaped(text: str) -> str:
    """Characters that XML cannot hold, written as `_x000D_`, as themselves."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
