"""A vendor's free column names as names of attributes."""

import re
from collections.abc import Mapping

LONGEST = 64


def as_attributes(values: Mapping[str, str]) -> dict[str, str]:
    """The values under attribute names: what a name may not hold becomes an underscore, a taken name gets a number."""
    named: dict[str, str] = {}
    fitting = {name for name in values if attribute_name(name) == name}
    for column, text in values.items():
        name = wanted = attribute_name(column)
        number = 2
        while name in named or (name in fitting and name != column):
            name, number = f"{wanted[: LONGEST - 4]}_{number}", number + 1
        named[name] = text
    return named


def attribute_name(column: str) -> str:
    """The column's name where it can be an attribute's, else the nearest to it."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", column) or "_"
    return (f"_{name}" if name[0].isdigit() else name)[:LONGEST]
