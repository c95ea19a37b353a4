"""Our errors as HTTP: one table of codes, one exception, `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means: its status, its title, and whether the same request may succeed later."""

    status: int
    title: str
    retryable: bool = False


KINDS: Mapping[str, Kind] = {
    "request.invalid": Kind(400, "The request is not valid"),
    "request.broken_json": Kind(400, "The body is not valid JSON"),
    "auth.missing": Kind(401, "An API key is needed"),
    "auth.unknown_key": Kind(401, "The API key is not known"),
    "not_found": Kind(404, "There is no such thing"),
    "method_not_allowed": Kind(405, "This method is not allowed here"),
    "not_acceptable": Kind(406, "None of the accepted media types can be given"),
    "upload.too_slow": Kind(408, "The upload took too long", True),
    "list.reference_taken": Kind(409, "A list with this reference exists"),
    "list.not_staged": Kind(409, "There is nothing held back to start"),
    "list.busy": Kind(409, "Work on this list is still going on", True),
    "list.emptied": Kind(409, "The contacts of this list were removed, as the retention rules say"),
    "delivery.nothing_unknown": Kind(409, "There is no open question to resolve"),
    "idempotency.in_flight": Kind(409, "The first request with this key is still at work", True),
    "idempotency.mismatch": Kind(422, "This key was used with another payload"),
    "body.too_large": Kind(413, "The body is larger than allowed"),
    "list.too_large": Kind(413, "The list has more contacts than one request may carry"),
    "body.wrong_type": Kind(415, "The media type is not supported"),
    "source.unusable": Kind(422, "The file cannot be taken"),
    "list.empty": Kind(422, "The list has no contacts"),
    "list.refused": Kind(422, "The vendor cannot take this list as it is"),
    "list.losses": Kind(422, "The vendor would lose something and on_loss is refuse"),
    "destination.unknown": Kind(422, "There is no such destination"),
    "rerouting.impossible": Kind(422, "This destination cannot stand in for that one"),
    "vendor_options.invalid": Kind(422, "The vendor options are not valid"),
    "vendor.cannot": Kind(422, "The vendor has no such operation"),
    "migration.cancelled": Kind(409, "The migration was cancelled"),
    "migration.left": Kind(409, "Not everything could be taken back"),
    "migration.nothing": Kind(422, "There is nothing to move"),
    "migration.too_many": Kind(422, "Too many lists for one migration"),
    "migration.unreadable": Kind(422, "The source cannot be read"),
    "migration.vanished": Kind(422, "The source is not at its vendor any more"),
    "migration.changed": Kind(409, "The source changed while it was read", True),
    "migration.moved": Kind(409, "The list was moved before"),
    "migration.refused": Kind(422, "The target cannot take what is to be moved"),
    "migration.stale": Kind(409, "The plan does not hold any more"),
    "migration.conflict": Kind(409, "Another migration works on this list", True),
    "migration.not_planned": Kind(409, "This migration cannot be applied"),
    "migration.not_applied": Kind(409, "There is nothing to roll back"),
    "migration.not_quiet": Kind(409, "Nothing may start as long as the source may be calling"),
    "passthrough.not_allowed": Kind(403, "This vendor call is not on the allow list"),
    "vendor.refused": Kind(502, "The vendor refused"),
    "vendor.not_sent": Kind(503, "The vendor could not be reached", True),
    "vendor.unclear": Kind(504, "Nobody knows whether the vendor acted"),
    "storage.unavailable": Kind(503, "The database or the disk takes nothing down", True),
    "internal": Kind(500, "Something went wrong here"),
}


class ErrorItem(BaseModel):
    """One fault of a request: where it is (a JSON pointer, or the name of a parameter), its code, and why."""

    pointer: str
    code: str
    detail: str


class ProblemBody(BaseModel):
    """RFC 9457, with our own members."""

    type: str = Field(description="about:blank")
    title: str
    status: int
    detail: str
    code: str = Field(description="stable, for programs")
    outcome: str = Field(description="what became of the request: rejected, not_sent or unknown")
    retryable: bool
    errors: list[ErrorItem] = Field(default_factory=list)
    operation: str | None = None


class Problem(Exception):
    """A request that cannot be fulfilled; `code` is a key of `KINDS`."""

    def __init__(
        self,
        code: str,
        detail: str,
        errors: Sequence[ErrorItem] = (),
        *,
        status: int | None = None,
        outcome: str = "rejected",
        headers: Mapping[str, str] | None = None,
        operation: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = KINDS[code]
        self.code, self.detail, self.errors = code, detail, list(errors)
        self.status = status or self.kind.status
        self.outcome, self.headers, self.operation = outcome, dict(headers or {}), operation

    def kept(self) -> dict[str, Any]:
        """As an operation keeps it."""
        errors = [item.model_dump() for item in self.errors]
        return {
            "code": self.code,
            "detail": self.detail,
            "errors": errors,
            "status": self.status,
            "outcome": self.outcome,
        }

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Problem":
        """The problem that an operation kept."""
        errors = [ErrorItem.model_validate(item) for item in kept.get("errors", ())]
        status, outcome = kept.get("status"), kept.get("outcome", "rejected")
        return cls(kept["code"], kept["detail"], errors, status=status, outcome=outcome)

    def body(self) -> ProblemBody:
        return ProblemBody(
            type="about:blank",
            title=self.kind.title,
            status=self.status,
            detail=self.detail,
            code=self.code,
            outcome=self.outcome,
            retryable=self.kind.retryable,
            errors=self.errors,
            operation=self.operation,
        )


def invalid(items: Sequence[ErrorItem]) -> Problem:
    """A 400 with every fault."""
    number = len(items)
    detail = items[0].detail if number == 1 else f"{number} faults, see errors"
    return Problem("request.invalid", f"{items[0].pointer or 'the body'}: {detail}" if number == 1 else detail, items)


def pointer(*parts: Any) -> str:
    """A JSON pointer (RFC 6901) to these members."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
