"""The canonical words: counts that must add up, states, loss reports, durations, clocks."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.canonical import Counts, ListHead, Loss, LossKind, LossReport, Outcome, State, state_of
from gateway.canonical.lists import format_duration, parse_duration


def test_counts_that_do_not_add_up_cannot_be_made() -> None:
    with pytest.raises(ValidationError, match="received is 3 but the outcomes add up to 2"):
        Counts(received=3, accepted=2)


@given(st.dictionaries(st.sampled_from(list(Outcome)), st.integers(0, 10**9)))
def test_counts_are_conserved_by_making_and_adding(tally: dict[Outcome, int]) -> None:
    counts = Counts.of(tally.items())
    assert counts.received == sum(tally.values())
    assert (counts + counts).received == 2 * counts.received


@pytest.mark.parametrize(
    ("numbers", "refused", "staged", "state"),
    [
        ({"accepted": 3}, 0, False, State.DELIVERED),
        ({"accepted": 3, "rejected": 1, "duplicate": 1}, 0, False, State.DELIVERED),
        ({"accepted": 3, "rejected": 1}, 1, False, State.PARTIAL),
        ({"rejected": 2}, 0, False, State.FAILED),
        ({"duplicate": 2}, 0, False, State.FAILED),
        ({"accepted": 3, "pending": 1}, 0, False, State.DELIVERING),
        ({"accepted": 3, "pending": 1, "unknown": 1}, 0, False, State.UNKNOWN),
        ({"accepted": 3, "unknown": 1}, 1, False, State.UNKNOWN),
        ({"pending": 3, "rejected": 1}, 0, True, State.STAGED),
        ({"accepted": 3}, 0, True, State.DELIVERED),
    ],
)
def test_states(numbers: dict[str, int], refused: int, staged: bool, state: State) -> None:
    counts = Counts(received=sum(numbers.values()), **numbers)
    assert state_of(counts, refused_by_vendor=refused, staged=staged) is state


def test_a_loss_report_counts_contacts_and_names_list_fields_once() -> None:
    report = LossReport()
    email, name = Loss("email", LossKind.DROPPED, "no column"), Loss("name", LossKind.TRUNCATED, "48 characters")
    report.add_list([name, name])
    report.add_contact([email])
    report.add_contact([email])
    assert [(one.field, one.kind, one.contacts, one.why) for one in report.entries()] == [
        ("name", "truncated", None, "48 characters"),
        ("email", "dropped", 2, "no column"),
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT10M", 600), ("P1DT2H3M4S", 93_784), ("P2W", 1_209_600), ("PT0S", 0), ("P1D", 86_400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["P1M", "P1Y", "P", "PT", "10", 600, "", "P1DT", "-PT1S", "P99999999999D"])
def test_durations_without_a_fixed_length_are_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"dialing": {"retry_interval": "P1M"}}, ("dialing", "retry_interval")),
        (
            {"schedule": {"daily_window": {"start": "25:00", "end": "18:00", "time_zone": "UTC"}}},
            ("schedule", "daily_window", "start"),
        ),
        (
            {"schedule": {"daily_window": {"start": "09:00", "end": "18:00", "time_zone": "Brazil"}}},
            ("schedule", "daily_window", "time_zone"),
        ),
        ({"schedule": {"start_at": "2026-12-01T12:00:00"}}, ("schedule", "start_at")),
        ({"default_region": "br"}, ("default_region",)),
        ({"name": ""}, ("name",)),
        ({"name": "a\x00b"}, ("name",)),
        ({"channel": "fax"}, ("channel",)),
        ({"colour": "red"}, ("colour",)),
        ({"activation": {"mode": "now"}}, ("activation", "mode")),
    ],
)
def test_a_head_that_is_not_valid_names_the_field(fields: dict[str, Any], at: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as error:
        ListHead.model_validate({"name": "n", **fields})
    assert [one["loc"] for one in error.value.errors()] == [at]


def test_a_head_survives_its_json() -> None:
    head = ListHead.model_validate(
        {
            "name": "Spring",
            "schedule": {
                "start_at": "2026-12-01T12:00:00Z",
                "daily_window": {"start": "09:00", "end": "18:00:30", "time_zone": "America/Sao_Paulo"},
            },
            "dialing": {"max_attempts": 3, "retry_interval": "PT10M"},
            "vendor_options": {"acme": {"rule_id": 7}},
        }
    )
    assert ListHead.model_validate_json(head.model_dump_json(), strict=True) == head
