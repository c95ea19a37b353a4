"""Every verb against the simulator, over a real socket."""

from typing import Any

import pytest

from gateway.canonical import Outcome, Verdict
from gateway.contract import (
    CheckReport,
    Done,
    Finding,
    Item,
    NotAuthorised,
    NotSent,
    Opened,
    Receipt,
    Refused,
    RemoteContact,
    RemoteList,
    RemoteStatus,
    Unclear,
)
from gateway.driver import Patience, rehearse, run
from gateway.encoding import encode
from tests.harness import Bench, batch, bench, contact, contacts, digits

pytestmark = pytest.mark.anyio

KEY = "k7f3a9c2e5b1d4x"
NAME = f"Spring renewals | {KEY}"
LATER = {"schedule": {"start_at": "2099-01-01T00:00:00Z"}}
ALL = Receipt(rest=Outcome.ACCEPTED)


async def deliver(vox: Bench, people: list, **head: Any) -> RemoteList:
    work = vox.job(people, head=head, start=True)
    opened: Opened = await vox.talk(vox.adapter.deliver(work, batch(people)))
    assert opened.receipt == ALL
    return opened.remote


async def whole(vox: Bench, remote: RemoteList, size: int) -> list[RemoteContact]:
    """All contacts of a list, page by page."""
    found, cursor = [], None
    while True:
        page = await vox.talk(vox.adapter.read(remote, vox.options, cursor, size))
        assert page.incomplete == ""
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def find(vox: Bench, people: list, remote: RemoteList | None = None, **head: Any) -> Finding:
    return await vox.talk(vox.adapter.find(vox.job(people, head=head, start=True), remote, batch(people)))


def seen(people: list, first: int = 900_001) -> dict[str, Item]:
    return {one.key: Item(Outcome.ACCEPTED, str(first + place)) for place, one in enumerate(people)}


async def test_a_list_is_made_with_its_first_contacts(vox: Bench) -> None:
    people = contacts(3, first_name="Ana")
    remote = await deliver(vox, people, reference="crm-1", dialing={"max_attempts": 9, "retry_interval": "PT10M"})
    assert remote == RemoteList("4711", f"Spring renewals | crm-1 | {KEY}", KEY, 3, {"reference": "crm-1"})
    stored = vox.ledger.lists["4711"]
    assert stored.name == remote.name
    assert stored.rows == [{"phone_number": one.phone, "first_name": "Ana", "__task_uuid": one.key} for one in people]
    assert stored.facts == {
        "rule_id": 7,
        "priority": 1,
        "max_simultaneous": 5,
        "num_attempts": 5,
        "interval_seconds": 600,
        "encoding": "UTF-8",
        "delimiter": ";",
    }
    assert digits(vox.ledger.calls) == digits(one.phone for one in people)
    assert vox.ledger.requests == ["POST /platform_api/CreateCallList"]


async def test_further_contacts_are_appended(vox: Bench) -> None:
    first, second = contacts(2), [contact(3), contact(4)]
    remote = await deliver(vox, first, **LATER)
    work = vox.job(first + second, head=LATER, start=True)
    assert await vox.talk(vox.adapter.append(work, remote, batch(second, 2))) == ALL
    assert vox.ledger.lists["4711"].phones == [one.phone for one in first + second]
    assert vox.ledger.calls == []


@pytest.mark.parametrize("fault", ["drop_after", "error_after", "garbage", "html", "empty"])
async def test_an_unclear_creation_is_found_by_reading(vox: Bench, fault: str) -> None:
    people = contacts(3)
    vox.simulation.break_next(fault, "CreateCallList", times=9)
    with pytest.raises(Unclear):
        await deliver(vox, people)
    assert await find(vox, people) == Finding(Verdict.ACCEPTED, RemoteList("4711", NAME, KEY), Receipt(seen(people)))
    assert len(vox.ledger.calls) == 3
    assert vox.ledger.requests.count("POST /platform_api/CreateCallList") == 1


