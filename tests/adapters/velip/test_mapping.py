"""Canonical contacts to Velip's records and back, and what is lost on the way."""

from typing import Any

import pytest

from adapters.velip import ADAPTER
from adapters.velip.bodies import creation
from adapters.velip.fidelity import list_name
from adapters.velip.mapping import columns, from_record, to_records, to_rows
from adapters.velip.settings import Mode, Options
from gateway.canonical import LossKind
from gateway.encoding import encode
from tests.harness import NOW, batch, contact, head, job, profile_of

FULL: dict[str, Any] = {
    "phone": "+5511999990001",
    "id": "A-1",
    "first_name": "Ana",
    "last_name": "Lima",
    "company": "Acme",
    "email": "ana@example.com",
    "language": "pt-BR",
    "time_zone": "America/Sao_Paulo",
    "priority": 10,
    "tag": "gold",
    "attributes": {"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"},
}
ORDER = tuple(FULL["attributes"])


def options(**given: Any) -> Options:
    return Options.model_validate(given)


@pytest.mark.parametrize(
    ("given", "record"),
    [
        pytest.param(
            {},
            {
                "phone": "5511999990001",
                "name": "Ana Lima",
                "cod_cli": "A-1",
                "extra1": "1",
                "extra2": "2",
                "extra3": "3",
                "extra4": "4",
            },
            id="portal keys, attributes in order",
        ),
        pytest.param(
            {"key_set": "manual"},
            {
                "number": "5511999990001",
                "name": "Ana Lima",
                "codcli": "A-1",
                "extra1": "1",
                "extra2": "2",
                "extra3": "3",
            },
            id="manual keys end at extra3",
        ),
        pytest.param(
            {"extras": {"extra1": "company", "extra2": "email", "extra3": "tag", "extra4": "attributes.e"}},
            {
                "phone": "5511999990001",
                "name": "Ana Lima",
                "cod_cli": "A-1",
                "extra1": "Acme",
                "extra2": "ana@example.com",
                "extra3": "gold",
                "extra4": "5",
            },
            id="extras by option",
        ),
        pytest.param(
            {"extras": {"extra3": "tag"}},
            {"phone": "5511999990001", "name": "Ana Lima", "cod_cli": "A-1", "extra3": "gold"},
            id="one extra by option leaves the others empty",
        ),
    ],
)
def test_a_full_contact_as_a_record_and_back(given: dict[str, Any], record: dict[str, str]) -> None:
    table = columns(options(**given), ORDER)
    (made,) = to_records([contact(**FULL)], table)
    assert made == record
    back = from_record(made, table)
    sources = {column.source for column in table}
    carried = {name: text for name, text in FULL["attributes"].items() if f"attributes.{name}" in sources}
    expected = {"phone": FULL["phone"], "id": "A-1", "first_name": "Ana Lima"}
    expected |= {name: FULL[name] for name in ("company", "email", "tag") if name in sources}
    assert back == expected | ({"attributes": carried} if carried else {})


def test_a_contact_without_anything_but_a_number_gives_its_derived_key() -> None:
    assert next(to_records([contact(phone="+551130000001", key="d41d8c")], columns(options(), ()))) == {
        "phone": "551130000001",
        "cod_cli": "d41d8c",
    }


def test_csv_rows_use_the_portals_header_whatever_the_key_set() -> None:
    table = columns(options(mode="csv", key_set="manual"), ORDER)
    assert [column.key for column in table] == ["phone", "name", "cod_cli", "extra1", "extra2", "extra3", "extra4"]
    (row,) = to_rows([contact(id="A-1", attributes={"b": "2"})], table)
    assert row == ("5511900000001", None, "A-1", None, "2", None, None)


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ({"telefone": "5511900000001", "nome": "Ana"}, {"phone": "+5511900000001", "first_name": "Ana"}),
        ({"number": "11 90000-0001", "codcli": "7"}, {"phone": "11 90000-0001", "id": "7"}),
        (
            ["5511900000001", "Ana", "A-1", "x", "", "z"],
            {
                "phone": "+5511900000001",
                "first_name": "Ana",
                "id": "A-1",
                "attributes": {"extra1": "x", "extra3": "z"},
            },
        ),
        ("5521900000002", {"phone": "+5521900000002"}),
    ],
    ids=["aliases", "manual", "array", "bare number"],
)
def test_every_documented_form_of_a_record_is_read(record: Any, fields: dict[str, Any]) -> None:
    assert from_record(record, columns(options(), ())) == fields


