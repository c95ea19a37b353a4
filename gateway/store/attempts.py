"""Attempts in the database: what was about to leave, and what came of it. And the turns: how many left lately."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, insert, or_, select, update

from gateway.canonical import Verdict
from gateway.contract import Limits, Reply
from gateway.store.database import Prepared, inserting, timestamp
from gateway.store.schema import attempts, deliveries, lists, operations, turns

WINDOW: Final = 60
"""Seconds in which a destination takes `requests_per_minute` requests."""
SENDING: Final = ("deliver", "create", "append")
"""The purposes of attempts that may put contacts at a vendor."""
_AHEAD: Final = 5
_ON_THE_WAY: Final = 1
"""Seconds by which a request may come later than its turn: vendors count what arrives."""
_CROWDED: Final = 0.05


class Displaced(Exception):
    """Another process has taken this operation over: nothing more may leave from here."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a request is for. `operation_id` None: nothing durable waits for it."""

    verb: str
    operation_id: str | None = None
    delivery_id: str | None = None
    part: int | None = None
    batch: int | None = None
    round: int = 1


@dataclass(frozen=True, slots=True)
class Record:
    """An attempt as it was recorded; `answer` is None where the reply was not kept whole."""

    round: int
    step: str
    digest: str
    verdict: Verdict | None
    detail: str
    answer: Reply | None


def intend(
    connection: Connection, purpose: Purpose, owner: str, account: str, limits: Limits, request: Mapping[str, str]
) -> int | float:
    """Record that a request is about to leave: the attempt's id. A float instead: wait that many seconds first.

    One transaction with the check that the operation is still ours, so that of two processes only one may send.
    """
    operation_id = purpose.operation_id
    if operation_id is not None and _HELD(connection, operation_id=operation_id).value() != owner:
        raise Displaced
    return leave(connection, purpose, owner, account, limits, request)


def leave(
    connection: Connection,
    purpose: Purpose,
    owner: str,
    account: str,
    limits: Limits,
    request: Mapping[str, str],
    now: str | None = None,
) -> int | float:
    """As `intend`, for an operation that this very transaction has made."""
    wait = _take_turn(connection, account, limits)
    if wait:
        return wait
    values = {
        "account": account,
        "owner": owner,
        "delivery_id": purpose.delivery_id,
        "part": purpose.part,
        "batch": purpose.batch,
        "purpose": purpose.verb,
        "round": purpose.round,
        "started_at": now or timestamp(),
    }
    return int(_ADD(connection, **values, **request).value())


_COLUMNS: Final = ("account", "owner", "delivery_id", "part", "batch", "purpose", "round", "started_at")
_COLUMNS_OF_REQUEST: Final = ("step", "method", "target", "digest")
_ADD: Final = Prepared(
    insert(attempts)
    .values({name: bindparam(name) for name in (*_COLUMNS, *_COLUMNS_OF_REQUEST)})
    .returning(attempts.c.id)
)
_HELD: Final = Prepared(
    select(operations.c.owner).where(operations.c.id == bindparam("operation_id")).with_for_update()
)
_TURNS: Final = Prepared(select(turns.c.second, turns.c.number).where(turns.c.account == bindparam("the_account")))
_IN_FLIGHT: Final = Prepared(
    select(func.count()).where(
        attempts.c.account == bindparam("the_account"),
        attempts.c.verdict.is_(None),
        attempts.c.started_at > bindparam("since"),
    )
)
_BUMP: Final = Prepared(
    update(turns)
    .where(turns.c.account == bindparam("the_account"), turns.c.second == bindparam("the_second"))
    .values(number=turns.c.number + 1)
)
_FORGET: Final = Prepared(
    delete(turns).where(
        turns.c.account == bindparam("the_account"),
        ~turns.c.second.between(bindparam("since"), bindparam("until")),
    )
)
_FIRST: Final = inserting(turns, "account", "second", "number")
_CONCLUDE: Final = Prepared(
    update(attempts)
    .where(attempts.c.id == bindparam("attempt_id"))
    .values({one: bindparam(one) for one in ("verdict", "status", "reply", "answer", "detail", "finished_at")})
)


def _take_turn(connection: Connection, account: str, limits: Limits) -> float:
    """0 when a request may leave now, and is counted; else the seconds until another look is worth it."""
    now = time.time()
    second = int(now)
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(account))))
    recent = {
        at: number
        for at, number in _TURNS(connection, the_account=account)
        # a clock that was set back has left seconds that have not come yet: they do not count
        if second - WINDOW - _ON_THE_WAY <= at <= second + _AHEAD
    }
    if sum(recent.values()) >= limits.requests_per_minute:
        return _until_free(recent, limits.requests_per_minute) + WINDOW + _ON_THE_WAY + 1 - now
    since = timestamp(datetime.now(UTC) - timedelta(seconds=2 * limits.timeout))
    if _IN_FLIGHT(connection, the_account=account, since=since).value() >= limits.concurrency:
        return _CROWDED
    if second in recent:
        _BUMP(connection, the_account=account, the_second=second)
    else:
        _FORGET(connection, the_account=account, since=second - WINDOW - _ON_THE_WAY, until=second + _AHEAD)
        _FIRST(connection, account=account, second=second, number=1)
    return 0.0


