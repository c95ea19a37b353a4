"""Every verb against the simulator, over a real socket."""

from dataclasses import replace

import pytest

from adapters.koreai import ADAPTER
from gateway.canonical import Outcome, Verdict
from gateway.contract import CheckReport, Done, Finding, Page, Receipt, Refused, RemoteList, RemoteStatus, Support, Verb
from gateway.driver import rehearse
from tests.harness import Bench, batch, contacts, digits, job

LISTS = "/campaign/api/v2/public/st-11112222-3333-4444-5555-666677778888/campaign/contactList"
ADD = "/api/1.1/public/st-11112222-3333-4444-5555-666677778888/campaign/contactList/addContacts"
KEY = "k7f3a9c2e5b1d4x"

pytestmark = pytest.mark.anyio


async def made(kore: Bench, work: object) -> RemoteList:
    (remote,) = await kore.talk(ADAPTER.create((work,)))
    return remote


async def test_a_list_is_made_filled_and_watched(kore: Bench) -> None:
    people = contacts(3)
    work = kore.job(people, head={"reference": "crm-1"})
    remote = await made(kore, work)
    list_id = remote.id
    assert remote == RemoteList(list_id, f"Spring renewals crm-1-{KEY}", KEY, 0, {"reference": "crm-1"})
    assert await kore.talk(ADAPTER.append(work, remote, batch(people))) == Receipt(rest=Outcome.ACCEPTED)
    assert kore.ledger.requests == [
        f"POST {LISTS}/createContactList",
        f"POST {LISTS}/getAllListDetails",
        f"POST {ADD}",
        f"GET {LISTS}/{list_id}",
        f"GET {LISTS}/{list_id}",
    ]
    assert digits(kore.ledger.lists[list_id].phones) == digits(person.phone for person in people)
    assert kore.ledger.calls == []


async def test_batches_add_up(kore: Bench) -> None:
    people = contacts(5)
    work = kore.job(people)
    remote = await made(kore, work)
    for number, part in enumerate((people[:3], people[3:]), start=1):
        assert await kore.talk(ADAPTER.append(work, remote, batch(part, number))) == Receipt(rest=Outcome.ACCEPTED)
    assert digits(kore.ledger.lists[remote.id].phones) == digits(person.phone for person in people)


async def test_every_part_of_a_delivery_gets_a_list_of_its_own(kore: Bench) -> None:
    jobs = tuple(kore.job([], key=key, part=part, parts=2) for part, key in enumerate(("a1", "b2"), start=1))
    remotes = await kore.talk(ADAPTER.create(jobs))
    assert [remote.name for remote in remotes] == ["Spring renewals-a1", "Spring renewals-b2"]
    assert [one.name for one in kore.ledger.lists.values()] == ["Spring renewals-a1", "Spring renewals-b2"]


async def test_find_settles_whether_the_list_was_made(kore: Bench) -> None:
    work = kore.job([])
    absent = Finding(Verdict.NOT_SENT, detail="no list of the application bears our key")
    assert await kore.talk(ADAPTER.find(work, None, None)) == absent
    remote = await made(kore, work)
    assert await kore.talk(ADAPTER.find(work, None, None)) == Finding(Verdict.ACCEPTED, remote)


async def test_browse_by_name_ignores_case_and_shows_console_lists(kore: Bench) -> None:
    kore.simulation.console_lists.append(
        {"_id": "cl-console", "name": "Walk-ins", "status": "Validated", "source": "localDrive", "totalRecordCount": 9}
    )
    await made(kore, kore.job([]))
    everything = await kore.talk(ADAPTER.browse(kore.options, None, None, 50))
    assert [one.name for one in everything.items] == [f"Spring renewals-{KEY}", "Walk-ins"]
    walk_ins = RemoteList("cl-console", "Walk-ins", count=9)
    assert await kore.talk(ADAPTER.browse(kore.options, "WALK-INS", None, 50)) == Page((walk_ins,), total=1)


async def filled(kore: Bench, number: int) -> RemoteList:
    people = contacts(number, first_name="Ana")
    work = kore.job(people)
    remote = await made(kore, work)
    assert (await kore.talk(ADAPTER.append(work, remote, batch(people)))).rest is Outcome.ACCEPTED
    return remote


async def test_read_gives_the_contacts_back(kore: Bench) -> None:
    page = await kore.talk(ADAPTER.read(await filled(kore, 2), kore.options, None, 50))
    shown = [{"phone": f"+551190000000{row}", "id": f"k{row}", "first_name": "Ana"} for row in (1, 2)]
    assert [contact.fields for contact in page.items] == shown
    assert (page.next_cursor, page.total, page.incomplete) == (None, 2, "")


