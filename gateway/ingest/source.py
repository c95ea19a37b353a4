"""A source: the rows of one file or JSON array, read once, with a description of what was found."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from gateway.canonical import Fault
from gateway.ingest.columns import Layout


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """Ceilings of one file: columns of its header, characters of one row and of one cell."""

    columns: int = 500
    row: int = 1024 * 1024
    cell: int = 128 * 1024


class SourceInfo(BaseModel):
    """What was found in a file, never guessed in silence; stands in the list resource."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["json", "csv", "ndjson", "xlsx", "vendor", "migration"] = Field(
        description="`vendor`: read from a list that was there before; `migration`: from a list that was moved"
    )
    charset: str | None = None
    delimiter: str | None = None
    columns: list[str] = Field(default=[], description="the header as sent")
    mapping: dict[str, str] = Field(default={}, description="canonical field, or attributes.<name>, to column")
    ignored: dict[str, str] = Field(default={}, description="column to the reason why it is not read")
    corrections: bool = Field(False, description="a corrected rejections file of ours")
    rows: int = 0
    adopted: bool = Field(False, description="the list was at its vendor before the gateway knew of it")


class CsvRow(msgspec.Struct, frozen=True, gc=False):
    """One row of a CSV file or a sheet, as sent; `row` is the physical line on which it starts (or the sheet's row).

    `plain` says that all its characters are printable, so that nobody needs to look for others. `faults` are of cells
    that hold no value that could be read, such as a spreadsheet's error mark.
    """

    row: int
    cells: list[str]
    layout: Layout
    plain: bool = False
    faults: tuple[Fault, ...] = ()


class JsonRow(msgspec.Struct, frozen=True):
    """One contact of an NDJSON file (`row` is its line) or a JSON array (its place from 1): undecoded, or a value."""

    row: int
    item: Any


RawRow = CsvRow | JsonRow
AT_ONCE: Final = 20
"""Rows of a block when nobody knows how long they are."""


@dataclass(frozen=True, slots=True)
class CsvBlock:
    """Rows of a CSV file that follow each other: the lines on which they start, and their cells as sent.

    `plain` says that all their characters are printable; `longest` is the number of characters of the longest row.
    """

    layout: Layout
    lines: list[int]
    cells: list[list[str]]
    plain: bool
    longest: int

    @classmethod
    def of(cls, rows: Sequence[CsvRow]) -> "CsvBlock":
        """These rows, which have no faults, as a block."""
        cells = [row.cells for row in rows]
        longest = max(sum(map(len, each)) for each in cells)
        return cls(rows[0].layout, [row.row for row in rows], cells, all(row.plain for row in rows), longest)

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[CsvRow]:
        return map(self.row, range(len(self.lines)))

    def row(self, place: int) -> CsvRow:
        """One row by itself."""
        return CsvRow(self.lines[place], self.cells[place], self.layout, self.plain)


Block = CsvBlock | tuple[RawRow, ...]


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A row that cannot be taken, with all its faults, and `cells` as the sender wrote them.

    `cells` is column -> text for CSV and the contact itself for JSON; a line that is no JSON stands under `line`, a
    JSON value that is no object under `value`, and cells beyond the header under `column <n>`.
    """

    row: int
    faults: tuple[Fault, ...]
    phone_text: str = ""
    id: str | None = None
    cells: dict[str, Any]


class Source:
    """Rows in the order of the file, to be gone through once, in constant memory. Doing so may raise SourceError."""

    def __init__(self, info: SourceInfo, blocks: Iterator[Block]) -> None:
        self._info = info
        self._blocks: Iterator[Block] | None = blocks
        self._count = 0

    @classmethod
    def of_rows(cls, info: SourceInfo, rows: Iterable[RawRow]) -> "Source":
        """A source whose rows come one by one."""
        rest = iter(rows)
        return cls(info, iter(lambda: tuple(itertools.islice(rest, AT_ONCE)), ()))

    @property
    def info(self) -> SourceInfo:
        """What was found; `rows` is final once the iteration has ended."""
        return self._info.model_copy(update={"rows": self._count})

    def blocks(self) -> Iterator[Block]:
        """The rows, as many at once as they come."""
        blocks, self._blocks = self._blocks, None
        if blocks is None:
            raise RuntimeError("a source can be read only once")
        for block in blocks:
            self._count += len(block)
            yield block

    def __iter__(self) -> Iterator[RawRow]:
        return itertools.chain.from_iterable(self.blocks())
