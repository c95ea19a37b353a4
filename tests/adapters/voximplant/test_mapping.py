"""Contacts as rows of the file and tasks as contacts; names, windows, losses and faults. Whole values, no network."""

from datetime import UTC, datetime

import pytest

from adapters.voximplant import ADAPTER
from adapters.voximplant.columns import TEXT_COLUMNS
from adapters.voximplant.fields import examine, examine_list
from adapters.voximplant.mapping import file_chunks, task_uuid, to_contact
from adapters.voximplant.naming import key_in, title
from adapters.voximplant.schedule import utc_window
from adapters.voximplant.settings import Options
from adapters.voximplant.wire import Task
from gateway.canonical import DailyWindow, Fault, Loss, LossKind
from gateway.contract import RemoteContact
from tests.harness import NOW, contact, head, job, profile_of

WINDOW = {"start": "09:00", "end": "18:00", "time_zone": "America/Sao_Paulo"}
RICH = {
    "id": "A-1",
    "first_name": "Ana",
    "last_name": "Lima",
    "company": "Lima & Filhos",
    "email": "ana@example.com",
    "language": "pt-BR",
    "priority": 10,
    "tag": "gold",
    "attributes": {"due_date": "2026-05-10", "plan": "plus"},
}


def options(**given):
    return Options.model_validate({"rule_id": 7, **given})


def file(people, given=None, **fields):
    work = job(ADAPTER, people, {"rule_id": 7, **(given or {})}, head=head(**fields))
    return b"".join(file_chunks(work, people))


def task(**fields):
    return Task.model_validate({"task_id": 900001, "status_id": 0, "status": "New", **fields})


def losses_of(given=None, fields=None, **details):
    return examine(head(**(fields or {})), profile_of([]), options(**(given or {})), contact(1, **details)).losses


def faults_of(given=None, **details):
    return examine(head(), profile_of([]), options(**(given or {})), contact(1, **details)).faults


def test_a_plain_contact_is_its_number_and_its_key() -> None:
    assert file([contact(1)]) == b"phone_number;__task_uuid\r\n+5511900000001;k1\r\n"


def test_a_rich_contact_fills_a_column_for_each_field() -> None:
    start = "2026-12-01T12:00:00.2Z"
    written = file(
        [contact(1, **RICH), contact(2)], {"carry_priority": True}, schedule={"start_at": start, "daily_window": WINDOW}
    )
    assert written.decode() == (
        "phone_number;first_name;last_name;company;email;language;tag;task_priority;due_date;plan;__task_uuid;"
        "__start_at;__start_execution_time;__end_execution_time\r\n"
        "+5511900000001;Ana;Lima;Lima & Filhos;ana@example.com;pt-BR;gold;10;2026-05-10;plus;A-1;"
        "1796126401;12:00:00;21:00:00\r\n"
        "+5511900000002;;;;;;;50;;;k2;1796126401;12:00:00;21:00:00\r\n"
    )


def test_a_task_comes_back_as_the_contact_that_was_sent() -> None:
    row = (
        '{"phone_number": "+5511900000001", "first_name": "Ana", "last_name": "Lima", "company": "Lima & Filhos",'
        ' "email": "ana@example.com", "language": "pt-BR", "tag": "gold", "task_priority": "10",'
        ' "due_date": "2026-05-10", "plan": "plus", "empty": "", "__start_at": "1796126401"}'
    )
    read = to_contact(task(task_uuid="A-1", custom_data=row, attempts_left=3), options())
    fields = {"phone": "+5511900000001", **RICH}
    assert read == RemoteContact(fields, "A-1", "900001", "New", reached=False, attempts_left=3)


@pytest.mark.parametrize(
    ("fields", "reached"),
    [
        ({"status_id": 0, "status": "New"}, False),
        ({"status_id": 0, "status": "New", "last_attempt": "2026-11-20 10:00:00"}, True),
        ({"status_id": 1, "status": "In progress"}, True),
        ({"status_id": 2, "status": "Processed"}, True),
        ({"status_id": 3, "status": "Error"}, True),
        ({"status_id": 4, "status": "Canceled"}, False),
        ({"status_id": 4, "status": None}, False),
        ({"status_id": None, "status": "canceled"}, False),
        ({"status_id": 9, "status": "Ringing"}, True),
        ({"status_id": 9, "status": None}, True),
        ({"status_id": None, "status": None}, True),
    ],
)
def test_only_a_task_that_was_never_tried_was_not_reached(fields: dict, reached: bool) -> None:
    assert to_contact(task(**fields), options()).reached is reached


