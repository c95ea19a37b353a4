"""Another destination stands in for one of a tenant: asked for, checked, recorded, told. The API and the command line
drive it, and a migration may. `gateway.routing` says what a rerouting does.
"""

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from gateway.migrating import shadowing
from gateway.migrating.shadowing import ShadowReport
from gateway.planning import destination_of
from gateway.problem import ErrorItem, Problem, invalid
from gateway.resources import Resource
from gateway.settings import Tenant
from gateway.store import reroutings as store
from gateway.store.database import Database
from gateway.store.reroutings import Mode, Rerouting

log = structlog.get_logger("gateway.rerouting")


class ReroutingIn(BaseModel):
    """Who is to stand in, and how far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str | None = Field(None, max_length=100, description="the destination that stands in; not needed for `off`")
    mode: Mode = Field(description="`shadow`: only rehearsed, with a report; `percent`, `full`; `off`: back again")
    percent: float | None = Field(None, gt=0, lt=100, description="of all numbers, always the same ones")


class ReroutingOut(Resource):
    """One change: since when a destination stands in for another, how far, and who wanted it."""

    source: str
    target: str
    mode: Mode
    percent: float | None
    in_force: bool = Field(description="whether it is the source's last change, and not `off`")
    migration: str | None
    by: str
    at: str


class ReroutingState(Resource):
    """Who stands in for one destination now, and what the last shadow saw."""

    source: str
    in_force: ReroutingOut | None
    shadow: ShadowReport | None


async def switch(
    database: Database,
    tenant: Tenant,
    source: str,
    wish: ReroutingIn,
    by: str,
    migration_id: str | None = None,
    *,
    secrets: bool = True,
) -> Rerouting:
    """Make a change, durable when this returns. From then on no list is stored by what was in force before.

    `secrets` False: the configuration was loaded without them, so nobody knows whether the target has any. Raises
    `Problem`: 404 for an unknown source, 400 and 422 for a wish that makes no sense. A repeat changes nothing.
    """
    before, after = await database.run(_switch, tenant, source, wish, by, migration_id, secrets)
    if before != after:
        log.info(
            "rerouted",
            tenant=tenant.name,
            source=source,
            target=after.target,
            mode=after.mode,
            percent=after.percent,
            before=before.mode if before else "off",
            by=by,
            migration=migration_id,
        )
    return after


def _switch(
    connection: Connection,
    tenant: Tenant,
    source: str,
    wish: ReroutingIn,
    by: str,
    migration_id: str | None,
    secrets: bool,
) -> tuple[Rerouting | None, Rerouting]:
    store.hold(connection, tenant.name)
    before = store.newest(connection, tenant.name, source)
    if source not in tenant.destinations and before is None:
        raise unknown_source(tenant, source)
    _check_percent(wish)
    target = _target_when_off(wish, before, source) if wish.mode == "off" else _target(tenant, source, wish, secrets)
    same = before is not None and (before.target, before.mode, before.percent) == (target, wish.mode, wish.percent)
    if same and before is not None and migration_id in (None, before.migration_id):
        return before, before
    return before, store.add(connection, tenant.name, source, target, wish.mode, wish.percent, by, migration_id)


def _check_percent(wish: ReroutingIn) -> None:
    if (wish.percent is not None) == (wish.mode == "percent"):
        return
    missing = wish.percent is None
    why = "is required with the mode percent" if missing else f"belongs to the mode percent, not to {wish.mode}"
    raise invalid([ErrorItem(pointer="/percent", code="field.missing" if missing else "field.invalid", detail=why)])


def _target_when_off(wish: ReroutingIn, before: Rerouting | None, source: str) -> str:
    if before is None:
        raise Problem("not_found", f"nothing stands in for {source}")
    if wish.target not in (None, before.target):
        raise _impossible(f"{wish.target} does not stand in for {source}, {before.target} does")
    return before.target


def _target(tenant: Tenant, source: str, wish: ReroutingIn, secrets: bool) -> str:
    if wish.target is None:
        raise invalid([ErrorItem(pointer="/target", code="field.missing", detail="is required")])
    if wish.target == source:
        raise _impossible("a destination cannot stand in for itself")
    target = destination_of(tenant, wish.target, "/target")
    if source not in tenant.destinations and wish.mode != "full":
        raise _impossible(f"{source} is not in the configuration any more: all of it must go elsewhere, mode full")
    if secrets and wish.mode != "shadow" and target.credentials is None:
        raise _impossible(f"{wish.target} has no credentials: nothing can be sent there")
    return wish.target


def _impossible(why: str) -> Problem:
    item = ErrorItem(pointer="/target", code="rerouting.impossible", detail=why)
    return Problem("rerouting.impossible", why, [item])


def unknown_source(tenant: Tenant, source: str) -> Problem:
    known = ", ".join(tenant.destinations) or "none"
    return Problem("not_found", f"{source} is not a destination; there are: {known}")


def shown(connection: Connection, found: list[Rerouting]) -> list[ReroutingOut]:
    """Changes of one tenant as resources."""
    newest = {one.no for one in store.in_force(connection, found[0].tenant).values()} if found else set()
    return [_out(one, one.no in newest) for one in found]


def _out(one: Rerouting, in_force: bool) -> ReroutingOut:
    return ReroutingOut(
        source=one.source,
        target=one.target,
        mode=one.mode,
        percent=one.percent,
        in_force=in_force,
        migration=one.migration_id,
        by=one.by,
        at=one.at,
    )


def state(connection: Connection, tenant: Tenant, source: str) -> ReroutingState:
    """Who stands in for a destination; 404 when it is none and never was rerouted."""
    last = store.newest(connection, tenant.name, source)
    if last is None and source not in tenant.destinations:
        raise unknown_source(tenant, source)
    now = last if last is not None and last.mode != "off" else None
    shadowed = store.newest(connection, tenant.name, source, "shadow")
    return ReroutingState(
        source=source,
        in_force=_out(now, True) if now else None,
        shadow=shadowing.report(connection, shadowed) if shadowed else None,
    )