def losses(given: dict[str, Any], **fields: Any) -> list[tuple[str, str]]:
    one = contact(**fields)
    found = ADAPTER.examine(head(), profile_of([one]), options(**given), one)
    assert found.faults == ()
    return [(loss.field, loss.kind.value) for loss in found.losses]


@pytest.mark.parametrize(
    ("given", "lost"),
    [
        (
            {},
            [
                ("language", "dropped"),
                ("time_zone", "dropped"),
                ("priority", "dropped"),
                ("first_name", "merged"),
                ("last_name", "merged"),
                ("company", "dropped"),
                ("email", "dropped"),
                ("tag", "dropped"),
                ("attributes.e", "dropped"),
            ],
        ),
        (
            {"extras": {"extra1": "company", "extra2": "email", "extra4": "attributes.b"}},
            [
                ("language", "dropped"),
                ("time_zone", "dropped"),
                ("priority", "dropped"),
                ("first_name", "merged"),
                ("last_name", "merged"),
                ("tag", "dropped"),
                ("attributes.a", "dropped"),
                ("attributes.c", "dropped"),
                ("attributes.d", "dropped"),
                ("attributes.e", "dropped"),
            ],
        ),
        (
            {"key_set": "manual", "extras": {"extra1": "company", "extra4": "email"}},
            [
                ("language", "dropped"),
                ("time_zone", "dropped"),
                ("priority", "dropped"),
                ("first_name", "merged"),
                ("last_name", "merged"),
                ("email", "dropped"),
                ("tag", "dropped"),
                *((f"attributes.{name}", "dropped") for name in ORDER),
            ],
        ),
    ],
    ids=["by order", "by option", "manual keys have no extra4"],
)
def test_each_field_that_is_not_carried_is_one_loss(given: dict[str, Any], lost: list[tuple[str, str]]) -> None:
    assert losses(given, **FULL) == lost


def test_one_name_alone_is_no_loss() -> None:
    assert losses({}, first_name="Ana") == []


def test_a_dropped_attribute_says_what_holds_the_columns() -> None:
    one = contact(attributes={"a": "1", "b": "2", "c": "3", "d": "4", "e": "5"})
    (loss,) = ADAPTER.examine(head(), profile_of([one]), options(), one).losses
    assert loss.why == (
        "Velip's free columns hold extra1 = attributes.a, extra2 = attributes.b, extra3 = attributes.c, "
        "extra4 = attributes.d; option `extras` chooses others"
    )


FIELD_VALUES = {name: value for name, value in FULL.items() if name != "phone"} | {"attributes": {"a": "1"}}


@pytest.mark.parametrize("field", FIELD_VALUES)
def test_a_field_reaches_the_wire_or_the_loss_report(field: str) -> None:
    """Every field in turn: the request changes, or there is exactly one loss."""
    plain, filled = contact(), contact(**{field: FIELD_VALUES[field]}, key="k1")

    def wire(one: Any) -> bytes:
        encoded = encode(creation(job(ADAPTER, [one]), batch([one]))[1])
        assert encoded.content is not None
        return b"".join(encoded.content.chunks())

    lost = ADAPTER.examine(head(), profile_of([filled]), options(), filled).losses
    assert (wire(filled) != wire(plain)) == (not lost)
    assert len(lost) <= 1


LONG = "x" * 60


