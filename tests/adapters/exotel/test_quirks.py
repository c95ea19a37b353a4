"""One test for each trap and quirk of Exotel (sheet 2 to 7): the adapter copes with every reading of it."""

from typing import Any

import pytest

from adapters.exotel import ADAPTER, calls
from adapters.exotel.codes import Shown
from adapters.exotel.exchanges import link_item
from adapters.exotel.paths import way_of
from adapters.exotel.wire import Entry, UploadStats, UploadStatus
from gateway.canonical import Fault, Outcome, Profile, Verdict
from gateway.contract import (
    Item,
    NotAuthorised,
    NotSent,
    Refused,
    RemoteContact,
    RemoteList,
    Reply,
    Unclear,
    json_reply,
)
from gateway.driver import careful
from tests.adapters.exotel.talks import delivered, outcomes
from tests.harness import Bench, batch, contact, contacts, job

pytestmark = pytest.mark.anyio


# ---- 200 and 207 say nothing about the items ----------------------------------------------------------------------


async def test_a_207_with_failed_items_accepts_only_the_others(there: Bench) -> None:
    people = [*contacts(2), contact(3, phone="+5"), contact(4)]
    _, remote, receipt = await delivered(there, people)
    assert outcomes(receipt, people) == ["accepted", "accepted", "rejected", "accepted"]
    assert receipt.of(people[2]).fault == Fault("vendor.refused", None, "400: Invalid parameter: number is invalid")
    assert there.ledger.lists[remote.id].phones == [one.phone for one in people if one.row != 3]


async def test_no_contact_with_a_sid_means_no_second_call(there: Bench) -> None:
    people = [contact(1, phone="+5")]
    _, _, receipt = await delivered(there, people)
    assert outcomes(receipt, people) == ["rejected"]
    assert there.ledger.requests[-1].endswith("/contacts")
    assert len(there.ledger.requests) == 2


@pytest.mark.parametrize("path", ["acme1/lists", "acme1/contacts", "/lists/", "csv-upload"])
async def test_a_200_may_hold_an_error(there: Bench, path: str) -> None:
    people = contacts(1)
    there.simulation.break_next("ok_with_error", path)
    if path == "csv-upload":
        refused_talk = there.talk(there.adapter.deliver(there.job(people, {"path": "csv"}), batch(people)))
    else:
        refused_talk = delivered(there, people)
    with pytest.raises(Refused) as refused:
        await refused_talk
    assert (refused.value.code, refused.value.detail) == ("1002", "Invalid parameter: simulated refusal")
    assert [one.phones for one in there.ledger.lists.values()] in ([], [[]])


async def test_some_lists_refused_is_unclear_for_all(there: Bench) -> None:
    good, bad = there.job(contacts(1), key="k1"), there.job(contacts(1), key="k2")
    step = next(there.adapter.create((good, bad)))
    partial = {"code": 200, "status": "success", "data": {"sid": "s1", "name": "Spring renewals-k1"}}
    failed = {"code": 400, "status": "failure", "error_data": {"code": 1002, "description": "no"}, "data": None}
    exchange = there.adapter.create((good, bad))
    next(exchange)
    with pytest.raises(Unclear, match="asked for 2 lists, the vendor confirms 1: no"):
        exchange.send(step.read(json_reply({"http_code": 207, "response": [partial, failed]}, 207)))


# ---- the envelopes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("envelope", ["rest", "v2"])
async def test_a_429_has_two_envelopes(there: Bench, envelope: str) -> None:
    there.simulation.rate_envelope = envelope
    there.simulation.break_next("rate_limited", "/lists", retry_after=7)
    with pytest.raises(NotSent) as limited:
        await there.talk(there.adapter.create((there.job(contacts(1)),)), attempts=1)
    assert limited.value.retry_after == 7
    assert there.ledger.lists == {}


REST = {"RestException": {"Status": 429, "Message": "slow down", "Code": "RATE_LIMIT_EXCEEDED"}}


@pytest.mark.parametrize(
    ("reply", "error", "code"),
    [
        (json_reply(REST), NotSent, "RATE_LIMIT_EXCEEDED"),
        (json_reply({"RestException": {"Status": "401", "Message": "", "Code": 0}}, 401), NotAuthorised, "0"),
        (Reply(429), NotSent, "429"),
        (json_reply({"http_code": 402, "response": None}, 402), Refused, "402"),
        (json_reply({"response": {"code": 403, "error_data": {"code": 1003}}}, 403), NotAuthorised, "1003"),
        (json_reply({"http_code": 503}, 200), Unclear, "503"),
        (json_reply({"http_code": 200}, 502), Unclear, "502"),
        (json_reply({}, 200), Unclear, ""),
        (json_reply([], 200), Unclear, ""),
    ],
)
def test_every_failure_is_known_by_its_envelope(reply: Reply, error: type[Exception], code: str) -> None:
    step = calls.create_lists(_options(), [])
    with pytest.raises(error) as raised:
        careful(step)(reply)
    assert type(raised.value) is error
    assert getattr(raised.value, "code", "") == code


