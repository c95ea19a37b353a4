"""What the values of a contact's optional fields look like, read from the model so that there is one truth."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

import annotated_types

from gateway.canonical import ContactIn
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.ingest.explain import has_control, is_time_zone

LONGEST_NAME: Final = 64
LONGEST_VALUE: Final = 2000
"""Characters of an attribute's name and value."""
HIGHEST_PRIORITY: Final = 2**31 - 1
_NUMBER: Final = re.compile(r"\d{1,10}(?:\.0)?", re.ASCII)


class Form(NamedTuple):
    """The longest value of a text field and, if not anything will do, what it has to match."""

    longest: int
    matches: Callable[[str], object] | None


def _form(name: str) -> Form:
    longest, matches = LONGEST_VALUE, None
    for rule in ContactIn.model_fields[name].metadata:
        if isinstance(rule, annotated_types.MaxLen):
            longest = rule.max_length
        elif pattern := getattr(rule, "pattern", None):
            matches = re.compile(pattern.removesuffix("$")).fullmatch
    return Form(longest, is_time_zone if name == "time_zone" else matches)


FORMS: Final = {name: _form(name) for name in TEXT_FIELDS}


def as_priority(text: str) -> int:
    """The number in a cell, whole or with `.0` behind it; -1, which the model refuses as no priority, for all else."""
    return int(text.removesuffix(".0")) if _NUMBER.fullmatch(text) else -1


def is_carriable(text: str) -> bool:
    """Whether the text has no control characters but tabs and line ends, and no lone surrogates."""
    return text.isprintable() or (not has_control(text) and not any("\ud800" <= letter <= "\udfff" for letter in text))
