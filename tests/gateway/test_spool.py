"""A spool is a list that does not stay in memory: same items, same order, however often and together it is read."""

from itertools import islice
from unittest import mock

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.canonical import Fault
from gateway.canonical.faults import fault
from gateway.ingest import Rejected, spool
from gateway.ingest.spool import Spool


class Item(msgspec.Struct, frozen=True):
    number: int
    text: str
    more: dict[str, str]


words = st.text(max_size=3)
items = st.lists(st.builds(Item, st.integers(0, 2**31), st.text(max_size=20), st.dictionaries(words, words)))


@settings(max_examples=200, deadline=None)
@given(given_items=items, block=st.integers(1, 6), cut=st.integers(0, 40))
def test_a_spool_holds_what_was_appended_in_order(given_items: list[Item], block: int, cut: int) -> None:
    with mock.patch.object(spool, "BLOCK", block):
        held: Spool[Item] = Spool(Item)
        for place, item in enumerate(given_items):
            assert len(held) == place
            held.append(item)
            if place == cut:
                assert list(held) == given_items[: place + 1], "read in the middle, it goes on"
        assert len(held) == len(given_items)
        assert list(held) == list(held) == given_items


@settings(max_examples=100, deadline=None)
@given(given_items=items, block=st.integers(1, 4), ahead=st.integers(0, 20))
def test_readers_of_a_spool_do_not_disturb_each_other(given_items: list[Item], block: int, ahead: int) -> None:
    with mock.patch.object(spool, "BLOCK", block):
        held: Spool[Item] = Spool(Item)
        for item in given_items:
            held.append(item)
        first, second = iter(held), iter(held)
        begun = list(islice(first, ahead))
        both = list(zip(second, held, strict=True))
        assert both == [(item, item) for item in given_items]
        assert [*begun, *first] == given_items


def test_rejected_rows_keep_whatever_cells_they_had() -> None:
    cells = {"phone": "12", "attributes": {"a": [1, None, 2.5, True]}, "": "é\x00", "value": 2**60}
    why: tuple[Fault, ...] = (fault("phone.invalid"), fault("field.unknown", column="x"))
    rows = [Rejected(row=row, faults=why, phone_text="12", cells=dict(cells)) for row in range(2_500)]
    held: Spool[Rejected] = Spool(Rejected)
    for row in rows:
        held.append(row)
    assert list(held) == rows


@settings(max_examples=50, deadline=None)
@given(number=st.integers(0, 9))
def test_blocks_are_the_callers_own(number: int) -> None:
    made = [Item(place, "x", {}) for place in range(number)]
    with mock.patch.object(spool, "BLOCK", 3):
        held: Spool[Item] = Spool(Item)
        held.extend(made[:4])
        held.extend(made[4:])
        blocks = list(held.blocks())
        assert [item for block in blocks for item in block] == made
        assert all(len(block) <= 3 for block in blocks)
        for block in blocks:
            block.clear()
        assert list(held) == made
