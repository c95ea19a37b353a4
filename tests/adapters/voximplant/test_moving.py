"""What moving a list away needs: what is read back, how `echo` says it before, and the stage on which it happens."""

from typing import Any

import pytest

from adapters.voximplant.mapping import to_contact
from adapters.voximplant.settings import Options
from adapters.voximplant.wire import Task
from gateway.canonical import Contact, DailyWindow
from gateway.contract import Done, Opened, Refused, RemoteContact, RemoteList, Unclear, json_reply
from gateway.driver import careful
from tests.harness import Bench, batch, contact, contacts, digits

pytestmark = pytest.mark.anyio

LATER = {"schedule": {"start_at": "2099-01-01T00:00:00Z"}}
HOURS = {"start": "09:00", "end": "18:00", "time_zone": "America/Sao_Paulo"}
IN_UTC = DailyWindow.model_validate({"start": "12:00", "end": "21:00", "time_zone": "UTC"})


async def deliver(vox: Bench, people: list[Contact], **head: Any) -> RemoteList:
    opened: Opened = await vox.talk(vox.adapter.deliver(vox.job(people, head=head, start=True), batch(people)))
    return opened.remote


async def whole(vox: Bench, remote: RemoteList, size: int = 1_000) -> tuple[list[RemoteContact], str]:
    """All contacts that the vendor shows, and why there may be more."""
    found: list[RemoteContact] = []
    cursor, incomplete = None, ""
    for _ in range(100):
        page = await vox.talk(vox.adapter.read(remote, vox.options, cursor, size))
        found += page.items
        cursor, incomplete = page.next_cursor, page.incomplete
        if cursor is None:
            return found, incomplete
    raise AssertionError("the reading does not end")


# ---- what is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dates", [False, True])
@pytest.mark.parametrize("reserved", [False, True])
async def test_what_is_read_back_is_the_echo_with_the_work_so_far(vox: Bench, dates: bool, reserved: bool) -> None:
    vox.simulation.times_with_dates, vox.simulation.shows_reserved_columns = dates, reserved
    rich = {"first_name": "Ana", "priority": 7, "tag": "gold", "attributes": {"plan": "plus", "first_name": "no"}}
    people = [contact(1, id="A-1", time_zone="Asia/Tokyo", **rich), contact(2, id="A_2"), contact(3)]
    head = {"schedule": {**LATER["schedule"], "daily_window": HOURS}}
    work = vox.job(people, {"carry_priority": True}, head=head, start=True)
    opened = await vox.talk(vox.adapter.deliver(work, batch(people)))
    echoes = [vox.adapter.echo(work, one) for one in people]
    tokyo = DailyWindow.model_validate({"start": "00:00", "end": "09:00", "time_zone": "UTC"})
    assert [one.window for one in echoes] == [tokyo, IN_UTC, IN_UTC]
    found, _ = await whole(vox, opened.remote)
    assert found == [
        RemoteContact(one.fields, one.key, str(900_001 + place), "New", False, 3, one.window)
        for place, one in enumerate(echoes)
    ]


async def test_a_contact_without_hours_has_no_window(vox: Bench) -> None:
    found, _ = await whole(vox, await deliver(vox, contacts(1), **LATER))
    assert [one.window for one in found] == [None]


@pytest.mark.parametrize(
    ("start", "end", "window"),
    [
        ("", "", None),
        (None, None, None),
        ("12:00:00", "21:00:00", IN_UTC),
        ("2026-11-21 12:00:00", "2026-11-21 21:00:00", IN_UTC),
        ("12:00:00", "", None),
    ],
)
def test_every_documented_form_of_the_hours_is_read(start: Any, end: Any, window: DailyWindow | None) -> None:
    task = Task.model_validate({"task_id": 1, "start_execution_time": start, "finish_execution_time": end})
    assert to_contact(task, Options(rule_id=7)).window == window


@pytest.mark.parametrize("hours", ["9 am", "25:00:00", 9, "12:00:00+03:00"])
async def test_hours_that_cannot_be_read_are_not_left_out_in_silence(vox: Bench, hours: Any) -> None:
    step = next(vox.adapter.read(RemoteList("1", "x"), vox.options, None, 10))
    tasks = [{"task_id": 1, "start_execution_time": hours, "finish_execution_time": hours}]
    with pytest.raises(Unclear):
        careful(step)(json_reply({"result": tasks}))


def test_a_row_that_is_no_object_is_a_contact_without_a_number() -> None:
    """A scenario may write anything into custom_data: one such task must not make the list unreadable."""
    for text in ("gone", "[1]", None):
        task = Task.model_validate({"task_id": 1, "task_uuid": "A-1", "custom_data": text, "status": "New"})
        expected = RemoteContact({"phone": "", "id": "A-1"}, "A-1", "1", "New")
        assert to_contact(task, Options(rule_id=7)) == expected


def test_free_column_names_become_names_of_attributes() -> None:
    row = '{"phone_number": "+1", "Due date": "May", "Due_date": "June", "2nd": "x"}'
    read = to_contact(Task.model_validate({"task_id": 1, "custom_data": row, "status": "New"}), Options(rule_id=7))
    assert read.fields["attributes"] == {"Due_date_2": "May", "Due_date": "June", "_2nd": "x"}


