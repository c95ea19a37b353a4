"""What a migration gives out as files: its rows, its certificate as a page. The API and the command line write them.

Blocking: from another thread than the database's.
"""

import csv
import io
from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr

from gateway.ingest.rejections import formula_safe
from gateway.migrating import certifying
from gateway.migrating.documents import Row
from gateway.migrating.page import page
from gateway.migrating.signing import check, public_key
from gateway.problem import Problem
from gateway.store.database import Database
from gateway.store.moves import Move

_NAMES: Final = Row.__struct_fields__


def readable(database: Database, move: Move, key: SecretStr | None) -> str:
    """The page of a certificate, with what its signature is worth. `key`: the operator's own, where it is known."""
    assert move.certificate is not None
    verdict = check(move.certificate, public_key(key) if key is not None else None)
    if verdict.certificate is None:
        raise Problem("internal", verdict.why)
    return page(verdict.certificate, verdict, certifying.differing(database, move.id))


def rows_csv(database: Database, move_id: str, phase: str) -> Iterator[bytes]:
    """The rows as CSV, formula-safe but for the number."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_NAMES)
    for block in certifying.rows(database, move_id, phase):
        for row in block:
            values = ((name, str(getattr(row, name))) for name in _NAMES)
            writer.writerow([value if name == "phone" else formula_safe(value) for name, value in values])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()
