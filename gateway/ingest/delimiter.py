"""Which delimiter a CSV file uses: stated, told by a `sep=` line, or voted by field counts."""

import csv
import io
import re
from collections.abc import Collection
from typing import Final

from gateway.ingest.columns import OWN_COLUMNS
from gateway.ingest.problems import SourceError
from gateway.ingest.synonyms import FIELD_OF, fold

CANDIDATES: Final = (",", ";", "\t", "|")
_SEP_LINE: Final = re.compile(r'"?sep=(.)"?[ \t,;|]*(?:\r\n|\r|\n|$)', re.IGNORECASE)


def check_delimiter(stated: str) -> str:
    """The stated delimiter, or SourceError when it cannot be one."""
    if len(stated) != 1 or stated.isalnum() or stated in "\"'\r\n\0 +_" or ord(stated) > 0xFFFF:
        raise SourceError("source.delimiter")
    return stated


def told_delimiter(sample: str) -> str | None:
    """The delimiter that a spreadsheet's `sep=;` first line tells."""
    match = _SEP_LINE.match(sample)
    return match[1] if match and match[1] in CANDIDATES else None


def vote(sample: str, whole: bool, wanted: Collection[str]) -> str:
    """The candidate under which rows agree best with a header that has known columns; a comma for one column.

    `wanted` are columns that the caller's mapping names.
    """
    best, best_score = ",", (False, 0.0, 0, 0)
    for candidate in CANDIDATES:
        rows = _rows(sample, candidate, whole)
        if not rows or len(rows[0]) < 2:
            continue
        header, width = rows[0], len(rows[0])
        known = sum(_is_known(name, wanted) for name in header)
        agree = sum(len(row) == width for row in rows) / len(rows)
        score = (known > 0, round(agree, 3), known, width)
        if score > best_score:
            best, best_score = candidate, score
    return best


def _is_known(name: str, wanted: Collection[str]) -> bool:
    name = name.strip()
    return name in wanted or name in OWN_COLUMNS or fold(name) in FIELD_OF


def _rows(sample: str, delimiter: str, whole: bool) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter, skipinitialspace=True):
            if row:
                rows.append(row)
    except csv.Error:
        return rows
    # the last row of a sample is cut somewhere
    return rows if whole or len(rows) < 2 else rows[:-1]
