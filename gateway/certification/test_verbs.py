"""Capabilities are true on the wire: what is claimed works against the simulator, what is `none` is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gateway.canonical import Contact, Outcome, Verdict
from gateway.certification import samples
from gateway.certification.bench import Bench, digits, now
from gateway.certification.stage import WHOLE, Stage
from gateway.contract import (
    AnyAdapter,
    Batch,
    CannotDo,
    CheckReport,
    Done,
    Finding,
    Job,
    Refused,
    RemoteContact,
    RemoteList,
    RemoteStatus,
    Support,
    Verb,
)
from gateway.managing import require
from gateway.problem import Problem

pytestmark = pytest.mark.anyio
Made = tuple[Job[Any], list[Contact], Batch, RemoteList]


async def made(bench: Bench) -> Made:
    """A list of five plain contacts at the vendor, which nobody is called from before tomorrow."""
    people = bench.people(samples.PLAIN)
    at = now()
    later = {"schedule": {"start_at": (at + timedelta(days=1)).isoformat()}}
    job = bench.job(people, head=later if samples.dials(bench.adapter) else {}, now=at, start=True)
    batch = samples.batch(people)
    remote, receipt = await bench.deliver(job, batch)
    assert [receipt.of(one).outcome for one in people] == [Outcome.ACCEPTED] * 5
    return job, people, batch, remote


def has(adapter: AnyAdapter, verb: Verb) -> bool:
    """Whether the adapter has the verb itself; what the gateway emulates without it has no function."""
    capability = adapter.capability(verb)
    assert capability.note or capability.support is Support.NATIVE, (
        f"{verb} needs a note: its cost, or what to do instead"
    )
    return getattr(adapter, verb.value) is not None


@pytest.mark.parametrize("verb", Verb)
async def test_what_the_vendor_cannot_do_is_refused_with_what_to_do_instead(stage: Stage, verb: Verb) -> None:
    adapter = stage.adapter
    if has(adapter, verb):
        assert adapter.capability(verb).support is not Support.NONE
        return
    assert adapter.capability(verb).support in (Support.NONE, Support.EMULATED)
    with pytest.raises(Problem) as caught:
        require(stage.tenant.destinations[WHOLE], verb)
    assert caught.value.code == "vendor.cannot"
    assert adapter.capability(verb).note in caught.value.detail


async def test_what_was_delivered_is_found_and_nothing_else_is(bench: Bench) -> None:
    if not has(bench.adapter, Verb.FIND):
        return
    assert bench.adapter.find is not None
    job, people, batch, remote = await made(bench)
    finding: Finding = await bench.talk(bench.adapter.find(job, None, batch))
    assert finding.remote is not None
    assert (finding.verdict, finding.remote.id) == (Verdict.ACCEPTED, remote.id)
    stranger = bench.job(people, key="k0000000000none", now=job.now, start=True)
    nothing: Finding = await bench.talk(bench.adapter.find(stranger, None, batch))
    assert nothing.verdict is not Verdict.ACCEPTED


async def test_a_list_is_browsed(bench: Bench) -> None:
    if not has(bench.adapter, Verb.BROWSE):
        return
    *_, remote = await made(bench)
    assert [one.id for one in await browsed(bench, None)] == [remote.id]
    assert [one.id for one in await browsed(bench, remote.name)] == [remote.id]
    assert await browsed(bench, "no list has this name") == []


async def browsed(bench: Bench, name: str | None) -> list[RemoteList]:
    assert bench.adapter.browse is not None
    found, cursor = [], None
    while True:
        page = await bench.talk(bench.adapter.browse(bench.options, name, cursor, 20))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def read(bench: Bench, remote: RemoteList, size: int) -> list[RemoteContact]:
    assert bench.adapter.read is not None
    found, cursor = [], None
    while True:
        page = await bench.talk(bench.adapter.read(remote, bench.options, cursor, size))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_a_list_that_vanished_cannot_be_read(bench: Bench) -> None:
    """An empty page would say that there is nobody to move."""
    if not (has(bench.adapter, Verb.READ) and has(bench.adapter, Verb.DELETE)):
        return
    assert bench.adapter.delete is not None
    *_, remote = await made(bench)
    await bench.talk(bench.adapter.delete(remote, bench.options))
    if remote.id in [one.id for one in await browsed(bench, None)]:
        return  # a deletion that leaves the list there
    with pytest.raises(Refused) as refused:
        await read(bench, remote, 100)
    assert remote.id in refused.value.detail, "says which list is not there"


@pytest.mark.parametrize("size", [2, 100])
async def test_the_contacts_are_read_page_by_page(bench: Bench, size: int) -> None:
    if not has(bench.adapter, Verb.READ):
        return
    _, people, _, remote = await made(bench)
    found = await read(bench, remote, size)
    assert digits(one.fields["phone"] for one in found) == digits(one.phone for one in people)
    assert [one.reached for one in found] == [False] * 5


async def test_status_counts_the_contacts(bench: Bench) -> None:
    if not has(bench.adapter, Verb.STATUS):
        return
    assert bench.adapter.status is not None
    *_, remote = await made(bench)
    status: RemoteStatus = await bench.talk(bench.adapter.status(remote, bench.options))
    assert status.count in (None, 5)
    assert status.state
    assert bool(status.dialing) is samples.dials(bench.adapter)


async def test_a_renamed_list_has_its_new_name_and_is_still_found(bench: Bench) -> None:
    if not has(bench.adapter, Verb.RENAME):
        return
    assert bench.adapter.rename is not None
    job, _, batch, remote = await made(bench)
    (renamed,) = await bench.talk(bench.adapter.rename((remote,), "Autumn offers", "new words", bench.options))
    assert renamed.id == remote.id
    assert bench.ledger.lists[remote.id].name == renamed.name
    assert "Autumn offers" in renamed.name
    assert bench.adapter.find is not None
    finding: Finding = await bench.talk(bench.adapter.find(job, renamed, batch))
    assert finding.verdict is not Verdict.NOT_SENT


async def test_a_deleted_list_is_gone_or_what_remains_is_said(bench: Bench) -> None:
    if not has(bench.adapter, Verb.DELETE):
        return
    assert bench.adapter.delete is not None
    *_, remote = await made(bench)
    done: Done = await bench.talk(bench.adapter.delete(remote, bench.options))
    gone = remote.id not in [one.id for one in await browsed(bench, None)]
    assert gone or done.remains or bench.adapter.capability(Verb.DELETE).support is Support.EMULATED
    assert bench.ledger.calls == []


async def test_a_removed_contact_is_off_the_list_and_the_others_stay(bench: Bench) -> None:
    if not has(bench.adapter, Verb.REMOVE):
        return
    assert bench.adapter.remove is not None
    _, people, _, remote = await made(bench)
    who = RemoteContact({"phone": people[1].phone, "id": people[1].id}, people[1].key)
    done: Done = await bench.talk(bench.adapter.remove(remote, who, bench.options))
    assert isinstance(done, Done)
    left = [one.phone for one in people if one is not people[1]]
    assert digits(bench.ledger.lists[remote.id].phones) == digits(left)


async def test_a_stopped_list_dials_no_more_until_it_is_resumed(bench: Bench) -> None:
    if not has(bench.adapter, Verb.STOP):
        return
    adapter = bench.adapter
    assert adapter.stop is not None
    assert adapter.status is not None
    *_, remote = await made(bench)
    await bench.talk(adapter.stop(remote, bench.options))
    assert (await bench.talk(adapter.status(remote, bench.options))).dialing is False
    if has(adapter, Verb.RESUME):
        assert adapter.resume is not None
        await bench.talk(adapter.resume(remote, bench.options))
        assert (await bench.talk(adapter.status(remote, bench.options))).dialing is True
    assert bench.ledger.calls == []


async def test_the_check_changes_nothing(bench: Bench) -> None:
    if not has(bench.adapter, Verb.CHECK):
        return
    assert bench.adapter.check is not None
    report = await bench.talk(bench.adapter.check(bench.options))
    assert isinstance(report, CheckReport)
    assert (bench.ledger.lists, bench.ledger.calls) == ({}, [])


async def test_more_contacts_reach_the_same_list(bench: Bench) -> None:
    if not has(bench.adapter, Verb.APPEND):
        return
    assert bench.adapter.append is not None
    job, people, _, remote = await made(bench)
    pattern = samples.country_of(bench.adapter, bench.options)
    more = [samples.contact(row, phone=pattern.format(row)) for row in (11, 12)]
    receipt = await bench.talk(bench.adapter.append(job, remote, samples.batch(more, 2)))
    assert [receipt.of(one).outcome for one in more] == [Outcome.ACCEPTED] * 2
    held = [phone for one in bench.ledger.lists.values() for phone in one.phones]
    assert digits(held) == digits(one.phone for one in [*people, *more])


async def test_a_vendor_that_dials_gets_nothing_of_a_held_list(bench: Bench) -> None:
    """The last guard, should the gateway ever hand a held list to the adapter."""
    people = bench.people(samples.PLAIN)
    held, batch = bench.job(people, now=now(), start=False), samples.batch(people)
    if not samples.dials(bench.adapter):
        await bench.deliver(held, batch)
        assert bench.ledger.calls == []
        return
    remote = RemoteList("1", "a list", held.key)
    attempts: list[Callable[[], Any]] = [lambda: bench.deliver(held, batch)]
    if bench.adapter.append is not None:
        attempts.append(lambda: bench.talk(bench.adapter.append(held, remote, batch)))  # type: ignore[misc]
    for attempt in attempts:
        with pytest.raises(CannotDo):
            await attempt()
    assert (bench.ledger.requests, bench.ledger.calls) == ([], [])