@pytest.mark.parametrize(
    ("key", "uuid"),
    [
        ("A-1:b", "A-1:b"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "gw:3164596df4fdd018b2c567ec8c03e79b"),
        ("A_1", "gw:47b34af59b56e5550dbe28446da98479"),
        ("gw:mine", "gw:ef418bd793b7e370876908f38350fcfb"),
    ],
)
def test_a_key_that_does_not_fit_is_hashed(key: str, uuid: str) -> None:
    assert task_uuid(key) == uuid


@pytest.mark.parametrize(
    ("given", "cell", "line"),
    [
        ({}, "a;b", '"a;b"'),
        ({}, 'a"b', '"a""b"'),
        ({}, "a,b", "a,b"),
        ({"delimiter": ","}, "a,b", '"a,b"'),
        ({"escape": '"'}, 'a"b\\', '"a""b\\"'),
        ({"escape": "\\"}, 'a"b', '"a\\"b"'),
        ({"escape": "\\"}, "a\\b", '"a\\\\b"'),
        ({"escape": "\\"}, "a;b", '"a;b"'),
        ({"escape": "\\"}, "plain", "plain"),
    ],
)
def test_quotes_stand_only_where_they_must(given: dict, cell: str, line: str) -> None:
    separator = given.get("delimiter", ";")
    written = file([contact(1, tag=cell)], given).decode().splitlines()[1]
    assert written == separator.join(["+5511900000001", line, "k1"])


def test_the_charset_is_the_option() -> None:
    assert file([contact(1, tag="ção")], {"encoding": "ISO-8859-1"}) == (
        b"phone_number;tag;__task_uuid\r\n+5511900000001;\xe7\xe3o;k1\r\n"
    )


@pytest.mark.parametrize("escape", [None, "\\"])
def test_a_large_file_is_made_in_chunks(escape: str | None) -> None:
    people = [contact(row) for row in range(1, 5_001)]
    work = job(ADAPTER, people, {"rule_id": 7, "escape": escape})
    chunks = list(file_chunks(work, people))
    assert len(chunks) == 3
    assert b"".join(chunks).count(b"\r\n") == 5_001


@pytest.mark.parametrize(
    ("window", "zone", "moment", "hours"),
    [
        (("09:00", "18:00"), "America/Sao_Paulo", "2026-12-01T12:00Z", ("12:00:00", "21:00:00")),
        (("09:00", "18:00"), "Europe/Berlin", "2026-12-01T12:00Z", ("08:00:00", "17:00:00")),
        (("09:00", "18:00"), "Europe/Berlin", "2026-07-01T12:00Z", ("07:00:00", "16:00:00")),
        (("09:00", "18:00"), "Asia/Kolkata", "2026-12-01T12:00Z", ("03:30:00", "12:30:00")),
        (("08:00", "20:00"), "Asia/Tokyo", "2026-12-01T12:00Z", ("23:00:00", "11:00:00")),
        (("20:00", "02:30"), "UTC", "2026-12-01T12:00Z", ("20:00:00", "02:30:00")),
        # Clocks go forward in the night: the window's end is on the next day, with the new offset.
        (("20:00", "06:00"), "Europe/Berlin", "2026-03-28T12:00Z", ("19:00:00", "04:00:00")),
        # The date is the one over there: 23:30 UTC on the 28th is already the 29th in Berlin.
        (("09:00", "18:00"), "Europe/Berlin", "2026-03-28T23:30Z", ("07:00:00", "16:00:00")),
    ],
)
def test_a_window_is_converted_to_utc_for_the_first_day(window, zone, moment, hours) -> None:
    daily = DailyWindow(start=window[0], end=window[1], time_zone=zone)
    assert utc_window(daily, zone, datetime.fromisoformat(moment).astimezone(UTC)) == hours


