"""The toolkit's table: every source in its place, whatever the order, and CSV as csv.writer writes it."""

import csv
import io
from itertools import permutations
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.toolkit.csv_rows import csv_chunks
from adapters.toolkit.table import rows_of
from gateway.canonical import Contact

ONE = Contact(row=1, key="k", phone="+5511990000001", company="Acme", attributes={"plan": "gold", "city": "Santos"})
HAS = {"phone": "+5511990000001", "company": "Acme", "email": None, "attributes.plan": "gold", "attributes.x": None}


@pytest.mark.parametrize("number", range(1, len(HAS) + 1))
def test_each_source_has_its_place(number: int) -> None:
    for sources in permutations(HAS, number):
        assert list(rows_of(sources, [ONE])) == [tuple(HAS[source] for source in sources)]


cells = st.one_of(
    st.none(), st.sampled_from(["", "a", "a b", '"', ",", ";", "\r", "\n", "\r\n", "a,b", " ", "'", "ç\t"])
)
rows = st.lists(st.lists(cells, min_size=1, max_size=3), max_size=7)


@settings(max_examples=500, deadline=None)
@given(
    rows=rows, delimiter=st.sampled_from(",;\t"), line_end=st.sampled_from(["\r\n", "\n"]), at_once=st.integers(1, 8)
)
def test_csv_is_what_the_csv_module_writes(
    rows: list[list[str | None]], delimiter: str, line_end: str, at_once: int
) -> None:
    wanted = io.StringIO()
    csv.writer(wanted, delimiter=delimiter, lineterminator=line_end).writerows([["name", "x,y"], *rows])
    with mock.patch("adapters.toolkit.csv_rows.CHUNK_ROWS", at_once):
        chunks = csv_chunks(["name", "x,y"], rows, delimiter=delimiter, line_end=line_end)
        assert b"".join(chunks) == wanted.getvalue().encode()
