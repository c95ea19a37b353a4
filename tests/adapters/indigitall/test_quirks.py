"""One test for each trap: what indigitall does, or does not document, that could message people wrongly."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.indigitall import ADAPTER
from adapters.indigitall.codes import read_envelope
from adapters.indigitall.exchanges import append, deliver, plan
from gateway.canonical import Contact
from gateway.contract import (
    ActivationKind,
    Batch,
    CannotDo,
    NotAuthorised,
    NotSent,
    Refused,
    RemoteList,
    Reply,
    Style,
    Support,
    Unclear,
    VendorError,
    Verb,
    json_reply,
)
from gateway.driver import careful, rehearse
from gateway.encoding import encode
from tests.harness import NOW, batch, bench, contact, contacts, head, job, profile_of

OPTIONS = {"application_id": 4501, "campaign_id": 880, "send_csv_path": "/v1/a/{application_id}/c/{campaign_id}/csv"}
PEOPLE = [contact(1, first_name="Ana")]
OK = {"statusCode": 200, "message": "OK", "data": {}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def first_step(**details: Any) -> Any:
    return next(deliver(job(ADAPTER, PEOPLE, OPTIONS, start=True, **details), batch(PEOPLE)))


def test_the_adapter_says_that_every_send_messages_people() -> None:
    assert ADAPTER.activation is ActivationKind.DIALS


@pytest.mark.parametrize("verb", ["deliver", "append"])
async def test_a_held_list_never_reaches_the_vendor(verb: str) -> None:
    async with bench("indigitall") as there:
        work = there.job(PEOPLE)
        exchange: Any = deliver(work, batch(PEOPLE))
        if verb == "append":
            exchange = append(work, RemoteList("k", "n"), batch(PEOPLE))
        with pytest.raises(CannotDo, match="until it is activated"):
            await there.talk(exchange)
        assert (there.ledger.requests, there.ledger.calls) == ([], [])


def test_a_send_is_asked_once() -> None:
    assert first_step().repeatable is False
    assert ADAPTER.find is None
    assert ADAPTER.capability(Verb.FIND).support is Support.NONE


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"send_csv_path": None}, "send_csv_path"),
        ({"slicing_condition": "immediateConsecutiveSlots"}, "slicing_field"),
    ],
)
def test_what_the_vendor_does_not_name_is_never_guessed(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(CannotDo, match=why):
        next(deliver(job(ADAPTER, PEOPLE, OPTIONS | changes, start=True), batch(PEOPLE)))


@pytest.mark.parametrize("start_at", [NOW - timedelta(seconds=1), NOW + timedelta(days=90)])
def test_a_start_that_went_by_while_the_list_was_held_is_not_sent(start_at: Any) -> None:
    with pytest.raises(NotSent, match=r"schedule\.start_at"):
        first_step(head={"schedule": {"start_at": start_at}})


@pytest.mark.parametrize(("rows", "expected"), [(10_000, 100), (50, 50)])
def test_a_json_send_holds_at_most_a_hundred_contacts(rows: int, expected: int) -> None:
    options = ADAPTER.options.model_validate(OPTIONS | {"send_csv_path": None, "send_json_path": "/v1/json"})
    cut = plan(head(), profile_of(PEOPLE), options, replace(ADAPTER.limits, contacts_per_list=rows))
    assert (cut.style, cut.contacts_per_list, cut.batch_size) == (Style.DELIVER, expected, expected)


def test_a_further_batch_would_be_a_further_send_so_a_list_is_one_batch() -> None:
    options = ADAPTER.options.model_validate(OPTIONS)
    for rows, batch_size in [(10_000, 10_000), (500, 10_000), (10_000, 500)]:
        limits = replace(ADAPTER.limits, contacts_per_list=rows, batch_size=batch_size)
        cut = plan(head(), profile_of(PEOPLE), options, limits)
        assert (cut.style, cut.contacts_per_list, cut.batch_size) == (Style.DELIVER, *[min(rows, batch_size)] * 2)


@pytest.mark.parametrize(
    ("reply", "error", "code"),
    [
        (
            json_reply({"statusCode": 200, "message": "OK", "data": {"errors": [{"message": "no"}]}}),
            Unclear,
            "data.errors",
        ),
        (
            json_reply({"statusCode": 200, "message": "OK", "data": [{"id": 1}, {"error": "no"}]}),
            Unclear,
            "data.errors",
        ),
        (json_reply({"statusCode": 200, "message": "OK", "errors": {"a": 1}}), Unclear, "data.errors"),
        (json_reply({"statusCode": 400, "message": "request/body"}), Unclear, "400"),
        (json_reply({"message": "OK", "data": {}}), Unclear, ""),
        (json_reply({"statusCode": "200"}), Unclear, ""),
        (json_reply([OK]), Unclear, ""),
        (json_reply({"message": "Access token is not valid"}, 401), NotAuthorised, "401"),
        (json_reply({"message": "Operation forbidden"}, 403), NotAuthorised, "403"),
        (json_reply({"message": "Conflict"}, 409), Unclear, "409"),
        (Reply(422, b"no"), Refused, "422"),
        (Reply(413), Refused, "413"),
        (Reply(408), Unclear, "408"),
        (Reply(500, b"{}"), Unclear, "500"),
        (Reply(429, b"", {"retry-after": "7"}), NotSent, "429"),
    ],
)
def test_only_the_plain_envelope_is_a_success(reply: Reply, error: type[VendorError], code: str) -> None:
    with pytest.raises(error) as raised:
        careful(first_step())(reply)
    assert (type(raised.value), raised.value.code) == (error, code)


@pytest.mark.parametrize(
    "reply",
    [
        json_reply(OK),
        json_reply({"statusCode": 201, "data": {"id": 7, "errors": []}}, 201),
        json_reply(OK | {"data": None}),
    ],
)
def test_an_envelope_without_errors_is_a_success(reply: Reply) -> None:
    assert read_envelope(reply).complaints() == 0


@pytest.mark.parametrize(("status", "data"), [(201, {"id": 7}), (202, None), (200, [])])
async def test_a_success_is_known_whatever_its_undocumented_data_hold(status: int, data: Any) -> None:
    async with bench("indigitall") as there:
        there.simulation.success = (status, {"statusCode": status, "message": "OK", "data": data})  # type: ignore[attr-defined]
        opened = await there.talk(deliver(there.job(PEOPLE, start=True), batch(PEOPLE)))
        assert (opened.remote.id, opened.receipt.rest.value) == ("k7f3a9c2e5b1d4x", "accepted")


@pytest.mark.parametrize(
    ("message", "repeated"),
    [
        ("request/query must have required property 'limit'", True),
        ("contact Ana Lima +5511999990001 is unknown", False),
        (7, False),
    ],
)
def test_a_vendor_message_that_may_name_a_person_is_not_repeated(message: Any, repeated: bool) -> None:
    with pytest.raises(Refused) as raised:
        read_envelope(json_reply({"statusCode": 400, "message": message}, 400))
    known = "a parameter is missing or invalid"
    assert raised.value.detail == (f"{known}: {message}" if repeated else known)


class OnceCounted:
    """Contacts that count how often somebody goes through them."""

    def __init__(self, people: list[Contact]) -> None:
        self.people, self.begun = people, 0

    def __len__(self) -> int:
        return len(self.people)

    def __iter__(self) -> Iterator[Contact]:
        self.begun += 1
        return iter(self.people)


def test_the_file_is_made_chunk_by_chunk_and_the_same_each_time() -> None:
    people = OnceCounted(contacts(5_000, first_name="Ana"))
    work = job(ADAPTER, people.people, OPTIONS, start=True)
    request = next(deliver(work, Batch(1, "b", people))).request  # type: ignore[union-attr]
    assert people.begun == 0
    chunks = list(request.body.files[0].chunks())
    assert len(chunks) == 3
    assert chunks == list(request.body.files[0].chunks())
    assert people.begun == 2
    assert encode(request).digest == encode(request).digest


def test_the_preview_sends_one_request_without_the_key() -> None:
    rehearsal = rehearse(deliver(job(ADAPTER, PEOPLE, OPTIONS, start=True), batch(PEOPLE)))
    (name, request), *others = rehearsal.requests
    assert (name, request.method, request.path, others) == ("send_campaign", "POST", "/v1/a/4501/c/880/csv", [])
    assert request.headers == request.query == ()


def test_the_key_goes_behind_the_scheme_of_server_keys() -> None:
    credentials = ADAPTER.credentials.model_validate({"server_key": "s3cret"})
    token = ADAPTER.auth.token(credentials, NOW, "n")
    assert (ADAPTER.auth.header, ADAPTER.auth.scheme) == ("Authorization", "ServerKey ")
    assert token.value.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(token) + repr(credentials)
