"""Contacts as CSV rows with their layout, and back; what is lost and what is refused."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.indigitall import ADAPTER
from adapters.indigitall.mapping import (
    FIELDS,
    examine,
    examine_list,
    shape_of,
    to_canonical,
    to_items,
    to_layout,
    to_rows,
)
from adapters.indigitall.sends import send_request
from adapters.indigitall.settings import Constant, ListOptions, Options
from adapters.indigitall.wire import Layout
from gateway.canonical import Contact, Fault, Loss, LossKind
from gateway.contract import CONTACT_FIELDS, LIST_FIELDS
from gateway.encoding import encode
from tests.harness import NOW, batch, contact, head, job, profile_of

IDS = {"application_id": 4501, "campaign_id": 880, "send_csv_path": "/v1/send"}
RICH: dict[str, Any] = {
    "phone": "+5511999990001",
    "first_name": "Ana",
    "last_name": "Lima",
    "company": "Casa, Ltda.",
    "email": "ana@example.org",
    "language": "pt-BR",
    "tag": "gold",
    "attributes": {"due_date": "2026-05-10", "plan": "plus"},
}


def options(**values: Any) -> Options:
    return Options.model_validate(IDS | values)


def laid_out(people: list[Contact], chosen: Options) -> tuple[dict[str, Any], list[str], list[list[str]]]:
    """Layout, header and rows."""
    shape = shape_of(profile_of(people), chosen)
    rows = [[text or "" for text in row] for row in to_rows(people, shape)]
    return json.loads(to_layout(shape, chosen).text()), list(shape.columns.values()), rows


def test_every_text_field_and_attribute_becomes_a_column_and_a_variable_of_its_name() -> None:
    layout, header, rows = laid_out([contact(1, **RICH), contact(2, phone="+34600000001")], options())
    names = ["first_name", "last_name", "company", "email", "language", "tag", "due_date", "plan"]
    assert layout == {
        "contact": {"contactCode": "{{contactCode}}", "channelType": "cloud_api"},
        "customFields": {name: "{{" + name + "}}" for name in names},
    }
    assert header == ["contactCode", *names]
    assert rows == [
        ["5511999990001", "Ana", "Lima", "Casa, Ltda.", "ana@example.org", "pt-BR", "gold", "2026-05-10", "plus"],
        ["34600000001", "", "", "", "", "", "", "", ""],
    ]


def test_a_list_of_bare_numbers_has_no_custom_fields() -> None:
    layout, header, rows = laid_out([contact(phone="+34600000001")], options(contact_code_column="msisdn"))
    assert layout == {"contact": {"contactCode": "{{msisdn}}", "channelType": "cloud_api"}}
    assert (header, rows) == (["msisdn"], [["34600000001"]])


def test_custom_fields_name_variables_by_field_attribute_and_constant() -> None:
    named = {
        "name": "first_name",
        "client": "id",
        "again": "first_name",
        "number": "phone",
        "due": "attributes.due_date",
        "discount": "10%",
        "greeting": {"constant": "dear"},
    }
    layout, header, rows = laid_out([contact(**RICH, id="A-1")], options(custom_fields=named))
    assert layout["customFields"] == {
        "name": "{{first_name}}",
        "client": "{{id}}",
        "again": "{{first_name}}",
        "number": "{{contactCode}}",
        "due": "{{due_date}}",
        "discount": "10%",
        "greeting": "dear",
    }
    assert header == ["contactCode", "first_name", "id", "due_date"]
    assert rows == [["5511999990001", "Ana", "A-1", "2026-05-10"]]


def test_the_json_send_gives_each_contact_what_a_layout_would_make_of_its_row() -> None:
    people = [contact(1, **RICH), contact(2, phone="+34600000001")]
    chosen = options(custom_fields={"name": "first_name", "due": "attributes.due_date", "discount": "10%"})
    items = to_items(people, shape_of(profile_of(people), chosen), chosen)
    assert [item.model_dump(exclude_none=True) for item in items] == [
        {
            "contactCode": "5511999990001",
            "channelType": "cloud_api",
            "customFields": {"name": "Ana", "due": "2026-05-10", "discount": "10%"},
        },
        {
            "contactCode": "34600000001",
            "channelType": "cloud_api",
            "customFields": {"name": "", "due": "", "discount": "10%"},
        },
    ]


def test_columns_of_one_name_are_told_apart() -> None:
    person = contact(attributes={"contactCode": "x-7", "company": "Lima SA"}, company="Casa")
    layout, header, rows = laid_out([person], options())
    assert layout["customFields"] == {"company": "{{company}}", "contactCode": "{{contactCode_2}}"}
    assert header == ["contactCode", "company", "contactCode_2"]
    assert rows == [["5511900000001", "Casa", "x-7"]]
    both = {"a": "company", "b": "attributes.company"}
    layout, header, rows = laid_out([person], options(custom_fields=both))
    assert layout["customFields"] == {"a": "{{company}}", "b": "{{company_2}}"}
    assert rows == [["5511900000001", "Casa", "Lima SA"]]


@pytest.mark.parametrize(
    ("named", "kept"),
    [
        (None, list(RICH)),
        ({"name": "first_name", "due": "attributes.due_date", "x": "1%"}, ["phone", "first_name", "attributes"]),
        ({}, ["phone"]),
    ],
)
def test_a_row_reads_back_as_the_contact_it_came_from(named: Any, kept: list[str]) -> None:
    chosen = options(custom_fields=named)
    layout, header, rows = laid_out([contact(**RICH)], chosen)
    expected = {name: RICH[name] for name in kept}
    if named:
        expected["attributes"] = {"due_date": "2026-05-10"}
    row = dict(zip(header, rows[0], strict=True))
    assert to_canonical(row, Layout.model_validate(layout), chosen) == expected


def test_a_foreign_layout_is_read_by_its_own_column_names() -> None:
    layout = Layout.model_validate(
        {
            "contact": {"contactCode": "{{phoneNumber}}", "channelType": "{{channel}}"},
            "customFields": {"first_name": "{{nombre_cliente}}", "age": "{{edad_cliente}}", "discount": "10%"},
        }
    )
    row = {"phoneNumber": "34666777888", "channel": "cloud_api", "nombre_cliente": "John", "edad_cliente": "30"}
    assert to_canonical(row, layout, options()) == {
        "phone": "+34666777888",
        "first_name": "John",
        "attributes": {"age": "30"},
    }


FILLED: dict[str, Any] = {
    "id": "A-1",
    "first_name": "Ana",
    "last_name": "Lima",
    "company": "Casa",
    "email": "a@example.org",
    "language": "pt-BR",
    "time_zone": "America/Sao_Paulo",
    "priority": 10,
    "tag": "gold",
    "attributes": {"plan": "plus"},
}


def wire(people: list[Contact], chosen: Options, **fields: Any) -> bytes:
    work = job(ADAPTER, people, start=True, options=IDS, head=fields)
    work = type(work)(**{name: getattr(work, name) for name in work.__slots__} | {"options": chosen})
    encoded = encode(send_request(work, batch(people)))
    assert encoded.content is not None
    content = b"".join(encoded.content.chunks())
    encoded.close()
    return content


@pytest.mark.parametrize("field", [field for field in CONTACT_FIELDS if field != "phone"])
@pytest.mark.parametrize("named", [None, {}, {"a": "id", "b": "tag", "c": "attributes.plan"}])
def test_a_contact_field_reaches_the_wire_or_is_one_loss(field: str, named: Any) -> None:
    chosen, plain, filled = options(custom_fields=named), contact(), contact(**{field: FILLED[field]}, key="k1")
    changed = wire([plain], chosen) != wire([filled], chosen)
    losses = examine(head(), profile_of([filled]), chosen, filled).losses
    lost = "attributes.plan" if field == "attributes" else field
    assert [loss.field for loss in losses] == ([] if changed else [lost])
    if named is None:
        assert changed == (FIELDS[field].fidelity.value in ("full", "partial"))


LIST_FILLED: dict[str, Any] = {
    "name": {"name": "Another name"},
    "reference": {"reference": "crm-2026-118"},
    "description": {"description": "contract ends in May"},
    "schedule.start_at": {"schedule": {"start_at": "2026-12-01T12:00:00Z"}},
    "schedule.daily_window": {
        "schedule": {"daily_window": {"start": "09:00", "end": "18:00", "time_zone": "America/Sao_Paulo"}}
    },
    "dialing.max_attempts": {"dialing": {"max_attempts": 3}},
    "dialing.retry_interval": {"dialing": {"retry_interval": "PT10M"}},
    "dialing.max_concurrent": {"dialing": {"max_concurrent": 5}},
    "dialing.priority": {"dialing": {"priority": 1}},
}


@pytest.mark.parametrize("field", [field for field in LIST_FIELDS if field != "activation.mode"])
def test_a_list_field_reaches_the_wire_or_is_one_loss(field: str) -> None:
    people, chosen = [contact()], options()
    changed = wire(people, chosen) != wire(people, chosen, **LIST_FILLED[field])
    examination = examine_list(head(**LIST_FILLED[field]), profile_of(people), chosen, NOW)
    assert [loss.field for loss in examination.losses] == ([] if changed else [field])
    assert examination.faults == ()
    assert changed == (FIELDS[field].fidelity.value in ("full", "partial"))


@pytest.mark.parametrize(
    ("name", "sent", "kind"),
    [
        ("Spring renewals", "Spring renewals", None),
        ('Spring/"2026"', "Spring__2026_", LossKind.REFORMATTED),
        ("x" * 101, "x" * 100, LossKind.TRUNCATED),
    ],
)
def test_the_list_name_stands_in_the_file_name(name: str, sent: str, kind: LossKind | None) -> None:
    assert f'filename="{sent}-k7f3a9c2e5b1d4x-1.csv"'.encode() in wire([contact()], options(), name=name)
    losses = examine_list(head(name=name), profile_of([contact()]), options(), NOW).losses
    assert losses == (() if kind is None else (Loss("name", kind, FIELDS["name"].why),))


def test_the_json_send_has_no_place_for_the_list_name() -> None:
    chosen = options(send_csv_path=None, send_json_path="/v1/j")
    losses = examine_list(head(name="One/two"), profile_of([contact()]), chosen, NOW).losses
    assert losses == (Loss("name", LossKind.DROPPED, "the JSON send has no file that could carry it"),)


def test_an_attribute_that_a_contact_field_displaces_is_a_loss() -> None:
    person = contact(company="Casa", attributes={"company": "Lima SA"})
    losses = examine(head(), profile_of([person]), options(), person).losses
    why = "a contact field of this name already is the campaign variable; name both in custom_fields"
    assert losses == (Loss("attributes.company", LossKind.DROPPED, why),)


@pytest.mark.parametrize(
    "text", ['say "hi"', "back\\slash", "two\nlines", "tab\there", "\x7f", "\x85", "{{tag}}", "a}}"]
)
def test_a_cell_that_may_break_the_layout_rejects_its_row(text: str) -> None:
    person = contact(first_name=text, attributes={"plan": text, "fine": "O'Neill; 10%, {x}"})
    found = examine(head(), profile_of([person]), options(), person)
    detail = "a quote, backslash, control character or double curly brace"
    assert found.faults == (
        Fault("value.unsafe_for_vendor", "first_name", detail),
        Fault("value.unsafe_for_vendor", "attributes.plan", detail),
    )
    assert examine(head(), profile_of([person]), options(custom_fields={}), person).faults == ()


@pytest.mark.parametrize(
    ("changes", "fields", "columns"),
    [
        ({}, {}, []),
        ({"send_csv_path": None}, {}, ["options.send_csv_path"]),
        ({"send_csv_path": None, "send_json_path": "/v1/j"}, {}, ["options.json_custom_fields"]),
        ({"send_csv_path": None, "send_json_path": "/v1/j", "custom_fields": {}}, {}, []),
        ({"send_csv_path": None, "send_json_path": "/v1/j", "json_custom_fields": "contact"}, {}, []),
        ({"slicing_condition": "deferredConsecutiveSlots"}, {}, ["options.slicing_field"]),
        ({"slicing_condition": "deferredConsecutiveSlots", "slicing_field": "slicing"}, {}, []),
        ({"slicing_condition": "fragmentedSlots"}, {}, []),
        ({"delay": "PT1H"}, {}, []),
        ({"delay": "PT1H"}, {"start_at": NOW + timedelta(hours=1)}, ["schedule.start_at"]),
        ({"delay": "PT0S"}, {}, ["vendor_options.indigitall.delay"]),
        ({"delay": "P89D"}, {}, []),
        ({"delay": "P89DT1S"}, {}, ["vendor_options.indigitall.delay"]),
        ({}, {"start_at": NOW}, ["schedule.start_at"]),
        ({}, {"start_at": NOW + timedelta(seconds=1)}, []),
        ({}, {"start_at": NOW + timedelta(days=89)}, []),
        ({}, {"start_at": NOW + timedelta(days=89, seconds=1)}, ["schedule.start_at"]),
    ],
)
def test_a_list_that_cannot_be_sent_is_refused_by_name(
    changes: dict[str, Any], fields: dict[str, Any], columns: list[str]
) -> None:
    people = [contact(first_name="Ana")]
    found = examine_list(head(schedule=fields), profile_of(people), options(**changes), NOW)
    assert [fault.column for fault in found.faults] == columns


def test_a_start_between_seconds_is_rounded_up_and_said_so() -> None:
    start_at = datetime(2026, 12, 1, 12, 0, 0, 1, tzinfo=UTC)
    found = examine_list(head(schedule={"start_at": start_at}), profile_of([contact()]), options(), NOW)
    assert found.losses == (Loss("schedule.start_at", LossKind.REFORMATTED, "rounded up to a whole second"),)
    assert b"\r\n\r\n2026-12-01T12:00:01Z\r\n" in wire([contact()], options(), schedule={"start_at": start_at})


@pytest.mark.parametrize(
    "changes",
    [
        {"application_id": 0},
        {"send_csv_path": "v1/send"},
        {"send_csv_path": "/v1/../send"},
        {"send_csv_path": "//elsewhere.example/send"},
        {"send_csv_path": "/v1/send?x=1"},
        {"send_csv_path": "/v1/{key}/send"},
        {"check_path": "/v1/chat/contacts#x"},
        {"channel_type": "whatsapp"},
        {"channel_type": "cloudapi"},
        {"contact_code_column": "contact code"},
        {"layout_field": "file"},
        {"delay_field": "scheduleAt"},
        {"custom_fields": {"first name": "first_name"}},
        {"custom_fields": {"name": "frist_name"}},
        {"custom_fields": {"name": "attribute.plan"}},
        {"custom_fields": {"name": "time_zone"}},
        {"custom_fields": {"name": {"constant": "{{tag}}"}}},
        {"custom_fields": {"name": "{{tag}}"}},
        {"slicing_condition": "atOnce"},
        {"delay": "P1M"},
        {"server_key": "k"},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        options(**changes)


def test_a_list_may_choose_campaign_variables_and_time_but_no_address() -> None:
    chosen = ListOptions.model_validate({"campaign_id": 7, "custom_fields": {"a": "tag", "b": "5%"}, "delay": "PT5M"})
    assert chosen.custom_fields == {"a": "tag", "b": Constant(constant="5%")}
    merged = Options.model_validate(IDS | chosen.model_dump(exclude_unset=True))
    assert (merged.campaign_id, merged.custom_fields, merged.delay) == (7, chosen.custom_fields, timedelta(minutes=5))
    assert set(ListOptions.model_fields) == {"campaign_id", "custom_fields", "delay", "slicing_condition"}
