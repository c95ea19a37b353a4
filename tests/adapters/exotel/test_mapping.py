"""The field table, in both directions, and which columns and cuts it leads to."""

from typing import Any

import pytest
from pydantic import ValidationError

from adapters.exotel import ADAPTER
from adapters.exotel.losses import COLUMN_TAKEN, JSON_ATTRIBUTES, REPEATS, STATIC_ATTRIBUTES, examine, examine_list
from adapters.exotel.mapping import (
    COLUMNS,
    FIELDS,
    ONE_OF_FIVE,
    column,
    csv_rows,
    from_list,
    from_record,
    keyed_name,
    number_forms,
    tag_of,
    to_e164,
    to_record,
)
from adapters.exotel.paths import CHARACTERS, way_of
from adapters.exotel.settings import CustomField
from gateway.canonical import Contact, ContactIn, Fault, Loss, LossKind, Profile
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.contract import Plan, RemoteContact, RemoteList, Style
from tests.harness import NOW, contact, head, job, profile_of

RICH = {
    "first_name": "Ana",
    "last_name": "Lima",
    "company": "Lima Ltda",
    "email": "ana@example.org",
    "tag": "gold",
}
ACCOUNT = {"account_sid": "acme1"}


def options(**fields: Any) -> Any:
    return ADAPTER.options.model_validate(ACCOUNT | fields)


def rich(**fields: Any) -> Contact:
    return contact(1, phone="+5511999990001", **{**RICH, **fields})


def test_a_contact_becomes_a_record() -> None:
    assert to_record(rich(attributes={"plan": "plus"}), CustomField.OFF).model_dump(exclude_none=True) == {
        "number": "+5511999990001",
        "first_name": "Ana",
        "last_name": "Lima",
        "company_name": "Lima Ltda",
        "email": "ana@example.org",
        "tag": "gold",
    }


@pytest.mark.parametrize(
    ("form", "custom"),
    [(CustomField.NESTED, {"key": {"plan": "plus"}}), (CustomField.FLAT, {"plan": "plus"})],
)
def test_custom_data_travels_by_option_and_comes_back(form: CustomField, custom: dict[str, Any]) -> None:
    record = to_record(contact(1, phone="+14155550134", attributes={"plan": "plus"}), form)
    assert record.model_dump(exclude_none=True) == {"number": "+14155550134", "custom_field": custom}
    assert from_record(record.model_dump()) == RemoteContact({"phone": "+14155550134", "attributes": {"plan": "plus"}})


def test_a_record_becomes_a_contact_again() -> None:
    record = {"sid": "5d2f", **to_record(rich(), CustomField.OFF).model_dump(), "plan": "plus", "date_created": "x"}
    assert from_record(record, ["plan"]) == RemoteContact(
        {"phone": "+5511999990001", **RICH, "attributes": {"plan": "plus"}}, remote_id="5d2f"
    )


@pytest.mark.parametrize(
    ("shown", "phone"),
    [
        ("+919876543210", "+919876543210"),
        ("919876543210", "+919876543210"),
        ("09876543210", "09876543210"),
        ("9876543210", "9876543210"),
        ("+1 (415) 555-0134", "+14155550134"),
    ],
)
def test_a_national_number_is_not_given_a_country(shown: str, phone: str) -> None:
    assert to_e164(shown) == phone


def test_only_indian_numbers_have_national_forms() -> None:
    assert number_forms("+919876543210") == {"+919876543210", "919876543210", "9876543210", "09876543210"}
    assert number_forms("+6581234567") == {"+6581234567", "6581234567"}


def test_rows_and_header_follow_the_columns() -> None:
    people = [rich(attributes={"plan": "plus"})]
    way = way_of(profile_of(people), options(columns=["email", "attributes.plan", "first_name"]))
    assert way.header == ("number", "email", "plan", "first_name")
    assert list(csv_rows(people, way.columns)) == [("+5511999990001", "ana@example.org", "plus", "Ana")]


