"""CSV as vendors read it: UTF-8 without a byte-order mark, quotes only where needed, made chunk by chunk."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

CHUNK_ROWS = 2_000


def csv_chunks(
    header: Sequence[str],
    rows: Iterable[Sequence[str | None]],
    *,
    delimiter: str = ",",
    line_end: str = "\r\n",
    encoding: str = "utf-8",
) -> Iterator[bytes]:
    """The file's bytes in chunks of some 2 000 rows. Cells with the delimiter, a quote or a line break are quoted;
    None is an empty cell.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(header)
    for number, row in enumerate(rows, start=1):
        writer.writerow(row)
        if number % CHUNK_ROWS == 0:
            yield _take(buffer, encoding)
    rest = _take(buffer, encoding)
    if rest:
        yield rest


def _take(buffer: io.StringIO, encoding: str) -> bytes:
    chunk = buffer.getvalue().encode(encoding)
    buffer.seek(0)
    buffer.truncate()
    return chunk
