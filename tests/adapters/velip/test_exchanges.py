"""The Velip adapter against its simulator, over a real socket."""

from typing import Any

import pytest

from adapters.velip import ADAPTER
from adapters.velip.deactivation import _vanished
from gateway.canonical import Outcome, Verdict
from gateway.contract import (
    CheckReport,
    Done,
    Finding,
    Limits,
    NotSent,
    Opened,
    Plan,
    Receipt,
    Refused,
    RemoteList,
    RemoteStatus,
    Style,
    Unclear,
    VendorError,
)
from gateway.driver import rehearse
from tests.harness import Bench, batch, contacts, digits, head, job, profile_of

KEY = "k7f3a9c2e5b1d4x"
ACCEPTED = Receipt(rest=Outcome.ACCEPTED)
MODES = ["json", "form", "csv", "json_file"]


async def deliver(velip: Bench, number: int = 2, given: dict[str, Any] | None = None, **details: Any) -> Opened:
    people = contacts(number)
    opened: Opened = await velip.talk(velip.adapter.deliver(velip.job(people, given, **details), batch(people)))
    return opened


@pytest.mark.parametrize("mode", MODES)
async def test_each_mode_delivers_whole_contacts(velip: Bench, mode: str) -> None:
    people = contacts(3, id=None, first_name="Ana", last_name="Lima", attributes={"due": "10/11", "plan": "plus"})
    job = velip.job(people, {"mode": mode}, head={"reference": "crm-7"})
    opened = await velip.talk(velip.adapter.deliver(job, batch(people)))
    assert opened == Opened(RemoteList("70123", "Spring renewals [crm-7]", KEY, 3), ACCEPTED)
    stored = velip.ledger.lists["70123"]
    assert stored.phones == digits(one.phone for one in people)
    assert stored.rows[0] == {
        "phone": "5511900000001",
        "name": "Ana Lima",
        "cod_cli": "k1",
        "extra1": "10/11",
        "extra2": "plus",
    }
    assert (stored.name, stored.facts["ctid"]) == ("Spring renewals [crm-7]", KEY)
    assert velip.ledger.calls == []


@pytest.mark.parametrize(("rows", "file"), [(3, ""), (4, f"{KEY}.json")])
async def test_auto_takes_a_file_above_its_size(velip: Bench, rows: int, file: str) -> None:
    await deliver(velip, rows, {"json_rows": 3})
    assert velip.ledger.lists["70123"].facts["file"] == file


async def test_a_large_json_file_arrives_whole_and_in_order(velip: Bench) -> None:
    people = contacts(2_501)
    opened = await velip.talk(velip.adapter.deliver(velip.job(people, {"mode": "json_file"}), batch(people)))
    assert opened.remote.count == 2_501
    assert velip.ledger.lists["70123"].phones == [one.phone.lstrip("+") for one in people]


async def test_parts_of_a_delivery_are_told_apart_by_name(velip: Bench) -> None:
    opened = await deliver(velip, part=2, parts=3)
    assert opened.remote.name == "Spring renewals 2/3"


def test_the_plan_is_one_call_a_list() -> None:
    limits = Limits(batch_size=700, contacts_per_list=1_000)
    plan = ADAPTER.how(head(), profile_of(contacts(1)), ADAPTER.options(), limits)
    assert plan == Plan(Style.DELIVER, 700, 700)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("drop_before", Unclear),
        ("drop_after", Unclear),
        ("error_before", Unclear),
        ("error_after", Unclear),
        ("ok_with_error", Unclear),
        ("garbage", Unclear),
        ("html", Unclear),
        ("empty", Unclear),
        ("redirect", Unclear),
        ("rate_limited", NotSent),
    ],
)
async def test_only_an_explicit_success_is_one_and_nothing_unclear_is_repeated(
    velip: Bench, fault: str, error: type[VendorError]
) -> None:
    velip.simulation.break_next(fault, "/CreateDestinationBase", times=9)
    with pytest.raises(error):
        await velip.talk(velip.adapter.deliver(velip.job(contacts(2)), batch(contacts(2))), attempts=3)
    tries = 3 if error is NotSent else 1
    assert velip.ledger.requests == ["POST /api/v2/CreateDestinationBase.php"] * tries