@pytest.mark.parametrize(
    ("profile", "chosen", "columns"),
    [
        ((*RICH,), {}, ("first_name", "last_name", "a", "b", "c")),
        (("email",), {}, ("a", "b", "c", "d", "email")),
        ((), {"columns": ["attributes.d", "attributes.a", "tag"]}, ("d", "a")),
        (("tag",), {"columns": ["attributes.missing", "tag"]}, ("tag",)),
    ],
)
def test_a_dynamic_list_has_five_columns_in_a_fixed_order(
    profile: tuple[str, ...], chosen: dict[str, Any], columns: tuple[str, ...]
) -> None:
    way = way_of(Profile(3, frozenset(profile) | {"phone", "attributes"}, tuple("abcd")), options(**chosen))
    assert (way.csv, way.kind.value, way.header) == (True, "dynamic", ("number", *columns))


def test_attributes_with_a_column_name_of_exotel_or_of_another_case_stay_behind() -> None:
    names = {"number": "1", "Email": "2", "plan": "3", "Plan": "4"}
    people = [contact(1, attributes=names)]
    assert way_of(profile_of(people), options()).header == ("number", "plan")
    assert examine(head(), profile_of(people), options(), people[0]).losses == (
        Loss("attributes.number", LossKind.DROPPED, COLUMN_TAKEN),
        Loss("attributes.Email", LossKind.DROPPED, COLUMN_TAKEN),
        Loss("attributes.Plan", LossKind.DROPPED, ONE_OF_FIVE),
    )


@pytest.mark.parametrize(
    ("count", "attributes", "chosen", "csv"),
    [
        (5_000, (), {}, False),
        (5_001, (), {}, True),
        (1, ("plan",), {}, True),
        (1, ("plan",), {"custom_field": "flat"}, False),
        (1, ("plan",), {"kind": "static"}, False),
        (1, (), {"kind": "dynamic"}, True),
        (6_000, ("plan",), {"path": "json"}, False),
        (1, (), {"path": "csv"}, True),
    ],
)
def test_size_attributes_and_option_choose_the_way(
    count: int, attributes: tuple[str, ...], chosen: dict[str, Any], csv: bool
) -> None:
    assert way_of(Profile(count, frozenset({"phone"}), attributes), options(**chosen)).csv is csv


@pytest.mark.parametrize(
    ("count", "fields", "attributes", "chosen", "plan"),
    [
        (300, (), (), {}, Plan(Style.CREATE, 100_000, 5_000)),
        (250_000, (), (), {}, Plan(Style.DELIVER, 100_000, 100_000)),
        (250_000, ("first_name", "last_name"), (), {}, Plan(Style.DELIVER, 100_000, 36_945)),
        (700_000, (), ("plan",), {"bytes_per_row": 100}, Plan(Style.DELIVER, 500_000, 500_000)),
        (700_000, (), ("plan",), {"bytes_per_row": 1_000}, Plan(Style.DELIVER, 500_000, 59_999)),
        (700_000, (), ("plan",), {}, Plan(Style.DELIVER, 500_000, 7_480)),
        (700_000, (), (), {"path": "json"}, Plan(Style.CREATE, 100_000, 5_000)),
    ],
)
def test_lists_are_cut_by_the_ceilings(
    count: int, fields: tuple[str, ...], attributes: tuple[str, ...], chosen: dict[str, Any], plan: Plan
) -> None:
    profile = Profile(count, frozenset({"phone", *fields}), attributes)
    assert ADAPTER.how(head(), profile, options(**chosen), ADAPTER.limits) == plan


def test_the_widest_row_is_counted_with_the_canonical_maxima() -> None:
    longest = {name: ContactIn.model_json_schema()["properties"][name]["anyOf"][0]["maxLength"] for name in COLUMNS}
    assert {name: CHARACTERS[name] for name in COLUMNS} == longest
    schema = ContactIn.model_json_schema()["properties"]["attributes"]
    assert schema["patternProperties"].popitem()[1]["maxLength"] == CHARACTERS["attributes"]


