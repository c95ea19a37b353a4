"""CSV files: charset, delimiter, line ends, line numbers, limits and what is refused as a whole."""

import codecs
import csv
import io
import tracemalloc

import pytest

from gateway.ingest import CsvRow, SourceError, SourceInfo, SourceLimits, open_csv


def rows_of(content: bytes, **how: object) -> list[tuple[int, list[str]]]:
    source = open_csv(io.BytesIO(content), **how)  # type: ignore[arg-type]
    return [(row.row, row.cells) for row in source if isinstance(row, CsvRow)]


def refusal_of(content: bytes, **how: object) -> tuple[str, int]:
    with pytest.raises(SourceError) as caught:
        rows_of(content, **how)
    return caught.value.code, caught.value.status


TABLE = "telefone;nome\n+5511999990001;João Conceição\n+5511999990002;Peña\n"


@pytest.mark.parametrize(
    ("content", "charset"),
    [
        (TABLE.encode(), "utf-8"),
        (codecs.BOM_UTF8 + TABLE.encode(), "utf-8-sig"),
        (TABLE.encode("cp1252"), "cp1252"),
        (codecs.BOM_UTF16_LE + TABLE.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + TABLE.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + TABLE.encode("utf-32-le"), "utf-32-le"),
        (codecs.BOM_UTF32_BE + TABLE.encode("utf-32-be"), "utf-32-be"),
        (TABLE.encode("cp850"), "cp850"),
    ],
)
def test_charset_is_found_and_reported(content: bytes, charset: str) -> None:
    source = open_csv(io.BytesIO(content))
    assert [row.cells for row in source if isinstance(row, CsvRow)] == [
        ["+5511999990001", "João Conceição"],
        ["+5511999990002", "Peña"],
    ]
    assert source.info == SourceInfo(
        format="csv",
        charset=charset,
        delimiter=";",
        columns=["telefone", "nome"],
        mapping={"phone": "telefone", "first_name": "nome"},
        rows=2,
    )


def test_a_stated_encoding_wins_over_guesses() -> None:
    content = "phone,name\n+5511999990001,Łukasz\n".encode("cp1250")
    assert rows_of(content, encoding="windows-1250") == [(2, ["+5511999990001", "Łukasz"])]


def test_a_stated_utf_16_needs_no_mark() -> None:
    assert rows_of("phone\n+5511999990001\n".encode("utf-16-le"), encoding="utf-16") == [(2, ["+5511999990001"])]


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        (codecs.BOM_UTF8 + b"phone\n1\n", "cp1252", ("source.charset", 422)),
        (codecs.BOM_UTF16_LE + "phone\n1\n".encode("utf-16-le"), "utf-16-be", ("source.charset", 422)),
        (b"phone\n1\nJos\xe9\n", "utf-8", ("source.charset", 422)),
        (b"phone\n1\n", "klingon", ("source.encoding", 400)),
        (b"phone\n1\n", "rot13", ("source.encoding", 400)),
        (b"phone\n1\n", "idna", ("source.encoding", 400)),
        (b"phone\n1\n", "", ("source.encoding", 400)),
        (b"phone\n1\n", "a\0b", ("source.encoding", 400)),
        ("phone\nJosé\nAndré\n".encode() + b"\xe9\n", None, ("source.charset", 422)),
        ("phone,name\n1,Ana\n".encode("utf-16-le"), None, ("source.nul_byte", 422)),
    ],
)
def test_charsets_that_do_not_fit_are_refused(content: bytes, encoding: str | None, expected: tuple[str, int]) -> None:
    assert refusal_of(content, encoding=encoding) == expected