# ---- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [2, 3, 1_000])
async def test_nobody_is_missed_where_pages_are_short(vox: Bench, cap: int) -> None:
    people = contacts(7)
    remote = await deliver(vox, people, **LATER)
    vox.simulation.page_cap = cap
    found, incomplete = await whole(vox, remote)
    assert ([one.key for one in found], incomplete) == ([one.key for one in people], "")


async def test_an_ignored_offset_ends_the_reading(vox: Bench) -> None:
    remote = await deliver(vox, contacts(5), **LATER)
    vox.simulation.ignores_offset = True
    found, incomplete = await whole(vox, remote, 3)
    assert len(found) == 3
    assert incomplete.startswith("the list changed while it was read, or the vendor pages otherwise")


async def test_a_list_that_grows_at_its_head_while_it_is_read_is_not_claimed_whole(vox: Bench) -> None:
    people = contacts(6)
    work = vox.job(people, head=LATER, start=True)
    remote = (await vox.talk(vox.adapter.deliver(work, batch(people)))).remote
    vox.simulation.newest_first = True
    first = await vox.talk(vox.adapter.read(remote, vox.options, None, 3))
    await vox.talk(vox.adapter.append(work, remote, batch([contact(9)], 2)))
    second = await vox.talk(vox.adapter.read(remote, vox.options, first.next_cursor, 3))
    assert (second.items, second.next_cursor) == ((), None)
    assert "changed while it was read" in second.incomplete


async def test_an_ignored_offset_ends_the_browsing(vox: Bench) -> None:
    for place in range(3):
        work = vox.job(contacts(1), start=True, key=f"k7f3a9c2e5b1d4{place}")
        await vox.talk(vox.adapter.deliver(work, batch(contacts(1))))
    vox.simulation.ignores_offset = True
    first = await vox.talk(vox.adapter.browse(vox.options, None, None, 2))
    second = await vox.talk(vox.adapter.browse(vox.options, None, first.next_cursor, 2))
    assert (len(first.items), second.items, second.next_cursor) == (2, (), None)
    assert "takes no notice of the offset" in second.incomplete


# ---- lists that vanished --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "hides"), [(251, False), (255, False), (255, True)])
async def test_a_list_that_vanished_is_refused(vox: Bench, code: int, hides: bool) -> None:
    vox.simulation.unknown_list_code, vox.simulation.hides_unknown_lists = code, hides
    with pytest.raises(Refused, match=r"^the vendor has no list 999 \(any more\)$"):
        await whole(vox, RemoteList("999", "gone"))


# ---- the stage ------------------------------------------------------------------------------------------------------


async def test_only_so_many_calls_are_placed(vox: Bench) -> None:
    vox.simulation.dial_at_most = 2
    people = contacts(4)
    found, _ = await whole(vox, await deliver(vox, people))
    assert [(one.state, one.reached) for one in found] == [("Processed", True)] * 2 + [("New", False)] * 2
    assert digits(vox.ledger.calls) == digits(one.phone for one in people[:2])


@pytest.mark.parametrize("ends", [False, True])
async def test_somebody_who_talks_is_in_progress(vox: Bench, ends: bool) -> None:
    vox.simulation.talking, vox.simulation.talks_until_stopped, vox.simulation.dial_at_most = 1, ends, 2
    people = contacts(3)
    remote = await deliver(vox, people)
    found, _ = await whole(vox, remote)
    assert [(one.state, one.reached) for one in found] == [("In progress", True), ("Processed", True), ("New", False)]
    assert digits(vox.ledger.calls) == digits(one.phone for one in people[:2])
    assert isinstance(await vox.talk(vox.adapter.stop(remote, vox.options)), Done)
    found, _ = await whole(vox, remote)
    talk = "Processed" if ends else "In progress"
    assert [(one.state, one.reached) for one in found] == [(talk, True), ("Processed", True), ("Canceled", False)]


async def test_a_stopped_list_dials_nobody_until_it_is_recovered(vox: Bench) -> None:
    vox.simulation.dial_at_most = 1
    remote = await deliver(vox, contacts(3))
    await vox.talk(vox.adapter.stop(remote, vox.options))
    vox.simulation.dial_at_most = None
    for balance in (0.0, 100.0):  # a top-up makes suspended lists dial again, and no others
        vox.simulation.balance = balance
        vox.simulation.dial_due()
    assert (await vox.talk(vox.adapter.status(remote, vox.options))).dialing is False
    assert len(vox.ledger.calls) == 1
    await vox.talk(vox.adapter.resume(remote, vox.options))
    assert len(vox.ledger.calls) == 3


async def test_a_stop_may_be_answered_and_ignored(vox: Bench) -> None:
    vox.simulation.ignores_stop, vox.simulation.dial_at_most = True, 1
    remote = await deliver(vox, contacts(3))
    assert isinstance(await vox.talk(vox.adapter.stop(remote, vox.options)), Done)
    status = await vox.talk(vox.adapter.status(remote, vox.options))
    assert (status.state, status.dialing) == ("In progress", True)
    vox.simulation.dial_at_most = None
    vox.simulation.dial_due()
    assert len(vox.ledger.calls) == 3


async def test_a_deleted_list_stays_in_the_ledger(vox: Bench) -> None:
    people = contacts(2)
    remote = await deliver(vox, people, **LATER)
    await vox.talk(vox.adapter.delete(remote, vox.options))
    kept = vox.ledger.lists[remote.id]
    assert (kept.facts["deleted"], digits(kept.phones)) == (True, digits(one.phone for one in people))
