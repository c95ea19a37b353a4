"""What a migration says of itself: its plan before, its certificate after. Times are ISO 8601 in UTC."""

from enum import StrEnum, unique
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from gateway.canonical import Counts, LossEntry
from gateway.resources import Resource
from gateway.store.moves import Row as Row
from gateway.vendors import FieldOut


@unique
class Fate(StrEnum):
    """What a migration does with one row of the source list. Every row has exactly one."""

    MOVES = "moves"
    REACHED = "reached"  # the source has called or messaged this person, or is just doing so
    UNCLEAR = "unclear"  # nobody knows whether a source that dials has this person
    GONE = "gone"  # the vendor does not show this person any more: taken off there
    REFUSED = "refused"  # by the target
    SUPPRESSED = "suppressed"
    ABSENT = "absent"  # never came to the source: rejected, duplicate, suppressed there
    INVALID = "invalid"  # read from the vendor, and no contact: without a valid phone


LEFT_OUT: dict[Fate, str] = {
    Fate.REACHED: "the source has called or messaged them, or is just doing so",
    Fate.UNCLEAR: "nobody knows whether the source, which dials, has them",
    Fate.GONE: "the source does not show them any more",
    Fate.REFUSED: "the target cannot take them",
    Fate.SUPPRESSED: "on the do-not-contact list",
    Fate.ABSENT: "never came to the source",
    Fate.INVALID: "no valid contacts at the source",
}


class Fates(Resource):
    """Rows of the source by what becomes of them. The constructor refuses counts that do not add up."""

    received: int = Field(0, ge=0)
    moves: int = Field(0, ge=0)
    reached: int = Field(0, ge=0)
    unclear: int = Field(0, ge=0)
    gone: int = Field(0, ge=0)
    refused: int = Field(0, ge=0)
    suppressed: int = Field(0, ge=0)
    absent: int = Field(0, ge=0)
    invalid: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _conserve(self) -> Self:
        total = sum(getattr(self, fate.value) for fate in Fate)
        if self.received != total:
            raise ValueError(f"received is {self.received} but the fates add up to {total}")
        return self

    def __add__(self, other: "Fates") -> "Fates":
        return Fates(**{name: getattr(self, name) + getattr(other, name) for name in type(self).model_fields})


class RemoteOut(Resource):
    """A list at a vendor. `count` is the vendor's own, where it gives one."""

    id: str
    name: str
    count: int | None = None


class SourceSide(Resource):
    """A list where it comes from. `read` says how its contacts were known, `incomplete` what could not be read."""

    list_id: str
    destinations: list[str]
    remote_lists: list[RemoteOut]
    contacts: int
    digest: str = Field(description="SHA-256 over the digests of its contacts, in order")
    read: Literal["vendor", "store", "export"]
    incomplete: str | None = None
    unmanaged: int = Field(0, description="contacts that the vendor shows and that never came through the gateway")


class ListPlan(Resource):
    """What becomes of one list."""

    name: str
    reference: str | None
    source: SourceSide
    counts: Fates
    losses: list[LossEntry]
    remote_lists: int = Field(description="lists that the target needs for it")
    calls: int
    seconds: float = Field(description="at least, at the rate that the target allows")
    stop: str = Field(description="how the source is made quiet, and how that is proven")
    activation: str = Field(description="`passive`, `held`, `scheduled` or `started` at the target")
    refused: str | None = Field(None, description="why the target cannot take this list at all")
    notes: list[str] = Field(default_factory=list)


class PlanOut(Resource):
    """What a migration will do. `digest` covers lists, contacts, mapping, adapter version and options."""

    id: str
    digest: str
    made_at: str
    target: str
    adapter: str
    api_version: str
    counts: Fates
    losses: list[LossEntry]
    fidelity: list[FieldOut]
    calls: int
    seconds: float
    activation: str = Field(description="what activation will do")
    lists: list[ListPlan]
    notes: list[str] = Field(default_factory=list)
    rows: str = Field(description="where the rows concerned are, as JSON or CSV")


class Proof(Resource):
    """That a list is quiet: nobody is called from it any more. `proven` False: nothing may start at the target."""

    proven: bool
    how: str
    at: str
    by: str | None = Field(None, description="a person, where only a person's word proves it")


class Compared(Resource):
    """Contacts at the target against what was to arrive there."""

    equal: int = 0
    different: int = 0
    missing: int = 0
    unexpected: int = 0
    unverified: int = Field(0, description="accepted by the target, and not to be read back")


class TargetSide(Resource):
    """A list where it went."""

    list_id: str
    destination: str
    remote_lists: list[RemoteOut]
    outcomes: Counts
    contacts: int = Field(description="that are at the target, as far as is known")
    digest: str = Field(description="SHA-256 over the digests of its contacts, in the order of the source")
    read: Literal["read back", "from our attempts", "nothing has left yet"]
    why: str | None = Field(None, description="why it was not, or not wholly, read back")


class ListCertificate(Resource):
    """What became of one list."""

    name: str
    reference: str | None
    source: SourceSide
    proof: Proof
    counts: Fates
    target: TargetSide
    compared: Compared
    losses: list[LossEntry]
    source_deleted: str | None = Field(None, description="what became of the old list, where deleting it was planned")


class RowsOut(Resource):
    """A row for each contact: how many, where, the SHA-256 of them as NDJSON. `differing`: all but the equal ones."""

    count: int
    differing: int
    href: str
    sha256: str


class Certificate(Resource):
    """What was at the source and what is at the target, by whom and when, and how to go back."""

    migration: str
    tenant: str
    by: str
    planned_at: str
    applied_at: str
    made_at: str
    source: dict[str, Any]
    target: str
    adapter: str
    api_version: str
    plan: str = Field(description="digest of the plan that was applied")
    include: Literal["unreached", "all"]
    counts: Fates
    outcomes: Counts
    compared: Compared
    losses: list[LossEntry]
    lists: list[ListCertificate]
    unverified: list[str] = Field(description="what could not be verified, and why")
    routing: list[str] = Field(description="what was switched")
    rollback: str = Field(description="how to go back")
    rows: RowsOut


class SignatureOut(Resource):
    """Ed25519 over the canonical text of the certificate: sorted keys, an indentation of two, UTF-8."""

    algorithm: Literal["Ed25519"]
    public_key: str = Field(description="base64 of the 32 bytes")
    value: str = Field(description="base64 of the 64 bytes")


class Sealed(Resource):
    """A certificate with its signature; null where the operator has configured no key."""

    certificate: Certificate
    signature: SignatureOut | None
