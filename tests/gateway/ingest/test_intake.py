"""A whole list: keys, duplicates, the profile and the sum."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.canonical import Contact, DuplicatePolicy, Outcome, Profile
from gateway.ingest import Intake, Normaliser, ProfileBuilder, collect, derive_key, open_items
from gateway.planning import profile_of

ONE, TWO, THREE = "+5511999990001", "+5511999990002", "+5511999990003"


def take(*items: dict[str, object], policy: DuplicatePolicy = DuplicatePolicy.KEEP_FIRST) -> Intake:
    return collect(open_items(items), Normaliser(None), policy)


def rows_of(taken: Intake, outcome: Outcome) -> list[int]:
    return [row.row for found, row in taken.rows() if found is outcome]


@pytest.mark.parametrize(
    ("policy", "kept", "duplicates"),
    [
        (DuplicatePolicy.KEEP_FIRST, [1, 2, 5], [3, 6]),
        (DuplicatePolicy.KEEP_LAST, [2, 5, 6], [1, 3]),
        (DuplicatePolicy.KEEP_ALL, [1, 2, 3, 5, 6], []),
    ],
)
def test_duplicates_are_parted_by_number(policy: DuplicatePolicy, kept: list[int], duplicates: list[int]) -> None:
    rows = [{"phone": ONE}, {"phone": TWO}, {"phone": "+55 11 99999-0001"}, {"phone": ONE, "x": 1}, {"phone": THREE}]
    taken = take(*rows, {"phone": ONE}, policy=policy)
    assert [contact.row for contact in taken.contacts()] == kept
    assert rows_of(taken, Outcome.DUPLICATE) == duplicates
    assert rows_of(taken, Outcome.REJECTED) == [4]
    assert [row.row for _, row in taken.rows()] == [1, 2, 3, 4, 5, 6]
    assert (taken.received, taken.info.rows) == (6, 6)


def test_the_callers_id_is_the_key_and_a_repeated_one_is_derived() -> None:
    taken = take({"phone": ONE, "id": "A"}, {"phone": TWO, "id": "A"}, {"phone": THREE})
    assert [contact.key for contact in taken.contacts()] == ["A", derive_key(TWO, "A", 1), derive_key(THREE, None, 1)]
    assert all(re.fullmatch(r"p[a-z0-9]{1,23}", contact.key) for contact in list(taken.contacts())[1:])


def test_repeated_rows_have_keys_of_their_own() -> None:
    taken = take(*[{"phone": ONE}] * 4, policy=DuplicatePolicy.KEEP_ALL)
    assert [contact.key for contact in taken.contacts()] == [derive_key(ONE, None, number) for number in (1, 2, 3, 4)]


def test_keys_do_not_depend_on_the_order_of_other_rows() -> None:
    rows: list[dict[str, object]] = [{"phone": f"+55119999900{number:02}", "tag": str(number)} for number in range(40)]
    keys = {contact.tag: contact.key for contact in take(*rows).contacts()}
    random.Random(7).shuffle(rows)
    assert {contact.tag: contact.key for contact in take(*rows).contacts()} == keys


@pytest.mark.parametrize("policy", [DuplicatePolicy.KEEP_FIRST, DuplicatePolicy.KEEP_LAST])
def test_a_kept_contact_has_the_key_that_it_has_without_its_duplicates(policy: DuplicatePolicy) -> None:
    taken = take({"phone": ONE}, {"phone": ONE}, policy=policy)
    assert [contact.key for contact in taken.contacts()] == [contact.key for contact in take({"phone": ONE}).contacts()]


def test_an_id_that_looks_like_a_derived_key_stays_unique() -> None:
    taken = take({"phone": TWO, "id": derive_key(ONE, None, 1)}, {"phone": ONE})
    assert [contact.key for contact in taken.contacts()] == [derive_key(ONE, None, 1), derive_key(ONE, None, 2)]


def test_the_profile_knows_the_kept_contacts_only() -> None:
    taken = take(
        {"phone": ONE, "email": "a@b", "attributes": {"b": "1"}},
        {"phone": TWO, "priority": 0, "attributes": {"a": "1", "b": "2"}},
        {"phone": ONE, "tag": "x", "attributes": {"c": "1"}},
    )
    assert profile_of(taken.contacts()) == Profile(
        2, frozenset({"phone", "email", "priority", "attributes"}), ("b", "a")
    )


def test_an_empty_array_is_an_empty_list() -> None:
    taken = take()
    assert (list(taken.contacts()), list(taken.rows()), taken.received) == ([], [], 0)
    assert profile_of(taken.contacts()) == Profile(0)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            Contact,
            row=st.just(1),
            key=st.just("k"),
            phone=st.just(ONE),
            email=st.sampled_from([None, "a@b"]),
            tag=st.sampled_from([None, ""]),
            priority=st.sampled_from([None, 0]),
            attributes=st.dictionaries(st.sampled_from("abcd"), st.just("x"), max_size=3),
        )
    ),
    st.integers(1, 5),
)
def test_a_profile_is_learned_one_by_one_or_together(people: list[Contact], at_once: int) -> None:
    one_by_one, together = ProfileBuilder(), ProfileBuilder()
    for one in people:
        one_by_one.add(one)
    for start in range(0, len(people), at_once):
        together.add_all(people[start : start + at_once])
    filled = {name for one in people for name in ("email", "tag", "priority") if getattr(one, name) is not None}
    names = tuple(dict.fromkeys(name for one in people for name in one.attributes))
    fields = filled | ({"phone"} if people else set()) | ({"attributes"} if names else set())
    assert one_by_one.profile() == together.profile() == Profile(len(people), frozenset(fields), names)
