"""Every verb against the simulator, over a real socket."""

from typing import Any

import pytest

from gateway.canonical import Outcome, Verdict
from gateway.contract import (
    Done,
    Job,
    NotAuthorised,
    Receipt,
    Refused,
    RemoteContact,
    RemoteList,
    Unclear,
    Verb,
)
from gateway.driver import rehearse
from tests.harness import Bench, batch, bench, contacts, digits

pytestmark = pytest.mark.anyio


async def created(there: Bench, work: Job[Any]) -> RemoteList:
    (remote,) = await there.talk(there.adapter.create((work,)))
    return remote


async def test_json_creates_contacts_and_links_them(there: Bench) -> None:
    people = contacts(3, first_name="Ana", company="Lima", id=None)
    work = there.job(people, head={"reference": "crm 1"})
    remote = await created(there, work)
    receipt = await there.talk(there.adapter.append(work, remote, batch(people)))
    held = there.ledger.lists[remote.id]
    assert remote == RemoteList(held.id, "Spring renewals-k7f3a9c2e5b1d4x", work.key, 0, {"kind": "static"})
    assert (held.facts["tag"], held.phones) == ("crm 1 k7f3a9c2e5b1d4x", [one.phone for one in people])
    assert [(receipt.of(one).outcome, receipt.of(one).remote_id) for one in people] == [
        (Outcome.ACCEPTED, row["sid"]) for row in held.rows
    ]
    assert {name: value for name, value in held.rows[0].items() if name != "sid"} == {
        "number": people[0].phone,
        "first_name": "Ana",
        "company_name": "Lima",
    }
    assert there.ledger.requests == [
        "POST /v2/accounts/acme1/lists",
        "POST /v2/accounts/acme1/contacts",
        f"POST /v2/accounts/acme1/lists/{remote.id}/contacts",
    ]
    assert there.ledger.calls == []


async def test_several_lists_are_made_by_one_call(there: Bench) -> None:
    jobs = tuple(there.job(contacts(1), key=f"k{part}", part=part, parts=3) for part in (1, 2, 3))
    remotes = await there.talk(there.adapter.create(jobs))
    assert [one.name for one in remotes] == ["Spring renewals-k1", "Spring renewals-k2", "Spring renewals-k3"]
    assert [one.id for one in remotes] == list(there.ledger.lists)
    assert there.ledger.requests == ["POST /v2/accounts/acme1/lists"]


@pytest.mark.parametrize("shapes", ["reference", "guide"])
async def test_csv_makes_the_list_and_waits_for_its_rows(there: Bench, shapes: str) -> None:
    there.simulation.shapes = shapes
    there.simulation.looks_until_done = 2
    people = contacts(4, first_name='Ana, "A"', attributes={"plan": "plus", "due": "2026-05-10"})
    work = there.job(people, head={"reference": "crm 1"})
    opened = await there.talk(there.adapter.deliver(work, batch(people)))
    (held,) = there.ledger.lists.values()
    assert opened.receipt == Receipt(rest=Outcome.ACCEPTED)
    extra = {"kind": "dynamic", "upload_id": "u-1", "upload_batch": "k7f3a9c2e5b1d4x-1", "columns": "plan,due"}
    assert opened.remote == RemoteList(held.id, "Spring renewals-k7f3a9c2e5b1d4x", work.key, 4, extra)
    assert held.facts == {"tag": "crm 1 k7f3a9c2e5b1d4x", "kind": "dynamic"}
    assert [{name: row[name] for name in row if name != "sid"} for row in held.rows] == [
        {"number": one.phone, "first_name": 'Ana, "A"', "plan": "plus", "due": "2026-05-10"} for one in people
    ]


async def test_csv_appends_to_the_list_by_its_name(there: Bench) -> None:
    people = contacts(6)
    work = there.job(people, {"path": "csv"})
    opened = await there.talk(there.adapter.deliver(work, batch(people[:3])))
    receipt = await there.talk(there.adapter.append(work, opened.remote, batch(people[3:], 2)))
    upload = {"upload_id": "u-2", "upload_batch": "k7f3a9c2e5b1d4x-2"}
    assert receipt == Receipt(rest=Outcome.ACCEPTED, extra=upload), "its own upload is what `find` asks for"
    assert [one.phones for one in there.ledger.lists.values()] == [[one.phone for one in people]]