@pytest.mark.parametrize("fault", ["drop_before", "error_before"])
async def test_a_creation_that_had_no_effect_is_proven_absent(vox: Bench, fault: str) -> None:
    people = contacts(2)
    vox.simulation.break_next(fault, "CreateCallList")
    with pytest.raises(Unclear):
        await deliver(vox, people)
    assert await find(vox, people) == Finding(Verdict.NOT_SENT, detail="no list has this name")
    assert vox.ledger.calls == []


@pytest.mark.parametrize(("fault", "verdict"), [("drop_after", Verdict.ACCEPTED), ("drop_before", Verdict.NOT_SENT)])
async def test_an_unclear_append_is_settled_by_the_contacts_keys(vox: Bench, fault: str, verdict: Verdict) -> None:
    first, second = contacts(2), [contact(3), contact(4)]
    remote = await deliver(vox, first, **LATER)
    vox.simulation.break_next(fault, "AppendToCallList")
    with pytest.raises(Unclear):
        await vox.talk(vox.adapter.append(vox.job(first + second, head=LATER, start=True), remote, batch(second, 2)))
    finding = await find(vox, second, remote)
    expected = {
        Verdict.ACCEPTED: Finding(Verdict.ACCEPTED, remote, Receipt(seen(second, 900_003))),
        Verdict.NOT_SENT: Finding(Verdict.NOT_SENT, remote, detail="sent 2, 0 of them are in list 4711"),
    }
    assert finding == expected[verdict]


async def test_a_look_up_reads_every_page(vox: Bench) -> None:
    people = contacts(2_500)
    remote = await deliver(vox, people, **LATER)
    last = people[-1:]
    assert await find(vox, last, remote) == Finding(Verdict.ACCEPTED, remote, Receipt(seen(last, 902_500)))
    assert vox.ledger.requests.count("POST /platform_api/GetCallListDetails") == 3


async def test_a_row_that_the_vendor_forgot_stays_unknown_and_the_others_are_accepted(vox: Bench) -> None:
    people = contacts(3)
    vox.simulation.break_next("drop_row", "CreateCallList")
    opened = await vox.talk(vox.adapter.deliver(vox.job(people, start=True), batch(people)))
    assert opened.receipt == Receipt(seen(people[:2]), Outcome.UNKNOWN, "sent 3, the vendor counts 2")
    detail = "sent 3, 2 of them are in list 4711"
    partly = Receipt(seen(people[:2]), Outcome.UNKNOWN, detail)
    assert await find(vox, people, opened.remote) == Finding(Verdict.ACCEPTED, opened.remote, partly, detail)


async def test_a_count_that_is_short_is_unknown_when_nothing_can_be_read_back(vox: Bench) -> None:
    people = contacts(3)
    vox.simulation.break_next("drop_row", "CreateCallList")
    vox.simulation.break_next("error_before", "GetCallListDetails", times=9)
    opened = await vox.talk(vox.adapter.deliver(vox.job(people, start=True), batch(people)))
    assert opened.receipt == Receipt(rest=Outcome.UNKNOWN, detail="sent 3, the vendor counts 2")


@pytest.mark.parametrize(
    ("fault", "error", "code"), [("rate_limited", NotSent, "340"), ("ok_with_error", Refused, "127")]
)
async def test_a_refusal_is_no_success(vox: Bench, fault: str, error: type, code: str) -> None:
    vox.simulation.break_next(fault, "CreateCallList", times=9)
    with pytest.raises(error) as raised:
        await deliver(vox, contacts(1))
    assert (raised.value.code, type(raised.value)) == (code, error)
    assert vox.ledger.lists == {}


async def test_a_rate_limit_is_waited_out(vox: Bench) -> None:
    vox.simulation.break_next("rate_limited", "CreateCallList")
    assert (await deliver(vox, contacts(1))).id == "4711"


async def test_lists_are_browsed_page_by_page(vox: Bench) -> None:
    remotes = []
    for place in range(5):
        people = contacts(1)
        work = vox.job(people, start=True, key=f"k7f3a9c2e5b1d4{place}", head={"name": f"L{place % 2}"})
        remotes.append((await vox.talk(vox.adapter.deliver(work, batch(people)))).remote)
    found, cursor = [], None
    while True:
        page = await vox.talk(vox.adapter.browse(vox.options, None, cursor, 2))
        assert page.total == 5
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [RemoteList(one.id, one.name, one.key) for one in remotes]
    vox.simulation.name_search = "substring"
    by_name = await vox.talk(vox.adapter.browse(vox.options, remotes[2].name, None, 10))
    assert [one.id for one in by_name.items] == [remotes[2].id]


