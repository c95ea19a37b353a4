"""Excel workbooks (.xlsx) as rows, streamed: needs openpyxl, which the extra `xlsx` brings.

Cells become text: whole numbers with all their digits, days as 2026-05-10, times as 2026-05-10T14:30:00, booleans as
true and false. Number formats are not applied otherwise: what is shown as 007 is 7. Of merged cells only the first has
the value, the others are empty. Hidden rows and columns, and rows that a filter hides, are read like all others; a
hidden sheet only when it is named.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final

from gateway.canonical import Fault
from gateway.ingest.columns import Layout
from gateway.ingest.csv_source import _unescape, layout_by, seekable
from gateway.ingest.problems import SourceError, column_names
from gateway.ingest.source import AT_ONCE, Block, CsvBlock, CsvRow, Source, SourceInfo, SourceLimits
from gateway.ingest.xlsx_cells import Cell, SheetRow, Texts, sheet_rows
from gateway.ingest.xlsx_package import Package, Sheet, open_package, readable

FORMULA: Final = "(formula)"
"""Stands for a formula without a result in the phone column, whose cells a rejections file gives back as they are."""


def open_xlsx(
    file: BinaryIO,
    *,
    mapping: Mapping[str, str] | None = None,
    sheet: str | None = None,
    limits: SourceLimits = SourceLimits(),  # noqa: B008  (frozen)
) -> Source:
    """The rows of one sheet: the named one, else the only visible one that holds anything.

    Raises SourceError here for all that can be told of the file as a whole, and in the iteration for a damaged part
    and for rows or cells that are too long. `row` of a row is the sheet's own row number.
    """
    body = seekable(file)
    package = open_package(body)
    with readable():
        texts = Texts(package.archive.open(package.texts) if package.texts else None, limits)
    rows = _chosen(package, texts, sheet, limits)
    header = next(rows)
    layout = layout_by(_texts(header.cells), mapping, None, limits)
    first = next(rows, None)
    if first is None:
        raise SourceError("source.header_only")
    info = SourceInfo(
        format="xlsx",
        columns=list(layout.columns),
        mapping=layout.mapping,
        ignored=layout.ignored,
        corrections=layout.corrections,
    )
    return Source(info, _blocks(_rows(itertools.chain((first,), rows), layout)))


def _chosen(package: Package, texts: Texts, wanted: str | None, limits: SourceLimits) -> Iterator[SheetRow]:
    """The rows of the sheet to read, of which there is at least one."""
    known = column_names(one.name for one in package.sheets)
    if wanted is not None:
        sheets = [one for one in package.sheets if one.name == wanted]
        if not sheets:
            raise SourceError("source.sheet", f"no such sheet; the sheets are {known}")
    else:
        sheets = [one for one in package.sheets if not one.hidden]
    filled: list[tuple[Sheet, Iterator[SheetRow]]] = []
    for one in sheets:
        rows = _filled_rows(package, one, texts, limits)
        first = next(rows, None)
        if first is not None:
            filled.append((one, itertools.chain((first,), rows)))
    if not filled:
        raise SourceError("source.empty", "the sheet is empty" if wanted else "")
    if len(filled) > 1:
        names = column_names(one.name for one, _ in filled)
        raise SourceError("source.sheet", f"several sheets hold something: {names}")
    return filled[0][1]


def _filled_rows(package: Package, sheet: Sheet, texts: Texts, limits: SourceLimits) -> Iterator[SheetRow]:
    """Rows with more than blanks in them."""
    with readable(), package.archive.open(sheet.part) as part:
        for row in sheet_rows(part, texts, package.dates, limits):
            if any(not cell.text.isspace() for cell in row.cells):
                yield row


def _texts(cells: list[Cell]) -> list[str]:
    found = [""] * (cells[-1].column + 1)
    for cell in cells:
        found[cell.column] = cell.text
    return found


def _blocks(rows: Iterator[CsvRow]) -> Iterator[Block]:
    for faulty, run in itertools.groupby(rows, lambda row: bool(row.faults)):
        while some := tuple(itertools.islice(run, AT_ONCE)):
            yield some if faulty else CsvBlock.of(some)


def _rows(rows: Iterator[SheetRow], layout: Layout) -> Iterator[CsvRow]:
    width, phone = layout.width, layout.phone
    for number, sheet_cells in rows:
        cells = _texts(sheet_cells)
        cells += [""] * (width - len(cells))
        faults = tuple(_fault(cell, layout) for cell in sheet_cells if cell.wrong)
        if any(one.column == layout.columns[phone] for one in faults) and cells[phone].startswith("="):
            cells[phone] = FORMULA
        if layout.corrections:
            cells = [cell if place == phone else _unescape(cell) for place, cell in enumerate(cells)]
        yield CsvRow(number, cells, layout, all(map(str.isprintable, cells)), faults)


def _fault(cell: Cell, layout: Layout) -> Fault:
    named = cell.column < layout.width and layout.columns[cell.column].strip()
    code = "phone.spreadsheet_damage" if cell.column == layout.phone else "field.invalid"
    return Fault(code, str(named or f"column {cell.column + 1}")[:100], cell.wrong)