@pytest.mark.parametrize("in_use", [False, True])
@pytest.mark.parametrize("as_objects", [False, True])
async def test_status_names_the_campaigns_in_both_shapes(kore: Bench, in_use: bool, as_objects: bool) -> None:
    kore.simulation.campaign_objects = as_objects
    remote = await filled(kore, 2)
    if in_use:
        kore.simulation.use_in_campaign(remote.id, "May")
    campaign = {"campaigns": "May" if as_objects else "cd-May"} if in_use else {}
    facts = {"name": remote.name, "source": "passiveApi", "updated_at": "2026-03-01T08:00:00.000Z", **campaign}
    assert await kore.talk(ADAPTER.status(remote, kore.options)) == RemoteStatus(2, "Ready", in_use, facts)


async def test_rename_keeps_key_and_reference_in_every_list(kore: Bench) -> None:
    jobs = tuple(kore.job([], key=key, head={"reference": "crm-1", "description": "old"}) for key in ("a1", "b2"))
    remotes = await kore.talk(ADAPTER.create(jobs))
    renamed = await kore.talk(ADAPTER.rename(remotes, "Autumn", None, kore.options))
    names = ["Autumn crm-1-a1", "Autumn crm-1-b2"]
    assert renamed == tuple(replace(remote, name=name) for remote, name in zip(remotes, names, strict=True))
    assert [one.name for one in kore.ledger.lists.values()] == names
    assert [one.facts["description"] for one in kore.ledger.lists.values()] == ["old", "old"]
    await kore.talk(ADAPTER.rename(renamed, "Autumn", "new", kore.options))
    assert [one.facts["description"] for one in kore.ledger.lists.values()] == ["new", "new"]


async def test_delete_looks_whether_the_list_is_gone(kore: Bench) -> None:
    remote = await made(kore, kore.job([]))
    assert await kore.talk(ADAPTER.delete(remote, kore.options)) == Done()
    assert kore.ledger.lists == {}
    assert kore.ledger.requests[-1] == f"POST {LISTS}/getAllListDetails"


@pytest.mark.parametrize("forbidden", [True, False])
async def test_a_list_in_a_campaign_is_not_deleted(kore: Bench, forbidden: bool) -> None:
    kore.simulation.forbids_delete_in_use = forbidden
    remote = await made(kore, kore.job([]))
    kore.simulation.use_in_campaign(remote.id, "May")
    with pytest.raises(Refused, match="used by May"):
        await kore.talk(ADAPTER.delete(remote, kore.options))
    assert list(kore.ledger.lists) == [remote.id]


async def test_check_reads_and_changes_nothing(kore: Bench) -> None:
    await made(kore, kore.job([]))
    assert await kore.talk(ADAPTER.check(kore.options)) == CheckReport({"contact_lists": "1"})
    assert len(kore.ledger.lists) == 1


def test_what_the_vendor_lacks_is_said() -> None:
    for verb in (Verb.DELIVER, Verb.REMOVE, Verb.STOP, Verb.RESUME):
        capability = ADAPTER.capability(verb)
        assert capability.support is Support.NONE
        assert capability.note
    assert getattr(ADAPTER, Verb.REMOVE.value) is None


def test_a_preview_makes_the_requests_and_sends_none() -> None:
    people = contacts(2)
    work = job(ADAPTER, people, {"stream_id": "st-1", "account_id": "67"})
    create = rehearse(ADAPTER.create((work,)))
    append = rehearse(ADAPTER.append(work, create.result[0], batch(people)))
    assert [name for name, _ in create.requests + append.requests] == ["create", "look_up", "add_contacts", "details"]
    assert append.result == Receipt(rest=Outcome.ACCEPTED)
    remote = create.result[0]
    for exchange, result in (
        (ADAPTER.rename((remote,), "Autumn", None, work.options), (replace(remote, name=f"Autumn-{KEY}"),)),
        (ADAPTER.delete(remote, work.options), Done()),
        (ADAPTER.check(work.options), CheckReport({"contact_lists": "0"})),
        (ADAPTER.browse(work.options, None, None, 50), Page((), total=0)),
        (ADAPTER.read(remote, work.options, None, 50), Page((), total=0)),
    ):
        assert rehearse(exchange).result == result


def test_the_prefixes_are_options() -> None:
    options = {"stream_id": "st-1", "account_id": "67", "lists_prefix": "/a/b", "add_prefix": "/c"}
    people = contacts(1)
    work = job(ADAPTER, people, options)
    create = rehearse(ADAPTER.create((work,)))
    append = rehearse(ADAPTER.append(work, create.result[0], batch(people)))
    assert [request.path for _, request in create.requests + append.requests] == [
        "/a/b/st-1/campaign/contactList/createContactList",
        "/a/b/st-1/campaign/contactList/getAllListDetails",
        "/c/st-1/campaign/contactList/addContacts",
        "/a/b/st-1/campaign/contactList/cl-preview",
    ]
