"""All faults of a bad row: the pydantic model of the contact names them, tables turn its words into our codes."""

import re
import zoneinfo
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic import ValidationError

from gateway.canonical import ContactIn, Fault
from gateway.canonical.faults import fault
from gateway.ingest.phones import normalise_phone

_MOST_FAULTS: Final = 200
_MOST_OF_A_NAME: Final = 100
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

CODES: Final[dict[str, str]] = {
    # pydantic's error type -> our code
    "missing": "field.empty",
    "extra_forbidden": "field.unknown",
    "string_too_long": "field.too_long",
    "string_too_short": "field.empty",
    "string_type": "field.wrong_type",
    "int_type": "field.wrong_type",
    "dict_type": "field.wrong_type",
    "string_pattern_mismatch": "field.invalid",
    "string_unicode": "row.bad_encoding",
    "too_long": "attribute.too_many",
    "greater_than_equal": "priority.invalid",
    "less_than_equal": "priority.invalid",
}
CODES_OF_FIELD: Final[dict[tuple[str, str], str]] = {
    ("missing", "phone"): "phone.missing",
    ("string_too_short", "phone"): "phone.missing",
    ("string_pattern_mismatch", "email"): "email.invalid",
    ("string_pattern_mismatch", "language"): "language.invalid",
}


@lru_cache(maxsize=2048)
def is_time_zone(name: str) -> bool:
    """Whether the tz database knows the name."""
    try:
        zoneinfo.ZoneInfo(name)
    except Exception:  # the look-up raises whatever the file system makes of an odd name
        return False
    return True


def has_control(text: str) -> bool:
    """Whether the text holds a control character other than tab and line ends."""
    return _CONTROL.search(text) is not None


def faults_of(
    document: Mapping[str, Any], region: str | None, column_of: Callable[[str], str] = lambda name: name
) -> tuple[Fault, ...]:
    """Every fault of a contact that was given as this document, without nulls; none when it is valid.

    `column_of` turns a canonical field (or `attributes.<name>`) into the sender's own column.
    """
    found: dict[tuple[str, str | None], Fault] = {}

    def add(code: str, field: str, detail: str = "") -> None:
        column = column_of(field)[:_MOST_OF_A_NAME]
        found.setdefault((code, column), fault(code, column, detail))

    _phone_faults(document, region, add)
    for error in _errors_of(document):
        code, field = _code_of(error, document)
        if field != "phone" or code == "field.wrong_type":
            add(code, field, _detail_of(error))
    zone = document.get("time_zone")
    if isinstance(zone, str) and not (zone and is_time_zone(zone)):
        add("time_zone.invalid" if zone else "field.empty", "time_zone")
    for field, value in _texts(document):
        if has_control(value):
            add("row.control_character", field)
    return tuple(found.values())[:_MOST_FAULTS]


def _phone_faults(document: Mapping[str, Any], region: str | None, add: Callable[[str, str, str], None]) -> None:
    phone = document.get("phone", "")
    if not isinstance(phone, str):
        return
    answer = normalise_phone(phone, region) if phone.strip() else fault("phone.missing")
    if isinstance(answer, Fault):
        add(answer.code, "phone", answer.detail)


def _errors_of(document: Mapping[str, Any]) -> list[Any]:
    try:
        ContactIn.model_validate(document)
    except ValidationError as refused:
        return list(refused.errors(include_url=False, include_input=False))
    return []


def _code_of(error: Any, document: Mapping[str, Any]) -> tuple[str, str]:
    kind, place = error["type"], error["loc"]
    field = str(place[0]) if place else ""
    if len(place) > 1:
        name = f"{field}.{place[1]}"
        return ("attribute.name_invalid" if place[-1] == "[key]" else CODES.get(kind, "field.invalid")), name
    if kind == "string_pattern_mismatch" and document.get(field) == "":
        return "field.empty", field
    return CODES_OF_FIELD.get((kind, field)) or CODES.get(kind, "field.invalid"), field


def _detail_of(error: Any) -> str:
    limits = error.get("ctx", {})
    if "max_length" in limits and error["loc"][-1] != "[key]":
        return f"at most {limits['max_length']}" + (" characters" if error["type"] == "string_too_long" else "")
    wanted = {"string_type": "must be text", "int_type": "must be a whole number", "dict_type": "must be an object"}
    return wanted.get(error["type"], "")


def _texts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(field, value) for field, value in document.items() if isinstance(value, str)]
    attributes = document.get("attributes")
    if isinstance(attributes, dict):
        found += [(f"attributes.{name}", value) for name, value in attributes.items() if isinstance(value, str)]
    return found
