"""Lane 3: telephone numbers, with the library alone beside."""

import random
import time
from collections.abc import Callable, Sequence
from statistics import median

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from gateway.ingest import normalise_phone
from tests.benchmarks.results import Lane, Table, at_least, spread

ABOUT = """\
Numbers of real lists are mostly clean E.164 or usually spelled: digits with blanks, hyphens and brackets. Those are
decided by patterns made from the library's own metadata where it has no choice, all others by the library. That both
agree on every example number of every region, and on 200,000 generated ones, is a test
(`tests/gateway/ingest/test_phones.py`). Thousands of numbers a second, one process."""
GOALS = {"E.164, one country": 480, "E.164, all regions": 180}
"""What the project's own measurements before this code had found to be possible."""
COUNTRIES = ("BR", "US", "DE", "IN", "GB", "FR", "ES", "IT", "MX", "AR", "CO", "PT", "NL", "PL", "TR", "ZA", "JP", "AU")
NATIONAL = (*COUNTRIES, "SE", "CH")
Judge = Callable[[str, str | None], object]


def library(text: str, region: str | None) -> object:
    """What a careful handler does without us."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _example(region: str) -> phonenumbers.PhoneNumber:
    found = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE) or phonenumbers.example_number(region)
    assert found is not None
    return found


def _varied(number: phonenumbers.PhoneNumber, chance: random.Random) -> str:
    text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return text[:-4] + f"{chance.randrange(10_000):04d}"


def samples(number: int) -> dict[str, tuple[list[str], str | None]]:
    """Kinds of lists: texts, and the country of national numbers."""
    chance = random.Random(1)
    every = sorted(phonenumbers.SUPPORTED_REGIONS)
    national = []
    for place in range(number):
        example = phonenumbers.parse(_varied(_example(NATIONAL[place % len(NATIONAL)]), chance), None)
        national.append(phonenumbers.format_number(example, PhoneNumberFormat.INTERNATIONAL))
    clean = [f"+55119{chance.randrange(90_000_000, 99_999_999)}" for _ in range(number)]
    dirty = [f"  ({one[3:5]}) {one[5:10]}-{one[10:]} " if place % 2 else one[1:] for place, one in enumerate(clean)]
    return {
        "E.164, one country": (clean, "BR"),
        "E.164, all regions": ([_varied(_example(every[place % len(every)]), chance) for place in range(number)], None),
        "international spelling, 20 countries": (national, None),
        "dirty and national, one country": (dirty, "BR"),
    }


def _rate(judge: Judge, texts: Sequence[str], region: str | None) -> float:
    begin = time.process_time()
    for text in texts:
        judge(text, region)
    return len(texts) / (time.process_time() - begin) / 1e3


def measure(full: bool) -> Lane:
    """Both in turns, over the same numbers."""
    lane = Lane("Telephone numbers", ABOUT)
    rows = [["", "gateway, k/s", "phonenumbers, k/s", "ratio"]]
    for kind, (texts, region) in samples(20_000 if full else 4_000).items():
        ours, theirs = list[float](), list[float]()
        for _ in range(7 if full else 3):
            ours.append(_rate(normalise_phone, texts, region))
            theirs.append(_rate(library, texts, region))
        ratio = median(ours) / median(theirs)
        rows.append([kind, spread(ours, "{:.0f}"), spread(theirs, "{:.1f}"), f"{ratio:.1f}"])
        if kind in GOALS:
            lane.goals.append(at_least(kind, GOALS[kind], median(ours), "k/s"))
    lane.tables.append(Table("Numbers", rows))
    return lane