@pytest.mark.parametrize(
    ("start_at", "hours"),
    [
        ("2027-07-01T12:00:00Z", "1814443200;07:00:00;16:00:00"),
        ("2026-07-01T12:00:00Z", "1782907200;08:00:00;17:00:00"),  # past: the list begins now, in winter
    ],
)
def test_the_first_day_is_that_of_the_start_unless_it_is_past(start_at: str, hours: str) -> None:
    berlin = {**WINDOW, "time_zone": "Europe/Berlin"}
    written = file([contact(1)], schedule={"start_at": start_at, "daily_window": berlin})
    assert written.decode().splitlines()[1] == f"+5511900000001;k1;{hours}"


def test_a_contact_with_its_own_zone_has_its_own_hours() -> None:
    people = [contact(1, time_zone="Asia/Tokyo"), contact(2)]
    assert file(people, schedule={"daily_window": WINDOW}).decode().splitlines()[1:] == [
        "+5511900000001;k1;00:00:00;09:00:00",
        "+5511900000002;k2;12:00:00;21:00:00",
    ]


@pytest.mark.parametrize(
    ("name", "reference", "remote", "losses"),
    [
        ("Spring", None, "Spring | k", ()),
        ("Spring", "crm-1", "Spring | crm-1 | k", ()),
        ("A/B \\ C", "x/1", "A-B - C | x-1 | k", (("name", "reformatted"), ("reference", "reformatted"))),
        ("two\nlines", None, "two lines | k", (("name", "reformatted"),)),
        ("n" * 237, None, "n" * 237 + " | k", ()),
        ("n" * 238, None, "n" * 237 + " | k", (("name", "truncated"),)),
        ("n" * 230, "crm-1", "n" * 230 + " | k", (("reference", "dropped"),)),
        ("n" * 255, "crm-1", "n" * 237 + " | k", (("name", "truncated"), ("reference", "dropped"))),
    ],
)
def test_a_remote_name_holds_name_reference_and_key(name, reference, remote, losses) -> None:
    found = title(name, reference)
    assert found.with_key("k") == remote
    assert tuple((loss.field, loss.kind.value) for loss in found.losses) == losses
    assert len(found.with_key("k" * 15)) <= 255


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Spring | crm-1 | k7f3a9c2e5b1d4x", "k7f3a9c2e5b1d4x"),
        ("k7f3a9c2e5b1d4x", "k7f3a9c2e5b1d4x"),
        ("Spring", ""),
        ("Spring | congratulations", ""),
        ("Spring k7f3a9c2e5b1d4x", ""),
    ],
)
def test_our_key_is_read_from_a_name(name: str, key: str) -> None:
    assert key_in(name) == key


@pytest.mark.parametrize(
    ("given", "fields", "details", "losses"),
    [
        ({}, {}, RICH, (("priority", "dropped"),)),
        ({"carry_priority": True}, {}, RICH, ()),
        ({}, {}, {"id": "A_1"}, (("id", "reformatted"),)),
        ({}, {}, {"key": "has spaces"}, ()),
        ({}, {}, {"id": "A-1", "key": "A-1-2"}, (("id", "reformatted"),)),
        ({}, {}, {"time_zone": "Asia/Tokyo"}, (("time_zone", "dropped"),)),
        ({}, {"schedule": {"daily_window": WINDOW}}, {"time_zone": "Asia/Tokyo"}, (("time_zone", "reformatted"),)),
        ({}, {}, {"attributes": {"first_name": "x"}}, (("attributes.first_name", "dropped"),)),
        ({}, {}, {"attributes": {"__start_at": "0"}}, (("attributes.__start_at", "dropped"),)),
        ({}, {}, {"attributes": {"phone_number": "0"}}, (("attributes.phone_number", "dropped"),)),
        ({"phone_column": "tel"}, {}, {"attributes": {"phone_number": "0"}}, ()),
        ({}, {}, {"attributes": {"task_priority": "0"}}, (("attributes.task_priority", "dropped"),)),
        ({}, {}, {"attributes": {"call_schedule": "[]"}}, (("attributes.call_schedule", "dropped"),)),
    ],
)
def test_a_contact_s_losses_are_named_once(given, fields, details, losses) -> None:
    assert tuple((loss.field, loss.kind.value) for loss in losses_of(given, fields, **details)) == losses


