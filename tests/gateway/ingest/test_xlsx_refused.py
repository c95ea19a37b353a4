"""Workbooks that must not be read, and long ones that must be."""

import io
import json
import random
import re
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from gateway.ingest import CsvRow, SourceError, SourceLimits, open_xlsx, xlsx_package
from tests.gateway.cli.test_commands import in_order, run
from tests.gateway.conftest import Tenant, Vendors, destination, write_configuration
from tests.gateway.ingest.workbooks import (
    BOOK,
    NAMES,
    SHEET,
    STYLES,
    TEXTS,
    book,
    of_cells,
    refusal,
    rewritten,
    rows_of,
    saved,
    sharing,
)


def ole(mark: str = "", before: int = 600) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(before) + mark.encode("utf-16-le") + bytes(600)


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, b"<x/>")
    return file.getvalue()


GOOD = sharing(saved(book(["phone", "note"], ["+5511999990001", "x"], ["+5511999990002", "y"])))


def flagged(content: bytes) -> bytes:
    """The archive with its parts marked as encrypted."""
    return re.sub(rb"(PK\x01\x02....)(.)", lambda found: found[1] + bytes([found[2][0] | 1]), content, flags=re.DOTALL)


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"", "source.empty", "empty"),
        (b"phone,name\n1,2\n", "source.workbook", "no workbook"),
        (ole(), "source.workbook", "(.xls)"),
        (ole("EncryptedPackage"), "source.workbook_protected", "password"),
        (ole("EncryptedPackage", (1 << 20) - 10), "source.workbook_protected", "password"),
        (flagged(GOOD), "source.workbook_protected", "password"),
        (archive("a.txt"), "source.workbook", "ZIP archive"),
        (archive("mimetype", "content.xml"), "source.workbook", "OpenDocument"),
        (archive("[Content_Types].xml", "xl/workbook.bin"), "source.workbook", "(.xlsb)"),
        (archive("[Content_Types].xml"), "source.workbook", "damaged"),
        (GOOD[: len(GOOD) // 2], "source.workbook", "no whole workbook"),
        (saved(book()), "source.empty", "empty"),
        (saved(book(["phone", "name"])), "source.header_only", "no rows"),
        (saved(book(["nome", "cidade"], ["Ana", "Rio"])), "source.no_phone_column", '"cidade"'),
        (saved(book(["phone", "phone"], [1, 2])), "source.duplicate_column", "columns 1 and 2"),
    ],
)
def test_what_is_no_readable_workbook_is_refused_with_what_to_do(content: bytes, code: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_xlsx(io.BytesIO(content))
    assert caught.value.code == code
    assert told in caught.value.detail


LAUGHS = """<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>"""


@pytest.mark.parametrize("part", [SHEET, STYLES, BOOK, TEXTS, "[Content_Types].xml", "docProps/core.xml"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_every_part_before_its_entities_mean_anything(part: str, charset: str) -> None:
    def poisoned(old: bytes) -> bytes:
        text = re.sub(r"^<\?xml[^>]*>\s*", "", old.decode())
        return f'<?xml version="1.0" encoding="{charset}"?>\n<!-- {"-x" * 40_000} -->{LAUGHS}{text}'.encode(charset)

    with pytest.raises(SourceError, match="document type"):
        open_xlsx(io.BytesIO(rewritten(GOOD, {part: poisoned})))


def test_entities_of_xml_itself_are_read() -> None:
    assert rows_of(saved(book(["phone", "note"], [1, "<a&b>"]))) == [(2, ["1", "<a&b>"])]


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (STYLES, BOOK, "[Content_Types].xml"):
        bomb = rewritten(GOOD, {part: lambda old: old + b" " * xlsx_package.MOST_HELD})
        assert refusal(bomb) == ("source.workbook_too_large", 413)
    unread = rewritten(GOOD, {"xl/pivotCache/pivotCacheRecords1.xml": b" " * (xlsx_package.MOST_HELD + 1)})
    assert len(rows_of(unread)) == 2
    many = rewritten(GOOD, {f"xl/media/{number}": b"" for number in range(xlsx_package.MOST_PARTS)})
    assert refusal(many) == ("source.workbook_too_large", 413)
    wide = rewritten(GOOD, {"xl/worksheets/other.xml": b" " * 100_000})
    assert len(rows_of(wide)) == 2
    monkeypatch.setattr(xlsx_package, "MOST_UNPACKED", 100_000)
    assert refusal(wide) == ("source.workbook_too_large", 413)


def test_a_directory_that_is_itself_a_bomb_is_refused() -> None:
    names = {f"xl/media/{number:060000}": b"" for number in range(80)}
    assert refusal(rewritten(GOOD, names)) == ("source.workbook_too_large", 413)


def test_two_parts_of_one_name_are_refused() -> None:
    file = io.BytesIO(GOOD)
    with zipfile.ZipFile(file, "a") as made, pytest.warns(UserWarning, match="Duplicate name"):
        made.writestr(SHEET, b"<worksheet/>")
    assert refusal(file.getvalue()) == ("source.workbook", 422)


def test_what_follows_the_cells_of_a_sheet_is_not_looked_at() -> None:
    content = rewritten(
        GOOD, {SHEET: lambda old: old.replace(b"</sheetData>", b"</sheetData>" + b" " * 200_000 + b"<")}
    )
    assert len(rows_of(content)) == 2


def test_a_part_that_lies_about_its_size_is_damaged() -> None:
    content = rewritten(GOOD, {SHEET: lambda old: old + b" " * 200_000})
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        size = made.getinfo(SHEET).file_size
    lying = content.replace(size.to_bytes(4, "little"), (300).to_bytes(4, "little"))
    assert refusal(lying) == ("source.workbook", 422)


LAST = b'<row r="3"><c r="A3" t="s"><v>4</v></c><c r="B3" t="s"><v>5</v></c></row>'


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"</row></sheetData>", b"</row>"), "source.workbook"),
        ((b'<row r="3"', b'<row r="2"'), "source.workbook"),
        ((b'<row r="3"', b'<row r="99999999999"'), "source.workbook"),
        ((LAST, b'<row r="2"><c><v>1</v></c></row>'), "source.workbook"),
        ((LAST, b'<row r="1048577"><c><v>1</v></c></row>'), "source.workbook"),
        ((b'<c r="B3"', b'<c r="B2"'), "source.workbook"),
        ((b'<c r="B3"', b'<c r="A3"'), "source.workbook"),
        ((b'<c r="B3"', b'<c r="ZZ3"'), "source.too_many_columns"),
        ((b"<v>3</v>", b"<v>99</v>"), "source.workbook"),
        ((b"<v>3</v>", b"<v>-1</v>"), "source.workbook"),
        ((b"<v>3</v>", b"<v>x</v>"), "source.workbook"),
        ((b"spreadsheetml/2006/main", b"spreadsheetml/2005/main"), "source.empty"),
        (
            (
                NAMES,
                b"http://purl.oclc.org/ooxml/spreadsheetml/main",
            ),
            "source.workbook",
        ),
    ],
)
def test_a_sheet_that_breaks_its_rules_is_refused(change: tuple[bytes, bytes], code: str) -> None:
    assert change[0] in zipfile.ZipFile(io.BytesIO(GOOD)).read(SHEET)
    assert refusal(rewritten(GOOD, {SHEET: lambda old: old.replace(*change)}))[0] == code