def _options(**given: Any) -> Any:
    return ADAPTER.options.model_validate({"account_sid": "acme1", **given})


async def test_our_rate_is_the_lowest_that_the_vendor_names(there: Bench) -> None:
    there.simulation.requests_per_minute = 30
    assert there.adapter.limits.requests_per_minute == 30
    for _ in range(30):
        await there.talk(there.adapter.check(there.options))
    with pytest.raises(NotSent) as limited:
        await there.talk(there.adapter.check(there.options))
    assert limited.value.retry_after == 60


# ---- list names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outer", [200, 207, 409])
@pytest.mark.parametrize("search", ["exact", "partial", "ignored"])
async def test_a_taken_name_is_our_own_list(there: Bench, outer: int, search: str) -> None:
    there.simulation.taken_name_status = outer
    there.simulation.name_search = search
    work = there.job(contacts(1))
    crowd = tuple(there.job(contacts(1), key=f"k{number}") for number in range(30))
    await there.talk(there.adapter.create(crowd))
    (first,) = await there.talk(there.adapter.create((work,)))
    (again,) = await there.talk(there.adapter.create((work,)))
    assert (again.id, again.name, again.count) == (first.id, first.name, None)
    assert len(there.ledger.lists) == 31


async def test_lists_without_names_prove_nothing(there: Bench) -> None:
    there.simulation.echoes = False
    work = there.job(contacts(1))
    await there.talk(there.adapter.create((there.job(contacts(1), key="other"),)))
    there.simulation.name_search = "ignored"
    finding = await there.talk(there.adapter.find(work, None, None))
    assert finding.verdict is Verdict.UNKNOWN
    assert "without their names" in finding.detail


async def test_an_upload_under_an_old_name_is_not_taken_for_ours(there: Bench) -> None:
    people = contacts(4)
    work = there.job(people, {"path": "csv"})
    remote = (await there.talk(there.adapter.deliver(work, batch(people[:2])))).remote
    there.ledger.lists[remote.id].name = "renamed by somebody"
    receipt = await there.talk(there.adapter.append(work, remote, batch(people[2:], 2)))
    assert receipt.rest is Outcome.UNKNOWN
    assert "was it renamed?" in receipt.detail


# ---- pages --------------------------------------------------------------------------------------------------------


async def test_a_page_that_the_vendor_caps_is_not_the_last(there: Bench) -> None:
    people = contacts(65)
    work, remote, _ = await delivered(there, people, page_size=500)
    there.simulation.page_cap = 20
    finding = await there.talk(there.adapter.find(work, remote, batch(people)))
    assert finding.verdict is Verdict.ACCEPTED
    page = await there.talk(there.adapter.read(remote, there.options, "40", 1000))
    assert (len(page.items), page.next_cursor.partition(":")[0]) == (20, "60")


@pytest.mark.parametrize("shown", ["digits", "national"])
async def test_numbers_are_recognised_in_every_form(there: Bench, shown: str) -> None:
    people = [contact(1, phone="+919876543210"), contact(2, phone="+14155550134")]
    work, remote, _ = await delivered(there, people)
    there.simulation.numbers_shown = shown
    finding = await there.talk(there.adapter.find(work, remote, batch(people)))
    assert (finding.verdict, outcomes(finding.receipt, people)) == (Verdict.ACCEPTED, ["accepted", "accepted"])


async def test_contacts_shown_by_their_sid_only_prove_nothing(there: Bench) -> None:
    people = contacts(2)
    work, remote, _ = await delivered(there, people)
    there.simulation.echoes = False
    assert (await there.talk(there.adapter.find(work, remote, batch(people)))).verdict is Verdict.UNKNOWN
    with pytest.raises(Refused, match="without numbers"):
        await there.talk(there.adapter.remove(remote, RemoteContact({"phone": people[0].phone}), there.options))


# ---- ceilings and kinds -------------------------------------------------------------------------------------------


async def test_a_list_at_its_ceiling_takes_no_more(there: Bench) -> None:
    people = contacts(2)
    full = RemoteList("s", "n", "k", 99_999, {"kind": "static"})
    with pytest.raises(Refused, match="holds 99999 contacts and takes 100000 in all"):
        await there.talk(there.adapter.append(there.job(people), full, batch(people)))
    assert there.ledger.requests == []


async def test_attributes_never_vanish_into_a_static_list(there: Bench) -> None:
    people = contacts(2, attributes={"plan": "plus"})
    static = RemoteList("s", "n", "k", 0, {"kind": "static"})
    with pytest.raises(Refused, match="made without variables"):
        await there.talk(there.adapter.append(there.job(people), static, batch(people)))
    assert there.ledger.requests == []


