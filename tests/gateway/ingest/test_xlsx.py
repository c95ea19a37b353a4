"""Workbooks: cells to text without a lost digit, and the sheet's own rows."""

import datetime
import io
import re
import zipfile

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

from gateway.canonical import Contact
from gateway.ingest import CsvRow, Rejected, SourceError, SourceInfo, open_xlsx
from tests.gateway.ingest.workbooks import (
    SHEET,
    TEXTS,
    book,
    of_cells,
    refusal,
    rewritten,
    rows_of,
    saved,
    sharing,
    taken,
)


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
