"""What became of a contact (outcome), of a vendor request (verdict), and the law that the sums hold."""

from collections.abc import Iterable
from enum import StrEnum, unique
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


@unique
class Outcome(StrEnum):
    """What became of one contact. Every contact has exactly one."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SUPPRESSED = "suppressed"
    DUPLICATE = "duplicate"
    PENDING = "pending"
    UNKNOWN = "unknown"


@unique
class Verdict(StrEnum):
    """What became of one vendor request. Only `rejected` and `not_sent` may be retried or failed over."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@unique
class State(StrEnum):
    """Where a list or a delivery stands (DESIGN section 4)."""

    STAGED = "staged"
    DELIVERING = "delivering"
    DELIVERED = "delivered"
    PARTIAL = "partial"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DELETED = "deleted"


class Counts(BaseModel):
    """Contacts per outcome. The constructor refuses counts that do not add up: the conservation law."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    received: int = Field(0, ge=0)
    accepted: int = Field(0, ge=0)
    rejected: int = Field(0, ge=0)
    suppressed: int = Field(0, ge=0)
    duplicate: int = Field(0, ge=0)
    pending: int = Field(0, ge=0)
    unknown: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _conserve(self) -> Self:
        total = self.accepted + self.rejected + self.suppressed + self.duplicate + self.pending + self.unknown
        if self.received != total:
            raise ValueError(f"received is {self.received} but the outcomes add up to {total}")
        return self

    @classmethod
    def of(cls, tally: Iterable[tuple[str, int]]) -> "Counts":
        """Counts from (outcome, number) pairs; `received` is their sum."""
        numbers = {str(outcome): number for outcome, number in tally}
        return cls(received=sum(numbers.values()), **numbers)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields})


def state_of(counts: Counts, *, refused_by_vendor: int, staged: bool = False) -> State:
    """The state that these counts mean.

    `refused_by_vendor` counts the rejected contacts that a vendor refused or that were never sent; rows that our own
    validation rejected do not make a list partial.
    """
    if staged and counts.pending:
        return State.STAGED
    if counts.unknown:
        return State.UNKNOWN
    if counts.pending:
        return State.DELIVERING
    if not counts.accepted:
        return State.FAILED
    return State.PARTIAL if refused_by_vendor else State.DELIVERED
