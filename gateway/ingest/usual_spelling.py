"""Numbers in usual spellings, decided like clean ones: digits with blanks, hyphens and brackets.

What libphonenumber does with such a text is known beforehand, as long as no step of it has a choice; wherever one has,
nothing is said here, and the library is asked.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from phonenumbers import PhoneMetadata

from gateway.ingest.calling_codes import Phone, phone_by_calling_code
from gateway.ingest.spelling import LONGEST

_USUAL: Final = re.compile(r" *\(?\+?\d[\d ()\-]*\d *", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Country:
    """How the library reads national numbers of one region. `trunk`: the digits that stand before them at home."""

    code: str
    abroad: re.Pattern[str] | None
    trunk: str
    trunks: re.Pattern[str] | None
    """Where it is not simply some digits."""
    general: re.Pattern[str]
    lengths: frozenset[int]

    def international(self, digits: str) -> str | None:
        """The number with plus sign and country; None where the library has a choice."""
        if self.abroad is not None and self.abroad.match(digits):
            return None
        if digits.startswith(self.code):  # it may be the country, or the number's own beginning
            national = digits[len(self.code) :]
            own = self.general.fullmatch(digits) or self._begins_at_home(national)
            return "+" + digits if not own and self.general.fullmatch(national) else None
        if self.trunks is not None and self.trunks.match(digits):
            return None
        if self.trunk and digits.startswith(self.trunk):
            digits = digits[len(self.trunk) :]
            if len(digits) not in self.lengths or not self.general.fullmatch(digits):
                return None  # then the library may leave them where they are
        return f"+{self.code}{digits}"

    def _begins_at_home(self, digits: str) -> bool:
        if self.trunks is not None:
            return self.trunks.match(digits) is not None
        return bool(self.trunk) and digits.startswith(self.trunk)


@cache
def _country(region: str) -> _Country | None:
    metadata = PhoneMetadata.metadata_for_region(region)
    general = None if metadata is None else metadata.general_desc
    if metadata is None or general is None or not general.national_number_pattern:
        return None
    trunk = metadata.national_prefix_for_parsing or ""
    simple = trunk.isdecimal()
    return _Country(
        code=str(metadata.country_code),
        abroad=re.compile(metadata.international_prefix) if metadata.international_prefix else None,
        trunk=trunk if simple else "",
        trunks=re.compile(trunk) if trunk and not simple else None,
        general=re.compile(general.national_number_pattern, re.ASCII),
        lengths=frozenset(general.possible_length or range(2, 18)),
    )


def phone_by_usual_spelling(text: str, region: str | None) -> Phone | None:
    """The valid number that a usual spelling stands for; None means that the library decides.

    `region` is a region that the library knows, or None.
    """
    if len(text) > LONGEST or not _USUAL.fullmatch(text):
        return None
    digits = text.replace(" ", "").replace("-", "").replace("(", "").replace(")", "")
    if digits[0] == "+":
        return phone_by_calling_code(digits)
    country = None if region is None else _country(region)
    spelled = None if country is None else country.international(digits)
    return None if spelled is None else phone_by_calling_code(spelled)
