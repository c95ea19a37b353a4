"""Workbooks: cells to text without a lost digit, the sheet's own rows, and files that must not be read."""

import datetime
import io
import json
import random
import re
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

from gateway.canonical import Contact
from gateway.ingest import CsvRow, Normaliser, Rejected, SourceError, SourceInfo, SourceLimits, open_xlsx, xlsx_package
from tests.gateway.cli.test_commands import in_order, run
from tests.gateway.conftest import Tenant, Vendors, destination, write_configuration

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


def test_a_sheet_becomes_rows_with_its_own_row_numbers() -> None:
    made = book(
        [],
        ["Telefone", "Nome", "Desde", "Valor", "Ativo", "Hora", "Dura"],
        [],
        [5511999990001, "Ana", datetime.date(2026, 5, 10), 1.5, True, datetime.time(14, 30), None],
        [None, "  ", None],
        ["+55 11 99999-0002", " João\n", datetime.datetime(2026, 5, 10, 14, 30, 5), 0.1 + 0.2, False],
        [11999990003, None, None, None, None, None, datetime.timedelta(hours=26, seconds=1)],
    )
    source = open_xlsx(io.BytesIO(saved(made)))
    assert [(row.row, row.cells, row.faults) for row in source if isinstance(row, CsvRow)] == [
        (4, ["5511999990001", "Ana", "2026-05-10", "1.5", "true", "14:30:00", ""], ()),
        (6, ["+55 11 99999-0002", " João\n", "2026-05-10T14:30:05", "0.3", "false", "", ""], ()),
        (7, ["11999990003", "", "", "", "", "", "26:00:01"], ()),
    ]
    assert source.info == SourceInfo(
        format="xlsx",
        columns=["Telefone", "Nome", "Desde", "Valor", "Ativo", "Hora", "Dura"],
        mapping={
            "phone": "Telefone",
            "first_name": "Nome",
            "attributes.Desde": "Desde",
            "attributes.Valor": "Valor",
            "attributes.Ativo": "Ativo",
            "attributes.Hora": "Hora",
            "attributes.Dura": "Dura",
        },
        rows=3,
    )


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("5511999990000", "5511999990000"),
        ("5511999990000.0", "5511999990000"),
        ("5.51199999E12", "5511999990000"),
        ("5.51199999E+12", "5511999990000"),
        ("9007199254740991", "9007199254740991"),
        ("9007199254740993", "9.007199254740993E+15"),
        ("1E20", "1E+20"),
        ("-9007199254740992", "-9.007199254740992E+15"),
        ("-5", "-5"),
        ("0", "0"),
        ("1234.5600000000001", "1234.56"),
        ("1E-7", "1e-07"),
        ("1E-999999", "0"),
    ],
)
def test_a_number_keeps_its_digits(stored: str, text: str) -> None:
    content = of_cells('<c r="A2" t="inlineStr"><is><t>1</t></is></c>', f'<c r="B2"><v>{stored}</v></c>')
    assert rows_of(content) == [(2, ["1", text])]


@pytest.mark.parametrize(
    ("stored", "phone"),
    [
        ("5511999990000", "+5511999990000"),
        ("5.51199999E12", "+5511999990000"),
        ("11999990000.0", "+5511999990000"),
        ("9007199254740993", "phone.spreadsheet_damage"),
        ("5.5119999900001234E16", "phone.spreadsheet_damage"),
        ("5511999990000.5", "phone.invalid"),
    ],
)
def test_a_phone_that_is_stored_as_a_number_is_exact_or_damaged(stored: str, phone: str) -> None:
    (found,) = taken(of_cells(f'<c r="A2"><v>{stored}</v></c>'))
    assert (found.phone if isinstance(found, Contact) else found.faults[0].code) == phone