def _until_free(recent: Mapping[int, int], most: int) -> int:
    """The second whose passing out of the window makes room."""
    excess = sum(recent.values()) - most
    for second in sorted(recent):
        excess -= recent[second]
        if excess < 0:
            return second
    return max(recent)


def conclude(
    connection: Connection,
    attempt_id: int,
    verdict: Verdict,
    status: int | None,
    reply: str | None,
    answer: Reply | None,
    detail: str,
) -> dict[str, Any]:
    """Record what came of an attempt: what its row says of that now."""
    values = {
        "verdict": verdict.value,
        "status": status,
        "reply": reply,
        "answer": msgspec.msgpack.encode(answer) if answer is not None else None,
        "detail": detail or None,
        "finished_at": timestamp(),
    }
    _CONCLUDE(connection, attempt_id=attempt_id, **values)
    return values


STOPPED: Final = "the gateway was stopped while this was under way"
UNRECORDED: Final = "what came of this could not be recorded"


def close_open(connection: Connection, dead: str) -> None:
    """What a dead process was just sending is unknown from now on, and takes no room at its destination any more."""
    mine = and_(attempts.c.owner == dead, attempts.c.verdict.is_(None))
    values = {"verdict": Verdict.UNKNOWN.value, "detail": STOPPED, "finished_at": timestamp()}
    connection.execute(update(attempts).where(mine).values(**values))


def close_unrecorded(connection: Connection, owner: str, list_id: str) -> None:
    """As `close_open`, for a list whose work this process begins anew: the database did not take the verdicts down.

    A migration has the work of all the lists that it holds.
    """
    which = or_(lists.c.id == list_id, lists.c.migration_id == list_id)
    of_list = select(deliveries.c.id).join(lists, lists.c.id == deliveries.c.list_id).where(which)
    mine = and_(attempts.c.owner == owner, attempts.c.verdict.is_(None), attempts.c.delivery_id.in_(of_list))
    values = {"verdict": Verdict.UNKNOWN.value, "detail": UNRECORDED, "finished_at": timestamp()}
    connection.execute(update(attempts).where(mine).values(**values))


_reply = msgspec.msgpack.Decoder(Reply).decode


def records_of(
    connection: Connection, delivery_id: str, part: int | None, batch: int | None, purpose: str
) -> list[Record]:
    """The attempts of the last round of this work, in order."""
    where = and_(_of(delivery_id, part, batch), attempts.c.purpose == purpose)
    rows = connection.execute(select(attempts).where(where).order_by(attempts.c.id)).mappings().all()
    last = max((row["round"] for row in rows), default=1)
    return [
        Record(
            row["round"],
            row["step"],
            row["digest"],
            Verdict(row["verdict"]) if row["verdict"] else None,
            row["detail"] or "",
            _reply(row["answer"]) if row["answer"] else None,
        )
        for row in rows
        if row["round"] == last
    ]


def tried(connection: Connection, delivery_id: str) -> set[tuple[int | None, int | None]]:
    """(part, batch) of everything of a delivery of which something may have taken effect."""
    query = select(attempts.c.part, attempts.c.batch).where(
        attempts.c.delivery_id == delivery_id,
        attempts.c.purpose.in_(SENDING),
        attempts.c.verdict.is_(None) | attempts.c.verdict.in_([Verdict.ACCEPTED.value, Verdict.UNKNOWN.value]),
    )
    return {(part, batch) for part, batch in connection.execute(query.distinct())}


def clear_answers(connection: Connection, delivery_id: str, part: int | None, batch: int | None) -> None:
    """Forget the whole replies of work that is settled; their beginnings stay."""
    where = and_(_of(delivery_id, part, batch), attempts.c.answer.is_not(None))
    connection.execute(update(attempts).where(where).values(answer=None))


def _of(delivery_id: str, part: int | None, batch: int | None) -> ColumnElement[bool]:
    return and_(
        attempts.c.delivery_id == delivery_id,
        attempts.c.part.is_not_distinct_from(part),
        attempts.c.batch.is_not_distinct_from(batch),
    )


def latest_of(connection: Connection, delivery_id: str, limit: int) -> list[dict[str, Any]]:
    """The newest attempts of a delivery, oldest first."""
    return [dict(row) for row in _LATEST(connection, of_delivery=delivery_id, most=limit).mappings()][::-1]


_LATEST: Final = Prepared(
    select(*(column for column in attempts.c if column is not attempts.c.answer))
    .where(attempts.c.delivery_id == bindparam("of_delivery"))
    .order_by(attempts.c.id.desc())
    .limit(bindparam("most"))
)
