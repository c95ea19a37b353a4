"""What moving a list away needs of Kore.ai: what is read back, and how `echo` says it before."""

import pytest

from adapters.koreai import ADAPTER
from adapters.koreai.mapping import from_record
from gateway.contract import Refused, RemoteContact, RemoteList
from tests.adapters.koreai.talks import made
from tests.harness import Bench, batch, contact, contacts

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("given", [{}, {"phone_format": "plus", "value_length": 400}])
async def test_what_is_read_back_is_the_echo(kore: Bench, given: dict[str, object]) -> None:
    rich = {"first_name": "Ana", "time_zone": "Asia/Tokyo", "priority": 7, "tag": "gold", "email": "a@example.org"}
    people = [
        contact(1, id="A-1", **rich, attributes={"plan": "plus", "Email": "reserved", "long": "x" * 1000}),
        contact(2),
    ]
    work = kore.job(people, given)
    remote = await made(kore, work)
    await kore.talk(ADAPTER.append(work, remote, batch(people)))
    page = await kore.talk(ADAPTER.read(remote, kore.options, None, 50))
    echoes = [ADAPTER.echo(work, one) for one in people]
    assert [(one.fields, one.key) for one in page.items] == [(one.fields, one.key) for one in echoes]
    assert [one.reached for one in [*page.items, *echoes]] == [False] * 4
    assert echoes[1] == RemoteContact({"phone": people[1].phone, "id": "k2"}, "k2")
    assert echoes[0].fields["attributes"] == {"plan": "plus", "long": "x" * work.options.value_length}


def test_a_record_without_a_number_is_a_contact_without_one() -> None:
    """As the lists of the console may have: one such record must not make the list unreadable."""
    read = from_record({"_id": "cc-1", "Phone number": "14155550134", "uniqueId": ""})
    assert read == RemoteContact({"phone": "", "attributes": {"Phone_number": "14155550134"}}, None, "cc-1")


@pytest.mark.parametrize("hides", [False, True])
async def test_a_list_that_vanished_is_refused(kore: Bench, hides: bool) -> None:
    kore.simulation.hides_unknown_lists = hides
    with pytest.raises(Refused, match=r"^the vendor has no list cl-gone \(any more\)$"):
        await kore.talk(ADAPTER.read(RemoteList("cl-gone", "x"), kore.options, None, 50))


async def test_an_empty_list_is_no_vanished_one(kore: Bench) -> None:
    page = await kore.talk(ADAPTER.read(await made(kore, kore.job([])), kore.options, None, 50))
    assert (page.items, page.next_cursor, page.total, page.incomplete) == ((), None, 0, "")


async def test_a_refused_reading_of_a_list_that_is_there_stays_what_it_is(kore: Bench) -> None:
    remote = await made(kore, kore.job([]))
    kore.simulation.break_next("ok_with_error", "getAllContacts")
    with pytest.raises(Refused, match="Something went wrong"):
        await kore.talk(ADAPTER.read(remote, kore.options, None, 50))


async def test_a_page_that_comes_again_ends_the_reading(kore: Bench) -> None:
    people = contacts(101)
    work = kore.job(people)
    remote = await made(kore, work)
    await kore.talk(ADAPTER.append(work, remote, batch(people)))
    kore.simulation.paging_parameter, kore.simulation.repeats_first_page = "skip", True
    options = kore.options.model_copy(update={"page_parameter": "skip"})
    first = await kore.talk(ADAPTER.read(remote, options, None, 50))
    second = await kore.talk(ADAPTER.read(remote, options, first.next_cursor, 50))
    assert (len(first.items), second.items, second.next_cursor) == (50, (), None)
    assert "shows the page before once more" in second.incomplete


async def test_a_list_that_a_campaign_uses_counts_as_dialling(kore: Bench) -> None:
    remote = await made(kore, kore.job([]))
    assert (await kore.talk(ADAPTER.status(remote, kore.options))).dialing is False
    kore.simulation.use_in_campaign(remote.id, "May")
    assert (await kore.talk(ADAPTER.status(remote, kore.options))).dialing is True