CELLS = {
    "a formula with a stored number": ('<c r="B2"><f>1+1</f><v>2</v></c>', "2", ""),
    "a formula with a stored text": ('<c r="B2" t="str"><f>A1</f><v>x</v></c>', "x", ""),
    "a formula with a stored empty text": ('<c r="B2" t="str"><f>""</f><v></v></c>', "", ""),
    "a formula without a result": ('<c r="B2"><f>A1&amp;"x"</f></c>', '=A1&"x"', "formula"),
    "a formula with an empty result": ('<c r="B2"><f>A1</f><v/></c>', "=A1", "formula"),
    "a formula that shares another's": ('<c r="B2"><f t="shared" si="0"/></c>', "=", "formula"),
    "an error": ('<c r="B2" t="e"><v>#N/A</v></c>', "#N/A", "error mark"),
    "an error of a formula": ('<c r="B2" t="e"><f>1/0</f><v>#DIV/0!</v></c>', "#DIV/0!", "error mark"),
    "a true": ('<c r="B2" t="b"><v>1</v></c>', "true", ""),
    "a date as text": ('<c r="B2" t="d"><v>2026-05-10</v></c>', "2026-05-10", ""),
    "nothing": ('<c r="B2"/>', "", ""),
    "runs of rich text": ('<c r="B2" t="inlineStr"><is><r><t>a</t></r><r><t> b</t></r></is></c>', "a b", ""),
    "a reading aid": (
        '<c r="B2" t="inlineStr"><is><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh></is></c>',
        "東京",
        "",
    ),
    "an escaped character": ('<c r="B2" t="str"><v>a_x000D_b_x005F_x000D_</v></c>', "a\rb_x000D_", ""),
    "a cell without its place": ("<c><v>7</v></c>", "7", ""),
}


@pytest.mark.parametrize("name", CELLS)
def test_what_a_cell_holds_is_its_text_or_a_fault(name: str) -> None:
    cell, text, wrong = CELLS[name]
    (row,) = open_xlsx(io.BytesIO(of_cells('<c r="A2"><v>5511999990001</v></c>', cell)))
    assert isinstance(row, CsvRow)
    assert row.cells == ["5511999990001", text]
    assert [(one.code, one.column) for one in row.faults] == ([("field.invalid", "note")] if wrong else [])
    assert all(wrong in one.detail for one in row.faults)


@pytest.mark.parametrize("cell", ['<c r="B2" t="e"><v>#REF!</v></c>', '<c r="B2"><f>A1</f></c>'])
def test_a_row_with_a_cell_that_holds_no_value_is_rejected_with_all_its_faults(cell: str) -> None:
    content = of_cells('<c r="A2"><v>12</v></c>', cell)
    (row,) = taken(content)
    assert isinstance(row, Rejected)
    assert [(one.code, one.column) for one in row.faults] == [("field.invalid", "note"), ("phone.invalid", "phone")]
    assert row.cells == {"phone": "12", "note": rows_of(content)[0][1][1]}


@pytest.mark.parametrize("cell", ['<c r="A2" t="e"><v>#N/A</v></c>', '<c r="A2"><f>B1</f></c>'])
def test_a_phone_cell_without_a_value_is_spreadsheet_damage(cell: str) -> None:
    (row,) = taken(of_cells(cell))
    assert isinstance(row, Rejected)
    assert [(one.code, one.column) for one in row.faults] == [("phone.spreadsheet_damage", "phone")]
    assert row.cells["phone"] in ("#N/A", "(formula)"), "nothing that a spreadsheet would run"


def test_a_control_character_rejects_its_row() -> None:
    (row,) = taken(of_cells('<c r="A2"><v>5511999990001</v></c>', '<c r="B2" t="str"><v>a_x0007_</v></c>'))
    assert isinstance(row, Rejected)
    assert [(one.code, one.column) for one in row.faults] == [("row.control_character", "note")]


def test_a_date_without_a_date_is_a_fault() -> None:
    made = book(["phone", "note"], ["+5511999990001", datetime.date(2026, 5, 10)])
    content = rewritten(saved(made), {SHEET: lambda old: re.sub(rb"<v>46\d+</v>", b"<v>5511999990000</v>", old)})
    (row,) = open_xlsx(io.BytesIO(content))
    assert isinstance(row, CsvRow)
    assert row.cells[1] == "5511999990000"
    assert [(one.code, one.column, "date" in one.detail) for one in row.faults] == [("field.invalid", "note", True)]


def test_dates_of_1904_workbooks_are_read_as_such() -> None:
    made = book(["phone", "since"], ["+5511999990001", datetime.date(2026, 5, 10)])
    made.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    assert rows_of(saved(made)) == [(2, ["+5511999990001", "2026-05-10"])]


