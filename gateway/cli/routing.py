"""`gateway route list`, `set` and `off`: which destination stands in for which, without a running server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError
from rich.table import Table

from gateway import logs, rerouting, settings
from gateway.cli import context
from gateway.cli.context import Usage
from gateway.cli.tables import console
from gateway.registry import load
from gateway.rerouting import ReroutingIn, ReroutingOut
from gateway.resources import PageOf
from gateway.settings import Tenant
from gateway.store import reroutings as store
from gateway.store.database import Database

_SHOWN = 1_000


def show(path: Path, tenant_name: str | None, source: str | None, as_json: bool) -> int:
    """Print the changes, newest first; of one source also what its last shadow saw."""

    async def work() -> int:
        async with _opened(path, tenant_name) as (database, tenant):
            state = None if source is None else await database.run(rerouting.state, tenant, source)
            found = await database.run(store.history, tenant.name, source, _SHOWN)
            changes = await database.run(rerouting.shown, found)
        if as_json:
            context.print_json(PageOf[ReroutingOut](items=changes) if state is None else state)
            return 0
        screen = console()
        screen.print(_table(changes) if changes else "every list goes where its route says")
        if state is not None and state.shadow is not None:
            screen.print_json(state.shadow.model_dump_json())
        return 0

    return context.run(work())


def change(
    path: Path,
    tenant_name: str | None,
    source: str,
    target: str | None,
    mode: str,
    percent: float | None,
    as_json: bool,
) -> int:
    """Switch, and print what is in force now."""

    async def work() -> int:
        wish = _wish(target, mode, percent)
        async with _opened(path, tenant_name) as (database, tenant):
            changed = await rerouting.switch(database, tenant, source, wish, context.asker(), secrets=False)
            (shown,) = await database.run(rerouting.shown, [changed])
        if as_json:
            context.print_json(shown)
        else:
            console().print(_table([shown]))
        return 0

    return context.run(work())


def _wish(target: str | None, mode: str, percent: float | None) -> ReroutingIn:
    try:
        return ReroutingIn.model_validate({"target": target, "mode": mode, "percent": percent})
    except ValidationError as error:
        told = "; ".join(f"--{key}: {why}" for key, why in settings.explain(error))
        raise Usage(told) from None


@asynccontextmanager
async def _opened(path: Path, tenant_name: str | None) -> AsyncIterator[tuple[Database, Tenant]]:
    """The database and the tenant only: nothing is sent, so no secret is read and no work is taken up."""
    logs.configure("info")  # a change is told, here as by a server
    config = await asyncio.to_thread(lambda: settings.load(path, load(simulators=False).adapters, secrets=False))
    tenant = context.pick_tenant(config, tenant_name)
    database = Database(config.database)
    try:
        await database.prepare()
        yield database, tenant
    finally:
        await database.close()


def _table(changes: list[ReroutingOut]) -> Table:
    table = Table("for", "goes", "mode", "in force", "since", "by", "migration")
    for one in changes:
        mode = f"{one.percent:g} %" if one.percent is not None else one.mode
        force = "yes" if one.in_force else "-"
        table.add_row(one.source, one.target, mode, force, one.at, one.by, one.migration or "-")
    return table