@pytest.mark.parametrize(
    ("filled", "chosen", "losses"),
    [
        (RICH, {}, []),
        (RICH | {"attributes": {"plan": "x"}}, {}, ["tag"]),
        (RICH | {"attributes": {"a": "x", "b": "x"}}, {"columns": ["attributes.b"]}, [*RICH, "attributes.a"]),
        (
            {"id": "A", "language": "pt", "time_zone": "UTC", "priority": 0},
            {},
            ["id", "language", "time_zone", "priority"],
        ),
    ],
)
def test_what_has_no_column_is_a_loss(filled: dict[str, Any], chosen: dict[str, Any], losses: list[str]) -> None:
    people = [contact(1, **filled)]
    found = examine(head(), profile_of(people), options(**chosen), people[0])
    assert [(loss.field, loss.kind) for loss in found.losses] == [(field, LossKind.DROPPED) for field in losses]
    assert found.faults == ()


@pytest.mark.parametrize(
    ("chosen", "why"),
    [({"path": "json"}, JSON_ATTRIBUTES), ({"path": "csv", "kind": "static"}, STATIC_ATTRIBUTES)],
)
def test_attributes_without_a_dynamic_list_are_dropped(chosen: dict[str, Any], why: str) -> None:
    people = [contact(1, attributes={"plan": "x"})]
    found = examine(head(), profile_of(people), options(**chosen), people[0])
    assert found.losses == (Loss("attributes.plan", LossKind.DROPPED, why),)


def test_a_line_break_in_a_cell_rejects_the_row_by_csv_only() -> None:
    people = [contact(1, first_name="Ana\nLima")]
    csv = examine(head(), profile_of(people), options(path="csv"), people[0]).faults
    assert csv == (
        Fault("value.unsafe_for_vendor", "first_name", "a line break or control character may end the row at Exotel"),
    )
    assert examine(head(), profile_of(people), options(), people[0]).faults == ()


def test_the_list_fields_that_a_campaign_decides_are_losses() -> None:
    full = head(
        name="Spring\n renewals",
        reference="crm 1",
        description="d",
        channel="sms",
        duplicates="keep_all",
        activation={"mode": "start"},
        schedule={
            "start_at": "2026-12-01T12:00:00Z",
            "daily_window": {"start": "09:00", "end": "18:00", "time_zone": "UTC"},
        },
        dialing={"max_attempts": 3, "retry_interval": "PT10M", "max_concurrent": 5, "priority": 1},
    )
    losses = examine_list(full, Profile(1), options(path="csv"), NOW).losses
    assert [(loss.field, loss.kind.value) for loss in losses] == [
        ("description", "dropped"),
        ("schedule.start_at", "dropped"),
        ("schedule.daily_window", "dropped"),
        ("dialing.max_attempts", "dropped"),
        ("dialing.retry_interval", "dropped"),
        ("dialing.max_concurrent", "dropped"),
        ("dialing.priority", "dropped"),
        ("activation.mode", "dropped"),
        ("name", "reformatted"),
        ("channel", "dropped"),
        ("duplicates", "dropped"),
    ]
    assert losses[-1].why == REPEATS
    assert examine_list(head(reference="r", duplicates="keep_all"), Profile(1), options(), NOW).losses == ()


def test_name_and_tag_carry_our_key_and_are_believed_together() -> None:
    work = job(ADAPTER, [contact()], ACCOUNT, head={"reference": "crm 2026"}, key="k1")
    assert (keyed_name("Spring  renewals", "k1"), tag_of(work)) == ("Spring renewals-k1", "crm 2026 k1")
    assert from_list({"sid": "s", "name": "Spring-k1", "tag": "crm 2026 k1"}) == RemoteList("s", "Spring-k1", "k1")
    assert from_list({"sid": "s", "name": "spring-renewals", "tag": "x"}) == RemoteList("s", "spring-renewals")
    assert from_list({"name": "no sid"}) is None


def test_the_table_names_each_column_as_it_is_sent() -> None:
    assert {field: FIELDS[field].to for field in COLUMNS} == {field: column(field).header for field in COLUMNS}
    assert set(COLUMNS) < set(TEXT_FIELDS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"account_sid": "a/b"},
        {"path": "json", "kind": "dynamic"},
        {"columns": ["attributes.a"] * 6},
        {"columns": ["language"]},
        {"page_size": 501},
        {"bytes_per_row": 0},
        {"surprise": 1},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        options(**wrong)
