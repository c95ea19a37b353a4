"""Rejected rows as a CSV file in the sender's own columns, safe to open in a spreadsheet, ready to be corrected."""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from gateway.canonical import Fault
from gateway.ingest.columns import OWN_COLUMNS

_RUNS_IN_A_SPREADSHEET: Final = re.compile(r"'*[=+\-@\t\r]")
_BLOCK: Final = 64 * 1024
_MARKED: Final = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def rejections_csv(
    rows: Iterable[tuple[dict[str, str], Iterable[Fault]]],
    *,
    columns: Sequence[str],
    delimiter: str,
    charset: str,
    phone_columns: Collection[str],
) -> Iterator[bytes]:
    """The file in pieces: the sender's columns, then `error_code` and `error_detail`.

    Cells of a row that are under no column (it had more cells than the header) follow at its end, so that they are not
    lost and the row is refused again until someone has corrected it.
    """
    encoder = codecs.getincrementalencoder(charset)("xmlcharrefreplace")
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    known = set(columns)
    if charset in _MARKED:
        # without its mark nobody could tell the charset of the file when it comes back
        text.write("\ufeff")
    writer.writerow([*map(formula_safe, columns), *OWN_COLUMNS])
    for cells, faults in rows:
        faults = tuple(faults)
        writer.writerow(
            [
                *(_cell(cells.get(name, ""), name in phone_columns) for name in columns),
                "; ".join(dict.fromkeys(fault.code for fault in faults)),
                formula_safe("; ".join(map(_sentence, faults))),
                *(formula_safe(value) for name, value in cells.items() if name not in known),
            ]
        )
        if text.tell() > _BLOCK:
            yield encoder.encode(text.getvalue())
            text.seek(0)
            text.truncate()
    yield encoder.encode(text.getvalue(), final=True)


def formula_safe(text: str) -> str:
    """The text with a leading apostrophe where a spreadsheet would run it; one more where it has some already.

    So the apostrophe can be taken off again without touching one that was the sender's own.
    """
    return "'" + text if _RUNS_IN_A_SPREADSHEET.match(text) else text


def _cell(text: str, is_phone: bool) -> str:
    return text if is_phone else formula_safe(text)


def _sentence(fault: Fault) -> str:
    return f"{fault.column}: {fault.detail}" if fault.column else fault.detail
