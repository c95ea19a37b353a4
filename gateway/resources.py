"""What callers get: the resources of the API as models, and how they are made from what is stored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gateway.canonical import Contact, Counts, LossEntry, Outcome, State, state_of
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.ingest import Rejected, SourceInfo
from gateway.store import attempts as tried
from gateway.store import chunks, moves
from gateway.store import deliveries as stored
from gateway.store import lists as store
from gateway.store import operations as work
from gateway.store.chunks import StoredContact

T = TypeVar("T")


class Resource(BaseModel):
    model_config = ConfigDict(frozen=True)


class PageOf(Resource, Generic[T]):
    """A page of something; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None


class FaultOut(Resource):
    code: str
    column: str | None
    detail: str


class RemoteListOut(Resource):
    id: str
    name: str
    count: int | None
    deleted: bool = False


class AttemptOut(Resource):
    """One vendor request: what left, and what came of it. `reply` has secrets and numbers masked."""

    step: str
    verdict: str | None
    status: int | None
    method: str
    target: str
    detail: str | None
    reply: str | None
    started_at: str
    finished_at: str | None


class DeliveryOut(Resource):
    """One list on its way to one destination."""

    id: str
    destination: str
    adapter: str
    state: State
    activation: Literal["passive", "held", "scheduled", "started"]
    remote_lists: list[RemoteListOut]
    counts: Counts
    losses: list[LossEntry]
    detail: str | None = None
    superseded_by: str | None = None
    moved_to: str | None = Field(None, description="the list that has its contacts now, at another vendor")
    attempts: list[AttemptOut] = Field(default_factory=list, description="the newest 20; not in pages of lists")


class OperationRef(Resource):
    id: str
    href: str


class ListOut(Resource):
    """A contact list: its state, the outcome counts, and where it went."""

    id: str
    name: str
    reference: str | None
    description: str | None
    channel: str
    state: State
    counts: Counts
    deliveries: list[DeliveryOut]
    source: SourceInfo | None
    corrected: int = Field(0, description="rows that came again in a corrected rejections file and were valid")
    created_at: str
    updated_at: str
    operation: OperationRef | None
    moved_to: str | None = Field(None, description="the list that goes on in its place, at another vendor")
    remains: str | None = Field(
        None, description="what is still at a vendor after a delete; since when the contacts are removed"
    )


class ContactOut(Resource):
    """One contact with its outcome and the vendor's id of it."""

    contact_id: str
    id: str | None
    row: int
    phone: str
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    email: str | None = None
    language: str | None = None
    time_zone: str | None = None
    priority: int | None = None
    tag: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)
    outcome: Outcome
    faults: list[FaultOut]
    detail: str | None
    delivery: str | None
    remote_id: str | None


class OperationError(Resource):
    code: str
    detail: str


class OperationResult(Resource):
    href: str


class OperationOut(Resource):
    """A running or finished piece of work."""

    id: str
    kind: str
    state: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    done: bool
    stage: str
    counts: Counts
    result: OperationResult
    error: OperationError | None
    created_at: str
    updated_at: str


ATTEMPTS_SHOWN = 20


class Standing(NamedTuple):
    """How a delivery stands: its remote lists, its newest attempts, its outcomes, and how many its vendor refused."""

    delivery: stored.StoredDelivery
    remotes: Sequence[stored.StoredRemote]
    attempts: Sequence[Mapping[str, Any]]
    counts: Counts
    refused: int


def list_out(connection: Any, one: store.StoredList, *, attempts: bool = True) -> ListOut:
    """The list resource as it stands."""
    counts, each, refused = chunks.counts(connection, one.id)
    standings = [
        Standing(
            delivery,
            stored.remotes_of(connection, delivery.id),
            tried.latest_of(connection, delivery.id, ATTEMPTS_SHOWN) if attempts else (),
            each.get(delivery.id, Counts()),
            refused.get(delivery.id, 0),
        )
        for delivery in stored.of_list(connection, one.id)
    ]
    return list_of(one, counts, sum(refused.values()), standings, work.running_operation(connection, one.id))


