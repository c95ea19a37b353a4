"""Canonical to Kore.ai and back, whole values."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.koreai import ADAPTER
from adapters.koreai.examination import examine, examine_list
from adapters.koreai.mapping import bears, from_record, title, to_new_list, to_record
from adapters.koreai.settings import Options
from gateway.canonical import LossKind
from gateway.contract import RemoteContact
from tests.harness import NOW, contact, head, job, profile_of

OPTIONS = Options(stream_id="st-1", account_id="67")
KEY = "k7f3a9c2e5b1d4x"
RICH = {
    "id": "A-1",
    "phone": "+5511999990001",
    "first_name": "Ana",
    "last_name": "Lima",
    "company": "ACME",
    "email": "ana@example.com",
    "language": "pt-BR",
    "time_zone": "America/Sao_Paulo",
    "priority": 10,
    "tag": "gold",
    "attributes": {"due_date": "2026-05-10", "plan": "plus"},
}
RECORD = {
    "phoneNumber": "5511999990001",
    "uniqueId": "A-1",
    "firstName": "Ana",
    "lastName": "Lima",
    "timeZone": "America/Sao_Paulo",
    "company": "ACME",
    "email": "ana@example.com",
    "language": "pt-BR",
    "tag": "gold",
    "contactPriority": "10",
    "due_date": "2026-05-10",
    "plan": "plus",
}


def new_list(**fields: Any) -> dict[str, Any]:
    return to_new_list(job(ADAPTER, [], {"stream_id": "st-1", "account_id": "67"}, head=fields)).model_dump()


def list_losses(**fields: Any) -> dict[str, LossKind]:
    losses = examine_list(head(**fields), profile_of([]), OPTIONS, NOW).losses
    assert len({loss.field for loss in losses}) == len(losses)
    return {loss.field: loss.kind for loss in losses}


def test_a_rich_contact_and_its_record_are_each_other() -> None:
    person = contact(**RICH)
    assert to_record(person, OPTIONS) == RECORD
    assert examine(head(), profile_of([person]), OPTIONS, person).losses == ()
    shown = {**RECORD, "_id": "cc-1", "createdAt": "2026-03-01T08:05:00.000Z", "updatedAt": "2026-03-01T08:05:00.000Z"}
    assert from_record(shown) == RemoteContact(fields=RICH, key="A-1", remote_id="cc-1")


def test_a_bare_contact_gets_its_derived_key() -> None:
    assert to_record(contact(key="d41d8"), OPTIONS) == {"phoneNumber": "5511900000001", "uniqueId": "d41d8"}


def test_the_plus_sign_is_an_option() -> None:
    plus = OPTIONS.model_copy(update={"phone_format": "plus"})
    assert to_record(contact(key="k"), plus) == {"phoneNumber": "+5511900000001", "uniqueId": "k"}


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"phoneNumber": "14155550134"}, {"phone": "+14155550134"}),
        ({"phoneNumber": "+14155550134", "uniqueId": ""}, {"phone": "+14155550134"}),
        (
            {"phoneNumber": "14155550134", "first name": "Ada", "contactPriority": "high", "score": 7, "2nd": "x"},
            {
                "phone": "+14155550134",
                "attributes": {"first_name": "Ada", "contactPriority": "high", "score": "7", "_2nd": "x"},
            },
        ),
    ],
)
def test_records_of_others_are_read_as_they_are(record: dict[str, Any], fields: dict[str, Any]) -> None:
    assert from_record({"_id": "cc-9", **record}) == RemoteContact(fields=fields, remote_id="cc-9")


@pytest.mark.parametrize(
    "name", ["phoneNumber", "uniqueid", "FIRSTNAME", "contactPriority", "email", "tag", "_id", "__proto__"]
)
def test_an_attribute_cannot_take_a_key_of_the_platform(name: str) -> None:
    person = contact(first_name="Ana", attributes={name: "evil", "plan": "plus"})
    expected = {"phoneNumber": "5511900000001", "uniqueId": "k1", "firstName": "Ana", "plan": "plus"}
    assert to_record(person, OPTIONS) == expected
    (loss,) = examine(head(), profile_of([person]), OPTIONS, person).losses
    assert (loss.field, loss.kind) == (f"attributes.{name}", LossKind.DROPPED)


def test_a_long_attribute_is_cut_and_named() -> None:
    person = contact(attributes={"short": "x" * 300, "long": "y" * 301})
    assert to_record(person, OPTIONS)["long"] == "y" * 300
    (loss,) = examine(head(), profile_of([person]), OPTIONS, person).losses
    assert (loss.field, loss.kind) == ("attributes.long", LossKind.TRUNCATED)
    roomy = OPTIONS.model_copy(update={"value_length": 2000})
    assert to_record(person, roomy)["long"] == "y" * 301
    assert examine(head(), profile_of([person]), roomy, person).losses == ()


NAME = "Spring renewals"
NEW = {"name": f"{NAME}-{KEY}", "description": NAME, "source": "passiveApi", "allowDuplicates": False}


@pytest.mark.parametrize(
    ("fields", "changed", "losses"),
    [
        ({}, {}, {}),
        ({"duplicates": "keep_last"}, {}, {}),
        ({"duplicates": "keep_all"}, {"allowDuplicates": True}, {}),
        ({"description": "May contracts"}, {"description": "May contracts"}, {}),
        ({"description": "d" * 257}, {"description": "d" * 256}, {"description": LossKind.TRUNCATED}),
        ({"description": " "}, {}, {"description": LossKind.DEFAULTED}),
        ({"reference": "crm-2026-118"}, {"name": f"{NAME} crm-2026-118-{KEY}"}, {}),
        ({"reference": "crm-2026-118-long"}, {}, {"reference": LossKind.DROPPED}),
        ({"name": "n" * 32}, {"name": f"{'n' * 32}-{KEY}", "description": "n" * 32}, {}),
        (
            {"name": "n" * 33},
            {"name": f"{'n' * 32}-{KEY}", "description": "n" * 33},
            {"name": LossKind.TRUNCATED},
        ),
        (
            {"name": "🎉" * 17},
            {"name": f"{'🎉' * 16}-{KEY}", "description": "🎉" * 17},
            {"name": LossKind.TRUNCATED},
        ),
        (
            {"name": " a \n b "},
            {"name": f"a b-{KEY}", "description": " a \n b "},
            {"name": LossKind.REFORMATTED},
        ),
        ({"name": " "}, {"name": KEY, "description": "-"}, {"name": LossKind.REFORMATTED}),
        ({"channel": "sms"}, {}, {"channel": LossKind.DROPPED}),
    ],
)
def test_the_list_and_its_losses(fields: dict[str, Any], changed: dict[str, Any], losses: dict[str, LossKind]) -> None:
    made = new_list(**fields)
    assert made == {**NEW, **changed}
    assert len(made["name"].encode("utf-16-le")) // 2 <= 48
    assert list_losses(**fields) == losses


def test_what_belongs_to_the_campaign_is_named() -> None:
    window = {"start": "09:00", "end": "18:00", "time_zone": "America/Sao_Paulo"}
    fields = {
        "schedule": {"start_at": "2026-12-01T12:00:00Z", "daily_window": window},
        "dialing": {"max_attempts": 3, "retry_interval": "PT10M", "max_concurrent": 5, "priority": 1},
        "activation": {"mode": "start"},
    }
    assert list_losses(**fields) == dict.fromkeys(
        (
            "schedule.start_at",
            "schedule.daily_window",
            "dialing.max_attempts",
            "dialing.retry_interval",
            "dialing.max_concurrent",
            "dialing.priority",
            "activation.mode",
        ),
        LossKind.DROPPED,
    )
    (start,) = examine_list(head(activation={"mode": "start"}), profile_of([]), OPTIONS, NOW).losses
    assert "campaign console" in start.why


def test_our_key_is_found_without_regard_to_case_and_only_as_the_end() -> None:
    assert bears(f"Spring-{KEY.upper()}", KEY)
    assert bears(KEY, KEY)
    assert not bears(f"{KEY}-copy", KEY)
    assert not bears(f"Spring{KEY}", KEY)


def test_a_list_of_somebody_else_has_the_whole_room_for_its_name() -> None:
    assert title("n" * 60, None, "") == "n" * 48


def test_the_losses_do_not_hang_on_the_length_of_the_key() -> None:
    work = job(ADAPTER, [], {"stream_id": "st-1", "account_id": "67"}, head={"name": "n" * 40})
    assert to_new_list(replace(work, key="a1")).name == "n" * 32 + "-a1"
