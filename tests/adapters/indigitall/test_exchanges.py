"""The sends against the simulator, over real sockets."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from adapters.indigitall.exchanges import SUBMITTED
from gateway.canonical import Outcome
from gateway.contract import CannotDo, NotAuthorised, NotSent, Opened, Receipt, Refused, RemoteList, Unclear
from gateway.contract.simulation import LedgerList
from tests.harness import NOW, Bench, batch, bench, contact, contacts

PATH = "/v1/application/4501/campaign/880/send/csv"
PEOPLE = [contact(1, first_name="Ana", attributes={"plan": "plus, yes"}), contact(2, last_name="Núñez")]
NUMBERS = ["5511900000001", "5511900000002"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def there(anyio_backend: str) -> AsyncIterator[Bench]:
    async with bench("indigitall") as running:
        running.simulation.clock = lambda: NOW  # type: ignore[attr-defined]
        yield running


async def send(there: Bench, options: dict[str, Any] | None = None, **details: Any) -> Any:
    work = there.job(PEOPLE, options, start=True, **details)
    return await there.talk(there.adapter.deliver(work, batch(PEOPLE)))  # type: ignore[misc]


async def test_a_send_messages_everybody_once_and_is_submitted(there: Bench) -> None:
    opened = await send(there)
    name = "Spring renewals-k7f3a9c2e5b1d4x-1.csv"
    assert opened == Opened(
        RemoteList(
            id="k7f3a9c2e5b1d4x",
            name=name,
            key="k7f3a9c2e5b1d4x",
            count=2,
            extra={
                "id": "our own key: the vendor gives none",
                "state": SUBMITTED,
                "application_id": "4501",
                "campaign_id": "880",
                "send_at": "at once",
            },
        ),
        Receipt(rest=Outcome.ACCEPTED, detail=SUBMITTED),
    )
    variables = [
        {"first_name": "Ana", "last_name": "", "plan": "plus, yes"},
        {"first_name": "", "last_name": "Núñez", "plan": ""},
    ]
    rows = [
        {"contact": {"contactCode": number, "channelType": "cloud_api"}, "customFields": fields}
        for number, fields in zip(NUMBERS, variables, strict=True)
    ]
    facts = {"slicing": "fragmentedSlots", "campaign": "880"}
    assert there.ledger.lists == {"send-1": LedgerList("send-1", name, rows, NUMBERS, facts)}
    assert there.ledger.calls == NUMBERS
    assert there.ledger.requests == [f"POST {PATH}"]


@pytest.mark.parametrize(
    ("options", "schedule", "facts"),
    [
        ({}, {"start_at": "2026-12-01T09:00:00-03:00"}, {"scheduleAt": "2026-12-01T12:00:00Z"}),
        ({}, {"start_at": NOW + timedelta(days=89)}, {"scheduleAt": "2027-02-18T12:00:00Z"}),
        ({"delay": "PT90M"}, {}, {"scheduleAt": "2026-11-21T13:30:00Z"}),
        ({"delay": "P1DT90M", "delay_field": "delay"}, {}, {"delay": "P1DT1H30M"}),
        (
            {"delay": "PT1H", "slicing_condition": "deferredConsecutiveSlots", "slicing_field": "slicingCondition"},
            {},
            {"scheduleAt": "2026-11-21T13:00:00Z", "slicing": "deferredConsecutiveSlots"},
        ),
    ],
)
async def test_a_scheduled_send_messages_nobody_yet(
    there: Bench, options: dict[str, Any], schedule: dict[str, Any], facts: dict[str, str]
) -> None:
    opened = await send(there, options, head={"schedule": schedule})
    assert opened.receipt.rest is Outcome.ACCEPTED
    assert there.ledger.lists["send-1"].facts == {"slicing": "fragmentedSlots", "campaign": "880"} | facts
    assert there.ledger.calls == []


JSON_SEND = {
    "send_csv_path": None,
    "send_json_path": "/v1/application/{application_id}/campaign/{campaign_id}/send/json",
    "json_custom_fields": "contact",
}


async def test_the_json_send_is_used_where_only_its_path_is_known(there: Bench) -> None:
    opened = await send(there, JSON_SEND, head={"schedule": {"start_at": "2026-12-01T12:00:00Z"}})
    assert (opened.remote.name, opened.receipt) == ("Spring renewals", Receipt(rest=Outcome.ACCEPTED, detail=SUBMITTED))
    variables = [
        {"first_name": "Ana", "last_name": "", "plan": "plus, yes"},
        {"first_name": "", "last_name": "Núñez", "plan": ""},
    ]
    rows = [
        {"contact": {"contactCode": number, "channelType": "cloud_api"}, "customFields": fields}
        for number, fields in zip(NUMBERS, variables, strict=True)
    ]
    facts = {"slicing": "fragmentedSlots", "scheduleAt": "2026-12-01T12:00:00Z", "campaign": "880"}
    assert there.ledger.lists == {"send-1": LedgerList("send-1", "", rows, NUMBERS, facts)}
    assert there.ledger.requests == [f"POST {PATH.removesuffix('csv')}json"]


async def test_each_part_is_a_send_of_its_own(there: Bench) -> None:
    opened = []
    for part, person in enumerate(PEOPLE, start=1):
        work = there.job(PEOPLE, start=True, part=part, parts=2, key=f"part{part}")
        opened.append(await there.talk(there.adapter.deliver(work, batch([person], part))))  # type: ignore[misc]
    assert [one.remote.id for one in opened] == ["part1", "part2"]
    assert [one.phones for one in there.ledger.lists.values()] == [NUMBERS[:1], NUMBERS[1:]]
    assert there.ledger.calls == NUMBERS


async def test_append_messages_only_the_added_contacts(there: Bench) -> None:
    opened = await send(there)
    added = [contact(3)]
    work = there.job(added, start=True)
    receipt = await there.talk(there.adapter.append(work, opened.remote, batch(added, 2)))  # type: ignore[misc]
    assert receipt == Receipt(rest=Outcome.ACCEPTED, detail=SUBMITTED)
    assert there.ledger.calls == [*NUMBERS, "5511900000003"]


async def test_many_contacts_go_in_one_file(there: Bench) -> None:
    people = contacts(9_000, first_name="Ana")
    work = there.job(people, start=True)
    opened = await there.talk(there.adapter.deliver(work, batch(people)))  # type: ignore[misc]
    assert opened.remote.count == 9_000
    assert there.ledger.calls == [person.phone.lstrip("+") for person in people]
    assert len(there.ledger.requests) == 1


async def test_the_check_reads_and_proves_address_and_key(there: Bench) -> None:
    report = await there.talk(there.adapter.check(there.options))  # type: ignore[misc]
    assert report.facts == {"read": "answered", "send": "not proven: some chat paths are closed to server keys"}
    assert there.ledger.requests == ["GET /v1/chat/contacts"]


@pytest.mark.parametrize(
    ("options", "error", "code", "detail"),
    [
        ({"campaign_id": 881}, Refused, "400", ": Operation not possible with a reactive campaign"),
        ({"campaign_id": 7}, Refused, "404", ""),
        ({"send_csv_path": "/v1/elsewhere"}, Refused, "404", ": Route POST /v1/elsewhere not found"),
        ({"layout_field": "template"}, Refused, "400", ": request/body must NOT have additional properties: template"),
    ],
)
async def test_a_refusal_reaches_nobody(
    there: Bench, options: dict[str, Any], error: type[Refused], code: str, detail: str
) -> None:
    with pytest.raises(error) as raised:
        await send(there, options)
    assert (type(raised.value), raised.value.code) == (error, code)
    assert raised.value.detail.endswith(detail)
    assert (there.ledger.lists, there.ledger.calls) == ({}, [])


@pytest.mark.parametrize("verb", ["deliver", "check"])
async def test_a_wrong_key_or_region_is_not_authorised(verb: str) -> None:
    async with bench("indigitall", {"server_key": "a-key-of-nobody"}) as there:
        with pytest.raises(NotAuthorised, match="another region") as raised:
            await (send(there) if verb == "deliver" else there.talk(there.adapter.check(there.options)))  # type: ignore[misc]
        assert raised.value.code == "401"
        assert there.ledger.calls == []


async def test_a_rate_limit_that_says_when_is_waited_for(there: Bench) -> None:
    there.simulation.break_next("rate_limited", retry_after=0)
    assert (await send(there)).receipt.rest is Outcome.ACCEPTED
    assert there.ledger.calls == NUMBERS


async def test_a_rate_limit_that_does_not_say_when_keeps_us_away_for_a_minute(there: Bench) -> None:
    there.simulation.break_next("rate_limited")
    with pytest.raises(NotSent) as raised:
        await send(there)
    assert raised.value.retry_after == 60
    assert len(there.ledger.requests) == 1


async def test_the_check_alone_is_repeated(there: Bench) -> None:
    there.simulation.break_next("error_before")
    report = await there.talk(there.adapter.check(there.options))  # type: ignore[misc]
    assert report.facts["read"] == "answered"
    assert len(there.ledger.requests) == 2


async def test_without_a_check_path_there_is_nothing_harmless_to_ask(there: Bench) -> None:
    options = there.options.model_copy(update={"check_path": None})
    with pytest.raises(CannotDo, match="check_path"):
        await there.talk(there.adapter.check(options))  # type: ignore[misc]
    assert there.ledger.requests == []


UNCLEAR = {
    "drop_before": [],
    "drop_after": NUMBERS,
    "error_before": [],
    "error_after": NUMBERS,
    "ok_with_error": [],
    "garbage": NUMBERS,
    "html": NUMBERS,
    "empty": NUMBERS,
    "redirect": [],
}


@pytest.mark.parametrize("kind", UNCLEAR)
async def test_an_unclear_outcome_is_never_asked_again(there: Bench, kind: str) -> None:
    there.simulation.break_next(kind)
    with pytest.raises(Unclear):
        await send(there)
    assert there.ledger.requests == [f"POST {PATH}"]
    assert there.ledger.calls == UNCLEAR[kind]


@pytest.mark.parametrize("kind", ["answer_late", "drip", "wrong_type"])
async def test_an_odd_way_of_saying_yes_is_still_a_yes(there: Bench, kind: str) -> None:
    there.simulation.break_next(kind, seconds=0.05)
    assert (await send(there)).receipt.rest is Outcome.ACCEPTED
    assert there.ledger.calls == NUMBERS


async def test_nothing_listening_is_not_sent(there: Bench) -> None:
    work = there.job(PEOPLE, start=True)
    there.channel.account.base_url = "http://127.0.0.1:1"
    with pytest.raises(NotSent):
        await there.talk(there.adapter.deliver(work, batch(PEOPLE)))  # type: ignore[misc]