def test_undecodable_bytes_are_reported_with_their_line() -> None:
    with pytest.raises(SourceError, match="line 3 holds bytes that are not utf-8"):
        open_csv(io.BytesIO(b"phone\r\n1\r\nJos\xe9\r\n"), encoding="utf-8")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_voted(delimiter: str) -> None:
    rows = [["phone", "name", "amount"], ["+5511999990001", "Lima, Ana; x|y", "1,5"], ["+5511999990002", "B", "2,5"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    source = open_csv(io.BytesIO(text.getvalue().encode()))
    assert source.info.delimiter == delimiter
    assert [row.cells for row in source if isinstance(row, CsvRow)] == rows[1:]


@pytest.mark.parametrize(
    ("content", "how", "delimiter", "rows"),
    [
        (b"phone\n+5511999990001\n", {}, ",", [(2, ["+5511999990001"])]),
        (b"sep=;\nphone;name\n1;Ana\n", {}, ";", [(3, ["1", "Ana"])]),
        (b'"sep=|"\r\nphone|name\r\n1|Ana\r\n', {}, "|", [(3, ["1", "Ana"])]),
        (b"phone:name\n1:Ana\n", {"delimiter": ":"}, ":", [(2, ["1", "Ana"])]),
        (b"a;b\n1;2\n", {"mapping": {"phone": "b"}}, ";", [(2, ["1", "2"])]),
    ],
)
def test_delimiter_is_stated_told_or_of_one_column(
    content: bytes, how: dict[str, object], delimiter: str, rows: list[tuple[int, list[str]]]
) -> None:
    source = open_csv(io.BytesIO(content), **how)  # type: ignore[arg-type]
    assert source.info.delimiter == delimiter
    assert [(row.row, row.cells) for row in source if isinstance(row, CsvRow)] == rows


@pytest.mark.parametrize("stated", ["", "ab", '"', "\n", "\r", "\0", "a", "7", " ", "😀"])
def test_what_cannot_be_a_delimiter_is_refused(stated: str) -> None:
    assert refusal_of(b"phone\n1\n", delimiter=stated) == ("source.delimiter", 400)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_carry_the_physical_line_on_which_they_start(end: str) -> None:
    text = '\nphone,note\n1,"two\nlines ""quoted"""\n\n  \n2,x\n,\n3,"y,z"\n\x1a'.replace("\n", end)
    assert rows_of(text.encode()) == [
        (3, ["1", f'two{end}lines "quoted"']),
        (7, ["2", "x"]),
        (9, ["3", "y,z"]),
    ]


def test_a_last_line_without_an_end_is_a_row() -> None:
    assert rows_of(b'phone,note\n1,"x"') == [(2, ["1", "x"])]


@pytest.mark.parametrize(
    ("content", "code", "status"),
    [
        (b"", "source.empty", 422),
        (b"\n \r\n\n", "source.empty", 422),
        (codecs.BOM_UTF8, "source.empty", 422),
        (b"phone,name\n", "source.header_only", 422),
        (b"phone,name\n,\n\n", "source.header_only", 422),
        (b"\x89PNG\r\n\x1a\n", "source.binary", 422),
        (b"PK\x03\x04....xl/workbook.xml", "source.binary", 422),
        (b"%PDF-1.7", "source.binary", 422),
        (b"phone\x07,name\n1,2\n", "source.binary", 422),
        (b"<!DOCTYPE html><table>", "source.not_csv", 422),
        (b'{"phone": "1"}\n', "source.not_csv", 422),
        (b"phone,name\n1,a\0b\n", "source.nul_byte", 422),
        (b"phone,name\n1," + b"x" * 1_100_000 + b"\n", "source.row_too_long", 413),
        (b"phone,name\n1," + b"x" * 140_000 + b"\n", "source.cell_too_long", 413),
        (b'phone,name\n1,"' + b"x,y\n" * 100_000, "source.unclosed_quote", 422),
        (b'phone,name\n1,a\n2,"open\n3,b\n', "source.unclosed_quote", 422),
        (b'phone,name\n1,"' + b'a\n","b' * 300_000, "source.unclosed_quote", 422),
        (b"phone," * 501 + b"x\n1\n", "source.duplicate_column", 422),
        (b"phone," + b",".join(b"c%d" % n for n in range(500)) + b"\n1\n", "source.too_many_columns", 413),
        (b"phone,name,phone\n1,2,3\n", "source.duplicate_column", 422),
        (b"+5511999990001,Ana\n+5511999990002,Bia\n", "source.no_header", 422),
        (b"(11) 99999-0001\n(11) 99999-0002\n", "source.no_header", 422),
        (b"name,city\nAna,Recife\n", "source.no_phone_column", 422),
    ],
)
def test_what_is_refused_as_a_whole(content: bytes, code: str, status: int) -> None:
    assert refusal_of(content) == (code, status)


def test_a_workbook_is_told_from_other_archives() -> None:
    with pytest.raises(SourceError, match=r"Excel workbook .*export the table as CSV"):
        open_csv(io.BytesIO(b"PK\x03\x04\x14\0[Content_Types].xml"))


def test_an_open_quote_is_reported_with_the_line_of_its_row() -> None:
    source = open_csv(io.BytesIO(b'phone,name\n1,a\n2,"open\n3,b\n'))
    with pytest.raises(SourceError, match="a quote opened in the row of line 3 stays open"):
        list(source)


def test_limits_can_be_raised_and_lowered() -> None:
    content = b"phone,name\n1," + b"x" * 200_000 + b"\n"
    assert len(rows_of(content, limits=SourceLimits(cell=300_000))) == 1
    assert refusal_of(content) == ("source.cell_too_long", 413)
    assert refusal_of(b"phone,name\n1,abcdef\n", limits=SourceLimits(cell=5)) == ("source.cell_too_long", 413)


def test_error_details_show_names_and_lines_but_no_data() -> None:
    with pytest.raises(SourceError) as caught:
        open_csv(io.BytesIO(b"Nome,ana@example.com,A 5511999990001 x\n1,2,3\n"))
    assert "Nome" in caught.value.detail
    assert "ana@" not in str(caught.value)
    assert "5511" not in str(caught.value)


def test_a_file_that_is_not_seekable_is_read_as_well() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    source = open_csv(Pipe(TABLE.encode()))
    assert [row.row for row in source] == [2, 3]


def test_the_senders_file_stays_open_and_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"junk\nphone\n1\n")
    file.seek(5)
    assert [row.row for row in open_csv(file)] == [2]
    assert not file.closed


def test_a_source_is_read_once() -> None:
    source = open_csv(io.BytesIO(b"phone\n1\n"))
    assert len(list(source)) == 1
    with pytest.raises(RuntimeError, match="only once"):
        list(source)


def test_reading_takes_constant_memory() -> None:
    def peak(lines: int) -> int:
        file = io.BytesIO(b"phone,name\n" + b"+5511999990001,Ana Maria de Souza\n" * lines)
        tracemalloc.start()
        count = sum(1 for _ in open_csv(file))
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == lines
        return highest

    peak(10)
    assert peak(60_000) < 2 * peak(20_000)