async def test_a_deadline_leaves_an_upload_pending_and_find_settles_it(there: Bench) -> None:
    there.simulation.looks_until_done = 3
    people = contacts(3)
    work = there.job(people, {"path": "csv", "poll_seconds": 500})
    opened = await there.talk(there.adapter.deliver(work, batch(people)), seconds=0.5)
    assert opened.receipt == Receipt(rest=Outcome.PENDING, detail="upload u-1: not looked at yet")
    assert opened.remote.extra["upload_id"] == "u-1"
    for _ in range(3):
        finding = await there.talk(there.adapter.find(work, opened.remote, batch(people)))
        assert (finding.verdict, finding.receipt.rest) == (Verdict.ACCEPTED, Outcome.PENDING)
    finding = await there.talk(there.adapter.find(work, opened.remote, batch(people)))
    assert (finding.verdict, finding.receipt) == (Verdict.ACCEPTED, Receipt(rest=Outcome.ACCEPTED))


async def test_lists_are_browsed_and_searched_page_by_page(there: Bench) -> None:
    jobs = tuple(there.job(contacts(1), key=f"k{number:02}") for number in range(45))
    remotes = await there.talk(there.adapter.create(jobs))
    cursor, found = None, []
    while True:
        page = await there.talk(there.adapter.browse(there.options, None, cursor, 20))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [(one.id, one.name, one.key) for one in found] == [(one.id, one.name, one.key) for one in remotes]
    named = await there.talk(there.adapter.browse(there.options, remotes[7].name, None, 20))
    assert [one.id for one in named.items] == [remotes[7].id]


async def test_contacts_are_read_back_as_they_were(there: Bench) -> None:
    people = contacts(45, last_name="Lima", attributes={"plan": "plus"})
    opened = await there.talk(there.adapter.deliver(there.job(people), batch(people)))
    cursor, found = None, []
    while True:
        page = await there.talk(there.adapter.read(opened.remote, there.options, cursor, 20))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [one.fields for one in found] == [
        {"phone": one.phone, "last_name": "Lima", "attributes": {"plan": "plus"}} for one in people
    ]


async def test_status_shows_the_lists_own_facts_and_its_upload(there: Bench) -> None:
    people = contacts(2)
    work = there.job(people, {"path": "csv"})
    opened = await there.talk(there.adapter.deliver(work, batch(people)))
    status = await there.talk(there.adapter.status(opened.remote, there.options))
    assert (status.count, status.state, status.dialing) == (None, "completed", None)
    assert status.facts["contact_count"] == "2"
    assert status.facts["upload_success"] == "2"


async def test_all_lists_of_a_delivery_are_renamed_at_once(there: Bench) -> None:
    jobs = tuple(there.job(contacts(1), key=f"k{part}") for part in (1, 2))
    remotes = await there.talk(there.adapter.create(jobs))
    renamed = await there.talk(there.adapter.rename(remotes, "Autumn", None, there.options))
    assert [one.name for one in renamed] == ["Autumn-k1", "Autumn-k2"]
    assert [one.name for one in there.ledger.lists.values()] == ["Autumn-k1", "Autumn-k2"]
    assert there.ledger.requests[1:] == ["PUT /v2/accounts/acme1/lists"]


@pytest.mark.parametrize("form", ["flat", "wrapped"])
async def test_one_list_is_renamed_by_its_own_call_when_asked(there: Bench, form: str) -> None:
    there.simulation.single_put = form
    work = there.job(contacts(1), {"single_put": form})
    remote = await created(there, work)
    (renamed,) = await there.talk(there.adapter.rename((remote,), "Autumn", None, work.options))
    assert renamed.name == there.ledger.lists[remote.id].name == f"Autumn-{work.key}"
    assert there.ledger.requests[-1] == f"PUT /v2/accounts/acme1/lists/{remote.id}"


@pytest.mark.parametrize("status", [200, 204])
async def test_deleting_twice_is_deleting_once(there: Bench, status: int) -> None:
    there.simulation.deletes_with = status
    remote = await created(there, there.job(contacts(1)))
    for _ in range(2):
        done = await there.talk(there.adapter.delete(remote, there.options))
        assert done == Done("the contacts stay in the account's address book")
    assert there.ledger.lists == {}