def test_shared_texts_are_read_with_their_runs() -> None:
    made = book(["phone", "note"], ["+5511999990001", "São_x000D_\nPaulo"], ["+5511999990002", "São"])
    made.active["B4"] = CellRichText("plain ", TextBlock(InlineFont(b=True), "bold"))
    made.active["A4"] = "+5511999990003"
    content = sharing(saved(made))
    assert b"inlineStr" not in zipfile.ZipFile(io.BytesIO(content)).read(SHEET)
    assert [cells[1] for _, cells in rows_of(content)] == ["São\r\nPaulo", "São", "plain bold"]
    reading_aid = "<t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh>".encode()
    aided = rewritten(content, {TEXTS: lambda old: old.replace("<t>São</t>".encode(), reading_aid)})
    assert [cells[1] for _, cells in rows_of(aided)] == ["São\r\nPaulo", "東京", "plain bold"]


def test_merged_cells_have_one_value_and_hidden_rows_are_read() -> None:
    made = book(["phone", "note"], ["+5511999990001", "both"], ["+5511999990002", "gone"], ["+5511999990003", "x"])
    made.active.merge_cells("B2:B3")
    made.active.row_dimensions[4].hidden = True
    assert rows_of(saved(made)) == [
        (2, ["+5511999990001", "both"]),
        (3, ["+5511999990002", ""]),
        (4, ["+5511999990003", "x"]),
    ]


def test_the_only_filled_sheet_is_read_and_of_several_one_must_be_named() -> None:
    other = [["phone"], ["+5511999990009"]]
    assert rows_of(saved(book(People=other, Empty=[]))) == [(2, ["+5511999990009"])]
    several = saved(book(["phone"], ["+5511999990001"], People=other, Empty=[]))
    with pytest.raises(SourceError, match=r'^source\.sheet: several sheets hold something: "Contacts", "People"; '):
        open_xlsx(io.BytesIO(several))
    assert rows_of(several, sheet="People") == [(2, ["+5511999990009"])]
    assert refusal(several, sheet="Empty") == ("source.empty", 422)
    with pytest.raises(SourceError, match='no such sheet; the sheets are "Contacts", "People", "Empty"'):
        open_xlsx(io.BytesIO(several), sheet="people")


def test_a_sheet_that_is_a_chart_is_no_sheet() -> None:
    made = book(["phone"], ["+5511999990001"])
    made.create_chartsheet("Chart", 0)
    assert rows_of(saved(made)) == [(2, ["+5511999990001"])]
    with pytest.raises(SourceError, match='no such sheet; the sheets are "Contacts"'):
        open_xlsx(io.BytesIO(saved(made)), sheet="Chart")


def test_a_hidden_sheet_is_read_only_when_it_is_named() -> None:
    made = book(["phone"], ["+5511999990001"], Lookups=[["phone"], ["+5511999990009"]])
    made["Lookups"].sheet_state = "hidden"
    assert rows_of(saved(made)) == [(2, ["+5511999990001"])]
    assert rows_of(saved(made), sheet="Lookups") == [(2, ["+5511999990009"])]


def test_a_mapping_names_columns_and_cells_beyond_the_header_are_a_fault() -> None:
    content = saved(book(["a", "b"], ["Ana", 5511999990001], ["Bia", 5511999990002, None, "x"]))
    first, second = taken(content, mapping={"phone": "b", "first_name": "a"})
    assert isinstance(first, Contact)
    assert (first.phone, first.first_name, first.attributes, first.row) == ("+5511999990001", "Ana", {}, 2)
    assert isinstance(second, Rejected)
    assert [one.code for one in second.faults] == ["row.too_many_cells"]
    assert refusal(content, mapping={"phone": "c"}) == ("source.mapping", 400)


def test_a_rejections_file_that_was_saved_as_a_workbook_is_recognised() -> None:
    content = saved(
        book(["phone", "note", "error_code", "error_detail"], ["+5511999990001", "'=x", "phone.invalid", "..."])
    )
    source = open_xlsx(io.BytesIO(content))
    assert source.info.corrections
    assert source.info.ignored.keys() == {"error_code", "error_detail"}
    assert [row.cells[:2] for row in source if isinstance(row, CsvRow)] == [["+5511999990001", "=x"]]


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
