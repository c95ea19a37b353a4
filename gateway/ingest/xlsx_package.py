"""A workbook as a file: what it must not be, how large it may unpack, its sheets and its date formats."""

import datetime
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from gateway.ingest.problems import SourceError
from gateway.ingest.xlsx_cells import BROKEN, Dates, refuse_document_type

MOST_PARTS: Final = 5_000
MOST_UNPACKED: Final = 2 << 30
"""Bytes that all parts together may unpack to: a sheet of a million rows takes about half a GiB."""
MOST_HELD: Final = 16 << 20
"""Bytes of a part that is read as a whole: those that describe, not the sheets and their texts."""
_DIRECTORY: Final = 4 << 20
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class _Archive(zipfile.ZipFile):
    """An archive that gives no large part as a whole."""

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        part = name if isinstance(name, zipfile.ZipInfo) else self.getinfo(name)
        if part.file_size > MOST_HELD:
            raise SourceError("source.workbook_too_large")
        return super().read(part, pwd)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of cells, by its name and its part of the archive."""

    name: str
    part: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Package:
    """An open workbook. `texts` is the part of its shared texts."""

    archive: _Archive
    sheets: list[Sheet]
    texts: str | None
    dates: Dates


@contextmanager
def readable() -> Iterator[None]:
    """What the reading of a broken workbook ends in, as SourceError."""
    try:
        yield
    except SourceError:
        raise
    except BROKEN as error:
        raise SourceError("source.workbook", f"the workbook is damaged ({type(error).__name__})") from None


def open_package(body: BinaryIO) -> Package:
    """The workbook, or SourceError: not one, protected, too large when unpacked, or openpyxl is not installed."""
    _refuse_other_files(body)
    with readable():
        archive = _Archive(body)
        _refuse_bombs(archive)
        for one in archive.infolist():
            with archive.open(one) as part:
                refuse_document_type(part)
        return _structure(body, archive)


def _refuse_other_files(body: BinaryIO) -> None:
    start = body.tell()
    head = body.read(8)
    if not head:
        raise SourceError("source.empty")
    if head == _OLE:
        if _holds(body, "EncryptedPackage".encode("utf-16-le")):
            raise SourceError("source.workbook_protected")
        raise SourceError("source.workbook", "the file is an old Excel workbook (.xls)")
    body.seek(start)
    if not head.startswith(b"PK"):
        raise SourceError("source.workbook", "the file is no workbook")
    with readable():
        # the directory is parsed as a whole before anything can be counted
        end: Any = zipfile._EndRecData(body)  # type: ignore[attr-defined]
    if end is None:
        raise SourceError("source.workbook", "the file is no whole workbook")
    if end[zipfile._ECD_SIZE] > _DIRECTORY:  # type: ignore[attr-defined]
        raise SourceError("source.workbook_too_large")
    body.seek(start)


def _holds(body: BinaryIO, mark: bytes) -> bool:
    tail = b""
    while chunk := body.read(1 << 20):
        if mark in tail + chunk:
            return True
        tail = chunk[-len(mark) :]
    return False


def _refuse_bombs(archive: _Archive) -> None:
    parts = archive.infolist()
    names = {one.filename for one in parts}
    if "xl/workbook.bin" in names:
        raise SourceError("source.workbook", "the file is a binary Excel workbook (.xlsb)")
    if "content.xml" in names:
        raise SourceError("source.workbook", "the file is an OpenDocument file")
    if "[Content_Types].xml" not in names:
        raise SourceError("source.workbook", "the file is a ZIP archive, not a workbook")
    if any(one.flag_bits & 1 for one in parts):
        raise SourceError("source.workbook_protected")
    if len(names) != len(parts):
        raise SourceError("source.workbook", "the workbook has several parts of the same name")
    if len(parts) > MOST_PARTS or sum(one.file_size for one in parts) > MOST_UNPACKED:
        raise SourceError("source.workbook_too_large")


def _structure(body: BinaryIO, archive: _Archive) -> Package:
    """Sheets and formats as openpyxl finds them; sheets and texts are left where they are.

    Its `load_workbook` would keep all texts in memory, and read a sheet to its end to learn its size.
    """
    try:
        from openpyxl.reader.excel import ExcelReader  # type: ignore[import-untyped]
        from openpyxl.styles.stylesheet import apply_stylesheet  # type: ignore[import-untyped]
        from openpyxl.xml.constants import SHARED_STRINGS  # type: ignore[import-untyped]
    except ImportError:
        raise SourceError("source.no_xlsx") from None
    # openpyxl warns of what it would not write back: extensions, styles
    warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\.")
    reader = ExcelReader(body, read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read_manifest()
    reader.read_workbook()
    apply_stylesheet(reader.archive, reader.wb)
    sheets = [
        Sheet(sheet.name, relation.target, sheet.state != "visible")
        for sheet, relation in reader.parser.find_sheets()
        if relation.target in archive.namelist() and "chartsheet" not in relation.Type
    ]
    shared = reader.package.find(SHARED_STRINGS)
    texts = None if shared is None else str(shared.PartName[1:])
    return Package(archive, sheets, texts, _dates_of(reader.wb))


def _dates_of(workbook: Any) -> Dates:
    from openpyxl.utils.datetime import from_excel  # type: ignore[import-untyped]

    dated, lasting, epoch = set(workbook._date_formats), set(workbook._timedelta_formats), workbook.epoch

    def text(style: int, number: float) -> str | None:
        if style not in dated:
            return None
        return _iso(from_excel(number, epoch, timedelta=style in lasting))

    return text


def _iso(value: datetime.datetime | datetime.time | datetime.timedelta) -> str:
    """A day as a date, a day and time as both, a time as `14:30:00`, a duration as hours: `26:00:00`."""
    if isinstance(value, datetime.timedelta):
        seconds = round(value.total_seconds())
        sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
        return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return value.isoformat()