@pytest.mark.parametrize(
    ("fields", "mode", "name", "lost"),
    [
        ({"name": "São João"}, Mode.JSON, "São João", []),
        ({"name": "São João"}, Mode.FORM, "Sao Joao", [("name", LossKind.REFORMATTED)]),
        ({"name": "名单 7"}, Mode.JSON_FILE, "__ 7", [("name", LossKind.REFORMATTED)]),
        ({"name": "Spring", "reference": "crm-7"}, Mode.CSV, "Spring [crm-7]", []),
        ({"name": LONG}, Mode.JSON, "x" * 50, [("name", LossKind.TRUNCATED)]),
        (
            {"name": LONG, "reference": "crm-7"},
            Mode.JSON,
            "x" * 50,
            [("name", LossKind.TRUNCATED), ("reference", LossKind.DROPPED)],
        ),
        ({"name": "Spring", "reference": "crm[7]"}, Mode.JSON, "Spring", [("reference", LossKind.DROPPED)]),
        ({"name": "Spring", "reference": "ação"}, Mode.FORM, "Spring", [("reference", LossKind.DROPPED)]),
        ({"name": "Spring", "reference": "ação"}, Mode.JSON, "Spring [ação]", []),
    ],
)
def test_the_name_of_a_remote_list(fields: dict[str, str], mode: Mode, name: str, lost: list[Any]) -> None:
    made, losses = list_name(head(**fields), options(), mode)
    assert (made, [(loss.field, loss.kind) for loss in losses]) == (name, lost)


def test_list_fields_that_belong_to_a_campaign_are_losses() -> None:
    full = head(
        description="text",
        activation={"mode": "start"},
        schedule={
            "start_at": "2026-12-01T12:00:00Z",
            "daily_window": {"start": "09:00", "end": "18:00", "time_zone": "America/Sao_Paulo"},
        },
        dialing={"max_attempts": 3, "retry_interval": "PT10M", "max_concurrent": 5, "priority": 1},
    )
    found = ADAPTER.examine_list(full, profile_of([contact()]), options(), NOW)
    assert found.faults == ()
    assert [(loss.field, loss.kind.value) for loss in found.losses] == [
        ("description", "dropped"),
        ("schedule.start_at", "dropped"),
        ("schedule.daily_window", "dropped"),
        ("dialing.max_attempts", "dropped"),
        ("dialing.retry_interval", "dropped"),
        ("dialing.max_concurrent", "dropped"),
        ("dialing.priority", "dropped"),
        ("activation.mode", "dropped"),
    ]


@pytest.mark.parametrize(
    ("given", "fields", "column"),
    [
        ({}, {"phone": "+12125550123"}, "phone"),
        ({"mode": "csv"}, {"first_name": "João"}, "first_name"),
        ({"mode": "csv", "csv_encoding": "iso-8859-1"}, {"last_name": "Łódź"}, "last_name"),
        ({"mode": "csv"}, {"id": "A,1"}, "id"),
        ({"mode": "csv"}, {"attributes": {"a": 'say "hi"'}}, "attributes.a"),
        ({"mode": "csv", "extras": {"extra1": "company"}}, {"company": "two\nlines"}, "company"),
    ],
)
def test_what_velip_may_misread_rejects_the_contact(given: dict[str, Any], fields: dict[str, Any], column: str) -> None:
    one = contact(**fields)
    faults = ADAPTER.examine(head(), profile_of([one]), options(**given), one).faults
    assert [(fault.code, fault.column) for fault in faults] == [("value.unsafe_for_vendor", column)]


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"foreign_numbers": True}, {"phone": "+12125550123"}),
        ({"mode": "csv", "csv_encoding": "utf-8"}, {"first_name": "João"}),
        ({"mode": "csv", "extras": {}}, {"attributes": {"a": 'not sent: "'}}),
        ({"mode": "json_file"}, {"first_name": 'Jo"ão, 名\n'}),
    ],
)
def test_options_that_carry_it_let_the_contact_pass(given: dict[str, Any], fields: dict[str, Any]) -> None:
    one = contact(**fields)
    assert ADAPTER.examine(head(), profile_of([one]), options(**given), one).faults == ()
