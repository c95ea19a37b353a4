"""One test for each trap of the vendor: what costs money, and what its pages leave open."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.voximplant import ADAPTER
from adapters.voximplant.codes import ERRORS, ON_LIST, ON_UPLOAD, checked
from gateway.canonical import Contact, Verdict
from gateway.contract import (
    Batch,
    CannotDo,
    Finding,
    NotAuthorised,
    NotSent,
    Refused,
    RemoteList,
    Reply,
    Unclear,
    VendorError,
    json_reply,
)
from gateway.driver import careful
from tests.adapters.voximplant.test_exchanges import LATER, NAME, deliver, find
from tests.harness import Bench, batch, contact, contacts, job

anyio = pytest.mark.anyio


def raised(reply: Reply, *overrides: Any) -> VendorError:
    with pytest.raises(VendorError) as caught:
        checked(reply, *overrides)
    return caught.value


# Creating a list dials (fact sheet section 1).


def test_nothing_is_sent_for_a_list_that_is_held() -> None:
    people = contacts(1)
    held = job(ADAPTER, people, {"rule_id": 7})
    with pytest.raises(CannotDo, match="held"):
        next(ADAPTER.deliver(held, batch(people)))
    with pytest.raises(CannotDo, match="held"):
        next(ADAPTER.append(held, RemoteList("1", "n"), batch(people)))


def test_uploads_are_never_repeated_blindly() -> None:
    people = contacts(1)
    work = job(ADAPTER, people, {"rule_id": 7}, start=True)
    assert not next(ADAPTER.deliver(work, batch(people))).repeatable
    assert not next(ADAPTER.append(work, RemoteList("1", "n"), batch(people))).repeatable


@anyio
async def test_a_start_in_the_future_waits_at_the_vendor(vox: Bench) -> None:
    await deliver(vox, contacts(2), **LATER)
    assert vox.ledger.calls == []
    vox.simulation.clock = lambda: 4_070_908_800.0
    vox.simulation.dial_due()
    assert len(vox.ledger.calls) == 2


@anyio
async def test_a_poor_account_stores_and_dials_later(vox: Bench) -> None:
    vox.simulation.balance = 0.5
    remote = await deliver(vox, contacts(1))
    status = await vox.talk(vox.adapter.status(remote, vox.options))
    assert (status.state, status.dialing, vox.ledger.calls) == ("Suspended", True, [])
    vox.simulation.balance = 5.0
    vox.simulation.dial_due()
    assert len(vox.ledger.calls) == 1


# Errors come with HTTP 200 (7.15), as an object or as an array.


@pytest.mark.parametrize(
    ("codes", "kind"),
    [
        ((1, 2, 4, 13, 21, 251, 252, 484, 515), Unclear),
        ((100, 447, 454, 455, 456), NotAuthorised),
        ((162, 314, 340, 416), NotSent),
        ((101, 104, 127, 147, 247, 248, 249, 250, 253, 255, 257, 375, 493, 496), Refused),
        ((9999, "nonsense", None), Unclear),
    ],
)
@pytest.mark.parametrize("shape", ["error", "errors"])
def test_an_error_in_a_200_is_read_by_its_code(codes: tuple, kind: type, shape: str) -> None:
    for code in codes:
        error = {"code": code, "msg": "words"}
        found = raised(json_reply({shape: error if shape == "error" else [error]}))
        assert type(found) is kind, code
        assert found.code == str(code if isinstance(code, int) else "")


def test_every_documented_code_has_a_meaning() -> None:
    listed = "1 2 4 13 21 100 101 102 103 104 105 111 115 116 123 127 131 134 147 162 247 248 249 250 251 252 253 255"
    listed += " 257 314 340 375 416 427 428 447 454 455 456 458 484 485 492 493 496 497 499 501 515"
    assert sorted(ERRORS) == [int(code) for code in listed.split()]


@pytest.mark.parametrize(
    ("body", "status", "kind", "code"),
    [
        ({"error": {"code": "340", "msg": ""}}, 200, NotSent, "340"),
        ({"error": {"code": 250, "msg": ""}}, 500, Refused, "250"),
        ({"error": "simulated"}, 200, Unclear, ""),
        ({"error": "simulated"}, 429, NotSent, "429"),
        ({"error": {"code": 9999}}, 400, Refused, "9999"),
        ({"error": {"code": 9999}}, 502, Unclear, "9999"),
        ({"error": {"code": 250}, "result": True}, 200, Unclear, "250"),
        ({"errors": [{"code": 250}, {"code": 484}]}, 200, Unclear, "250"),
        ({"errors": [{"code": 250}, {"code": 249}]}, 200, Refused, "250"),
        ({"errors": {"code": 250}}, 200, Refused, "250"),
        ({"result": True}, 500, Unclear, "500"),
        ({"result": True}, 302, Unclear, "302"),
        ({}, 401, NotAuthorised, "401"),
    ],
)
def test_words_go_before_the_status_and_contradictions_are_unclear(body, status, kind, code) -> None:
    found = raised(json_reply(body, status))
    assert (type(found), found.code) == (kind, code)


@pytest.mark.parametrize("body", [{"errors": []}, {"errors": None, "error": None}, {"result": True}])
def test_an_empty_error_is_none(body: dict) -> None:
    assert checked(json_reply(body)) == body


@pytest.mark.parametrize(("status", "kind"), [(200, Unclear), (404, Refused), (429, NotSent), (503, Unclear)])
def test_text_that_is_not_json_is_judged_by_its_status(status: int, kind: type) -> None:
    assert type(raised(Reply(status, b"<html>"))) is kind


@pytest.mark.parametrize(
    ("words", "headers", "seconds"),
    [
        ("Repeat after 30 seconds", {}, 30.0),
        ("Repeat after 5 sec.", {}, 5.0),
        ("Repeat after 30 seconds", {"retry-after": "7"}, 7.0),
        ("later", {}, None),
    ],
)
def test_the_wait_that_the_vendor_asks_for_is_kept(words: str, headers: dict, seconds: float | None) -> None:
    body = json.dumps({"error": {"code": 416, "msg": words}}).encode()
    assert raised(Reply(200, body, headers)).retry_after == seconds


@pytest.mark.parametrize(("code", "overrides", "kind"), [(251, ON_LIST, Refused), (493, ON_UPLOAD, Unclear)])
def test_a_code_means_different_things_in_different_calls(code: int, overrides: dict, kind: type) -> None:
    assert type(raised(json_reply({"error": {"code": code, "msg": ""}}), overrides)) is kind


@anyio
@pytest.mark.parametrize("shape", ["error", "errors"])
@pytest.mark.parametrize("code", [484, 515])
async def test_a_probable_resend_is_looked_up_and_not_repeated(vox: Bench, code: int, shape: str) -> None:
    vox.simulation.simulated_error, vox.simulation.error_shape = code, shape
    vox.simulation.break_next("ok_with_error", "CreateCallList", times=9)
    people = contacts(1)
    with pytest.raises(Unclear):
        await deliver(vox, people)
    assert vox.ledger.requests == ["POST /platform_api/CreateCallList"]
    assert (await find(vox, people)).verdict is Verdict.NOT_SENT


# The answer must say success in so many words.


@pytest.mark.parametrize(
    "answer",
    [
        {"result": False, "count": 1, "list_id": 1, "batch_id": "x"},
        {"result": 1, "count": 1, "list_id": 1},
        {"result": "true", "count": 1, "list_id": 1},
        {"result": True, "list_id": 1},
        {"result": True, "count": 1},
        {"result": True, "count": "1", "list_id": 1},
        {"result": True, "count": 1, "list_id": 0},
        [],
        None,
    ],
)
def test_anything_but_the_documented_answer_is_no_success(answer: Any) -> None:
    people = contacts(1)
    step = next(ADAPTER.deliver(job(ADAPTER, people, {"rule_id": 7}, start=True), batch(people)))
    with pytest.raises(Unclear):
        careful(step)(json_reply(answer))


@anyio
async def test_a_batch_id_may_be_a_number(vox: Bench) -> None:
    """7.4: typed as a number for an append, described as a UUID."""
    vox.simulation.batch_id_is_number = True
    remote = await deliver(vox, contacts(1), **LATER)
    work = vox.job(contacts(2), head=LATER, start=True)
    assert (await vox.talk(vox.adapter.append(work, remote, batch([contact(2)], 2)))).rest.value == "accepted"


def test_an_append_answered_for_another_list_is_unclear() -> None:
    people = contacts(1)
    exchange = ADAPTER.append(job(ADAPTER, people, {"rule_id": 7}, start=True), RemoteList("4711", "n"), batch(people))
    step = next(exchange)
    with pytest.raises(Unclear, match="4712"):
        exchange.send(step.read(json_reply({"result": True, "count": 1, "list_id": 4712, "batch_id": 1})))


# Names are compared exactly, whatever the vendor's search does (7.3, 7.19).


@anyio
@pytest.mark.parametrize("search", ["exact", "substring", "broken"])
async def test_a_list_is_found_by_its_exact_name_however_the_vendor_searches(vox: Bench, search: str) -> None:
    people = contacts(1)
    await deliver(vox, people)
    other = vox.job(people, head={"name": "Copy of Spring renewals"}, start=True)
    await vox.talk(vox.adapter.deliver(other, batch(people)))
    vox.simulation.name_search = search
    finding = await find(vox, people)
    assert (finding.verdict, finding.remote.id, finding.remote.name) == (Verdict.ACCEPTED, "4711", NAME)


@anyio
async def test_a_list_with_our_key_and_another_name_proves_nothing(vox: Bench) -> None:
    people = contacts(1)
    remote = await deliver(vox, people)
    await vox.talk(vox.adapter.rename((remote,), "Another", None, vox.options))
    detail = "list 4711 has our key in its name, but another name"
    assert await find(vox, people) == Finding(Verdict.UNKNOWN, detail=detail)


@anyio
async def test_two_lists_of_one_name_prove_nothing(vox: Bench) -> None:
    people = contacts(1)
    await deliver(vox, people)
    await deliver(vox, people)
    assert await find(vox, people) == Finding(Verdict.UNKNOWN, detail="several lists have this name: 4711, 4712")


@anyio
async def test_a_list_without_visible_contacts_is_not_taken_for_absent(vox: Bench) -> None:
    """The vendor makes no list without rows: an append of the same contacts would dial them twice."""
    people = contacts(2)
    await deliver(vox, people)
    vox.simulation.held["4711"].tasks.clear()
    finding = await find(vox, people)
    assert (finding.verdict, finding.remote.id) == (Verdict.UNKNOWN, "4711")


@anyio
async def test_tasks_without_their_keys_prove_no_absence(vox: Bench) -> None:
    remote = await deliver(vox, contacts(2), **LATER)
    vox.simulation.shows_task_uuid = False
    absent = await find(vox, [contact(3)], remote)
    assert (absent.verdict, absent.detail) == (Verdict.UNKNOWN, "the vendor shows tasks without their keys")
    vox.simulation.shows_reserved_columns = True
    assert (await find(vox, contacts(2), remote)).verdict is Verdict.ACCEPTED
    assert (await find(vox, [contact(3)], remote)).verdict is Verdict.NOT_SENT


@anyio
async def test_a_page_shorter_than_asked_for_is_not_the_last(vox: Bench) -> None:
    """A vendor that gives smaller pages than it documents must not make contacts look absent."""
    people = contacts(7)
    remote = await deliver(vox, people, **LATER)
    vox.simulation.page_cap = 3
    assert (await find(vox, people, remote)).verdict is Verdict.ACCEPTED


@anyio
async def test_pages_that_overlap_prove_no_absence(vox: Bench) -> None:
    remote = await deliver(vox, contacts(4), **LATER)
    vox.simulation.page_cap = 3
    work = vox.job(contacts(4), start=True)
    exchange = vox.adapter.find(work, remote, batch([contact(9)]))
    step = next(exchange)
    step = exchange.send(step.read(json_reply({"result": [{"list_id": 4711, "list_name": "n", "status": "New"}]})))
    page = json_reply({"result": [{"task_id": 1, "task_uuid": "a"}, {"task_id": 2, "task_uuid": "b"}]})
    shifted = json_reply({"result": [{"task_id": 2, "task_uuid": "b"}, {"task_id": 3, "task_uuid": "c"}]})
    step = exchange.send(step.read(page))
    step = exchange.send(step.read(shifted))
    with pytest.raises(StopIteration) as end:
        exchange.send(step.read(json_reply({"result": []})))
    assert end.value.value == Finding(Verdict.UNKNOWN, remote, detail="the vendor's pages overlap")


@anyio
async def test_the_order_of_tasks_does_not_matter(vox: Bench) -> None:
    vox.simulation.newest_first = True
    people = contacts(3)
    remote = await deliver(vox, people, **LATER)
    assert (await find(vox, people[:1], remote)).receipt.items["k1"].remote_id == "900001"


# A repeated __task_uuid (7.19).


@anyio
@pytest.mark.parametrize("duplicates", ["refuse", "skip", "store"])
async def test_contacts_that_are_there_already_never_pass_for_a_clean_append(vox: Bench, duplicates: str) -> None:
    vox.simulation.duplicates = duplicates
    people = contacts(2)
    remote = await deliver(vox, people, **LATER)
    exchange = vox.adapter.append(vox.job(people, head=LATER, start=True), remote, batch(people, 2))
    if duplicates == "refuse":
        with pytest.raises(Unclear) as raised:
            await vox.talk(exchange)
        assert raised.value.code == "493"
    else:
        receipt = await vox.talk(exchange)
        detail = {"skip": "sent 2, the vendor counts 0", "store": ""}[duplicates]
        assert receipt.detail == detail
    assert (await find(vox, people, remote)).verdict is Verdict.ACCEPTED


# Quotes and backslashes: the vendor's default escape character is not documented.


@anyio
@pytest.mark.parametrize("default_escape", ["", "\\"])
@pytest.mark.parametrize("given", [{}, {"escape": "\\"}, {"escape": '"'}])
async def test_cells_arrive_whole_whatever_the_vendor_escapes_with(
    vox: Bench, default_escape: str, given: dict
) -> None:
    vox.simulation.default_escape = default_escape
    cells = {"quote": 'say "hi"', "separator": "a;b", "both": '";"', "apostrophe": "d'Ávila", "tab": "a\tb"}
    if given:
        cells |= {"backslash": "C:\\temp\\", "mixed": '\\";'}
    people = [contact(1, attributes=cells)]
    work = vox.job(people, given, start=True)
    assert vox.adapter.examine(work.head, work.profile, work.options, people[0]).faults == ()
    opened = await vox.talk(vox.adapter.deliver(work, batch(people)))
    assert vox.ledger.lists[opened.remote.id].rows == [{"phone_number": people[0].phone, **cells, "__task_uuid": "k1"}]
    page = await vox.talk(vox.adapter.read(opened.remote, work.options, None, 10))
    assert page.items[0].fields["attributes"] == cells


@anyio
async def test_a_backslash_without_an_escape_would_be_damaged(vox: Bench) -> None:
    """Why it is a fault: this is what a vendor that escapes with backslashes makes of it."""
    vox.simulation.default_escape = "\\"
    people = [contact(1, attributes={"path": "C:\\temp"})]
    await deliver(vox, people)
    assert vox.ledger.lists["4711"].rows[0]["path"] == "C:temp"
    assert [one.column for one in vox.adapter.examine(None, None, vox.options, people[0]).faults] == ["attributes.path"]


@anyio
async def test_the_account_id_is_sent_as_the_number_of_the_key_file(vox: Bench) -> None:
    """CancelCallListTask and DeleteCallList want it even with a token (3.8, 3.12)."""
    remote = await deliver(vox, contacts(1), **LATER)
    step = next(
        vox.adapter.remove(
            remote, (await vox.talk(vox.adapter.read(remote, vox.options, None, 1))).items[0], vox.options
        )
    )
    assert vox.channel.account.resolve(dict(step.request.query)["account_id"]) == "1234567"


def test_the_file_is_made_only_when_it_is_read() -> None:
    read = []

    class Watched:
        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[Contact]:
            read.append(True)
            return iter([contact(1)])

    work = job(ADAPTER, contacts(1), {"rule_id": 7}, start=True)
    step = next(ADAPTER.deliver(work, Batch(1, "k-1", Watched())))
    assert read == []
    (file,) = step.request.body.files
    assert b"".join(file.chunks()) == b"".join(file.chunks()) == b"phone_number;__task_uuid\r\n+5511900000001;k1\r\n"
