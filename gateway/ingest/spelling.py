"""How people and spreadsheets spell phone numbers: what is repaired, and what is too damaged to be repaired.

Repaired only when one reading is possible. A letter or a sign that a number cannot have is never just dropped: it may
stand for a digit, and someone else would be called.
"""

import re
import unicodedata
from typing import Final

from gateway.canonical import Fault
from gateway.canonical.faults import fault

LONGEST: Final = 64
_SCIENTIFIC: Final = re.compile(r"[+-]?(\d+)(?:[.,](\d+))?[eE]\+?(\d{1,3})", re.ASCII)
_WHOLE_FLOAT: Final = re.compile(r"(\+?\d{8,15})[.,]0{1,2}", re.ASCII)
_GROUPED: Final = re.compile(r"\+?\d{1,3}(,\d{3}){2,}", re.ASCII)
_SHEET_ERROR: Final = re.compile(r"#+|#[A-Z]+[/0-9A-Z]*[!?]?")
_FORMULA: Final = re.compile(r'="([^"]*)"|=(\+?\d{7,})', re.ASCII)
_EXTENSION: Final = re.compile(
    r"\d[\s)]*(?:[,;]?\s*(?:e?xt(?:n|ensi(?:on|ón|o))?|ramal|rml?|anexo|interno|int|x)[.:\s=]*|#\s*)\d{1,7}#?|.*;ext=\d+",
    re.ASCII | re.IGNORECASE,
)
_SEPARATOR: Final = re.compile(r"[;,/|&\n\r]|\\|\s(?:e|y|ou?|and|or|und)\s", re.IGNORECASE)
_ALLOWED: Final = re.compile(r"[+(\[ ]*[\d\s()\[\].\-/~]*", re.ASCII)
_APOSTROPHES: Final = "'`´‘’"
_EXCEL_DIGITS: Final = 15


def read_spelling(text: str) -> str | Fault:
    """The text as plain digits, plus sign and punctuation, without what spreadsheets add; or what is wrong with it."""
    text = _plain(text).strip()
    text = _unwrap(text)
    if not text:
        return fault("phone.missing")
    if _SHEET_ERROR.fullmatch(text):
        return Fault("phone.spreadsheet_damage", None, "the cell holds a spreadsheet's error mark, not a number")
    if match := _SCIENTIFIC.fullmatch(text):
        return _from_scientific(text, match[1], match[2] or "", int(match[3]))
    if match := _WHOLE_FLOAT.fullmatch(text):
        return match[1]
    if _GROUPED.fullmatch(text):
        return text.replace(",", "")
    return text


def refusal(text: str) -> Fault | None:
    """What forbids to read the text as one number, apart from its digits."""
    if _EXTENSION.search(text):
        return Fault("phone.invalid", None, "the number has an extension, which cannot be dialled")
    if len(parts(text)) > 1 or text.count("+") > 1:
        return fault("phone.several")
    if not _ALLOWED.fullmatch(text):
        return Fault("phone.invalid", None, "the number holds characters that no phone number has")
    return None


def parts(text: str) -> list[str]:
    """The stretches between separators that are long enough to be numbers, when there are several; else the text."""
    found = [part for part in _SEPARATOR.split(text) if digits(part) >= 7]
    return found if len(found) > 1 else [text]


def halves(text: str) -> list[tuple[str, str]]:
    """The ways to cut the text in two at a blank, slash or dash: to see whether it holds two numbers."""
    return [(text[: cut.start()].strip(), text[cut.end() :].strip()) for cut in re.finditer(r"[\s/\-]+", text)][:20]


def digits(text: str) -> int:
    """How many digits the text has."""
    return sum(letter.isdigit() for letter in text)


def _plain(text: str) -> str:
    if text.isascii():
        return text
    return "".join(map(_plain_letter, text))


def _plain_letter(letter: str) -> str:
    if letter.isascii():
        return letter
    category = unicodedata.category(letter)
    if category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.digit(letter))
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if category == "Pd" or letter == "−":
        return "-"
    if "！" <= letter <= "～":
        return chr(ord(letter) - 0xFEE0)
    return letter


def _unwrap(text: str) -> str:
    text = text.lstrip(_APOSTROPHES).strip()
    if match := _FORMULA.fullmatch(text):
        text = (match[1] or match[2] or "").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    text = text.lstrip(_APOSTROPHES).strip()
    return text[4:].strip() if text[:4].lower() == "tel:" else text


def _from_scientific(text: str, whole: str, fraction: str, exponent: int) -> str | Fault:
    # only a mantissa with a digit for every place has lost none; zeros at the end are most likely lost digits
    number = whole + fraction
    if text[0] == "-" or len(fraction) != exponent or len(number) > _EXCEL_DIGITS:
        return Fault("phone.spreadsheet_damage", None, "a spreadsheet has rounded the number: its last digits are lost")
    return ("+" if text[0] == "+" else "") + number
