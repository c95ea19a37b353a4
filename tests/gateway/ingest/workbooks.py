"""Workbooks for tests: made whole, or with their parts rewritten."""

import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest

from gateway.canonical import Contact
from gateway.ingest import CsvRow, Normaliser, Rejected, SourceError, open_xlsx

SHEET, STYLES, BOOK, TEXTS = "xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/workbook.xml", "xl/sharedStrings.xml"
NAMES = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def book(*rows: list[Any], **others: list[list[Any]]) -> openpyxl.Workbook:
    """A workbook with a first sheet of these rows, and others by name."""
    made = openpyxl.Workbook()
    made.active.title = "Contacts"
    for row in rows:
        made.active.append(row)
    for name, more in others.items():
        sheet = made.create_sheet(name)
        for row in more:
            sheet.append(row)
    return made


def saved(made: openpyxl.Workbook) -> bytes:
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def rewritten(content: bytes, parts: dict[str, Callable[[bytes], bytes] | bytes]) -> bytes:
    """The archive with these parts changed or added."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in [*old.namelist(), *(name for name in parts if name not in old.namelist())]:
            before = old.read(name) if name in old.namelist() else b""
            part = parts.get(name, before)
            new.writestr(name, part if isinstance(part, bytes) else part(before))
    return file.getvalue()


def sharing(content: bytes) -> bytes:
    """The workbook with the texts of its first sheet in the shared part, as Excel writes them; openpyxl does not."""
    items: list[bytes] = []

    def shared(found: re.Match[bytes]) -> bytes:
        items.append(found[1])
        return b't="s"><v>%d</v></c>' % (len(items) - 1)

    def told(old: bytes) -> bytes:
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
        return old.replace(b"</Types>", f'<Override PartName="/{TEXTS}" ContentType="{kind}"/></Types>'.encode())

    with zipfile.ZipFile(io.BytesIO(content)) as old:
        sheet = re.sub(rb't="inlineStr"><is>(.*?)</is></c>', shared, old.read(SHEET), flags=re.DOTALL)
    texts = b'<sst xmlns="%b">%b</sst>' % (NAMES, b"".join(b"<si>%b</si>" % item for item in items))
    return rewritten(content, {SHEET: sheet, TEXTS: texts, "[Content_Types].xml": told})


def of_cells(*cells: str, header: tuple[str, ...] = ("phone", "note")) -> bytes:
    """A workbook whose row 2 is made of these `<c>` elements, as another program could have written them."""
    row = f'<row r="2">{"".join(cells)}</row></sheetData>'
    return rewritten(saved(book(list(header))), {SHEET: lambda old: old.replace(b"</sheetData>", row.encode())})


def rows_of(content: bytes, **how: Any) -> list[tuple[int, list[str]]]:
    return [(row.row, row.cells) for row in open_xlsx(io.BytesIO(content), **how) if isinstance(row, CsvRow)]


def refusal(content: bytes, **how: Any) -> tuple[str, int]:
    with pytest.raises(SourceError) as caught:
        list(open_xlsx(io.BytesIO(content), **how))
    return caught.value.code, caught.value.status


def taken(content: bytes, region: str | None = "BR", **how: Any) -> list[Contact | Rejected]:
    normaliser = Normaliser(region)
    return [normaliser.take(row) for row in open_xlsx(io.BytesIO(content), **how)]
