"""What each adapter calls ordinary, with the options on which that depends."""

from typing import Any

import pytest

from gateway.certification.test_ordinary import nobody_notices
from gateway.registry import load

CASES: list[tuple[str, dict[str, Any]]] = [
    *(("voximplant", {"encoding": charset}) for charset in ("ISO-8859-1", "KOI8-R")),
    *(("voximplant", {"escape": sign}) for sign in ('"', "\\", "^")),
    ("voximplant", {"carry_priority": True, "phone_column": "plan"}),
    *(("velip", {"mode": "csv", "csv_encoding": charset}) for charset in ("ascii", "utf-8", "iso-8859-1")),
    *(("velip", {"mode": mode, "foreign_numbers": True}) for mode in ("json", "form", "json_file")),
    ("velip", {"extras": {"extra1": "company", "extra2": "attributes.plan"}}),
    *(("koreai", {"value_length": length}) for length in (300, 2000)),
    ("indigitall", {"custom_fields": {"plan": "attributes.plan", "who": "first_name"}}),
    *(("exotel", {"kind": kind}) for kind in ("static", "dynamic")),
    ("exotel", {"custom_field": "nested"}),
]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("name", "given"), CASES, ids=lambda value: str(value))
def test_ordinary_contacts_are_examined_as_all_others(name: str, given: dict[str, Any], backwards: bool) -> None:
    known = load(entry_points=False)
    adapter = known.adapters[name]
    nobody_notices(
        adapter, adapter.options.model_validate({**known.simulators[name].create().options, **given}), backwards
    )
