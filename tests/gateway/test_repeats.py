"""Duplicates and keys: in memory and in the sorter's database alike, and as a naive reference says."""

from collections import Counter
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.canonical import DuplicatePolicy
from gateway.ingest import repeats
from gateway.ingest.keys import derive_key, first_key
from gateway.ingest.repeats import Repeats

Person = tuple[str, str | None]
Fates = list[tuple[int, str | None]]
PHONES = [f"+551199000000{digit}" for digit in range(4)]
IDS = [None, "A", "B"]
LOOKALIKES = [derive_key(phone, of, number) for phone in PHONES[:2] for of in (None, "A") for number in (1, 2)]
"""Ids that a sender has copied from us: they are the keys that others would be given."""

crowded = st.tuples(st.sampled_from(PHONES[:2]), st.sampled_from(["A", *LOOKALIKES]))
spread = st.tuples(st.sampled_from(PHONES), st.sampled_from([*IDS, *LOOKALIKES]))
people = st.lists(spread, max_size=14) | st.lists(crowded, max_size=8)
policies = st.sampled_from(DuplicatePolicy)
appended_to = st.just([]) | people
LEFT_OUT_WITH_A_COPIED_KEY: list[Person] = [(PHONES[0], "A"), (PHONES[1], "A"), (PHONES[0], LOOKALIKES[6])]


def reference(policy: DuplicatePolicy, earlier: list[Person], added: list[Person]) -> Fates:
    """Quadratic, and as it is said: numbers on the list win, then the first or last of them; then keys."""
    everybody = [*earlier, *added]
    duplicates = set()
    if policy is not DuplicatePolicy.KEEP_ALL:
        for place in range(len(earlier), len(everybody)):
            same = [at for at, (phone, _) in enumerate(everybody) if phone == everybody[place][0]]
            kept = same[-1] if policy is DuplicatePolicy.KEEP_LAST and same[0] >= len(earlier) else same[0]
            duplicates |= {place} - {kept}
    keys = [first_key(phone, contact_id) for phone, contact_id in everybody]
    staying = [place for place in range(len(everybody)) if place not in duplicates]
    taken = {keys[place] for place in staying}
    fates: Fates = [(place - len(earlier), None) for place in duplicates]
    seen: set[str] = set()
    times: Counter[tuple[str, str]] = Counter()
    for place in staying:
        phone, key = everybody[place][0], keys[place]
        if key in seen and place >= len(earlier):
            times[phone, key] += 1
            contact_id = None if key == derive_key(phone, None, 1) else key
            number = times[phone, key] + (contact_id is None)
            while (fresh := derive_key(phone, contact_id, number)) in taken:
                number += 1
            taken.add(fresh)
            fates.append((place - len(earlier), fresh))
        seen.add(key)
    return sorted(fates)


def judged(policy: DuplicatePolicy, earlier: list[Person], added: list[Person], in_memory: int) -> Fates:
    with mock.patch.object(repeats, "IN_MEMORY", in_memory):
        told = Repeats(policy)
        for phone, contact_id in earlier:
            told.add(phone, first_key(phone, contact_id))
        told.begin()
        for phone, contact_id in added:
            told.add(phone, first_key(phone, contact_id))
        fates = list(told.fates())
        assert list(told.fates()) == fates, "asked again, it says the same"
        one, other = told.fates(), told.fates()
        assert [pair for both in zip(one, other, strict=True) for pair in both] == [p for p in fates for _ in range(2)]
    return fates


@pytest.mark.parametrize("in_memory", [1, 3, 100], ids=["all but one spilled", "spilled", "in memory"])
@settings(max_examples=250, deadline=None)
@given(policy=policies, earlier=appended_to, added=people)
@example(policy=DuplicatePolicy.KEEP_FIRST, earlier=[], added=LEFT_OUT_WITH_A_COPIED_KEY)
def test_repeats_are_judged_as_the_reference_says(
    in_memory: int, policy: DuplicatePolicy, earlier: list[Person], added: list[Person]
) -> None:
    assert judged(policy, earlier, added, in_memory) == reference(policy, earlier, added)


@settings(max_examples=250, deadline=None)
@given(policy=policies, earlier=appended_to, added=people, in_memory=st.sampled_from([2, 100]))
def test_keys_are_unique_and_no_number_is_kept_twice(
    policy: DuplicatePolicy, earlier: list[Person], added: list[Person], in_memory: int
) -> None:
    fates = dict(judged(policy, earlier, added, in_memory))
    there = {first_key(phone, contact_id) for phone, contact_id in earlier}
    kept = [place for place in range(len(added)) if fates.get(place, "") is not None]
    keys = [fates.get(place) or first_key(*added[place]) for place in kept]
    assert len({*keys, *there}) == len(keys) + len(there)
    phones = [added[place][0] for place in kept]
    if policy is not DuplicatePolicy.KEEP_ALL:
        assert len({*phones, *(phone for phone, _ in earlier)}) == len(phones) + len({phone for phone, _ in earlier})
    else:
        assert kept == list(range(len(added)))


@pytest.mark.parametrize("in_memory", [2, 100])
def test_nobody_repeated_has_no_fate(in_memory: int) -> None:
    everybody: list[Person] = [(phone, None) for phone in PHONES]
    assert judged(DuplicatePolicy.KEEP_FIRST, [], everybody, in_memory) == []
    assert judged(DuplicatePolicy.KEEP_FIRST, everybody, [], in_memory) == []
    assert judged(DuplicatePolicy.KEEP_FIRST, [], [], in_memory) == []


@pytest.mark.parametrize("in_memory", [2, 100])
def test_a_number_that_the_list_has_is_never_replaced(in_memory: int) -> None:
    added: list[Person] = [(PHONES[0], "B"), (PHONES[1], "C"), (PHONES[0], "D"), (PHONES[1], "E")]
    assert judged(DuplicatePolicy.KEEP_LAST, [(PHONES[0], "A")], added, in_memory) == [(0, None), (1, None), (2, None)]
