"""Velip's JSON files: what is encoded a thousand records at a time reads as if each had been encoded by itself."""

import json
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.velip import bodies

texts = st.text(max_size=5) | st.sampled_from(['"},{"', '\\"},{\\"', '"', "\\", "},{", '{"a":"b"},{"c":"d"}', "ção"])
records = st.lists(st.dictionaries(st.sampled_from(["phone", "name", "extra1"]), texts, min_size=1), max_size=7)


@settings(max_examples=300, deadline=None)
@given(given_records=records, at_once=st.integers(1, 8))
def test_an_array_has_one_record_a_line(given_records: list[dict[str, str]], at_once: int) -> None:
    with mock.patch.object(bodies, "_CHUNK_ROWS", at_once):
        made = b"".join(bodies._array(given_records)).decode("ascii")
    lines = [json.dumps(one, separators=(",", ":")) for one in given_records]
    assert made == "[" + ("\n" if lines else "") + ",\n".join(lines) + "\n]"
