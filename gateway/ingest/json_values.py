"""JSON values of a sender who may send anything: decoded without crashing, and kept in a form that can be stored."""

import json
from typing import Any, Final

import msgspec

BROKEN: Final = "row.broken_json"
_DEEPEST: Final = 30
_INT64: Final = 2**63


def decode_item(item: Any) -> tuple[Any, str | None]:
    """The value of an undecoded item and the code of what is wrong with it, if anything.

    A broken text comes back as text. Values that are decoded already come back as they are.
    """
    if not isinstance(item, msgspec.Raw | bytes):
        return item, "row.bad_encoding" if isinstance(item, dict) and has_surrogates(item) else None
    try:
        return msgspec.json.decode(item), None
    except UnicodeDecodeError:
        return bytes(item).decode("utf-8", "replace"), "row.bad_encoding"
    except (ValueError, RecursionError):
        return _decode_oddity(bytes(item))


def _decode_oddity(line: bytes) -> tuple[Any, str | None]:
    """What the strict decoder refuses: a lone surrogate is JSON, but no text; everything else is broken."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace"), "row.bad_encoding"
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text, BROKEN
    return (value, "row.bad_encoding") if has_surrogates(value) else (text, BROKEN)


def _refuse(_constant: str) -> Any:
    raise ValueError("not a JSON number")


def has_surrogates(value: Any) -> bool:
    """Whether any text within the value holds half of a surrogate pair, which no charset can carry."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
                return True
        elif isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
    return False


def as_sent(value: Any, depth: int = 0) -> Any:
    """The value in a form that every JSON store takes: odd numbers as text, half characters replaced, depth bounded."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if not value.isascii() else value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_INT64 <= value < _INT64 else _int_text(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # neither infinite nor NaN
    if isinstance(value, dict | list) and depth >= _DEEPEST:
        return "(nested too deep)"
    if isinstance(value, dict):
        return {as_sent(str(name)): as_sent(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_sent(inner, depth + 1) for inner in value]
    return str(value)


def _int_text(value: int) -> str:
    # Python refuses to print integers of thousands of digits
    return str(value) if value.bit_length() < 4096 else hex(value)
