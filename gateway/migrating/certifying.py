"""The certificate of a migration, put together from what its lists have recorded; and its rows as they are served."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.canonical import Counts, added_up
from gateway.migrating.documents import (
    LEFT_OUT,
    Certificate,
    Compared,
    Fate,
    Fates,
    ListCertificate,
    PlanOut,
    Proof,
    Row,
    RowsOut,
    SourceSide,
    TargetSide,
)
from gateway.settings import Destination
from gateway.store import deliveries as stored
from gateway.store import moves
from gateway.store.database import Database, timestamp
from gateway.store.moves import Move, MovingList

PHASES = {"plan": ("plan",), "certificate": ("left", "moved")}
"""The rows of a plan, and those of a certificate: who was left out, and who moved."""
NOTHING = "nothing of this list has moved"


def rows(database: Database, move_id: str, phase: str) -> Iterator[list[Row]]:
    """All rows by the block, in the order of the lists. Blocking: from another thread than the database's."""
    places = [
        (list_no, kind, no) for kind in PHASES[phase] for list_no, no in database.call(moves.blocks, move_id, kind)
    ]
    for list_no, kind, no in sorted(places, key=lambda place: (place[0], PHASES[phase].index(place[1]), place[2])):
        yield database.call(moves.block, move_id, kind, list_no, no)


_lines = msgspec.json.Encoder(order="deterministic").encode_lines


def ndjson(database: Database, move_id: str, phase: str) -> Iterator[bytes]:
    """The rows as NDJSON, byte for byte what the certificate's digest is of."""
    return (_lines(block) for block in rows(database, move_id, phase))


def differing(database: Database, move_id: str) -> Iterator[Row]:
    """The rows of a certificate but those of contacts that arrived as they were."""
    return (row for block in rows(database, move_id, "certificate") for row in block if row.compared != "equal")


def _rows_of(database: Database, move_id: str) -> RowsOut:
    together, number, apart = hashlib.sha256(), 0, 0
    for block in rows(database, move_id, "certificate"):
        together.update(_lines(block))
        number += len(block)
        apart += sum(row.compared != "equal" for row in block)
    href = f"/v1/migrations/{move_id}/rows"
    return RowsOut(count=number, differing=apart, href=href, sha256=together.hexdigest())


def certificate(
    database: Database, move: Move, target: Destination, applied_at: str, routing: list[str], deleted: dict[int, str]
) -> Certificate:
    """The certificate as things stand. Blocking: from another thread than the database's."""
    assert move.plan is not None
    lists = [
        _of_list(moving, target, database.call(_losses, moving), deleted.get(moving.no))
        for moving in database.call(moves.lists_of, move.id)
    ]
    counts = sum((one.counts for one in lists), Fates())
    plan = PlanOut.model_validate(move.plan["out"])
    return Certificate(
        migration=move.id,
        tenant=move.tenant,
        by=move.by,
        planned_at=plan.made_at,
        applied_at=applied_at,
        made_at=timestamp(),
        source=move.source,
        target=move.target,
        adapter=target.adapter.name,
        api_version=target.adapter.api_version,
        plan=plan.digest,
        include=move.wishes["include"],
        counts=counts,
        outcomes=sum((one.target.outcomes for one in lists), Counts()),
        compared=_added([one.compared for one in lists]),
        losses=added_up([loss for one in lists for loss in one.losses]),
        lists=lists,
        unverified=_unverified(lists),
        routing=routing,
        rollback=_way_back(move, lists),
        rows=_rows_of(database, move.id),
    )


def _losses(connection: Connection, moving: MovingList) -> list[Any]:
    if moving.target_list_id is None:
        return []
    return [loss for one in stored.of_list(connection, moving.target_list_id) for loss in one.losses]


def _of_list(moving: MovingList, target: Destination, losses: list[Any], deleted: str | None) -> ListCertificate:
    assert moving.plan is not None
    assert moving.result is not None
    result = moving.result
    refused, fates = result.get("refused", 0), result["fates"]
    counts = Fates.model_validate({**fates, "moves": fates["moves"] - refused, "refused": fates["refused"] + refused})
    return ListCertificate(
        name=moving.plan["name"],
        reference=moving.plan["reference"],
        source=SourceSide.model_validate(result["source"]),
        proof=Proof.model_validate(moving.proof),
        counts=counts,
        target=_target(result, target),
        compared=Compared.model_validate(result["compared"]),
        losses=[*result["losses"], *losses],
        source_deleted=deleted,
    )


def _target(result: dict[str, Any], target: Destination) -> TargetSide:
    if result["target"] is not None:
        return TargetSide.model_validate(result["target"])
    return TargetSide(
        list_id="",
        destination=target.name,
        remote_lists=[],
        outcomes=Counts(),
        contacts=0,
        digest=hashlib.sha256().hexdigest(),
        read="nothing has left yet",
        why=NOTHING,
    )


def _added(some: list[Compared]) -> Compared:
    names = Compared.model_fields
    return Compared(**{name: sum(getattr(one, name) for one in some) for name in names})


def _unverified(lists: list[ListCertificate]) -> list[str]:
    """What nobody could look at, in sentences."""
    told = []
    for one in lists:
        if one.compared.unverified or one.target.read == "nothing has left yet":
            told.append(f"{one.name}: {one.compared.unverified} contacts were not read back; {one.target.why or ''}")
        if one.target.outcomes.unknown:
            told.append(
                f"{one.name}: of {one.target.outcomes.unknown} contacts nobody knows whether the target has them"
            )
        if one.source.incomplete:
            told.append(f"{one.name}: the source could not be read whole: {one.source.incomplete}")
        if not one.proof.proven and one.target.list_id:
            told.append(f"{one.name}: that the source is quiet is not proven, so nothing starts: {one.proof.how}")
        left = [f"{number} {why}" for fate, why in LEFT_OUT.items() if (number := _number(one.counts, fate))]
        if left:
            told.append(f"{one.name}: left out: {'; '.join(left)}")
    return told


def _number(counts: Fates, fate: Fate) -> int:
    number: int = getattr(counts, fate.value)
    return number


def _way_back(move: Move, lists: list[ListCertificate]) -> str:
    deleted = [one.name for one in lists if one.source_deleted and one.source_deleted.startswith("deleted")]
    told = f"POST /v1/migrations/{move.id}/rollback, or `gateway migrate rollback {move.id}`"
    return f"{told}; not for {', '.join(deleted)}, deleted at the source" if deleted else told