def test_limits_hold_for_columns_rows_and_cells() -> None:
    content = saved(book(["phone", "a", "b"], [1, "abcdef", "abcdef"]))
    assert len(rows_of(content)) == 1
    assert refusal(content, limits=SourceLimits(cell=5)) == ("source.cell_too_long", 413)
    assert refusal(content, limits=SourceLimits(row=12)) == ("source.row_too_long", 413)
    assert refusal(content, limits=SourceLimits(columns=2)) == ("source.too_many_columns", 413)
    inline = of_cells('<c r="A2"><v>1</v></c>', f'<c r="B2" t="inlineStr"><is><t>{"x" * 200}</t></is></c>')
    assert refusal(inline, limits=SourceLimits(cell=100)) == ("source.cell_too_long", 413)


def test_whatever_is_broken_in_a_workbook_the_answer_is_a_source_error() -> None:
    """A thousand broken ones: bytes of parts changed, cut or doubled."""
    chance = random.Random(7)
    with zipfile.ZipFile(io.BytesIO(GOOD)) as whole:
        names = whole.namelist()
    ends = {"read": 0, "refused": 0}
    for _ in range(1_000):

        def spoiled(old: bytes) -> bytes:
            place, kind = chance.randrange(len(old)), chance.randrange(3)
            if kind == 0:
                return old[:place] + bytes([chance.randrange(256)]) + old[place + 1 :]
            return old[:place] + (old[place + chance.randrange(40) :] if kind == 1 else old[place - 20 :])

        try:
            list(open_xlsx(io.BytesIO(rewritten(GOOD, {chance.choice(names): spoiled}))))
            ends["read"] += 1
        except SourceError:
            ends["refused"] += 1
    assert min(ends.values()) > 100


