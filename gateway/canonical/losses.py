"""The loss report: every canonical field that does not reach a vendor as it was."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum, unique

import msgspec
from pydantic import BaseModel, ConfigDict, Field


@unique
class LossKind(StrEnum):
    DROPPED = "dropped"
    TRUNCATED = "truncated"
    CLAMPED = "clamped"
    MERGED = "merged"
    DEFAULTED = "defaulted"
    REFORMATTED = "reformatted"


class Loss(msgspec.Struct, frozen=True):
    """One field that a vendor cannot carry as it was. `field` is canonical, such as `email` or `attributes.plan`."""

    field: str
    kind: LossKind
    why: str


class LossEntry(BaseModel):
    """One line of a loss report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str = Field(description="canonical field, such as `email` or `attributes.plan`")
    kind: LossKind
    contacts: int | None = Field(description="how many contacts lose it; null for a field of the list itself")
    why: str


@dataclass(slots=True)
class LossReport:
    """Losses added up: those of the list once, those of contacts with their number."""

    of_list: dict[Loss, None] = field(default_factory=dict)
    of_contacts: Counter[Loss] = field(default_factory=Counter)

    def add_list(self, losses: Iterable[Loss]) -> None:
        self.of_list.update(dict.fromkeys(losses))

    def add_contact(self, losses: Iterable[Loss], times: int = 1) -> None:
        """Losses of a contact, or of so many that lose the same."""
        for loss in losses:
            self.of_contacts[loss] += times

    def entries(self) -> list[LossEntry]:
        """The report, list fields first, contact fields in the order of their first appearance."""
        of_list = [LossEntry(field=loss.field, kind=loss.kind, contacts=None, why=loss.why) for loss in self.of_list]
        of_contacts = [
            LossEntry(field=loss.field, kind=loss.kind, contacts=number, why=loss.why)
            for loss, number in self.of_contacts.items()
        ]
        return of_list + of_contacts


def added_up(losses: Iterable[LossEntry]) -> list[LossEntry]:
    """Equal losses of several reports as one; those of the list itself count no contacts."""
    total: dict[Loss, int | None] = {}
    for one in losses:
        loss = Loss(one.field, one.kind, one.why)
        before = total.get(loss)
        total[loss] = one.contacts if before is None or one.contacts is None else before + one.contacts
    return [
        LossEntry(field=loss.field, kind=loss.kind, contacts=number, why=loss.why) for loss, number in total.items()
    ]
