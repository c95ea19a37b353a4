"""The rejections file: the sender's own table, safe in a spreadsheet, and readable again."""

import codecs
import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.canonical import DuplicatePolicy, Fault
from gateway.ingest import CsvRow, Intake, Normaliser, Rejected, collect, open_csv, rejections_csv


def rejected(taken: Intake) -> list[Rejected]:
    return [row for _, row in taken.rows() if isinstance(row, Rejected)]


def intake(content: bytes) -> Intake:
    return collect(open_csv(io.BytesIO(content)), Normaliser(None), DuplicatePolicy.KEEP_FIRST)


def rejections(taken: Intake) -> bytes:
    info = taken.info
    assert info.charset
    assert info.delimiter
    rows = [(row.cells, row.faults) for row in rejected(taken)]
    pieces = rejections_csv(
        rows,
        columns=info.columns,
        delimiter=info.delimiter,
        charset=info.charset,
        phone_columns={info.mapping["phone"]},
    )
    return b"".join(pieces)


def test_the_file_is_the_senders_own_table_with_the_faults() -> None:
    content = "Nome;Telefone;E-mail\nJosé;+55119;x\n=Ana;+5511999990001;a@b\n-Bia;+0;a@b\n".encode("cp1252")
    assert rejections(intake(content)).decode("cp1252").splitlines() == [
        "Nome;Telefone;E-mail;error_code;error_detail",
        'José;+55119;x;"phone.invalid; email.invalid";'
        '"Telefone: the phone number is not a valid number; E-mail: not an e-mail address"',
        "'-Bia;+0;a@b;phone.invalid;Telefone: the phone number is not a valid number",
    ]


@pytest.mark.parametrize(
    ("charset", "mark"),
    [
        ("utf-8", b""),
        ("utf-8-sig", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("cp1252", b""),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_corrected_file_reads_as_the_original_rows(charset: str, mark: bytes, delimiter: str) -> None:
    text = io.StringIO()
    awkward = ["=1+1", "'quoted", "'=x", "''@y", "+z", 'a "b", c; d', "two\nlines", "-5", "@at", "é"]
    rows = [["fone", "=note", "name"], *(["bad", cell, f"N{number}"] for number, cell in enumerate(awkward))]
    csv.writer(text, delimiter=delimiter).writerows(rows)
    content = mark + text.getvalue().encode(charset.removesuffix("-sig"))
    taken = intake(content)
    assert len(rejected(taken)) == len(awkward)
    sent_back = rejections(taken)
    assert sent_back.startswith(mark)
    assert sent_back.count(mark or b"\xef\xbb\xbf") == bool(mark)

    plain = sent_back[len(mark) :].decode(charset.removesuffix("-sig"))
    corrected = intake(mark + plain.replace("bad", "+5511999990001", 1).encode(charset.removesuffix("-sig")))
    assert corrected.info.corrections
    assert corrected.info.charset == taken.info.charset
    assert corrected.info.delimiter == delimiter
    assert corrected.info.mapping == taken.info.mapping
    assert next(corrected.contacts()).attributes == {"note": "=1+1"}
    own = [{name: row.cells[name] for name in taken.info.columns} for row in rejected(corrected)]
    assert own == [row.cells for row in rejected(taken)[1:]]


def test_cells_beyond_the_header_come_back_and_are_refused_again() -> None:
    taken = intake(b"phone,name\n+5511999990001,Lima, Ana\n+5511999990002,B\n")
    again = intake(rejections(taken))
    assert [fault.code for row in rejected(again) for fault in row.faults] == ["row.too_many_cells"]
    assert [*rejected(again)[0].cells.values()] == [
        "+5511999990001",
        "Lima",
        "row.too_many_cells",
        "3 cells, the header has 2",
        "Ana",
    ]


def test_a_large_file_comes_in_pieces() -> None:
    rows = (({"phone": "1", "name": "x" * 100}, (Fault("phone.invalid", "phone", "no"),)) for _ in range(5_000))
    pieces = list(
        rejections_csv(rows, columns=["phone", "name"], delimiter=",", charset="utf-8", phone_columns={"phone"})
    )
    assert len(pieces) > 5
    assert b"".join(pieces).count(b"\r\n") == 5_001


def test_a_character_that_the_charset_lacks_never_breaks_the_file() -> None:
    rows = [({"phone": "1", "name": "Ł"}, (Fault("phone.invalid", "phone", "no"),))]
    [piece] = rejections_csv(rows, columns=["phone", "name"], delimiter=",", charset="cp1252", phone_columns={"phone"})
    assert piece == b"phone,name,error_code,error_detail\r\n1,&#321;,phone.invalid,phone: no\r\n"


cells = st.text(alphabet=st.sampled_from("'=+-@a \t,;\"\n"), max_size=6).map(lambda text: text.strip())


@settings(deadline=None)
@given(st.lists(cells, min_size=1, max_size=5))
def test_any_text_cell_survives_the_round_trip(texts: list[str]) -> None:
    rows = [({"phone": "1", "note": text}, ()) for text in texts]
    content = b"".join(
        rejections_csv(rows, columns=["phone", "note"], delimiter=",", charset="utf-8", phone_columns={"phone"})
    )
    source = open_csv(io.BytesIO(content))
    assert [row.cells[:2] for row in source if isinstance(row, CsvRow)] == [["1", text] for text in texts]