def test_reserved_attributes_are_not_on_the_wire() -> None:
    people = [
        contact(1, attributes={"__start_at": "0", "phone_number": "1", "tag": "2", "call_schedule": "3", "ok": "4"})
    ]
    assert file(people) == b"phone_number;ok;__task_uuid\r\n+5511900000001;4;k1\r\n"


@pytest.mark.parametrize(
    ("given", "details", "columns"),
    [
        ({}, {"first_name": "a\nb"}, ("first_name",)),
        ({}, {"attributes": {"plan": "a\r\nb", "x": "\x00"}}, ("attributes.plan", "attributes.x")),
        ({}, {"tag": "line\u2028end"}, ("tag",)),
        ({}, {"company": "A\\B"}, ("company",)),
        ({"escape": "\\"}, {"company": "A\\B"}, ()),
        ({"encoding": "ISO-8859-1"}, {"last_name": "Ł"}, ("last_name",)),
        ({}, {"last_name": "\ud800"}, ("last_name",)),
        ({}, {"attributes": {"__start_at": "\n"}}, ()),
        ({}, {"first_name": 'O"Neil; Ltd\t'}, ()),
    ],
)
def test_a_cell_that_cannot_be_sent_safely_is_a_fault(given, details, columns) -> None:
    found = faults_of(given, **details)
    assert tuple(fault.column for fault in found) == columns
    assert {fault.code for fault in found} <= {"value.unsafe_for_vendor"}


def test_an_unknown_time_zone_is_a_fault() -> None:
    assert faults_of(time_zone="Mars/Olympus") == (
        Fault("time_zone.invalid", "time_zone", "not a time zone of the tz database"),
    )


def test_a_list_s_losses_are_named_once() -> None:
    fields = {
        "description": "x",
        "dialing": {"max_attempts": 6, "retry_interval": "PT1M", "max_concurrent": 2, "priority": 3},
        "schedule": {"daily_window": {**WINDOW, "time_zone": "Europe/Berlin"}, "start_at": "2026-12-01T12:00Z"},
    }
    found = examine_list(head(**fields), profile_of([]), options(), NOW)
    assert found.faults == ()
    assert found.losses == (
        Loss("description", LossKind.DROPPED, "call lists have no description"),
        Loss(
            "schedule.daily_window",
            LossKind.REFORMATTED,
            "sent in UTC; Europe/Berlin changes its clock, and from then on the hours are off by as much",
        ),
        Loss("dialing.max_attempts", LossKind.CLAMPED, "the vendor tries 5 times at most"),
    )


def test_a_list_that_fits_loses_nothing() -> None:
    fields = {"dialing": {"max_attempts": 5}, "schedule": {"daily_window": WINDOW}, "reference": "crm-1"}
    assert examine_list(head(**fields), profile_of([]), options(), NOW).losses == ()


def test_every_text_column_is_read_back_into_its_field() -> None:
    row = ", ".join(f'"{column}": "{field}!"' for field, column in TEXT_COLUMNS.items())
    read = to_contact(task(custom_data="{" + row + "}"), options())
    assert read.fields == {"phone": "", **{field: f"{field}!" for field in TEXT_COLUMNS}}


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        ('{"numbers": "15550100001", "n": 3, "none": null}', {"phone": "15550100001", "attributes": {"n": "3"}}),
        ('{"numbers": "1", "task_priority": "50"}', {"phone": "1"}),
        ('{"numbers": "1", "task_priority": "soon"}', {"phone": "1"}),
        ('{"numbers": "1", "__task_uuid": "c-1"}', {"phone": "1", "id": "c-1"}),
        ('{"numbers": "1", "__task_uuid": "gw:0"}', {"phone": "1"}),
        ("", {"phone": ""}),
    ],
)
def test_foreign_rows_are_read_too(row: str, fields: dict) -> None:
    assert to_contact(task(custom_data=row), options(phone_column="numbers")).fields == fields
