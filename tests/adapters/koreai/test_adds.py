"""Adds to a Kore.ai list (sheet 3.3, 7.7, 7.10): queued in silence, by name, and believed only by the count."""

from dataclasses import replace

import pytest

from adapters.koreai import ADAPTER
from gateway.canonical import Outcome, Verdict
from gateway.contract import (
    NotSent,
    Receipt,
    Unclear,
)
from tests.adapters.koreai.talks import made, sent
from tests.harness import Bench, batch, contact, contacts, digits

KEY = "k7f3a9c2e5b1d4x"
CREATE, LOOK_UP, ADD = "/createContactList", "/getAllListDetails", "/addContacts"

pytestmark = pytest.mark.anyio


async def test_an_add_is_pending_until_the_count_shows_it(kore: Bench) -> None:
    kore.simulation.looks_until_added = 8
    people = contacts(3)
    work = kore.job(people, {"stable_looks": 3})
    remote = await made(kore, work)
    receipt = await kore.talk(ADAPTER.append(work, remote, batch(people)))
    detail = "queued, and nothing to be seen yet; sent 3, the vendor counts 0"
    assert receipt == Receipt(rest=Outcome.PENDING, detail=detail)
    verdicts = [(await kore.talk(ADAPTER.find(work, remote, batch(people)))).verdict for _ in range(3)]
    assert verdicts == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.ACCEPTED]


async def test_the_deadline_leaves_the_batch_pending(kore: Bench) -> None:
    people = contacts(2)
    work = kore.job(people, {"poll_seconds": 60})
    remote = await made(kore, work)
    receipt = await kore.talk(ADAPTER.append(work, remote, batch(people)))
    assert receipt == Receipt(rest=Outcome.PENDING, detail="queued; sent 2, the vendor counts 0")


async def test_a_row_lost_in_silence_leaves_both_numbers(kore: Bench) -> None:
    kore.simulation.break_next("drop_row", ADD)
    people = contacts(3)
    work = kore.job(people, {"stable_looks": 2})
    remote = await made(kore, work)
    receipt = await kore.talk(ADAPTER.append(work, remote, batch(people)))
    assert receipt == Receipt(rest=Outcome.UNKNOWN, detail="the count stands still; sent 3, the vendor counts 2")
    finding = await kore.talk(ADAPTER.find(work, remote, batch(people)))
    assert (finding.verdict, finding.receipt, finding.detail) == (
        Verdict.UNKNOWN,
        None,
        "sent 3, the vendor counts 2",
    )


async def test_somebody_elses_contacts_do_not_settle_a_batch(kore: Bench) -> None:
    people = contacts(2)
    work = kore.job(people)
    remote = await made(kore, work)
    await kore.talk(ADAPTER.append(work, remote, batch(contacts(3))))
    finding = await kore.talk(ADAPTER.find(work, remote, batch(people)))
    assert finding.verdict is Verdict.UNKNOWN
    assert finding.detail == "others change this list too; sent 2, the vendor counts 3"


@pytest.mark.parametrize("kind", ["error_before", "drop_before", "garbage", "rate_limited", "ok_with_error", "html"])
async def test_nothing_after_the_add_makes_it_a_refusal(kore: Bench, kind: str) -> None:
    people = contacts(2)
    work = kore.job(people)
    remote = await made(kore, work)
    kore.simulation.break_next(kind, remote.id, times=100)
    receipt = await kore.talk(ADAPTER.append(work, remote, batch(people)))
    assert receipt.rest is Outcome.PENDING
    assert receipt.detail.startswith("queued; sent 2, the vendor counts 0, then the count could not be read")
    assert sent(kore, ADD) == 1


@pytest.mark.parametrize("duplicates", ["keep_first", "keep_all"])
async def test_a_lost_add_that_arrived_is_found_by_the_count_and_never_repeated(kore: Bench, duplicates: str) -> None:
    kore.simulation.break_next("drop_after", ADD)
    people = contacts(2)
    work = kore.job(people, head={"duplicates": duplicates})
    remote = await made(kore, work)
    with pytest.raises(Unclear):
        await kore.talk(ADAPTER.append(work, remote, batch(people)))
    finding = await kore.talk(ADAPTER.find(work, remote, batch(people)))
    assert (finding.verdict, finding.receipt) == (Verdict.ACCEPTED, Receipt(rest=Outcome.ACCEPTED))
    assert finding.remote == replace(remote, count=2)
    assert digits(kore.ledger.lists[remote.id].phones) == digits(person.phone for person in people)
    assert sent(kore, ADD) == 1


