"""What makes a file as a whole impossible to take. Codes, statuses and advice are data."""

from collections.abc import Iterable
from typing import Final

PROBLEMS: Final[dict[str, tuple[int, str, str]]] = {
    # code: (HTTP status, what is wrong, what to do)
    "source.empty": (422, "the file is empty", "send a header and at least one row"),
    "source.header_only": (422, "the file has a header but no rows", "send at least one row"),
    "source.binary": (422, "the file is not text", "export the table as CSV (UTF-8)"),
    "source.not_csv": (422, "the file is not a table of delimited text", "export the table as CSV (UTF-8)"),
    "source.json_array": (
        422,
        "the file is a JSON array, not one JSON object a line",
        "send it as application/json, or write one contact a line",
    ),
    "source.nul_byte": (422, "the file holds a NUL character", "save the file as UTF-8, or state its encoding"),
    "source.charset": (422, "the file's charset cannot be told", "save the file as UTF-8, or state its encoding"),
    "source.encoding": (400, "the stated encoding is not known", "state a text encoding such as utf-8 or cp1252"),
    "source.delimiter": (
        400,
        "the stated delimiter cannot be one",
        "state one character that is no quote, line break, letter or digit",
    ),
    "source.mapping": (400, "the mapping does not fit the file", "map known fields to columns that exist"),
    "source.too_many_columns": (413, "the file has too many columns", "send fewer columns"),
    "source.row_too_long": (413, "a row is longer than allowed", "look for a missing line break or a stray quote"),
    "source.cell_too_long": (413, "a cell is longer than allowed", "shorten the cell, or look for a stray quote"),
    "source.unclosed_quote": (422, "a quote is opened and never closed", "close the quote, or double quotes in cells"),
    "source.duplicate_column": (422, "two columns have the same name", "give every column a name of its own"),
    "source.no_header": (
        422,
        "the first row is not a header: it holds a phone number",
        "put a header with the columns' names first",
    ),
    "source.no_phone_column": (
        422,
        "no column is known to hold the phone number",
        'name one column phone, or state a mapping such as {"phone": "<column>"}',
    ),
    "source.workbook": (
        422,
        "the file is not an Excel workbook that can be read",
        "save it as Excel workbook (.xlsx), or export the sheet as CSV (UTF-8)",
    ),
    "source.workbook_protected": (
        422,
        "the workbook is protected with a password",
        "take the password off and save it again, or export the sheet as CSV (UTF-8)",
    ),
    "source.workbook_too_large": (
        413,
        "the workbook unpacks to more than allowed",
        "split it, or export the sheet as CSV (UTF-8)",
    ),
    "source.sheet": (400, "it is not clear which sheet holds the contacts", "name the sheet to read"),
    "source.no_xlsx": (
        415,
        "workbooks cannot be read by this installation",
        "pip install 'contact-list-gateway[xlsx]', or export the sheet as CSV (UTF-8)",
    ),
}


class SourceError(Exception):
    """The file cannot be taken: `code` of PROBLEMS, HTTP `status`, and a `detail` that says what to do.

    `detail` names columns and lines only, never what stands in a cell: it may reach logs.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.status, wrong, advice = PROBLEMS[code]
        self.code = code
        self.detail = f"{detail or wrong}; {advice}"
        super().__init__(f"{code}: {self.detail}")


def column_names(names: Iterable[str], most: int = 30) -> str:
    """Column names for a message, shortened; what looks like data that stands where a header should is left out."""
    shown = []
    for place, name in enumerate(names, 1):
        if place > most:
            shown.append("...")
            break
        looks_like_data = "@" in name or sum(letter.isdigit() for letter in name) >= 6
        shown.append(f"(column {place})" if looks_like_data or not name.isprintable() else f'"{name[:40]}"')
    return ", ".join(shown) or "none"
