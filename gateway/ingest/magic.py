"""Files that are no text at all, told by how they begin, with what to do instead."""

import codecs
from typing import BinaryIO, Final

from gateway.ingest.problems import SourceError

_BINARY: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF-", "a PDF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)"),
    (b"PK\x03\x04", "a ZIP archive or a workbook"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh9", "a bzip2 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "a SQLite database"),
)
_MARKUP: Final[tuple[tuple[bytes, str], ...]] = (
    (b"<!doctype", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<table", "an HTML table"),
    (b"<?xml", "an XML document"),
    (b"{\\rtf", "an RTF document"),
    (b"{", "JSON"),
    (b"[{", "JSON"),
)
_WORKBOOK: Final = (b"xl/", b"[Content_Types].xml", b"_rels/")


def refuse_other_formats(body: BinaryIO, encoding: str | None, *, json: bool = False) -> None:
    """Raise SourceError for an empty file, an archive, a picture, a workbook or (unless `json`) markup."""
    start = body.tell()
    head = body.read(4096)
    body.seek(start)
    if not head:
        raise SourceError("source.empty")
    for magic, what in _BINARY:
        if head.startswith(magic):
            if any(mark in head for mark in _WORKBOOK) and magic.startswith(b"PK"):
                what = "an Excel workbook (.xlsx)"
            raise SourceError("source.binary", f"the file is {what}")
    if encoding is None and not json:
        text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
        for magic, what in _MARKUP:
            if text.startswith(magic):
                raise SourceError("source.not_csv", f"the file is {what}")
