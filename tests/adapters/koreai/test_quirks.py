"""One test for each trap and quirk: adds by name, a silent queue, two reply shapes, words instead of codes."""

import json
from typing import Any

import jwt
import pytest

from adapters.koreai import ADAPTER
from adapters.koreai.codes import acknowledged, succeeded
from adapters.koreai.settings import Credentials
from gateway.canonical import Outcome, Verdict
from gateway.contract import (
    Done,
    NotAuthorised,
    NotSent,
    Receipt,
    Refused,
    RemoteList,
    Reply,
    Unclear,
    VendorError,
    json_reply,
)
from gateway.driver import careful
from tests.adapters.koreai.talks import made, sent
from tests.harness import NOW, Bench, batch, bench, contact, contacts

KEY = "k7f3a9c2e5b1d4x"
CREATE, LOOK_UP, ADD = "/createContactList", "/getAllListDetails", "/addContacts"

pytestmark = pytest.mark.anyio


# --- the token ---


def test_the_token_is_the_bare_jwt_of_one_request() -> None:
    secret = "s" * 32
    token = ADAPTER.auth.token(Credentials(client_id="cs-1", client_secret=secret, subject="gw"), NOW, "nonce-1")
    assert (ADAPTER.auth.header, ADAPTER.auth.scheme, token.reusable) == ("auth", "", False)
    text = token.value.get_secret_value()
    assert jwt.get_unverified_header(text) == {"alg": "HS256", "typ": "JWT"}
    start = int(NOW.timestamp())
    claims = {"appId": "cs-1", "sub": "gw", "iat": start, "exp": start + 600, "jti": "nonce-1"}
    unchecked = {"verify_exp": False, "verify_iat": False}
    assert jwt.decode(text, secret, algorithms=["HS256"], options=unchecked) == claims


async def test_no_token_is_used_twice(kore: Bench) -> None:
    for _ in range(3):
        await kore.talk(ADAPTER.check(kore.options))
    await kore.talk(ADAPTER.check(kore.options), nonce=lambda: "the-same")
    with pytest.raises(NotAuthorised):
        await kore.talk(ADAPTER.check(kore.options), nonce=lambda: "the-same")


async def test_a_wrong_secret_is_refused_once() -> None:
    async with bench("koreai", {"client_secret": "another-secret-of-at-least-32-bytes"}) as kore:
        with pytest.raises(NotAuthorised):
            await kore.talk(ADAPTER.check(kore.options))
        assert len(kore.ledger.requests) == 1


# --- names are told apart without case, and a lost create leaves its list ---


async def test_a_lost_create_is_found_by_our_key(kore: Bench) -> None:
    kore.simulation.break_next("drop_after", CREATE)
    work = kore.job([])
    with pytest.raises(Unclear):
        await kore.talk(ADAPTER.create((work,)))
    finding = await kore.talk(ADAPTER.find(work, None, None))
    (stored,) = kore.ledger.lists.values()
    assert finding.remote == RemoteList(stored.id, f"Spring renewals-{KEY}", KEY, 0)


async def test_a_name_that_is_taken_by_our_own_key_is_our_list(kore: Bench) -> None:
    work = kore.job([])
    first = await made(kore, work)
    assert await made(kore, work) == first
    assert len(kore.ledger.lists) == 1


async def test_a_refused_create_stays_refused_when_our_list_is_not_there(kore: Bench) -> None:
    kore.simulation.break_next("ok_with_error", CREATE)
    with pytest.raises(Refused, match="Something went wrong"):
        await made(kore, kore.job([]))


async def test_two_lists_with_our_key_are_left_to_a_person(kore: Bench) -> None:
    work = kore.job([])
    await made(kore, work)
    kore.simulation.console_lists.append({"_id": "cl-console", "name": f"Copy-{KEY}"})
    finding = await kore.talk(ADAPTER.find(work, None, None))
    assert (finding.verdict, finding.remote) == (Verdict.UNKNOWN, None)


# --- duplicates ---


async def test_keep_all_lets_the_vendor_keep_repeats(kore: Bench) -> None:
    people = [contact(1, phone="+5511999990001"), contact(2, phone="+5511999990001")]
    work = kore.job(people, head={"duplicates": "keep_all"})
    remote = await made(kore, work)
    assert (await kore.talk(ADAPTER.append(work, remote, batch(people)))).rest is Outcome.ACCEPTED
    assert kore.ledger.lists[remote.id].phones == ["5511999990001"] * 2