async def test_contacts_are_read_back_page_by_page(vox: Bench) -> None:
    people = [contact(row, id=f"A-{row}", first_name="Ana", attributes={"plan": "plus"}) for row in (1, 2, 3)]
    remote = await deliver(vox, people, **LATER)
    first = await vox.talk(vox.adapter.read(remote, vox.options, None, 2))
    assert [one.key for one in first.items] == ["A-1", "A-2"]
    assert await whole(vox, remote, 2) == [
        RemoteContact(
            {"phone": one.phone, "id": one.id, "first_name": "Ana", "attributes": {"plan": "plus"}},
            one.id,
            str(900_000 + one.row),
            "New",
            attempts_left=3,
        )
        for one in people
    ]


async def test_contacts_that_were_called_are_read_as_reached(vox: Bench) -> None:
    remote = await deliver(vox, contacts(1))
    page = await vox.talk(vox.adapter.read(remote, vox.options, None, 10))
    assert [(one.state, one.reached, one.attempts_left) for one in page.items] == [("Processed", True, 2)]


async def test_the_status_is_the_vendor_s_word(vox: Bench) -> None:
    remote = await deliver(vox, contacts(1), dialing={"priority": 0})
    vox.simulation.held["4711"].submitted = "2026-11-21 12:00:00"
    assert await vox.talk(vox.adapter.status(remote, vox.options)) == RemoteStatus(
        None,
        "In progress",
        True,
        {
            "list_name": NAME,
            "rule_id": "7",
            "priority": "0",
            "max_simultaneous": "5",
            "interval_seconds": "0",
            "dt_submit": "2026-11-21 12:00:00",
        },
    )


async def test_a_rename_keeps_reference_and_key(vox: Bench) -> None:
    remote = await deliver(vox, contacts(1), reference="crm-1")
    (renamed,) = await vox.talk(vox.adapter.rename((remote,), "Summer/Autumn", None, vox.options))
    assert renamed == RemoteList("4711", f"Summer-Autumn | crm-1 | {KEY}", KEY, 1, {"reference": "crm-1"})
    assert vox.ledger.lists["4711"].name == renamed.name


async def test_a_foreign_list_is_renamed_to_the_bare_name(vox: Bench) -> None:
    await deliver(vox, contacts(1))
    (renamed,) = await vox.talk(vox.adapter.rename((RemoteList("4711", "theirs"),), "New", None, vox.options))
    assert renamed == RemoteList("4711", "New")


async def test_a_stopped_list_dials_nobody_until_it_is_resumed(vox: Bench) -> None:
    people = contacts(2)
    remote = await deliver(vox, people, **LATER)
    stopped = await vox.talk(vox.adapter.stop(remote, vox.options))
    assert stopped == Done("calls that are under way are not cut; the list stays at the vendor as Canceled")
    status = await vox.talk(vox.adapter.status(remote, vox.options))
    assert (status.state, status.dialing) == ("Canceled", False)
    for task in vox.simulation.held["4711"].tasks:
        task.row["__start_at"] = "0"
    vox.simulation.dial_due()
    assert vox.ledger.calls == []
    resumed = await vox.talk(vox.adapter.resume(remote, vox.options))
    assert resumed == Done("contacts that are dialled again: 2")
    assert digits(vox.ledger.calls) == digits(one.phone for one in people)


async def test_a_list_that_dials_no_more_counts_as_stopped(vox: Bench) -> None:
    remote = await deliver(vox, contacts(1))
    await vox.talk(vox.adapter.stop(remote, vox.options))
    again = await vox.talk(vox.adapter.stop(remote, vox.options))
    assert isinstance(again, Done)
    with pytest.raises(Refused):
        await vox.talk(vox.adapter.stop(RemoteList("999", "gone"), vox.options))