def large(rows: int) -> io.BytesIO:
    """A workbook of so many rows with texts of their own, written without holding it."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(GOOD)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in (SHEET, TEXTS):
                new.writestr(name, old.read(name))
        with new.open(TEXTS, "w") as part:
            part.write(b'<sst xmlns="%b">' % NAMES)
            part.write(b"<si><t>phone</t></si><si><t>name</t></si>")
            for row in range(rows):
                part.write(b"<si><t>Ana Maria de Souza %d</t></si>" % row)
            part.write(b"</sst>")
        with new.open(SHEET, "w") as part:
            part.write(b'<worksheet xmlns="%b"><sheetData>' % NAMES)
            part.write(b'<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>')
            for row in range(rows):
                cells = b'<c r="A%d"><v>5511999990001</v></c><c r="B%d" t="s"><v>%d</v></c>' % (
                    row + 2,
                    row + 2,
                    row + 2,
                )
                part.write(b'<row r="%d" ht="15" customHeight="1">%b</row>' % (row + 2, cells))
            part.write(b"</sheetData></worksheet>")
    file.seek(0)
    return file


def test_reading_takes_constant_memory_but_for_eight_bytes_of_each_text() -> None:
    def peak(rows: int) -> int:
        file = large(rows)
        tracemalloc.start()
        count = sum(1 for _ in open_xlsx(file))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == rows
        return highest

    peak(10)
    small, high = peak(10_000), peak(40_000)
    assert high - small < 30_000 * 20


def test_a_large_sheet_is_read_to_its_end_with_every_text_at_its_place() -> None:
    rows = [row for row in open_xlsx(large(5_000)) if isinstance(row, CsvRow)]
    assert (rows[0].cells[1], rows[0].row) == ("Ana Maria de Souza 0", 2)
    assert (rows[-1].cells[1], rows[-1].row) == ("Ana Maria de Souza 4999", 5_001)
    assert all(row.cells == ["5511999990001", f"Ana Maria de Souza {place}"] for place, row in enumerate(rows))


def test_a_file_that_is_not_seekable_is_read_and_the_senders_file_stays_open() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe(GOOD)
    assert [row.row for row in open_xlsx(pipe)] == [2, 3]
    assert not pipe.closed


WITHOUT = """
import io, sys
import gateway.ingest
assert not [name for name in sys.modules if name.startswith("openpyxl")], "imported before it is needed"
sys.modules["openpyxl"] = None
try:
    gateway.ingest.open_xlsx(io.BytesIO(sys.stdin.buffer.read()))
except gateway.ingest.SourceError as error:
    print(error.code, error.status, error.detail)
"""


def test_without_openpyxl_the_error_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], input=GOOD, capture_output=True, check=True)
    assert done.stdout.decode().strip() == (
        "source.no_xlsx 415 workbooks cannot be read by this installation; "
        "pip install 'contact-list-gateway[xlsx]', or export the sheet as CSV (UTF-8)"
    )


async def test_the_command_line_takes_workbooks(vendors: Vendors, tmp_path: Path) -> None:
    config = write_configuration(
        tmp_path / "conf", {"acme": Tenant({"velip": destination(vendors["velip"])}, [{"to": ["velip"]}])}
    )
    people = [["telefone", "nome"], [5511999990001, "Ana"], [21988880002, "João"]]
    file = tmp_path / "Renewals.XLSX"
    file.write_bytes(saved(book(*people, Other=[["telefone"], [12]])))
    refused = in_order(await run("send", str(file), config=config), 2)
    assert '"Contacts", "Other"' in refused.stderr
    sent = in_order(await run("send", str(file), "--sheet", "Contacts", "--json", config=config), 0)
    found = json.loads(sent.stdout)
    assert (found["name"], found["counts"]["accepted"], found["source"]["format"]) == ("Renewals", 2, "xlsx")
    (there,) = vendors["velip"].simulation.ledger.lists.values()
    assert [row["name"] for row in there.rows] == ["Ana", "João"]
    shown = in_order(await run("preview", str(file), "--sheet", "Other", "--json", config=config), 1)
    assert json.loads(shown.stdout)["rejected"]
    table = tmp_path / "people.csv"
    table.write_text("phone\n+5511999990001\n")
    wrong = in_order(await run("preview", str(table), "--sheet", "Contacts", config=config), 2)
    assert "--sheet" in wrong.stderr