async def test_a_repeat_that_the_vendor_drops_is_not_claimed(kore: Bench) -> None:
    people = contacts(2)
    work = kore.job(people, {"stable_looks": 2})
    remote = await made(kore, work)
    await kore.talk(ADAPTER.append(work, remote, batch(people)))
    receipt = await kore.talk(ADAPTER.append(work, remote, batch(contacts(3), 2)))
    detail = "the count stands still; sent 3 to a list of 2, the vendor counts 3"
    assert receipt == Receipt(rest=Outcome.UNKNOWN, detail=detail)


# --- the words ---


@pytest.mark.parametrize("old", [False, True])
async def test_both_acknowledgements_of_an_add_are_known(kore: Bench, old: bool) -> None:
    kore.simulation.old_answers = old
    people = contacts(1)
    work = kore.job(people)
    remote = await made(kore, work)
    assert (await kore.talk(ADAPTER.append(work, remote, batch(people)))).rest is Outcome.ACCEPTED


RATE = "You've exceeded the per-minute rate limit. Please wait for sometime before retrying."


@pytest.mark.parametrize(
    ("reply", "error", "retry_after"),
    [
        (json_reply({"status": "failure", "message": RATE}), NotSent, 60.0),
        (json_reply({"message": RATE}, 400), NotSent, 60.0),
        (Reply(429, b"Too Many Requests"), NotSent, 60.0),
        (Reply(429, b"{}", {"retry-after": "7"}), NotSent, 7.0),
        (json_reply({"message": RATE}, 503), Unclear, None),
        (json_reply({"status": "failure", "message": "no"}), Refused, None),
        (json_reply({"status": "failure", "message": "no"}, 500), Unclear, None),
        (json_reply({"status": "success"}, 500), Unclear, None),
        (json_reply({"status": "queued"}), Unclear, None),
        (json_reply({"message": "Hello"}), Unclear, None),
        (json_reply({"errors": ["x"]}, 404), Refused, None),
        (json_reply({"status": "failure", "message": "invalid token"}, 401), NotAuthorised, None),
        (json_reply([]), Unclear, None),
        (Reply(200, b""), Unclear, None),
        (Reply(302, b""), Unclear, None),
    ],
)
def test_what_the_answers_mean(reply: Reply, error: type[VendorError], retry_after: float | None) -> None:
    for read in (succeeded, acknowledged):
        with pytest.raises(VendorError) as caught:
            read(reply)
        assert (type(caught.value), caught.value.retry_after) == (error, retry_after)


def test_a_list_named_after_the_rate_limit_is_a_success() -> None:
    answer = {"status": "success", "message": f"Contact list {RATE} created successfully"}
    assert succeeded(json_reply(answer, 201)) == answer


@pytest.mark.parametrize("status", [429, 200])
async def test_the_rate_limit_is_known_by_status_or_words(kore: Bench, status: int) -> None:
    kore.simulation.rate_limit_status = status
    kore.simulation.requests_per_minute = 1
    await kore.talk(ADAPTER.check(kore.options))
    with pytest.raises(NotSent) as caught:
        await kore.talk(ADAPTER.check(kore.options))
    assert caught.value.retry_after == 60.0


@pytest.mark.parametrize("kind", ["drop_after", "store_late", "error_after", "garbage", "html", "empty", "redirect"])
@pytest.mark.parametrize("path", [CREATE, ADD])
async def test_what_is_not_a_success_is_unclear_and_not_repeated(kore: Bench, kind: str, path: str) -> None:
    kore.simulation.break_next(kind, path)
    people = contacts(1)
    work = kore.job(people)

    async def deliver() -> None:
        await kore.talk(ADAPTER.append(work, await made(kore, work), batch(people)))

    with pytest.raises(Unclear):
        await deliver()
    assert sent(kore, path) == 1


@pytest.mark.parametrize(
    "shown",
    [
        {"_id": "cl-other", "name": "x", "totalRecordCount": 3},
        {"_id": "cl-1", "name": "x"},
        {"_id": "cl-1", "name": "x", "totalRecordCount": "3"},
        {"_id": "cl-1", "name": "x", "totalRecordCount": -1},
    ],
)
def test_a_count_is_a_number_of_this_list_or_nothing(kore_details: Any, shown: dict[str, Any]) -> None:
    with pytest.raises(Unclear):
        careful(kore_details)(json_reply({"status": "success", "message": "", "data": shown}))


@pytest.fixture
def kore_details() -> Any:
    options = ADAPTER.options.model_validate({"stream_id": "st-1", "account_id": "67"})
    return next(ADAPTER.status(RemoteList("cl-1", "x"), options))  # type: ignore[misc]


