"""Whatever is sent: a SourceError or rows, never a crash, and every row has exactly one end."""

import io
import json
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.canonical import Contact, DuplicatePolicy
from gateway.ingest import (
    Normaliser,
    Rejected,
    SourceError,
    collect,
    normalise_phone,
    open_csv,
    open_items,
    open_ndjson,
)
from gateway.ingest.json_values import as_sent

NORMALISER = Normaliser("BR")
tables = st.lists(st.sampled_from(["phone", "+5511999990001", '"', ",", ";", "\n", "\r", "é", "=1", " ", "'", "\x1a"]))
phone_like = st.text(alphabet="+0123456789 ()-/;,.eE'=\"x", max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.sampled_from(["phone", "id", "attributes", "priority", "email"]), inner)
    ),
    max_leaves=10,
)


def settle(open_source: Any) -> None:
    try:
        source = open_source()
        taken = collect(source, NORMALISER, DuplicatePolicy.KEEP_FIRST)
    except SourceError:
        return
    rows = list(taken.rows())
    assert taken.received == taken.info.rows == len(rows)
    keys = [contact.key for contact in taken.contacts()]
    assert len(keys) == len(set(keys))
    for rejected in (row for _, row in rows if isinstance(row, Rejected)):
        assert rejected.faults
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(rejected), type=Rejected) == rejected
        json.dumps(as_sent(rejected.cells)).encode()
        msgspec.json.encode(rejected)


@settings(deadline=None)
@given(st.binary())
@example(b"phone\n\xff\xfe")
@example(b"phone\n" + b"\xa0" * 40)
def test_any_bytes(content: bytes) -> None:
    settle(lambda: open_csv(io.BytesIO(content)))
    settle(lambda: open_csv(io.BytesIO(b"phone,name\n" + content)))
    settle(lambda: open_ndjson(io.BytesIO(content)))


@settings(deadline=None)
@given(tables.map("".join), st.sampled_from([None, "utf-8", "cp1252", "utf-16", "shift_jis", "utf-7", "hz", "cp037"]))
def test_any_table(text: str, encoding: str | None) -> None:
    settle(lambda: open_csv(io.BytesIO(text.encode()), encoding=encoding))
    settle(lambda: open_ndjson(io.BytesIO(text.encode()), encoding=encoding))


@settings(deadline=None)
@given(values)
@example({"phone": "\ud800", "\ud800": 1})
@example({"phone": 10**5000})
@example({"phone": float("nan")})
def test_any_json_value(value: Any) -> None:
    settle(lambda: open_items([value, {"phone": value}, {"phone": "+5511999990001", "attributes": value}]))
    try:
        raw = msgspec.Raw(json.dumps(value).encode())
    except ValueError:
        return
    settle(lambda: open_items([raw]))


@settings(deadline=None)
@given(st.text(max_size=80) | phone_like, st.sampled_from([None, "BR", "US"]))
def test_any_phone_text(text: str, region: str | None) -> None:
    answer = normalise_phone(text, region)
    if hasattr(answer, "e164"):
        again = normalise_phone(answer.e164, None)
        assert again == answer
    assert not isinstance(answer, Contact)
