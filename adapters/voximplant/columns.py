"""The columns of an uploaded file, by name: ours, and those that steer the vendor."""

from collections.abc import Mapping

TASK_UUID = "__task_uuid"
START_AT = "__start_at"
START_TIME = "__start_execution_time"
END_TIME = "__end_execution_time"
TASK_PRIORITY = "task_priority"
DEFAULT_TASK_PRIORITY = 50
"""What the vendor takes for a row without a priority (guide "Call lists")."""

TEXT_COLUMNS: Mapping[str, str] = {
    # canonical field: column. Free names: the vendor hands them to the scenario in VoxEngine.customData().
    "first_name": "first_name",
    "last_name": "last_name",
    "company": "company",
    "email": "email",
    "language": "language",
    "tag": "tag",
}

STEERING = frozenset({TASK_PRIORITY, "call_schedule", "next_attempt_time"})
"""Columns without underscores by which the vendor decides whom to call when."""

RESERVED = frozenset(TEXT_COLUMNS.values()) | STEERING
"""Names that no attribute may take, besides the phone column and everything that starts with `__`."""


def is_reserved(name: str, phone_column: str) -> bool:
    """Whether a column of this name has a meaning of its own, so that an attribute of this name cannot be sent."""
    return name.startswith("__") or name in RESERVED or name == phone_column
