"""Contacts that are laid out together are where they would be one by one."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.canonical import ListHead, Profile
from gateway.contract import Plan, Style
from gateway.planning import Draft, draft
from gateway.registry import load
from gateway.settings import Destination

KNOWN = load(entry_points=False)
ADAPTER = KNOWN.adapters["exotel"]
OPTIONS = ADAPTER.options.model_validate(dict(KNOWN.simulators["exotel"].create().options))
DESTINATION = Destination("one", "exotel", ADAPTER, "http://127.0.0.1", None, OPTIONS, ADAPTER.limits)


def planned(per_list: int, batch: int) -> Draft:
    made = draft(DESTINATION, (), ListHead(name="x"), Profile(1, frozenset({"phone"})), datetime.now(UTC))
    made.plan = Plan(Style.DELIVER, per_list, batch)
    return made


@settings(max_examples=200, deadline=None)
@given(per_list=st.integers(1, 9), batch=st.integers(1, 9), runs=st.lists(st.integers(1, 12), max_size=5))
def test_places_are_the_same_one_by_one_and_together(per_list: int, batch: int, runs: list[int]) -> None:
    one_by_one, together = planned(per_list, batch), planned(per_list, batch)
    found = []
    for number in runs:
        rest = number
        while rest:
            part, at, there = together.next_places(rest)
            assert 0 < there <= rest
            found += [(part, at)] * there
            rest -= there
    assert found == [one_by_one.next_place() for _ in range(sum(runs))]
    assert (together.carried, together.parts) == (one_by_one.carried, one_by_one.parts) == (sum(runs), one_by_one.parts)
    sizes = [found.count(place) for place in dict.fromkeys(found)]
    assert all(size <= min(batch, per_list) for size in sizes)
    for part in {part for part, _ in found[:-1]} - {together.parts}:
        assert sum(of == part for of, _ in found) == per_list, "a remote list is filled before the next one"