async def test_a_dynamic_list_stays_dynamic(there: Bench) -> None:
    people = contacts(4, first_name="Ana")
    first = [contact(9, attributes={"plan": "plus"})]
    remote = (await there.talk(there.adapter.deliver(there.job(first), batch(first)))).remote
    receipt = await there.talk(there.adapter.append(there.job(people), remote, batch(people, 2)))
    assert (receipt.items, receipt.rest) == ({}, Outcome.ACCEPTED)
    assert len(there.ledger.lists[remote.id].phones) == 5


# ---- the header, never the URL ------------------------------------------------------------------------------------


async def test_credentials_travel_in_the_header_only(there: Bench) -> None:
    work, remote, _ = await delivered(there, contacts(1))
    assert await there.talk(there.adapter.check(there.options))
    token = there.adapter.auth.token(there.channel.account.credentials, work.now, "nonce")
    assert (there.adapter.auth.header, there.adapter.auth.scheme) == ("Authorization", "Basic ")
    assert token.value.get_secret_value() == "c2ltLWtleTpzaW0tdG9rZW4="
    assert not any("sim-" in line for line in there.ledger.requests)
    assert remote.id


def test_a_sid_cannot_leave_its_place_in_the_path() -> None:
    assert calls.get_list(_options(), "../contacts?x").request.path == "/v2/accounts/acme1/lists/..%2Fcontacts%3Fx"
    with pytest.raises(Refused):
        calls.get_list(_options(), "..")


def test_a_failed_link_keeps_the_sid_of_its_contact() -> None:
    entry = Entry(code=400, status="failure")
    assert link_item("5d2f", entry) == Item(Outcome.REJECTED, "5d2f", Fault("vendor.refused", None, "400: not linked"))
    assert link_item("5d2f", Entry(code=200, status="failure")).outcome is Outcome.REJECTED
    assert link_item("5d2f", Entry()).outcome is Outcome.UNKNOWN


# ---- answers that the simulator does not give ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [
        calls.add_contacts(_options(), "s", ["c"]),
        calls.upload(_options(), "n", "n.csv", way_of(Profile(1), _options(path="csv")), batch(contacts(1))),
    ],
    ids=lambda step: step.name,
)
def test_a_conflict_around_contacts_is_looked_up(step: Any) -> None:
    conflict = json_reply({"http_code": 409, "response": {"code": 409, "error_data": {"code": 1008}}}, 409)
    with pytest.raises(Unclear):
        step.read(conflict)
    with pytest.raises(Refused):
        step.read(json_reply({"http_code": 400, "response": {"code": 400, "error_data": {"code": 1002}}}, 400))


@pytest.mark.parametrize(
    ("codes", "error"), [((200, 200), None), ((200, 409), Unclear), ((409, 409), Refused), ((200,), Unclear)]
)
def test_a_renaming_is_done_when_every_list_confirms_it(codes: tuple[int, ...], error: Any) -> None:
    remotes = (RemoteList("s1", "a-k1", "k1"), RemoteList("s2", "a-k2", "k2"))
    exchange = ADAPTER.rename(remotes, "b", None, _options())
    step = next(exchange)
    entries = [{"code": code, "data": {"sid": f"s{n}"} if code == 200 else None} for n, code in enumerate(codes, 1)]
    answer = step.read(json_reply({"response": entries}, 207))
    if error is None:
        with pytest.raises(StopIteration) as end:
            exchange.send(answer)
        assert [one.name for one in end.value.value] == ["b-k1", "b-k2"]
    else:
        with pytest.raises(error):
            exchange.send(answer)


@pytest.mark.parametrize(("number", "step"), [(1, "upload_status"), (2, "get_contacts")])
def test_an_upload_settles_only_the_batch_that_it_carried(number: int, step: str) -> None:
    people = contacts(2)
    work = job(ADAPTER, people, {"account_sid": "acme1", "path": "csv"})
    extra = {"kind": "static", "upload_id": "u-1", "upload_batch": batch(people, 1).key}
    assert next(ADAPTER.find(work, RemoteList("s", "n", "k", extra=extra), batch(people, number))).name == step


def test_missing_rows_are_rejected_only_when_the_vendor_counts_as_many() -> None:
    people = contacts(3)
    work = job(ADAPTER, people, {"account_sid": "acme1", "path": "csv"})
    extra = {"kind": "static", "upload_id": "u-1", "upload_batch": batch(people).key}
    exchange = ADAPTER.find(work, RemoteList("s", "n", "k", extra=extra), batch(people))
    stats = UploadStats(total=3, success=2, duplicate=0, failed=1)
    next(exchange)
    exchange.send(UploadStatus(state="completed", stats=stats))
    with pytest.raises(StopIteration) as end:
        exchange.send(Shown(({"sid": "c1", "number": people[0].phone},)))
    finding = end.value.value
    assert (finding.verdict, outcomes(finding.receipt, people)) == (
        Verdict.UNKNOWN,
        ["accepted", "unknown", "unknown"],
    )
