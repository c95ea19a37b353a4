"""Which charset a file is in: BOM, the caller's word, strict UTF-8, then chardet. Found, checked and reported."""

import codecs
import re
from contextlib import suppress
from typing import BinaryIO, Final

from gateway.ingest.problems import SourceError

BOMS: Final = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAME_AS: Final = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_FAMILY: Final = {
    "utf-8-sig": {"utf-8", "utf-8-sig"},
    "utf-16-le": {"utf-16", "utf-16-le"},
    "utf-16-be": {"utf-16", "utf-16-be"},
    "utf-32-le": {"utf-32", "utf-32-le"},
    "utf-32-be": {"utf-32", "utf-32-be"},
}
_NOT_CHARSETS: Final = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7", "mbcs", "oem"}

# Nearly all that Portuguese, Spanish, Italian, French and German text has beyond ASCII, and a few typographic marks
_WESTERN: Final = re.compile("[\x00-\x7fÁÀÂÃÄÇÉÈÊËÍÌÎÏÑÓÒÔÕÖÚÙÛÜáàâãäçéèêëíìîïñóòôõöúùûüßºª°€´«»–—‘’“”…¿¡·]*")
_FOREIGN_RUN: Final = re.compile("[^\x00-\x7f]{3}")

_CHUNK: Final = 256 * 1024
_SAMPLE: Final = 128 * 1024


class _Undecodable(Exception):
    def __init__(self, line: int) -> None:
        self.line = line


def find_charset(body: BinaryIO, stated: str | None, longest_line: int) -> str:
    """The charset of a seekable file, which is left where the text begins, after its BOM.

    The whole file is read once, in chunks: what is not text, not of the charset or endless is a SourceError here.
    """
    start = body.tell()
    mark = body.read(4)
    wanted = codec_named(stated) if stated is not None else None
    for bom, charset in BOMS:
        if mark.startswith(bom):
            if wanted and wanted not in _FAMILY[charset]:
                raise SourceError("source.charset", f"the file begins with the mark of {charset}, not of {wanted}")
            return _checked(body, start + len(bom), charset, longest_line)
    if wanted:
        return _checked(body, start, _SAME_AS.get(wanted, wanted), longest_line)
    body.seek(start)
    try:
        _check_text(body, "utf-8", longest_line)
        charset = "utf-8"
    except _Undecodable as fault:
        charset = _guess(body, start, fault.line, longest_line)
    body.seek(start)
    return charset


def codec_named(name: str) -> str:
    """Python's name of a stated text encoding, or SourceError."""
    try:
        found = codecs.lookup(name)
        # an encoding such as rot13 or zip is none of text; `_is_text_encoding` is how the codecs say so
        if not getattr(found, "_is_text_encoding", True) or found.name in _NOT_CHARSETS:
            raise LookupError
        codecs.getincrementaldecoder(found.name)
    except (LookupError, ValueError, UnicodeError):
        raise SourceError("source.encoding") from None
    return found.name


def _checked(body: BinaryIO, start: int, charset: str, longest_line: int) -> str:
    body.seek(start)
    try:
        _check_text(body, _SAME_AS.get(charset, charset), longest_line)
    except _Undecodable as fault:
        raise SourceError("source.charset", f"line {fault.line} holds bytes that are not {charset}") from None
    body.seek(start)
    return charset


def _check_text(body: BinaryIO, codec: str, longest_line: int) -> None:
    decoder = codecs.getincrementaldecoder(codec)("strict")
    line, run = 1, 0
    chunk = body.read(_CHUNK)
    while True:
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(codec, "ignore")
            raise _Undecodable(line + _breaks(before)) from None
        except UnicodeError:
            raise _Undecodable(line) from None
        if "\0" in text:
            raise SourceError("source.nul_byte", f"line {line + _breaks(text[: text.index(chr(0))])} holds a NUL")
        first, last = _ends(text)
        run += len(text) if first < 0 else first
        if run > longest_line:
            raise SourceError("source.row_too_long", f"line {line} is longer than {longest_line} characters")
        if first >= 0:
            run = len(text) - last - 1
            line += _breaks(text)
        if not chunk:
            return
        chunk = body.read(_CHUNK)


def _ends(text: str) -> tuple[int, int]:
    breaks = [place for place in (text.find("\n"), text.find("\r")) if place >= 0]
    return min(breaks, default=-1), max(text.rfind("\n"), text.rfind("\r"))


def _breaks(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _guess(body: BinaryIO, start: int, line: int, longest_line: int) -> str:
    """The charset of a file that is not UTF-8: cp1252 where that reads as a Western language, else chardet's word."""
    body.seek(start)
    sample, of_utf8, others = _foreign_lines(body)
    if of_utf8 and of_utf8 >= others:
        # reading it as cp1252 would spoil the names that are right
        raise SourceError("source.charset", f"line {line} holds bytes that are not UTF-8, though other lines are UTF-8")
    guesses = []
    if not _reads_western(sample):
        import chardet  # takes 2 MiB, and nearly every file is UTF-8

        found = chardet.detect(sample)["encoding"]
        with suppress(SourceError):  # a charset that Python lacks
            guesses.append(codec_named(found or ""))
    for codec in (*guesses, "cp1252"):
        body.seek(start)
        try:
            _check_text(body, codec, longest_line)
        except _Undecodable:
            continue
        return codec
    body.seek(start)
    _check_text(body, "latin-1", longest_line)
    return "latin-1"


def _reads_western(sample: bytes) -> bool:
    try:
        text = sample.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return bool(_WESTERN.fullmatch(text)) and not _FOREIGN_RUN.search(text)


def _foreign_lines(body: BinaryIO) -> tuple[bytes, int, int]:
    """Lines with other bytes than ASCII, and how many of these are UTF-8 and how many are not."""
    kept: list[bytes] = []
    size = of_utf8 = others = 0
    while size < _SAMPLE and (chunk := body.read(_CHUNK)):
        for line in chunk.splitlines(keepends=True)[: None if len(chunk) < _CHUNK else -1] or [chunk]:
            if line.isascii():
                continue
            try:
                line.decode()
                of_utf8 += 1
            except UnicodeDecodeError:
                others += 1
            kept.append(line)
            size += len(line)
    return b"".join(kept)[: 2 * _SAMPLE], of_utf8, others
