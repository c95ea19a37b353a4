"""Phone numbers: the library's word on every clean number, and what spreadsheets and people make of them."""

import random

import phonenumbers
import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberFormat, PhoneNumberType

from gateway.canonical import Fault
from gateway.ingest import Phone, normalise_phone, phones
from gateway.ingest.calling_codes import phone_by_calling_code
from gateway.ingest.usual_spelling import phone_by_usual_spelling

KINDS = [kind for name, kind in vars(PhoneNumberType).items() if name.isupper() and isinstance(kind, int)]


def by_library(text: str, region: str | None = None) -> Phone | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if number.extension or not phonenumbers.is_valid_number(number):
        return None
    where = phonenumbers.region_code_for_number(number)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Phone(e164, "" if where in (None, "001") else where)


def examples() -> list[str]:
    found = []
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            for kind in KINDS:
                if region == "001":
                    number = phonenumbers.example_number_for_non_geo_entity(code)
                else:
                    number = phonenumbers.example_number_for_type(region, kind)
                if number is not None:
                    found.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return sorted(set(found))


def variations(texts: list[str], number: int) -> list[str]:
    """Examples with some digits changed, added or cut: about half of them are still valid."""
    chance = random.Random(20_261_121)
    found = []
    for _ in range(number):
        digits = list(chance.choice(texts))
        for _ in range(chance.choice((1, 1, 2, 4))):
            digits[chance.randrange(1, len(digits))] = chance.choice("0123456789")
        if chance.random() < 0.1:
            digits.insert(chance.randrange(1, len(digits)), chance.choice("0123456789"))
        elif chance.random() < 0.1:
            digits.pop()
        found.append("".join(digits))
    return found


def answer_of(text: str) -> Phone | None:
    answer = normalise_phone(text, None)
    return answer if isinstance(answer, Phone) else None


def test_fast_path_agrees_with_the_library_on_every_example_of_every_region() -> None:
    texts = examples()
    assert len(texts) > 1_000
    assert {text: answer_of(text) for text in texts} == {text: by_library(text) for text in texts}
    assert sum(phone_by_calling_code(text) is not None for text in texts) > 0.8 * len(texts)


def test_fast_path_agrees_with_the_library_on_100_000_variations() -> None:
    texts = variations(examples(), 100_000)
    assert {text: answer_of(text) for text in texts} == {text: by_library(text) for text in texts}
    quick = [text for text in texts if phone_by_calling_code(text) is not None]
    assert len(quick) > 25_000
    assert {text: phone_by_calling_code(text) for text in quick} == {text: by_library(text) for text in quick}


def spelled(number: int) -> list[tuple[str, str | None]]:
    """Examples as people spell them at home and abroad, damaged or not, with a region that may be another one."""
    chance = random.Random(20_261_121)
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    known = {(region, kind): phonenumbers.example_number_for_type(region, kind) for region in regions for kind in KINDS}
    every = [(region, example) for (region, _), example in known.items() if example is not None]
    found: list[tuple[str, str | None]] = []
    for _ in range(number):
        region, example = chance.choice(every)
        code = str(example.country_code)
        form = chance.choice((PhoneNumberFormat.NATIONAL, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL))
        text = phonenumbers.format_number(example, form).removeprefix(chance.choice(("", "+")))
        text = chance.choice(("", "", "", "", code, "0", "00", "1", "011", "8", "0015", " (")) + text
        letters = list(text)
        for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
            place = chance.randrange(len(letters))
            letters[place] = chance.choice("0123456789") if letters[place].isdigit() else letters[place]
        if chance.random() < 0.1:
            letters.insert(chance.randrange(len(letters) + 1), chance.choice("0123456789 -()"))
        elif chance.random() < 0.1:
            letters.pop(chance.randrange(len(letters)))
        sisters = [*COUNTRY_CODE_TO_REGION_CODE[example.country_code], region, region]
        where = chance.choice([*sisters, *sisters, chance.choice(regions), None])
        found.append(("".join(letters), None if where == "001" else where))
    return found


def test_usual_spellings_agree_with_the_library_on_100_000_of_them() -> None:
    cases = spelled(100_000)
    quick = {case: found for case in cases if (found := phone_by_usual_spelling(*case)) is not None}
    assert len(quick) > 15_000
    assert quick == {case: by_library(*case) for case in quick}