async def test_a_list_that_a_campaign_uses_is_not_deleted(there: Bench) -> None:
    remote = await created(there, there.job(contacts(1)))
    there.simulation.campaigns["c"] = {"lists": [remote.id], "status": "Paused"}
    with pytest.raises(Refused, match="in use by a campaign"):
        await there.talk(there.adapter.delete(remote, there.options))
    assert list(there.ledger.lists) == [remote.id]


async def test_a_contact_is_removed_by_its_sid_or_by_its_number(there: Bench) -> None:
    people = contacts(45)
    work = there.job(people, {"path": "csv"})
    remote = (await there.talk(there.adapter.deliver(work, batch(people)))).remote
    sid = there.ledger.lists[remote.id].rows[0]["sid"]
    gone = Done("the contact stays in the account's address book")
    for who in (RemoteContact({}, remote_id=sid), RemoteContact({"phone": people[40].phone})):
        for _ in range(2):
            assert await there.talk(there.adapter.remove(remote, who, there.options)) == gone
    left = [one.phone for row, one in enumerate(people) if row not in (0, 40)]
    assert there.ledger.lists[remote.id].phones == left
    assert len(there.simulation.contacts) == 45


async def test_check_proves_account_and_credentials() -> None:
    async with bench("exotel") as there:
        report = await there.talk(there.adapter.check(there.options))
        assert report.facts == {"account_sid": "acme1"}
        foreign = there.adapter.options.model_validate({"account_sid": "other"})
        with pytest.raises(NotAuthorised, match="no right to this account"):
            await there.talk(there.adapter.check(foreign))
    async with bench("exotel", {"api_token": "wrong"}) as there:
        with pytest.raises(NotAuthorised) as refused:
            await there.talk(there.adapter.check(there.options))
        assert refused.value.code == "1010"


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "garbage", "html", "empty"])
async def test_an_unclear_creation_is_found_by_name(there: Bench, fault: str) -> None:
    work = there.job(contacts(1))
    there.simulation.break_next(fault, "/lists")
    with pytest.raises(Unclear):
        await there.talk(there.adapter.create((work,)))
    finding = await there.talk(there.adapter.find(work, None, None))
    (held,) = there.ledger.lists.values()
    assert (finding.verdict, finding.remote.id, finding.remote.name) == (Verdict.ACCEPTED, held.id, held.name)


async def test_a_list_that_never_arrived_is_proven_absent(there: Bench) -> None:
    work = there.job(contacts(1))
    there.simulation.break_next("drop_before", "/lists")
    with pytest.raises(Unclear):
        await there.talk(there.adapter.create((work,)))
    assert (await there.talk(there.adapter.find(work, None, None))).verdict is Verdict.NOT_SENT


@pytest.mark.parametrize(("fault", "verdict"), [("drop_after", Verdict.ACCEPTED), ("drop_before", Verdict.NOT_SENT)])
async def test_an_unclear_link_is_settled_by_the_lists_contacts(there: Bench, fault: str, verdict: Verdict) -> None:
    people = contacts(45)
    work = there.job(people)
    remote = await created(there, work)
    there.simulation.break_next(fault, f"{remote.id}/contacts")
    with pytest.raises(Unclear):
        await there.talk(there.adapter.append(work, remote, batch(people)))
    finding = await there.talk(there.adapter.find(work, remote, batch(people)))
    assert finding.verdict is verdict
    if verdict is Verdict.ACCEPTED:
        rows = there.ledger.lists[remote.id].rows
        assert [finding.receipt.of(one).remote_id for one in people] == [row["sid"] for row in rows]


@pytest.mark.parametrize("verb", [Verb.CREATE, Verb.DELIVER])
async def test_the_rehearsal_sends_what_the_talk_sends(there: Bench, verb: Verb) -> None:
    people = contacts(30)
    work = there.job(people, {"path": "csv"} if verb is Verb.DELIVER else {})

    def talk() -> Any:
        if verb is Verb.DELIVER:
            return (yield from there.adapter.deliver(work, batch(people))).receipt
        (remote,) = yield from there.adapter.create((work,))
        return (yield from there.adapter.append(work, remote, batch(people)))

    rehearsed = rehearse(talk())
    receipt = await there.talk(talk())
    assert [rehearsed.result.of(one).outcome for one in people] == [receipt.of(one).outcome for one in people]
    sent = [line.split(" ")[0] for line in there.ledger.requests]
    assert [request.method for _, request in rehearsed.requests] == sent
    (held,) = there.ledger.lists.values()
    assert digits(held.phones) == digits(one.phone for one in people)
