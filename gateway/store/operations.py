"""Operations in the database: pieces of work on a list, and which process works on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, and_, bindparam, or_, select, update

from gateway.store import attempts, keys
from gateway.store.database import Prepared, from_json, inserting, timestamp, to_json
from gateway.store.schema import operations

UNFINISHED = ("queued", "running")


@dataclass(frozen=True, slots=True)
class StoredOperation:
    """A piece of work on a list. `runs` counts the processes that began it: more than one after a crash."""

    no: int
    id: str
    tenant: str
    list_id: str
    kind: str
    state: str
    stage: str
    owner: str
    runs: int
    cancelling: bool
    input: dict[str, Any] | None
    error: dict[str, Any] | None
    created_at: str
    updated_at: str

    @property
    def done(self) -> bool:
        return self.state not in UNFINISHED


def add_operation(
    connection: Connection,
    operation_id: str,
    tenant: str,
    list_id: str,
    kind: str,
    owner: str,
    *,
    stage: str = "delivering",
    input: Mapping[str, Any] | None = None,
    begun: bool = False,
) -> None:
    """Store an operation; `begun`: this process works on it already."""
    now = timestamp()
    values = {
        "id": operation_id,
        "tenant": tenant,
        "list_id": list_id,
        "kind": kind,
        "state": "running" if begun else "queued",
        "stage": stage,
        "owner": owner,
        "runs": 1 if begun else 0,
        "cancelling": False,
        "input": to_json(dict(input)) if input is not None else None,
        "created_at": now,
        "updated_at": now,
    }
    _ADD(connection, **values)


def begin(connection: Connection, operation_id: str, owner: str) -> StoredOperation | None:
    """Take an operation to work on it, as it then stands; None when it is finished, or another process has it."""
    found = _find(connection, operations.c.id == operation_id, to_change=True)
    if found is None or found.done or (found.state == "running" and found.owner != owner):
        return None
    again = found.state == "running"  # by this very process: the database had refused something
    if again:
        attempts.close_unrecorded(connection, owner, found.list_id)
    runs = found.runs if again else found.runs + 1
    change_operation(connection, operation_id, state="running", owner=owner, runs=runs)
    return _find(connection, operations.c.id == operation_id)


def change_operation(connection: Connection, operation_id: str, **values: Any) -> None:
    if values.get("error") is not None:
        values["error"] = to_json(values["error"])
    query = update(operations).where(operations.c.id == operation_id)
    connection.execute(query.values(updated_at=timestamp(), **values))


def finish(connection: Connection, operation_id: str, ending: Mapping[str, Any]) -> None:
    """Record how an operation ended; what was refused before anything was stored stays at that stage."""
    now = any_operation(connection, operation_id)
    stage = "refused" if now is not None and now.stage == "refused" else "done"
    change_operation(connection, operation_id, stage=stage, **ending)


def cancel(connection: Connection, operation_id: str) -> None:
    query = update(operations).where(operations.c.id == operation_id, operations.c.state.in_(UNFINISHED))
    connection.execute(query.values(cancelling=True, updated_at=timestamp()))


def get_operation(connection: Connection, tenant: str, operation_id: str) -> StoredOperation | None:
    return _find(connection, and_(operations.c.id == operation_id, operations.c.tenant == tenant))


def any_operation(connection: Connection, operation_id: str) -> StoredOperation | None:
    """The operation, whoever's it is."""
    row = _FIND(connection, operation_id=operation_id).mapping()
    return _operation(row) if row else None


def end_own(connection: Connection, operation_id: str, owner: str) -> bool:
    """Record that an operation succeeded, if this process still has it."""
    return _END(connection, operation_id=operation_id, the_owner=owner, updated_at=timestamp()).rowcount == 1


_ADD: Final = inserting(
    operations,
    "id",
    "tenant",
    "list_id",
    "kind",
    "state",
    "stage",
    "owner",
    "runs",
    "cancelling",
    "input",
    "created_at",
    "updated_at",
)
_END: Final = Prepared(
    update(operations)
    .where(operations.c.id == bindparam("operation_id"), operations.c.owner == bindparam("the_owner"))
    .where(operations.c.state == "running")
    .values(state="succeeded", stage="done", updated_at=bindparam("updated_at"))
)
_FIND: Final = Prepared(select(operations).where(operations.c.id == bindparam("operation_id")))
_RUNNING: Final = Prepared(
    select(operations.c.id)
    .where(operations.c.list_id == bindparam("list_id"), or_(*(operations.c.state == state for state in UNFINISHED)))
    .order_by(operations.c.no.desc())
)


def _find(connection: Connection, where: Any, *, to_change: bool = False) -> StoredOperation | None:
    query = select(operations).where(where)
    row = connection.execute(query.with_for_update() if to_change else query).mappings().first()
    return _operation(row) if row else None


def running_operation(connection: Connection, list_id: str) -> str | None:
    """The newest unfinished operation of a list."""
    found: str | None = _RUNNING(connection, list_id=list_id).value()
    return found


def reading_operation(connection: Connection, list_id: str) -> str | None:
    """An unfinished operation of a list whose contacts are not all stored yet."""
    query = select(operations.c.id).where(operations.c.list_id == list_id, operations.c.state.in_(UNFINISHED))
    found: str | None = connection.execute(query.where(operations.c.input.is_not(None)).limit(1)).scalar_one_or_none()
    return found


def is_before(connection: Connection, one: StoredOperation) -> bool:
    """Whether other work on the same list comes first."""
    query = select(operations.c.id).where(
        operations.c.list_id == one.list_id, operations.c.no < one.no, operations.c.state.in_(UNFINISHED)
    )
    return connection.execute(query.limit(1)).first() is not None


def last_of(connection: Connection, list_id: str, kinds: Sequence[str]) -> str | None:
    """The kind of the list's newest operation among these kinds. What failed does not count, but for a stop."""
    counts = or_(operations.c.state != "failed", operations.c.kind == "stop")
    query = select(operations.c.kind).where(operations.c.list_id == list_id, operations.c.kind.in_(kinds), counts)
    found: str | None = connection.execute(query.order_by(operations.c.no.desc()).limit(1)).scalar_one_or_none()
    return found


def owners(connection: Connection) -> list[str]:
    """Every process that has unfinished operations or claims, dead or alive."""
    query = select(operations.c.owner).where(operations.c.state.in_(UNFINISHED)).distinct()
    return [*connection.execute(query).scalars(), *keys.owners(connection)]


def take_over(connection: Connection, dead: str, by: str) -> list[tuple[str, str]]:
    """(operation id, tenant) of the unfinished work of a dead process, which is now `by`'s, in the order of making."""
    where = and_(operations.c.owner == dead, operations.c.state.in_(UNFINISHED))
    query = select(operations.c.id, operations.c.tenant).where(where).order_by(operations.c.no).with_for_update()
    found = [(operation_id, tenant) for operation_id, tenant in connection.execute(query)]
    connection.execute(update(operations).where(where).values(owner=by, state="queued", updated_at=timestamp()))
    keys.release_keys_of(connection, dead)
    attempts.close_open(connection, dead)
    return found


def _operation(row: RowMapping | Mapping[str, Any]) -> StoredOperation:
    values = dict(row)
    for name in ("error", "input"):
        values[name] = from_json(values[name]) if values[name] else None
    values["cancelling"] = bool(values["cancelling"])
    return StoredOperation(**values)