def test_usual_spellings_are_read_as_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is quick, and without it: the same answer, faults included."""
    cases = spelled(20_000)
    found = {case: normalise_phone(*case) for case in cases}
    monkeypatch.setattr(phones, "phone_by_calling_code", lambda _: None)
    monkeypatch.setattr(phones, "phone_by_usual_spelling", lambda _, __: None)
    assert found == {case: normalise_phone(*case) for case in cases}


@pytest.mark.parametrize("blanks", [49, 50, 51])
def test_a_usual_spelling_may_be_no_longer_than_any_other(blanks: int) -> None:
    text = "+55" + " " * blanks + "11999990001"
    assert isinstance(normalise_phone(text, None), Phone) is (len(text) <= 64)


MOBILE = Phone("+5511999990001", "BR")


@pytest.mark.parametrize(
    "text",
    [
        "+5511999990001",
        "+55 11 99999-0001",
        "(11) 99999-0001",
        "11999990001",
        "011 99999 0001",
        "5511999990001",
        "005511999990001",
        "00 55 11 99999-0001",
        "(+55) 11 99999-0001",
        "tel:+55-11-99999-0001",
        "TEL:11999990001",
        "'+5511999990001",
        "’11999990001",
        '="11999990001"',
        '="+5511999990001"',
        "=5511999990001",
        '"11999990001"',
        "11\xa099999\xa00001",
        "\u200b+5511999990001\u202c",
        "\ufeff11999990001",
        "11 99999–0001",
        "＋５５１１９９９９９０００１",
        "١١٩٩٩٩٩٠٠٠١",
        "11999990001.0",
        "5511999990001,0",
        "+5511999990001.00",
        "5.511999990001E+12",
        "5,511999990001e12",
        "1.1999990001E+10",
        "5,511,999,990,001",
        " 11999990001\t",
    ],
)
def test_one_reading_is_repaired(text: str) -> None:
    assert normalise_phone(text, "BR") == MOBILE


@pytest.mark.parametrize(
    ("text", "region", "code"),
    [
        ("5.51199E+12", "BR", "phone.spreadsheet_damage"),
        ("5,51199E+12", "BR", "phone.spreadsheet_damage"),
        ("+5,51199E+12", "BR", "phone.spreadsheet_damage"),
        ("5E+12", "BR", "phone.spreadsheet_damage"),
        ("-5.511999990001E+12", "BR", "phone.spreadsheet_damage"),
        ("########", "BR", "phone.spreadsheet_damage"),
        ("#N/A", "BR", "phone.spreadsheet_damage"),
        ("#VALUE!", "BR", "phone.spreadsheet_damage"),
        ("11999990001 / 11999990002", "BR", "phone.several"),
        ("11999990001;11999990002", "BR", "phone.several"),
        ("11999990001, 11999990002", "BR", "phone.several"),
        ("11999990001 ou 11999990002", "BR", "phone.several"),
        ("11999990001 11999990002", "BR", "phone.several"),
        ("11 99999-0001\n11 99999-0002", "BR", "phone.several"),
        ("+5511999990001+5511999990002", "BR", "phone.several"),
        ("+5511999990001 +5511999990002", None, "phone.several"),
        ("11 3333-4444/5555", "BR", "phone.several"),
        (" / ".join(["11999990001"] * 6), "BR", "phone.several"),
        ("+5511999990001 ext. 5", None, "phone.invalid"),
        ("+5511999990001 x5", None, "phone.invalid"),
        ("1133334444 ramal 12", "BR", "phone.invalid"),
        ("1133334444#12", "BR", "phone.invalid"),
        ("tel:+551133334444;ext=12", "BR", "phone.invalid"),
        ("1199999000l", "BR", "phone.invalid"),
        ("11 99999-0001 Ana", "BR", "phone.invalid"),
        ("11 99999-0001¹", "BR", "phone.invalid"),
        ("11*99999#0001", "BR", "phone.invalid"),
        ("1-800-FLOWERS", "US", "phone.invalid"),
        ("+551199999", "BR", "phone.invalid"),
        ("+999123456789", "BR", "phone.invalid"),
        ("123", "BR", "phone.invalid"),
        ("abc", None, "phone.invalid"),
        ("0", None, "phone.invalid"),
        ("11999990001", None, "phone.no_region"),
        ("5511999990001", None, "phone.no_region"),
        ("5.511999990001E+12", None, "phone.no_region"),
        ("", "BR", "phone.missing"),
        ("\u200b", "BR", "phone.missing"),
        ('=""', "BR", "phone.missing"),
        ("1" * 65, "BR", "field.too_long"),
    ],
)
def test_what_has_no_single_reading_is_named(text: str, region: str | None, code: str) -> None:
    answer = normalise_phone(text, region)
    assert isinstance(answer, Fault)
    assert (answer.code, answer.column) == (code, None)
    assert not any(part in answer.detail for part in text.split() if len(part) > 4)


def test_a_slash_within_one_german_number_is_not_two_numbers() -> None:
    assert normalise_phone("030/12345678", "DE") == Phone("+493012345678", "DE")


def test_numbers_of_no_country_have_no_region() -> None:
    assert normalise_phone("+80012345678", None) == Phone("+80012345678", "")


def test_00_opens_an_international_number_without_a_region() -> None:
    assert normalise_phone("0044 20 7946 0958", None) == Phone("+442079460958", "GB")
    assert normalise_phone("+44 (0)20 7946 0958", None) == Phone("+442079460958", "GB")
