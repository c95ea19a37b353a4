"""E.164 numbers checked by libphonenumber's own metadata, compiled once per calling code: the fast path.

It answers only where it is certain to agree with the library; for everything else it says nothing.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, REGION_CODE_FOR_NON_GEO_ENTITY, PhoneMetadata

# The library compiles its patterns through `re`, whose own cache is too small for the world's regions
if hasattr(re, "_MAXCACHE"):
    re._MAXCACHE = max(re._MAXCACHE, 16_384)

_TYPES: Final = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
_NO_NUMBER: Final = "(?!)"


class Phone(msgspec.Struct, frozen=True, gc=False):
    """A valid number: `e164` with its plus sign, `region` the ISO country ("" when it belongs to none)."""

    e164: str
    region: str = ""


class _Region(NamedTuple):
    """How numbers of one region and length look, from the plus sign on.

    `leading` decides alone whether a number is of the region, where the metadata has it; else `valid` does.
    """

    name: str
    leading: Callable[[str], object] | None
    valid: Callable[[str], object]


def _pattern_of_types(metadata: Any, length: int) -> str:
    """What is a valid number of this length: the general pattern, and that of any type, as the library asks."""
    general = metadata.general_desc
    if not general.national_number_pattern or length not in (general.possible_length or range(2, 16)):
        return _NO_NUMBER
    kinds = [kind for kind in (getattr(metadata, name) for name in _TYPES) if kind is not None]
    patterns = [
        f"(?:{kind.national_number_pattern})"
        for kind in kinds
        if kind.national_number_pattern and (not kind.possible_length or length in kind.possible_length)
    ]
    return f"(?=(?:{general.national_number_pattern})\\Z)(?:{'|'.join(patterns)})" if patterns else _NO_NUMBER


def _regions_of(code: int, length: int) -> tuple[_Region, ...]:
    """The regions of a calling code in the library's order, for national numbers of this length."""
    found = []
    start = rf"\+{code}(?!0)"
    for place, name in enumerate(COUNTRY_CODE_TO_REGION_CODE[code]):
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, name)
        if metadata is None:
            continue
        if place == 0 and metadata.national_prefix_for_parsing:
            # the prefix of the code's main region may be cut off: the library decides
            start += f"(?!{metadata.national_prefix_for_parsing})"
        found.append(
            _Region(
                "" if name == REGION_CODE_FOR_NON_GEO_ENTITY else name,
                re.compile(rf"\+{code}(?:{metadata.leading_digits})", re.ASCII).match
                if metadata.leading_digits
                else None,
                re.compile(start + _pattern_of_types(metadata, length), re.ASCII).fullmatch,
            )
        )
    # one region needs no telling apart
    return (found[0]._replace(leading=None),) if len(found) == 1 else tuple(found)


_codes: Final = {str(code): code for code in COUNTRY_CODE_TO_REGION_CODE}
_compiled: dict[tuple[str, int], tuple[_Region, ...]] = {}


def phone_by_calling_code(text: str) -> Phone | None:
    """The number, when the text is a clean and valid `+<digits>`; None means that the library decides."""
    region = region_by_calling_code(text)
    return None if region is None else Phone(text, region)


def region_by_calling_code(text: str) -> str | None:
    """As `phone_by_calling_code`, its region alone: the number is the text."""
    key = text[:4], len(text)
    regions = _compiled.get(key)
    if regions is None:
        regions = _compile(*key)
    for name, leading, valid in regions:
        if leading is None:
            if valid(text):
                return name
        elif leading(text):
            return name if valid(text) else None
    return None


def _compile(start: str, length: int) -> tuple[_Region, ...]:
    """The regions for texts that start so and are so long; kept only for those that can be numbers."""
    if not 7 < length < 17 or start[:1] != "+" or not (start[1:].isascii() and start[1:].isdigit()):
        return ()
    for end in (2, 3, 4):
        if start[1:end] in _codes:
            regions = _regions_of(_codes[start[1:end]], length - end)
            return _compiled.setdefault((start, length), regions)
    return ()