def list_of(
    one: store.StoredList, counts: Counts, refused: int, standings: Iterable[Standing], operation: str | None = None
) -> ListOut:
    """The list resource of what is known. `refused`: how many contacts a vendor refused or never got."""
    return ListOut(
        id=one.id,
        name=one.head.name,
        reference=one.head.reference,
        description=one.head.description,
        channel=one.head.channel,
        state=_state(one, counts, refused, operation is not None),
        counts=counts,
        deliveries=[_delivery(one, standing) for standing in standings],
        source=SourceInfo.model_validate(one.source) if one.source else None,
        corrected=one.corrected,
        created_at=one.created_at,
        updated_at=one.updated_at,
        operation=OperationRef(id=operation, href=f"/v1/operations/{operation}") if operation else None,
        moved_to=one.moved_to,
        remains=one.remains,
    )


def _state(one: store.StoredList, counts: Counts, refused: int, busy: bool) -> State:
    if busy and not counts.received:
        return State.DELIVERING  # its file is just being read
    return State.DELETED if one.deleted_at else state_of(counts, refused_by_vendor=refused, staged=one.staged)


def _delivery(one: store.StoredList, standing: Standing) -> DeliveryOut:
    delivery, counts = standing.delivery, standing.counts
    state = state_of(counts, refused_by_vendor=standing.refused, staged=delivery.activation == "held")
    return DeliveryOut(
        id=delivery.id,
        destination=delivery.destination,
        adapter=delivery.adapter,
        state=State.DELETED if one.deleted_at else state,
        activation=delivery.activation,
        remote_lists=[
            RemoteListOut(id=there.id, name=there.name, count=there.count, deleted=remote.deleted)
            for remote in standing.remotes
            if (there := remote.remote) is not None
        ],
        counts=counts,
        losses=delivery.losses,
        detail=delivery.detail,
        superseded_by=delivery.superseded_by,
        moved_to=delivery.moved_to,
        attempts=[AttemptOut.model_validate(each, from_attributes=False, extra="ignore") for each in standing.attempts],
    )


def contact_out(one: StoredContact) -> ContactOut:
    """The contact resource; of a rejected row, what could be read of it."""
    item, mark = one.item, one.mark
    known = isinstance(item, Contact)
    faults = item.faults if isinstance(item, Rejected) else mark.faults
    return ContactOut(
        contact_id=one.contact_id,
        id=item.id,
        row=item.row,
        phone=item.phone if isinstance(item, Contact) else item.phone_text,
        outcome=mark.outcome,
        faults=[FaultOut(code=fault.code, column=fault.column, detail=fault.detail) for fault in faults],
        detail=mark.detail,
        delivery=one.place.delivery_id,
        remote_id=mark.remote_id,
        attributes=item.attributes if isinstance(item, Contact) else {},
        **{name: getattr(item, name) for name in (*TEXT_FIELDS, "priority") if known and name != "id"},
    )


def _told(connection: Any, one: work.StoredOperation) -> tuple[Counts, str]:
    """The outcomes so far, and what the operation is about: a list, or a migration of several."""
    if not one.list_id.startswith("mg_"):
        return chunks.counts(connection, one.list_id)[0], f"/v1/contact-lists/{one.list_id}"
    targets = [moving.target_list_id for moving in moves.lists_of(connection, one.list_id)]
    counts = [chunks.counts(connection, target)[0] for target in targets if target is not None]
    return sum(counts, Counts()), f"/v1/migrations/{one.list_id}"


def operation_out(connection: Any, one: work.StoredOperation) -> OperationOut:
    counts, href = _told(connection, one)
    return OperationOut(
        id=one.id,
        kind=one.kind,
        state=one.state,
        done=one.done,
        stage=one.stage,
        counts=counts,
        result=OperationResult(href=href),
        error=OperationError.model_validate(one.error) if one.error else None,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )
