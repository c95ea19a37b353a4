"""Files above the size that is answered at once, the same ones short, and what must become of their rows."""

import io
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openpyxl
import pytest

from gateway import reading
from gateway.sources import NDJSON, XLSX
from gateway.web.receiving import MEMORY
from tests.gateway.conftest import Gateway
from tests.gateway.web.shapes import LISTS, masked, until

Row = dict[str, str]
COLUMNS = ("phone", "id", "first_name", "plan")
ROWS = 3_000
PADDING = 450
"""Characters of a column without a name, which is ignored, enough to make `ROWS` rows a long file."""
KEPT_TABLES = ("lists", "chunks", "deliveries", "remote_lists", "uploads")
"""What a list leaves in the database. Operations and keys are remembered longer."""


def phone(place: int) -> str:
    return f"+55119{90_000_000 + place}"


def people(number: int = ROWS, first: int = 1) -> list[Row]:
    """Rows of a sender: some numbers bad, some spelled as at home, some repeated; ids missing or repeated."""
    made: list[Row] = []
    for place in range(first, first + number):
        row = {"phone": phone(place), "id": f"A-{place}", "first_name": f"Ana {place % 7}", "plan": "gold"}
        if place % 97 == 5:
            row["phone"] = "12"
        elif place % 101 == 7:
            row["phone"] = f"(11) 9{90_000_000 + place}"
        elif place % 89 == 11 and len(made) > 2:
            row["phone"] = made[-1]["phone"]
        if place % 83 == 13 and len(made) > 2:
            row["id"] = made[-2]["id"]
        elif place % 5 == 0:
            row["id"] = ""
        made.append(row)
    return made


def number_of(row: Row) -> str:
    """The row's number in digits; "" when it is none."""
    digits = "".join(letter for letter in row["phone"] if letter.isdigit())
    return "" if digits == "12" else digits if digits.startswith("55") else f"55{digits}"


def outcomes(rows: list[Row], policy: str = "keep_first", there: frozenset[str] = frozenset()) -> list[str]:
    """What must become of each row at a vendor that takes everybody; `there`: numbers that the list holds already."""
    kept: dict[str, int] = dict.fromkeys(there, -1)
    for place, row in enumerate(rows):
        number = number_of(row)
        if number not in there and (number not in kept or policy == "keep_last"):
            kept[number] = place
    told = []
    for place, row in enumerate(rows):
        number = number_of(row)
        alone = policy == "keep_all" or kept[number] == place
        told.append("rejected" if not number else "accepted" if alone else "duplicate")
    return told


def accepted(rows: list[Row], policy: str = "keep_first", there: frozenset[str] = frozenset()) -> list[str]:
    """The numbers, in digits, that must be at the vendor afterwards, in this order."""
    told = zip(rows, outcomes(rows, policy, there), strict=True)
    return [number_of(row) for row, outcome in told if outcome == "accepted"]


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    media_type: str
    name: str


def as_csv(rows: list[Row], padding: int = PADDING) -> File:
    lines = [",".join(("", *COLUMNS))]
    lines += [",".join(("x" * padding, *(row[name] for name in COLUMNS))) for row in rows]
    return File("\r\n".join(lines).encode(), "text/csv", "people.csv")


def as_ndjson(rows: list[Row], padding: int = PADDING) -> File:
    given = ({name: value for name, value in row.items() if value and name != "plan"} for row in rows)
    lines = [json.dumps(row | {"attributes": {"plan": "gold"}}) + " " * padding for row in given]
    return File("\n".join(lines).encode(), NDJSON[0], "people.ndjson")


def as_xlsx(rows: list[Row], padding: int = PADDING) -> File:
    """With noise for padding, which does not compress away."""
    noise = random.Random(7)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("People")
    sheet.append([None, *COLUMNS])
    for row in rows:
        sheet.append([noise.randbytes(padding).hex(), *(row[name] or None for name in COLUMNS)])
    file = io.BytesIO()
    book.save(file)
    return File(file.getvalue(), XLSX, "people.xlsx")


FORMATS: dict[str, Callable[..., File]] = {"csv": as_csv, "ndjson": as_ndjson, "xlsx": as_xlsx}


def is_long(file: File) -> bool:
    return len(file.content) > MEMORY


async def send(
    client: httpx.AsyncClient,
    file: File,
    path: str = LISTS,
    *,
    form: bool = False,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> httpx.Response:
    """Send a file as the raw body, or as a multipart form; `fields` are the list's own."""
    if path == LISTS:
        fields = {"name": "Spring renewals"} | fields
    if not form:
        headers = {"Content-Type": file.media_type} | (headers or {})
        return await client.post(path, params=fields, content=file.content, headers=headers)
    if "activation" in fields:
        fields["activation"] = {"mode": fields["activation"]}
    data = {"list": json.dumps(fields)} if fields else {}
    files = {"file": (file.name, file.content, file.media_type)}
    return await client.post(path, data=data, files=files, headers=headers)


async def contacts(client: httpx.AsyncClient, list_id: str, **query: Any) -> list[dict[str, Any]]:
    """Every contact of a list in order; ids that differ from run to run are masked."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get(f"{LISTS}/{list_id}/contacts", params={"limit": 1000, **query, **cursor})).json()
        found += [masked(one) | {"remote_id": one["remote_id"] is not None} for one in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def told(contacts: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(one["row"], one["outcome"]) for one in contacts]


async def kept(gateway: Gateway) -> dict[str, int]:
    """How many rows lists have in the database."""
    return await gateway.rows(*KEPT_TABLES)


@dataclass(slots=True)
class Gate:
    """Holds up whoever reads a long file. `reached` is told when one is there."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    async def until_reached(self) -> None:
        async def there() -> bool:
            return self.reached.is_set()

        await until(there)


@contextmanager
def shut(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate before the reading of long files, open again afterwards."""
    gate, collect = Gate(), reading.collect

    def held(*arguments: Any) -> Any:
        gate.reached.set()
        assert gate.opened.wait(60)
        return collect(*arguments)

    monkeypatch.setattr(reading, "collect", held)
    try:
        yield gate
    finally:
        gate.opened.set()
