"""Velip's traps, one test each (fact sheet sections 2, 3, 6 and 7)."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.velip import ADAPTER
from adapters.velip.bodies import creation
from adapters.velip.codes import succeeded
from adapters.velip.settings import Credentials
from adapters.velip.wire import Deactivation, Endpoint, Lookup
from gateway.canonical import Contact, Outcome, Verdict
from gateway.channel import CredentialLocked
from gateway.contract import (
    Batch,
    Finding,
    Multipart,
    NotAuthorised,
    NotSent,
    Opened,
    Receipt,
    Refused,
    RemoteList,
    Reply,
    Unclear,
    VendorError,
    json_reply,
)
from gateway.driver import careful, rehearse
from gateway.encoding import encode
from tests.harness import Bench, batch, bench, contact, contacts, job

KEY = "k7f3a9c2e5b1d4x"
WRONG = {"tsid": "WRONGTOKEN30CHARS0000000000000"}
OK = {"status": "OK", "status_code": "0"}


async def deliver(velip: Bench, number: int = 2, given: dict[str, Any] | None = None, **details: Any) -> Opened:
    people = contacts(number)
    opened: Opened = await velip.talk(velip.adapter.deliver(velip.job(people, given, **details), batch(people)))
    return opened


async def find(velip: Bench) -> Finding:
    found: Finding = await velip.talk(velip.adapter.find(velip.job(contacts(2)), None, batch(contacts(2))))
    return found


async def test_one_authentication_failure_locks_the_credential() -> None:
    """15 unknown-token errors ban the address for ever: a wrong token leaves here once."""
    async with bench("velip", WRONG) as velip:
        velip.simulation.create_auth = None
        with pytest.raises(NotAuthorised, match="Velip 102"):
            await deliver(velip)
        for _ in range(20):
            with pytest.raises(CredentialLocked):
                await deliver(velip)
        assert velip.ledger.requests == ["POST /api/v2/CreateDestinationBase.php"]
        assert not velip.simulation.access.banned


@pytest.mark.parametrize("fault", ["error_before", "rate_limited", "garbage", "drop_after"])
async def test_check_makes_one_attempt_whatever_comes_back(velip: Bench, fault: str) -> None:
    velip.simulation.break_next(fault, "/GetUserID", times=9)
    with pytest.raises(Unclear):
        await velip.talk(velip.adapter.check(velip.options), attempts=5)
    assert velip.ledger.requests == ["POST /api/v2/GetUserID.php"]


@pytest.mark.parametrize("http", [200, 400, 401])
async def test_code_210_on_creation_is_an_authentication_failure_in_any_status(http: int) -> None:
    async with bench("velip", WRONG) as velip:
        velip.simulation.create_auth = (http, "210")
        with pytest.raises(NotAuthorised):
            await deliver(velip)


@pytest.mark.parametrize("http", [200, 400])
@pytest.mark.parametrize(
    ("endpoint", "code", "error"),
    [
        (Endpoint.CREATE, "205", Refused),
        (Endpoint.CREATE, "210", NotAuthorised),
        (Endpoint.CREATE, "230", Unclear),
        (Endpoint.CREATE, "999", Unclear),
        (Endpoint.LISTS, "205", Unclear),
        (Endpoint.LISTS, "210", Unclear),
        (Endpoint.LISTS, "500", Unclear),
        (Endpoint.USER, "140", NotAuthorised),
        (Endpoint.USER, "187", NotAuthorised),
        (Endpoint.USER, "210", Unclear),
    ],
)
def test_a_code_means_what_its_endpoint_says(
    endpoint: Endpoint, code: str, error: type[VendorError], http: int
) -> None:
    for shown in (code, int(code)):
        with pytest.raises(VendorError) as caught:
            succeeded(endpoint, json_reply({"return": {"status": "x", "status_code": shown}}, http))
        assert (type(caught.value), caught.value.code) == (error, code)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (json_reply({"return": {"status": "failed downstream", "status_code": "0"}}), Unclear),
        (json_reply({"return": {"status": ["OK"], "status_code": "0"}}), Unclear),
        (json_reply({"return": {"status": "OK", "status_code": "null"}}), Unclear),
        (json_reply({"return": {"status": "OK"}}), Unclear),
        (json_reply({"return": OK}, 400), Unclear),
        (json_reply({"return": OK}, 503), Unclear),
        (json_reply({"return": {"status": "no", "status_code": "205"}}, 500), Unclear),
        (json_reply({"return": {"status": "no", "status_code": "102"}}, 500), NotAuthorised),
        (json_reply([OK]), Unclear),
        (Reply(400, b"Bad Request"), Unclear),
        (Reply(401, b""), NotAuthorised),
        (Reply(404, b"Not Found"), Refused),
        (Reply(413, b""), Refused),
        (Reply(429, b"", {"retry-after": "7"}), NotSent),
    ],
)
def test_success_is_never_guessed(reply: Reply, error: type[VendorError]) -> None:
    with pytest.raises(VendorError) as caught:
        succeeded(Endpoint.CREATE, reply)
    assert type(caught.value) is error


@pytest.mark.parametrize("identity", [None, "0", 0, "", "null", "abc"])
def test_a_creation_without_a_list_id_is_unclear(identity: Any) -> None:
    step = next(ADAPTER.deliver(job(ADAPTER, contacts(1)), batch(contacts(1))))  # type: ignore[misc]
    fields = OK | {"num_dest": "1"} | ({} if identity is None else {"cdlc_id": identity})
    with pytest.raises(Unclear):
        careful(step)(json_reply({"return": fields}))  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "wait"), [(131, 1_800.0), (132, 600.0)])
def test_a_temporary_block_says_how_long(code: int, wait: float) -> None:
    with pytest.raises(NotAuthorised) as caught:
        succeeded(Endpoint.USER, json_reply({"return": {"status": "x", "status_code": str(code)}}, 401))
    assert caught.value.retry_after == wait


def test_latin_1_bytes_in_a_reply_are_read() -> None:
    body = '{"return":{"status":"OK","status_code":"0","cdlc_name":"São"}}'.encode("iso-8859-1")
    assert succeeded(Endpoint.LISTS, Reply(200, body)).fields["cdlc_name"] == "São"


@pytest.mark.parametrize("http", [200, 400])
async def test_230_is_unknown_until_find_proves_the_absence(velip: Bench, http: int) -> None:
    velip.simulation.error_status = http
    velip.simulation.key_set = "manual"  # so that no record has a number
    with pytest.raises(Unclear, match="key_set may be wrong") as caught:
        await deliver(velip)
    assert caught.value.code == "230"
    assert (await find(velip)).verdict is Verdict.NOT_SENT


async def test_the_manuals_key_set_reaches_an_account_that_reads_it(velip: Bench) -> None:
    velip.simulation.key_set = "manual"
    assert (await deliver(velip, 2, {"key_set": "manual"})).receipt == Receipt(rest=Outcome.ACCEPTED)


async def test_a_suffixless_address_is_an_option(velip: Bench) -> None:
    velip.simulation.suffixes = ("",)
    with pytest.raises(Refused, match="404"):
        await deliver(velip)
    assert (await deliver(velip, 2, {"suffix": ""})).remote.id == "70123"


@pytest.mark.parametrize("mode", ["json", "form", "json_file"])
@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-8"])
async def test_accents_survive_whatever_charset_velip_reads_in(velip: Bench, mode: str, charset: str) -> None:
    velip.simulation.form_charset = velip.simulation.file_charset = charset
    people = contacts(1, first_name="João", attributes={"city": "São Paulo — 日本"})
    job = velip.job(people, {"mode": mode}, head={"name": "Ação"})
    opened = await velip.talk(velip.adapter.deliver(job, batch(people)))
    stored = velip.ledger.lists["70123"]
    assert (stored.rows[0]["name"], stored.rows[0]["extra1"]) == ("João", "São Paulo — 日本")
    assert stored.name == opened.remote.name == ("Ação" if mode == "json" else "Acao")


async def test_a_csv_charset_is_an_option(velip: Bench) -> None:
    people = contacts(1, first_name="João")
    given = {"mode": "csv", "csv_encoding": "iso-8859-1"}
    await velip.talk(velip.adapter.deliver(velip.job(people, given), batch(people)))
    assert velip.ledger.lists["70123"].rows[0]["name"] == "João"


@pytest.mark.parametrize("mode", ["json", "form", "csv", "json_file"])
def test_the_token_stands_in_the_body_and_never_in_the_address(mode: str) -> None:
    people = contacts(1)
    (_, request), *_ = rehearse(ADAPTER.deliver(job(ADAPTER, people, {"mode": mode}), batch(people))).requests  # type: ignore[misc]
    encoded = encode(request)
    assert encoded.content is not None
    assert encoded.target == "/CreateDestinationBase.php"
    body = b"".join(encoded.content.chunks())
    assert b"tsid" in body
    assert b"***" in body or b"%2A%2A%2A" in body


class Crowd:
    """Contacts that count how many of them were asked for."""

    def __init__(self, number: int) -> None:
        self.number, self.drawn = number, 0

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[Contact]:
        for row in range(1, self.number + 1):
            self.drawn += 1
            yield contact(row)


@pytest.mark.parametrize("mode", ["csv", "json_file"])
def test_a_file_is_made_as_it_is_sent_and_the_same_each_time(mode: str) -> None:
    crowd = Crowd(20_000)
    work = job(ADAPTER, contacts(1), {"mode": mode})
    _, request = creation(work, Batch(1, "key-1", crowd))
    assert isinstance(request.body, Multipart)
    chunks = request.body.files[0].chunks
    assert crowd.drawn == 0
    parts = iter(chunks())
    next(parts), next(parts)
    assert crowd.drawn <= 4_001
    assert b"".join(chunks()) == b"".join(chunks())


def test_setactive_cannot_be_written_without_a_list() -> None:
    for fields in ({}, {"cdlc_id": 0}, {"cdlc_id": 7, "ctid": "x"}):
        with pytest.raises(ValidationError):
            Deactivation.model_validate(fields)
    assert "setactive" not in Lookup.model_fields
    assert Deactivation(cdlc_id=7).model_dump() == {"cdlc_id": 7, "list": "all", "maxreg": 1, "setactive": 0}


async def test_delete_notices_other_lists_going_inactive(velip: Bench) -> None:
    """`setactive` writes to every match: should the filter ever fail, the look around shows it."""
    for key in ("one", "two"):
        await deliver(velip, key=key)
    inner = velip.simulation._lists  # type: ignore[attr-defined]

    def ignores_the_filter(said: Any) -> Any:
        if "setactive" in said.fields:
            said = replace(said, fields=said.fields | {"cdlc_id": ""})
        return inner(said)

    velip.simulation._lists = ignores_the_filter  # type: ignore[attr-defined]
    with pytest.raises(Unclear, match="others became so too: 70124"):
        await velip.talk(velip.adapter.delete(RemoteList("70123", "x"), velip.options))


async def test_a_new_list_may_be_invisible_for_a_while(velip: Bench) -> None:
    velip.simulation.invisible_lookups = 2
    await deliver(velip)
    assert [(await find(velip)).verdict.value for _ in range(3)] == ["not_sent", "not_sent", "accepted"]


@pytest.mark.parametrize("nothing", [[], None, "null"])
async def test_every_spelling_of_no_match_is_read(velip: Bench, nothing: Any) -> None:
    velip.simulation.no_match = nothing
    assert (await find(velip)).verdict is Verdict.NOT_SENT


def lists_reply(*lists: dict[str, Any], **fields: Any) -> Reply:
    return json_reply({"return": OK, "lists": list(lists)} | fields)


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {"cdlc_id": number, "cdlc_active": 1, "cdlc_ctid": KEY, "cdlc_name": "x", "cdlc_num": 2} | fields


PURGED = "the list was made at Velip and has been purged since"
NOBODY = "sent 2, the vendor counts 0; if no number at all was taken, key_set may be wrong"


def found(reply: Reply) -> Finding:
    """What `find` makes of this answer."""
    exchange = ADAPTER.find(job(ADAPTER, contacts(2)), None, batch(contacts(2)))  # type: ignore[misc]
    step = next(exchange)
    try:
        exchange.send(careful(step)(reply))  # type: ignore[arg-type]
    except StopIteration as end:
        finding: Finding = end.value
        return finding
    raise AssertionError("find asks once")


@pytest.mark.parametrize(
    ("reply", "verdict", "identity", "detail"),
    [
        (lists_reply(row(5), row(9), row(7)), Verdict.ACCEPTED, "9", "the same key is also on list 5, 7"),
        (lists_reply(row(5), row(9, cdlc_deleted=1)), Verdict.ACCEPTED, "5", "the same key is also on list 9"),
        (lists_reply(row(5, cdlc_deleted="1")), Verdict.UNKNOWN, None, PURGED),
        (
            lists_reply(row(5, cdlc_ctid="0")),
            Verdict.UNKNOWN,
            None,
            "Velip answered with other lists only: the filter had no effect",
        ),
        (lists_reply(row(5, cdlc_num=0)), Verdict.UNKNOWN, "5", NOBODY),
        (lists_reply(row(5, cdlc_num="null")), Verdict.UNKNOWN, "5", "sent 2, the vendor counts nothing"),
        (lists_reply(row(5, cdlc_active="0")), Verdict.ACCEPTED, "5", ""),
    ],
    ids=["several", "newest is purged", "purged", "filter ignored", "empty", "no count", "inactive"],
)
def test_what_find_makes_of_odd_answers(reply: Reply, verdict: Verdict, identity: str | None, detail: str) -> None:
    finding = found(reply)
    assert finding.verdict is verdict
    assert (finding.remote.id if finding.remote else None) == identity
    assert finding.detail == detail


def test_an_answer_without_lists_proves_no_absence() -> None:
    with pytest.raises(Unclear):
        found(json_reply({"return": OK}))


async def test_numbers_as_text_and_codes_as_numbers_are_read(velip: Bench) -> None:
    velip.simulation.numbers_as_text = velip.simulation.codes_as_numbers = True
    await deliver(velip)
    remote = RemoteList("70123", "Spring renewals", KEY, 2, {"active": "1"})
    assert await find(velip) == Finding(Verdict.ACCEPTED, remote, Receipt(rest=Outcome.ACCEPTED))


async def test_look_ups_show_inactive_lists_and_a_positive_number_of_them() -> None:
    (_, request), *_ = rehearse(ADAPTER.find(job(ADAPTER, contacts(1)), None, None)).requests  # type: ignore[misc]
    encoded = encode(request)
    assert encoded.content is not None
    said = json.loads(b"".join(encoded.content.chunks()))
    assert said == {"tsid": "***", "ctid": KEY, "list": "all", "maxreg": 10}


@pytest.mark.parametrize("tsid", ["", "short", "has a space in it", "açaí-token-0123", "line\nbreak-0123"])
def test_what_cannot_be_a_token_is_refused_and_not_repeated_in_the_message(tsid: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Credentials.model_validate({"tsid": tsid})
    assert not tsid or tsid not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/CreateCampaign.php", True),
        ("POST", "GetCallStatus", True),
        ("GET", "/CreateCampaign.php", False),
        ("POST", "/GetDestinationsList.php", False),
        ("POST", "/CreateDestinationBase.php", False),
        ("POST", "/x/../GetCampaignsList.php", False),
    ],
)
def test_passthrough_is_for_campaigns_only(method: str, path: str, allowed: bool) -> None:
    assert any(one.allows(method, path) for one in ADAPTER.passthrough) is allowed