@pytest.mark.parametrize("fault", ["wrong_type", "drip", "answer_late"])
async def test_a_true_answer_in_odd_clothes_is_believed(velip: Bench, fault: str) -> None:
    velip.simulation.break_next(fault, "/CreateDestinationBase", seconds=0.05)
    assert (await deliver(velip)).receipt == ACCEPTED


async def test_a_silently_dropped_row_makes_the_batch_unknown_with_both_numbers(velip: Bench) -> None:
    velip.simulation.break_next("drop_row")
    opened = await deliver(velip, 5)
    assert opened == Opened(
        RemoteList("70123", "Spring renewals", KEY, 4), Receipt(detail="sent 5, the vendor counts 4")
    )


async def find(velip: Bench, number: int = 2, remote: RemoteList | None = None) -> Finding:
    people = contacts(number)
    finding: Finding = await velip.talk(velip.adapter.find(velip.job(people), remote, batch(people)))
    return finding


async def test_find_settles_what_was_stored_before_the_connection_broke(velip: Bench) -> None:
    velip.simulation.break_next("drop_after", "/CreateDestinationBase")
    with pytest.raises(Unclear):
        await deliver(velip)
    remote = RemoteList("70123", "Spring renewals", KEY, 2, {"active": "1"})
    assert await find(velip) == Finding(Verdict.ACCEPTED, remote, ACCEPTED)


async def test_find_proves_an_absence(velip: Bench) -> None:
    await deliver(velip, key="another")
    assert await find(velip) == Finding(Verdict.NOT_SENT, detail="Velip has no list with our key")


async def test_find_without_a_batch_asks_only_for_the_list(velip: Bench) -> None:
    await deliver(velip)
    remote = RemoteList("70123", "Spring renewals", KEY, 2, {"active": "1"})
    found = await velip.talk(velip.adapter.find(velip.job(contacts(2)), None, None))
    assert found == Finding(Verdict.ACCEPTED, remote)


async def test_find_by_id_compares_the_count_again(velip: Bench) -> None:
    velip.simulation.break_next("drop_row")
    opened = await deliver(velip, 3)
    short = Receipt(detail="sent 3, the vendor counts 2")
    remote = RemoteList("70123", "Spring renewals", KEY, 2, {"active": "1"})
    assert await find(velip, 3, opened.remote) == Finding(Verdict.UNKNOWN, remote, short, short.detail)
    assert await find(velip, 2, opened.remote) == Finding(Verdict.ACCEPTED, remote, ACCEPTED)


async def test_find_by_id_takes_no_absence_for_proof(velip: Bench) -> None:
    gone = RemoteList("999", "x")
    assert await find(velip, 2, gone) == Finding(Verdict.UNKNOWN, gone, detail="Velip does not show list 999")


async def test_browse_shows_newest_first_and_says_what_is_missing(velip: Bench) -> None:
    for name in ("one", "two", "three"):
        await deliver(velip, key=name, head={"name": name})
    page = await velip.talk(velip.adapter.browse(velip.options, None, None, 2))
    assert [(one.id, one.name, one.key, one.count) for one in page.items] == [
        ("70125", "three", "three", 2),
        ("70124", "two", "two", 2),
    ]
    assert page.incomplete == "Velip shows 2 lists and pages no further; search by name"
    velip.ledger.lists["70124"].facts["ctid"] = "0"
    page = await velip.talk(velip.adapter.browse(velip.options, "tw", None, 2))
    assert ([(one.name, one.key) for one in page.items], page.incomplete) == ([("two", "")], "")


async def test_status_names_active_inactive_and_purged(velip: Bench) -> None:
    remote = (await deliver(velip)).remote
    facts = velip.ledger.lists["70123"].facts

    async def status() -> RemoteStatus:
        found: RemoteStatus = await velip.talk(velip.adapter.status(remote, velip.options))
        return found

    assert await status() == RemoteStatus(2, "active", facts={"cdlc_date": "2026-10-02", "cdlc_ctid": KEY})
    facts["active"] = 0
    assert (await status()).state == "inactive"
    facts.update(active=1, deleted=1)
    assert (await status()).state == "purged"