async def test_either_source_word_is_read(kore: Bench) -> None:
    kore.simulation.integration_source = True
    status = await kore.talk(ADAPTER.status(await made(kore, kore.job([])), kore.options))
    assert status.facts["source"] == "passiveApiIntegration"


# --- reading back ---


async def filled(kore: Bench, number: int) -> RemoteList:
    people = contacts(number)
    work = kore.job(people)
    remote = await made(kore, work)
    await kore.talk(ADAPTER.append(work, remote, batch(people)))
    return remote


async def test_more_than_fifty_contacts_are_not_claimed_to_be_all(kore: Bench) -> None:
    page = await kore.talk(ADAPTER.read(await filled(kore, 51), kore.options, None, 500))
    assert (len(page.items), page.next_cursor, page.total) == (50, None, 51)
    assert page.incomplete.startswith("the vendor shows 50 of 51 contacts")


@pytest.mark.parametrize("counts", ["contacts", "pages"])
async def test_a_page_parameter_reads_them_all(kore: Bench, counts: str) -> None:
    kore.simulation.paging_parameter, kore.simulation.pages_by_number = "from", counts == "pages"
    remote = await filled(kore, 101)
    options = kore.options.model_copy(update={"page_parameter": "from", "page_parameter_counts": counts})
    phones, cursor = [], None
    for start in ("", "50", "100"):
        assert (cursor or "").partition(":")[0] == start
        page = await kore.talk(ADAPTER.read(remote, options, cursor, 50))
        phones += [shown.fields["phone"] for shown in page.items]
        cursor = page.next_cursor
    assert (cursor, page.incomplete) == (None, "")
    assert phones == [person.phone for person in contacts(101)]


async def test_a_page_parameter_that_the_vendor_ignores_ends_the_reading(kore: Bench) -> None:
    remote = await filled(kore, 51)
    options = kore.options.model_copy(update={"page_parameter": "skip"})
    page = await kore.talk(ADAPTER.read(remote, options, "50", 50))
    assert (page.items, page.next_cursor) == ((), None)
    assert "took no notice of skip" in page.incomplete


async def test_contacts_may_come_back_with_their_number_alone(kore: Bench) -> None:
    kore.simulation.shows_fields = False
    page = await kore.talk(ADAPTER.read(await filled(kore, 1), kore.options, None, 50))
    assert [(shown.fields, shown.key) for shown in page.items] == [({"phone": "+5511900000001"}, None)]


# --- deleting ---


async def test_a_deletion_whose_answer_is_lost_is_settled_by_looking(kore: Bench) -> None:
    remote = await made(kore, kore.job([]))
    kore.simulation.break_next("error_after", remote.id)
    assert await kore.talk(ADAPTER.delete(remote, kore.options)) == Done()


async def test_a_deletion_that_did_not_happen_is_not_claimed(kore: Bench) -> None:
    remote = await made(kore, kore.job([]))
    kore.simulation.break_next("error_before", remote.id)
    with pytest.raises(Unclear):
        await kore.talk(ADAPTER.delete(remote, kore.options))
    assert list(kore.ledger.lists) == [remote.id]


def test_a_confirmed_deletion_of_a_list_that_is_still_shown_is_unclear() -> None:
    options = ADAPTER.options.model_validate({"stream_id": "st-1", "account_id": "67"})
    there = {"status": "success", "data": [{"_id": "cl-1", "name": "x"}]}
    exchange = ADAPTER.delete(RemoteList("cl-1", "x"), options)  # type: ignore[misc]
    step = next(exchange)
    step = exchange.send(step.read(json_reply(there)))
    step = exchange.send(step.read(json_reply({"status": "success", "data": {"_id": "cl-1", "isActive": True}})))
    with pytest.raises(Unclear, match="still shows"):
        exchange.send(step.read(json_reply(there)))


# --- what is always sent ---


async def test_the_account_stands_in_header_and_query_and_the_body_is_whole(kore: Bench) -> None:
    step = next(ADAPTER.create((kore.job([]),)))  # type: ignore[misc]
    account, stream = kore.options.account_id, kore.options.stream_id
    assert step.request.query == (("accountId", account),)
    assert step.request.headers == (("iid", stream), ("accountId", account))
    body = {
        "name": f"Spring renewals-{KEY}",
        "description": "Spring renewals",
        "source": "passiveApi",
        "allowDuplicates": False,
    }
    assert json.loads(json.dumps(step.request.body.value)) == body
