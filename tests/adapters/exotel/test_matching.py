"""Which contact an answer of Exotel speaks of: numbers that exist already, answers out of order or incomplete."""

from typing import Any

import pytest

from adapters.exotel.matching import matched
from adapters.exotel.wire import Entry
from gateway.canonical import Verdict
from tests.adapters.exotel.talks import delivered, outcomes
from tests.harness import Bench, batch, contact, contacts

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("existing", ["same_sid", "new_sid", "conflict_with_sid"])
async def test_a_number_that_exists_is_linked_by_its_sid(there: Bench, existing: str) -> None:
    people = contacts(3)
    await delivered(there, people)
    there.simulation.existing_number = existing
    work = there.job(people, key="other")
    (remote,) = await there.talk(there.adapter.create((work,)))
    receipt = await there.talk(there.adapter.append(work, remote, batch(people)))
    assert outcomes(receipt, people) == ["accepted"] * 3
    assert there.ledger.lists[remote.id].phones == [one.phone for one in people]


async def test_a_number_that_exists_under_no_known_sid_is_rejected(there: Bench) -> None:
    people = contacts(2)
    await delivered(there, people[:1])
    there.simulation.existing_number = "conflict"
    work = there.job(people, key="other")
    (remote,) = await there.talk(there.adapter.create((work,)))
    receipt = await there.talk(there.adapter.append(work, remote, batch(people)))
    assert outcomes(receipt, people) == ["rejected", "accepted"]
    assert "path=csv can add it" in receipt.items["k1"].fault.detail


async def test_a_lost_creation_of_contacts_is_repeated(there: Bench) -> None:
    people = contacts(3)
    work = there.job(people)
    (remote,) = await there.talk(there.adapter.create((work,)))
    there.simulation.break_next("drop_after", "acme1/contacts")
    receipt = await there.talk(there.adapter.append(work, remote, batch(people)))
    assert outcomes(receipt, people) == ["accepted"] * 3
    assert there.ledger.lists[remote.id].phones == [one.phone for one in people]


@pytest.mark.parametrize("numbers_shown", [True, False])
async def test_an_answer_that_lacks_a_contact_links_nobody_to_a_wrong_sid(there: Bench, numbers_shown: bool) -> None:
    there.simulation.echoes_numbers = numbers_shown
    people = contacts(3)
    there.simulation.break_next("drop_row", "acme1/contacts")
    _, remote, receipt = await delivered(there, people)
    assert outcomes(receipt, people) == ["accepted"] * 3
    assert [line.rsplit("/", 1)[1] for line in there.ledger.requests] == ["lists", "contacts", "contacts", "contacts"]
    assert there.ledger.lists[remote.id].phones == [one.phone for one in people]


async def test_a_link_of_which_the_vendor_does_not_speak_is_unknown(there: Bench) -> None:
    people = contacts(3)
    there.simulation.break_next("drop_row", "/lists/")
    _, _, receipt = await delivered(there, people)
    assert outcomes(receipt, people) == ["accepted", "accepted", "unknown"]
    assert receipt.detail == "linked 3 contacts, the vendor speaks of 2"


async def test_answers_out_of_order_are_matched_by_value(there: Bench) -> None:
    there.simulation.shuffles = there.simulation.echoes_numbers = True
    people = [*contacts(3), contact(4, phone="+5")]
    _, remote, receipt = await delivered(there, people)
    assert outcomes(receipt, people) == ["accepted", "accepted", "accepted", "rejected"]
    rows = {row["number"]: row["sid"] for row in there.ledger.lists[remote.id].rows}
    assert {one.phone: receipt.of(one).remote_id for one in people[:3]} == rows


def test_an_entry_without_value_in_an_answer_out_of_order_is_nobodys() -> None:
    sent = [frozenset({name}) for name in "abc"]

    def shown(entry: Entry) -> Any:
        return entry.item.get("v")

    a, b = Entry(code=200, data={"v": "a"}), Entry(code=200, data={"v": "b"})
    nameless, failed = Entry(code=200, data={"sid": "1"}), Entry(code=400)
    assert matched([a, b, nameless], sent, shown) == (a, b, nameless)
    assert matched([b, a, nameless], sent, shown) == (a, b, None)
    assert matched([b, a, failed], sent, shown) == (a, b, failed)
    assert matched([a, b], sent, shown) == (a, b, None)


async def test_one_person_twice_is_linked_once(there: Bench) -> None:
    people = [contact(1, phone="+919876543210"), contact(2, phone="+919876543210")]
    _, remote, receipt = await delivered(there, people)
    assert outcomes(receipt, people) == ["accepted", "duplicate"]
    assert there.ledger.lists[remote.id].phones == ["+919876543210"]


async def test_a_contact_that_is_on_the_list_already_is_looked_up(there: Bench) -> None:
    people = contacts(2)
    work, remote, _ = await delivered(there, people)
    receipt = await there.talk(there.adapter.append(work, remote, batch(people, 2)))
    assert outcomes(receipt, people) == ["unknown", "unknown"]
    finding = await there.talk(there.adapter.find(work, remote, batch(people, 2)))
    assert (finding.verdict, outcomes(finding.receipt, people)) == (Verdict.ACCEPTED, ["accepted", "accepted"])
