"""The migration resource."""

from typing import Any, Literal

from sqlalchemy import Connection

from gateway.canonical import Counts
from gateway.migrating.documents import PlanOut, Proof
from gateway.resources import OperationError, OperationRef, Resource
from gateway.store import chunks, moves
from gateway.store import operations as work
from gateway.store.moves import Move, MovingList


class CertificateRef(Resource):
    href: str


class MovingOut(Resource):
    """How far one list has come. `target` is the list that goes on in its place."""

    list_id: str
    target: str | None
    stage: Literal["planned", "quiet", "stored", "delivered", "verified", "returned"]
    proof: Proof | None
    outcomes: Counts


class MigrationOut(Resource):
    """A move of lists to another vendor: planned, applied, certified, taken back."""

    id: str
    state: Literal["planning", "planned", "applying", "done", "failed", "rolling_back", "rolled_back"]
    source: dict[str, Any]
    target: str
    wishes: dict[str, Any]
    by: str
    plan: PlanOut | None
    lists: list[MovingOut]
    counts: Counts
    certificate: CertificateRef | None
    error: OperationError | None
    operation: OperationRef | None
    created_at: str
    updated_at: str


def migration_out(connection: Connection, move: Move) -> MigrationOut:
    """The resource as it stands."""
    lists = [_moving(connection, one) for one in moves.lists_of(connection, move.id)]
    running = work.running_operation(connection, move.id)
    return MigrationOut(
        id=move.id,
        state=move.state,
        source=move.source,
        target=move.target,
        wishes=move.wishes,
        by=move.by,
        plan=PlanOut.model_validate(move.plan["out"]) if move.plan else None,
        lists=lists,
        counts=sum((one.outcomes for one in lists), Counts()),
        certificate=CertificateRef(href=f"/v1/migrations/{move.id}/certificate") if move.certificate else None,
        error=OperationError(code=move.error["code"], detail=move.error["detail"]) if move.error else None,
        operation=OperationRef(id=running, href=f"/v1/operations/{running}") if running else None,
        created_at=move.created_at,
        updated_at=move.updated_at,
    )


def _moving(connection: Connection, one: MovingList) -> MovingOut:
    outcomes = Counts()
    if one.target_list_id is not None:
        outcomes, _, _ = chunks.counts(connection, one.target_list_id)
    there = one.target_list_id if one.stage not in ("planned", "quiet") else None
    proof = Proof.model_validate(one.proof) if one.proof else None
    return MovingOut(list_id=one.list_id, target=there, stage=one.stage, proof=proof, outcomes=outcomes)
