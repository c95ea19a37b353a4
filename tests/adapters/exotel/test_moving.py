"""What moving a list away needs of Exotel: whole readings whatever the pages are like, and what `echo` says before."""

from typing import Any

import pytest

from gateway.canonical import Verdict
from gateway.contract import Refused, RemoteContact, RemoteList
from tests.adapters.exotel.talks import delivered
from tests.harness import Bench, batch, contact, contacts

pytestmark = pytest.mark.anyio


async def whole(there: Bench, remote: RemoteList, size: int = 20) -> tuple[list[RemoteContact], str]:
    """All contacts that the vendor shows, and why there may be more."""
    found: list[RemoteContact] = []
    cursor, incomplete = None, ""
    for _ in range(100):
        page = await there.talk(there.adapter.read(remote, there.options, cursor, size))
        found += page.items
        cursor, incomplete = page.next_cursor, page.incomplete
        if cursor is None:
            return found, incomplete
    raise AssertionError("the reading does not end")


RICH = {"first_name": "Ana", "last_name": "Lima", "company": "Acorn", "email": "a@example.org", "tag": "gold"}
PLAN = {"plan": "plus", "due": "May"}


@pytest.mark.parametrize(
    ("given", "attributes"),
    [
        ({}, {}),
        ({}, PLAN),
        ({"path": "csv"}, {}),
        ({"path": "csv", "kind": "static"}, PLAN),
        ({"kind": "dynamic", "columns": ["attributes.due", "company"]}, PLAN),
        ({"path": "json"}, PLAN),
        ({"path": "json", "custom_field": "flat"}, PLAN),
        ({"path": "json", "custom_field": "nested"}, {**PLAN, "key": "k"}),
    ],
)
async def test_what_is_read_back_is_the_echo(there: Bench, given: dict[str, Any], attributes: dict[str, str]) -> None:
    people = [contact(1, id="A-1", priority=3, **RICH, attributes=attributes), contact(2)]
    work = there.job(people, given)
    remote, _ = await there.deliver(work, batch(people))
    found, incomplete = await whole(there, remote)
    echoes = [there.adapter.echo(work, one) for one in people]
    assert ([(one.fields, one.key) for one in found], incomplete) == ([(one.fields, one.key) for one in echoes], "")
    assert echoes[1] == RemoteContact({"phone": people[1].phone})


async def test_a_list_that_was_only_found_again_shows_its_attributes(there: Bench) -> None:
    """After a crash the list is known by the look-up alone: the columns come from the job, as when it was made."""
    people = contacts(2, attributes=PLAN)
    work = there.job(people)
    made, _ = await there.deliver(work, batch(people))
    finding = await there.talk(there.adapter.find(work, None, batch(people)))
    assert (finding.verdict, finding.remote.id) == (Verdict.ACCEPTED, made.id)
    found, _ = await whole(there, finding.remote)
    assert [one.fields for one in found] == [there.adapter.echo(work, one).fields for one in people]


# ---- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", [False, True])
@pytest.mark.parametrize("cap", [2, 7, 20, 500])
async def test_nobody_is_missed_where_pages_are_short(there: Bench, cap: int, total: bool) -> None:
    people = contacts(45)
    _, remote, _ = await delivered(there, people)
    there.simulation.page_cap, there.simulation.shows_total = cap, total
    found, incomplete = await whole(there, remote)
    assert ([one.fields["phone"] for one in found], incomplete) == ([one.phone for one in people], "")


async def test_a_short_page_is_not_the_last_while_the_vendor_counts_more(there: Bench) -> None:
    people = contacts(45)
    work, remote, _ = await delivered(there, people)
    there.simulation.page_cap, there.simulation.shows_total = 7, True
    assert (await there.talk(there.adapter.find(work, remote, batch(people)))).verdict is Verdict.ACCEPTED


async def test_an_ignored_offset_ends_the_reading(there: Bench) -> None:
    _, remote, _ = await delivered(there, contacts(45))
    there.simulation.ignores_offset = True
    found, incomplete = await whole(there, remote)
    assert len(found) == 20
    assert incomplete.startswith("the list changed while it was read, or the vendor pages otherwise")


async def test_an_ignored_offset_ends_look_ups_and_proves_nothing(there: Bench) -> None:
    people = contacts(45)
    work, remote, _ = await delivered(there, people)
    there.simulation.ignores_offset = True
    there.simulation.requests_per_minute = 20  # where the look-up turned in a circle, it would end here
    absent = await there.talk(there.adapter.find(work, remote, batch([contact(99)])))
    assert absent.verdict is Verdict.UNKNOWN
    assert "takes no notice of the offset" in absent.detail


async def test_a_contact_taken_off_while_the_list_is_read_is_noticed(there: Bench) -> None:
    """By offset alone the one after it would be skipped in silence."""
    people = contacts(30)
    _, remote, _ = await delivered(there, people)
    first = await there.talk(there.adapter.read(remote, there.options, None, 20))
    await there.talk(there.adapter.remove(remote, RemoteContact({"phone": people[3].phone}), there.options))
    second = await there.talk(there.adapter.read(remote, there.options, first.next_cursor, 20))
    assert (second.items, second.next_cursor) == ((), None)
    assert "changed while it was read" in second.incomplete


# ---- lists that vanished --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hides", [False, True])
async def test_a_list_that_vanished_is_refused(there: Bench, hides: bool) -> None:
    there.simulation.hides_unknown_lists = hides
    with pytest.raises(Refused, match=r"^the vendor has no list gone \(any more\)$"):
        await whole(there, RemoteList("gone", "x"))


async def test_an_empty_list_is_no_vanished_one(there: Bench) -> None:
    (remote,) = await there.talk(there.adapter.create((there.job([]),)))
    assert await whole(there, remote) == ([], "")


async def test_contacts_shown_by_their_sid_only_have_no_number(there: Bench) -> None:
    _, remote, _ = await delivered(there, contacts(1))
    there.simulation.echoes = False
    found, _ = await whole(there, remote)
    assert [one.fields for one in found] == [{"phone": ""}]
