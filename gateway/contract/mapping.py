"""The field table of an adapter: where each canonical field goes, as data. Capabilities, losses, docs read it."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from gateway.canonical import Contact, ListHead, Loss, LossKind, Mode

CONTACT_FIELDS = (
    "phone",
    "id",
    "first_name",
    "last_name",
    "company",
    "email",
    "language",
    "time_zone",
    "priority",
    "tag",
    "attributes",
)
LIST_FIELDS = (
    "name",
    "reference",
    "description",
    "schedule.start_at",
    "schedule.daily_window",
    "dialing.max_attempts",
    "dialing.retry_interval",
    "dialing.max_concurrent",
    "dialing.priority",
    "activation.mode",
)
"""Fields of the list that an adapter must account for. `activation.mode` only when it is `start`."""


@unique
class Fidelity(StrEnum):
    """How well a vendor carries a field: as it is, in part, only with an option set, or not at all."""

    FULL = "full"
    PARTIAL = "partial"
    OPTION = "option"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FieldRule:
    """Where one canonical field goes. `to` is the vendor's place for it, `why` a sentence for the loss report."""

    field: str
    to: str
    fidelity: Fidelity
    why: str = ""


def carried(field: str, to: str, why: str = "") -> FieldRule:
    return FieldRule(field, to, Fidelity.FULL, why)


def partly(field: str, to: str, why: str) -> FieldRule:
    return FieldRule(field, to, Fidelity.PARTIAL, why)


def by_option(field: str, to: str, why: str) -> FieldRule:
    return FieldRule(field, to, Fidelity.OPTION, why)


def dropped(field: str, why: str) -> FieldRule:
    return FieldRule(field, "", Fidelity.NONE, why)


@dataclass(frozen=True)
class FieldTable:
    """The rules of an adapter, one for each canonical field: a missing or doubled one is an error at import."""

    rules: tuple[FieldRule, ...]
    _by_field: Mapping[str, FieldRule] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = sorted(rule.field for rule in self.rules)
        if named != sorted(CONTACT_FIELDS + LIST_FIELDS):
            missing = set(CONTACT_FIELDS + LIST_FIELDS) - set(named)
            raise ValueError(f"the field table must hold every canonical field once; missing: {sorted(missing)}")
        object.__setattr__(self, "_by_field", {rule.field: rule for rule in self.rules})

    def __getitem__(self, field: str) -> FieldRule:
        return self._by_field[field]

    def uncarried(self, fidelity: Iterable[Fidelity] = (Fidelity.NONE,)) -> Mapping[str, FieldRule]:
        """The rules of the fields that the vendor does not carry, by field."""
        wanted = set(fidelity)
        return {rule.field: rule for rule in self.rules if rule.fidelity in wanted}


def dropped_fields(contact: Contact, rules: Mapping[str, FieldRule]) -> tuple[Loss, ...]:
    """A `dropped` loss for each field of the contact that is filled and stands in `rules` (see `uncarried`)."""
    losses = []
    for field, rule in rules.items():
        if field == "attributes":
            losses += [Loss(f"attributes.{name}", LossKind.DROPPED, rule.why) for name in contact.attributes]
        elif field in CONTACT_FIELDS and getattr(contact, field) is not None:
            losses.append(Loss(field, LossKind.DROPPED, rule.why))
    return tuple(losses)


def list_values(head: ListHead) -> dict[str, object]:
    """The list fields that this list fills, by their name in `LIST_FIELDS`."""
    values = {
        "name": head.name,
        "reference": head.reference,
        "description": head.description,
        "schedule.start_at": head.schedule.start_at,
        "schedule.daily_window": head.schedule.daily_window,
        "dialing.max_attempts": head.dialing.max_attempts,
        "dialing.retry_interval": head.dialing.retry_interval,
        "dialing.max_concurrent": head.dialing.max_concurrent,
        "dialing.priority": head.dialing.priority,
        "activation.mode": True if head.activation.mode is Mode.START else None,
    }
    return {field: value for field, value in values.items() if value is not None}


def dropped_list_fields(head: ListHead, rules: Mapping[str, FieldRule]) -> tuple[Loss, ...]:
    """A `dropped` loss for each list field that is filled and stands in `rules`."""
    return tuple(Loss(field, LossKind.DROPPED, rules[field].why) for field in list_values(head) if field in rules)