@pytest.mark.parametrize(
    ("duplicates", "absent_after", "verdict"),
    [
        ("keep_first", None, Verdict.UNKNOWN),
        ("keep_first", 0.05, Verdict.NOT_SENT),
        ("keep_all", None, Verdict.UNKNOWN),
        ("keep_all", 0.05, Verdict.UNKNOWN),
    ],
)
async def test_a_count_that_has_not_moved_proves_absence_only_where_the_operator_says_so(
    kore: Bench, duplicates: str, absent_after: float | None, verdict: Verdict
) -> None:
    kore.simulation.break_next("drop_before", ADD)
    people = contacts(2)
    work = kore.job(people, {"absent_after_seconds": absent_after}, head={"duplicates": duplicates})
    remote = await made(kore, work)
    with pytest.raises(Unclear):
        await kore.talk(ADAPTER.append(work, remote, batch(people)))
    finding = await kore.talk(ADAPTER.find(work, remote, batch(people)))
    assert (finding.verdict, finding.remote) == (verdict, remote)
    assert "sent 2, the vendor counts 0" in finding.detail


async def test_an_add_that_comes_late_is_no_absence(kore: Bench) -> None:
    kore.simulation.looks_until_added = 0
    kore.simulation.break_next("store_late", ADD, seconds=0.1)
    people = contacts(2)
    work = kore.job(people, {"absent_after_seconds": 0.5})
    remote = await made(kore, work)
    with pytest.raises(Unclear):
        await kore.talk(ADAPTER.append(work, remote, batch(people)))
    finding = await kore.talk(ADAPTER.find(work, remote, batch(people)))
    assert finding.verdict is Verdict.ACCEPTED


async def test_no_absence_is_claimed_when_there_was_no_time_to_wait(kore: Bench) -> None:
    work = kore.job(contacts(2), {"absent_after_seconds": 3600})
    remote = await made(kore, work)
    finding = await kore.talk(ADAPTER.find(work, remote, batch(contacts(2))))
    assert finding.verdict is Verdict.UNKNOWN


async def test_without_the_count_from_before_nothing_is_proven(kore: Bench) -> None:
    people = contacts(2)
    work = kore.job(people)
    remote = await made(kore, work)
    await kore.talk(ADAPTER.append(work, remote, batch(people)))
    finding = await kore.talk(ADAPTER.find(work, replace(remote, count=None), batch(people)))
    assert (finding.verdict, finding.detail) == (
        Verdict.UNKNOWN,
        "sent 2, the vendor counts 2; how many it held before is not known",
    )


# --- adds go by name ---


async def test_an_unknown_name_swallows_contacts_so_the_list_is_looked_up_first(kore: Bench) -> None:
    people = contacts(2)
    work = kore.job(people)
    gone = await made(kore, work)
    await kore.talk(ADAPTER.delete(gone, kore.options))
    with pytest.raises(NotSent, match="does not list"):
        await kore.talk(ADAPTER.append(work, gone, batch(people)))
    assert sent(kore, ADD) == 0


async def test_a_list_renamed_in_the_console_is_filled_under_its_new_name(kore: Bench) -> None:
    people = contacts(2)
    work = kore.job(people)
    remote = await made(kore, work)
    kore.ledger.lists[remote.id].name = "Renamed by hand"
    assert (await kore.talk(ADAPTER.append(work, remote, batch(people)))).rest is Outcome.ACCEPTED
    assert len(kore.ledger.lists[remote.id].phones) == 2


async def test_a_namesake_stops_the_add(kore: Bench) -> None:
    people = contacts(2)
    work = kore.job(people)
    remote = await made(kore, work)
    kore.simulation.console_lists.append({"_id": "cl-console", "name": remote.name.upper()})
    with pytest.raises(NotSent, match="same name"):
        await kore.talk(ADAPTER.append(work, remote, batch(people)))
    assert sent(kore, ADD) == 0


async def test_an_earlier_add_that_comes_in_late_is_not_taken_for_this_one(kore: Bench) -> None:
    work = kore.job(contacts(4), {"stable_looks": 3})
    remote = await made(kore, work)
    kore.simulation.looks_until_added = 5
    first = await kore.talk(ADAPTER.append(work, remote, batch(contacts(2))))
    kore.simulation.looks_until_added = 100
    later = [contact(3), contact(4)]
    second = await kore.talk(ADAPTER.append(work, replace(remote, count=2), batch(later, 2)))
    assert (first.rest, second.rest) == (Outcome.PENDING, Outcome.UNKNOWN)
    assert second.detail == "the count stands still; sent 2 to a list of 2, the vendor counts 2"


async def test_a_failed_look_up_is_not_an_unclear_add(kore: Bench) -> None:
    people = contacts(2)
    work = kore.job(people)
    remote = await made(kore, work)
    kore.simulation.break_next("error_before", LOOK_UP, times=10)
    with pytest.raises(NotSent, match="nothing was added"):
        await kore.talk(ADAPTER.append(work, remote, batch(people)))
    assert sent(kore, ADD) == 0