@pytest.mark.parametrize("shape", ["array", "top", "list"])
@pytest.mark.parametrize("by", ["id", "key"])
async def test_a_contact_is_cancelled(vox: Bench, shape: str, by: str) -> None:
    vox.simulation.cancel_shape = shape
    people = [contact(1, id="A_1"), contact(2)]
    remote = await deliver(vox, people, **LATER)
    who = RemoteContact({}, "A_1", "900001" if by == "id" else None)
    assert await vox.talk(vox.adapter.remove(remote, who, vox.options)) == Done(
        "the contact stays on the list as Canceled"
    )
    assert [task.status for task in vox.simulation.held["4711"].tasks] == [4, 0]
    with pytest.raises(Refused, match="Task is not found"):
        await vox.talk(vox.adapter.remove(remote, RemoteContact({}, "nobody"), vox.options))


@pytest.mark.parametrize("looks", [0, 3])
async def test_a_list_in_progress_is_stopped_before_it_is_deleted(vox: Bench, looks: int) -> None:
    vox.simulation.looks_until_quiet = looks
    people = contacts(2)
    remote = await deliver(vox, people, **LATER)
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    exchange = vox.adapter.delete(remote, vox.options)
    assert await run(exchange, vox.channel, Patience.of(60), sleep) == Done()
    assert waits == [1.0] * looks
    assert vox.ledger.lists["4711"].facts["deleted"] is True
    assert vox.simulation.held == {}
    assert vox.ledger.calls == []


async def test_a_list_that_stays_in_progress_is_not_deleted(vox: Bench) -> None:
    vox.simulation.looks_until_quiet = 1_000
    remote = await deliver(vox, contacts(1))
    with pytest.raises(Refused, match="delete it later"):
        await run(vox.adapter.delete(remote, vox.options), vox.channel, Patience.of(0.5))
    assert "4711" in vox.simulation.held


@pytest.mark.parametrize("code", [251, 255])
async def test_what_is_gone(vox: Bench, code: int) -> None:
    """A list that is not there is deleted already, has no status, and takes no contacts."""
    vox.simulation.unknown_list_code = code
    gone = RemoteList("999", "gone")
    people = contacts(1)
    assert await vox.talk(vox.adapter.delete(gone, vox.options)) == Done(
        "nothing; the vendor had no such list any more"
    )
    for verb in (vox.adapter.status, vox.adapter.resume, vox.adapter.stop):
        with pytest.raises(Refused):
            await vox.talk(verb(gone, vox.options))
    with pytest.raises(Refused):
        await vox.talk(vox.adapter.rename((gone,), "New", None, vox.options))
    assert (await find(vox, people, gone)).verdict is Verdict.UNKNOWN


async def test_the_check_changes_nothing(vox: Bench) -> None:
    await deliver(vox, contacts(1))
    assert await vox.talk(vox.adapter.check(vox.options)) == CheckReport({"call lists": "1"})


async def test_a_foreign_key_is_refused(anyio_backend: str) -> None:
    async with bench("voximplant") as vox:
        text = vox.simulation.credentials["service_account"].replace("sim-key-1", "another")
    async with bench("voximplant", {"service_account": text}) as vox:
        with pytest.raises(NotAuthorised):
            await vox.talk(vox.adapter.check(vox.options))


async def test_the_token_is_reused(vox: Bench) -> None:
    await vox.talk(vox.adapter.check(vox.options))
    token = vox.channel.account.token
    await vox.talk(vox.adapter.check(vox.options))
    assert vox.channel.account.token is token


async def test_a_preview_shows_what_is_sent(vox: Bench) -> None:
    people = contacts(2)
    work = vox.job(people, start=True)
    shown = rehearse(vox.adapter.deliver(work, batch(people)))
    assert shown.result.receipt == ALL
    assert [name for name, _ in shown.requests] == ["create"]
    digests = {
        encode(shown.requests[0][1]).digest,
        encode(rehearse(vox.adapter.deliver(work, batch(people))).requests[0][1]).digest,
    }
    assert len(digests) == 1