async def test_status_of_a_list_that_is_not_shown_is_no_answer(velip: Bench) -> None:
    """Nothing but a look was tried, so nothing is in doubt: the driver calls it not sent."""
    with pytest.raises(NotSent, match="does not show list 5"):
        await velip.talk(velip.adapter.status(RemoteList("5", "x"), velip.options))


async def test_check_names_the_account(velip: Bench) -> None:
    report = await velip.talk(velip.adapter.check(velip.options))
    assert report == CheckReport({"account": "501", "user": "77", "may_manage_campaigns": "1"})


async def test_delete_deactivates_one_list_and_no_other(velip: Bench) -> None:
    for key in ("one", "two", "three"):
        await deliver(velip, key=key)
    done = await velip.talk(velip.adapter.delete(RemoteList("70124", "x"), velip.options))
    assert done == Done(
        "the list stays at Velip, inactive, so that no campaign can use it, until Velip's own retention purges it"
    )
    active = {one.id: one.facts["active"] for one in velip.ledger.lists.values()}
    assert active == {"70123": 1, "70124": 0, "70125": 1}
    before = len(velip.ledger.requests)
    assert await velip.talk(velip.adapter.delete(RemoteList("70124", "x"), velip.options)) == done
    assert len(velip.ledger.requests) == before + 1, "what is inactive is not written again"


async def test_delete_of_a_purged_list_writes_nothing(velip: Bench) -> None:
    remote = (await deliver(velip)).remote
    velip.ledger.lists["70123"].facts["deleted"] = 1
    done = await velip.talk(velip.adapter.delete(remote, velip.options))
    assert done == Done("nothing but the list's name: Velip has purged its contacts")
    assert velip.ledger.requests[1:] == ["POST /api/v2/GetDestinationsList.php"]


@pytest.mark.parametrize(
    ("before", "after", "vanished"),
    [
        ({1, 2, 3}, {1, 3}, []),
        ({1, 2, 3}, {3, 4}, [1]),
        (set(range(1, 501)), set(range(3, 503)) - {2} | {503}, []),
        (set(range(1, 501)), set(range(2, 504)) - {2, 400}, [400]),
    ],
    ids=["only the target", "another one", "a full window moves on", "another one in a full window"],
)
def test_new_lists_do_not_look_like_vanished_ones(before: set[int], after: set[int], vanished: list[int]) -> None:
    assert _vanished(frozenset(before), frozenset(after), target=2) == vanished


@pytest.mark.parametrize("identity", ["", "0", "-1", "abc", "1,2"])
async def test_delete_without_an_id_sends_nothing(velip: Bench, identity: str) -> None:
    with pytest.raises(Refused, match="not the id"):
        await velip.talk(velip.adapter.delete(RemoteList(identity, "x"), velip.options))
    assert velip.ledger.requests == []


@pytest.mark.parametrize(("fault", "inactive"), [("drop_after", True), ("ok_with_error", False)])
async def test_an_unclear_deactivation_is_settled_by_reading(velip: Bench, fault: str, inactive: bool) -> None:
    remote = (await deliver(velip)).remote
    velip.simulation.break_next(fault, "/GetDestinationsList", skip=2)
    talk = velip.talk(velip.adapter.delete(remote, velip.options))
    if inactive:
        assert isinstance(await talk, Done)
    else:
        with pytest.raises(Unclear, match="still active"):
            await talk
    assert velip.ledger.lists["70123"].facts["active"] == (0 if inactive else 1)


def test_every_verb_can_be_rehearsed() -> None:
    people, remote = contacts(2), RemoteList("7", "x", KEY, 2)
    work, options = job(ADAPTER, people), ADAPTER.options()
    adapter: Any = ADAPTER
    talks: dict[str, Any] = {
        "deliver": adapter.deliver(work, batch(people)),
        "find": adapter.find(work, None, batch(people)),
        "browse": adapter.browse(options, None, None, 10),
        "status": adapter.status(remote, options),
        "delete": adapter.delete(remote, options),
        "check": adapter.check(options),
    }
    steps = {verb: [name for name, _ in rehearse(talk).requests] for verb, talk in talks.items()}
    assert steps == {
        "deliver": ["create"],
        "find": ["look_up"],
        "browse": ["look_up"],
        "status": ["look_up"],
        "delete": ["look_up", "look_up", "deactivate", "look_up", "look_up"],
        "check": ["check"],
    }
