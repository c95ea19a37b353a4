"""Phone numbers to E.164 by libphonenumber's rules: valid numbers only."""

from typing import Final

import phonenumbers

from gateway.canonical import Fault
from gateway.canonical.faults import fault
from gateway.ingest.calling_codes import Phone, phone_by_calling_code
from gateway.ingest.spelling import LONGEST, digits, halves, parts, read_spelling, refusal
from gateway.ingest.usual_spelling import phone_by_usual_spelling

_NON_GEOGRAPHIC: Final = "001"


def normalise_phone(text: str, region: str | None) -> Phone | Fault:
    """The one valid number that the text spells, or why there is none.

    `region` is the ISO country of national numbers; None takes international numbers only. The fault has no column.
    """
    found = phone_by_calling_code(text) or phone_by_usual_spelling(text, region)
    if found is not None:
        return found
    if len(text) > LONGEST:
        return _too_long(text)
    spelled = read_spelling(text)
    if isinstance(spelled, Fault):
        return spelled
    refused = refusal(spelled)
    if refused is not None:
        return refused
    answer = _decide(spelled, region)
    if _holds_several(spelled, region, isinstance(answer, Phone)):
        return fault("phone.several")
    return answer


def known_region(region: str | None) -> str | None:
    """The region as libphonenumber names it, or None when it knows none such."""
    named = region.upper() if region else None
    return named if named in phonenumbers.SUPPORTED_REGIONS else None


def _too_long(text: str) -> Fault:
    # the length of a text that is cut up is bounded: a cell may be as long as a row
    if len(parts(text[:1000])) > 1:
        return fault("phone.several")
    return Fault("field.too_long", None, f"at most {LONGEST} characters")


def _decide(text: str, region: str | None) -> Phone | Fault:
    if text.startswith("00"):
        return _decide_00(text, region)
    bare = text.lstrip("([ ")
    if region is None and not bare.startswith("+"):
        return fault("phone.no_region" if 5 <= digits(text) <= 17 else "phone.invalid")
    return _by_library(bare if bare.startswith("+") else text, region) or fault("phone.invalid")


def _decide_00(text: str, region: str | None) -> Phone | Fault:
    """A number that begins with 00, the way to dial abroad from most countries, but not from all."""
    abroad = _by_library("+" + text[2:].lstrip(), None)
    here = _by_library(text, region) if region else None
    if abroad and here and abroad != here:
        return Fault("phone.invalid", None, "the leading 00 can be read in two ways: send +<country><number>")
    return here or abroad or fault("phone.invalid")


def _holds_several(text: str, region: str | None, is_valid: bool) -> bool:
    """Whether two numbers stand side by side without a separator that would tell."""
    if "/" in text:
        # 030/1234567 is one number; 3333-4444/5555 is a number and the end of another
        first, rest = text.split("/", 1)
        return digits(rest) > 0 and isinstance(_decide(first.strip(), region), Phone)
    if is_valid or digits(text) < 14:
        return False
    return any(
        digits(left) >= 7 and digits(right) >= 7 and _is_valid(left, region) and _is_valid(right, region)
        for left, right in halves(text)
    )


def _is_valid(text: str, region: str | None) -> bool:
    return isinstance(_decide(text, region), Phone)


def _by_library(text: str, region: str | None) -> Phone | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    where = phonenumbers.region_code_for_number(number)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Phone(e164, "" if where in (None, _NON_GEOGRAPHIC) else where)
