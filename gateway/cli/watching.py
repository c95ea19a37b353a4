"""Waiting for the work on a migration, with a line of progress; what a dead process left is taken up again."""

from rich.progress import Progress, SpinnerColumn, TextColumn
from sqlalchemy import Connection

from gateway.cli.tables import console
from gateway.engine.liveness import open_liveness
from gateway.host import Host
from gateway.migrating.requesting import refuse_failed
from gateway.migrating.resources import MigrationOut, migration_out
from gateway.problem import Problem
from gateway.settings import Tenant
from gateway.store import moves
from gateway.store import operations as work
from gateway.store.moves import Move

_LOOK = 0.5  # seconds


def shown(connection: Connection, tenant: str, move_id: str) -> MigrationOut:
    """A migration as it stands; it must be there."""
    now = moves.get(connection, tenant, move_id)
    assert now is not None
    return migration_out(connection, now)


async def finished(host: Host, tenant: Tenant, move: Move) -> MigrationOut:
    """How a migration stands once its work has ended. Raises `Problem` when it has failed or was cancelled."""
    screen = console(error=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        line = progress.add_task(move.state)
        while not await host.operations.wait(move.operation_id, _LOOK):
            progress.update(line, description=await host.database.run(_line, tenant.name, move))
    await refuse_failed(host, move.operation_id)
    out: MigrationOut = await host.database.run(shown, tenant.name, move.id)
    if out.error is not None and out.error.code == "migration.cancelled":
        raise Problem(out.error.code, out.error.detail)
    return out


def _line(connection: Connection, tenant: str, move: Move) -> str:
    """`delivering: list 2 of 3, 1,200 of 5,000 contacts settled`."""
    one = work.any_operation(connection, move.operation_id)
    out = shown(connection, tenant, move.id)
    told = one.stage if one is not None else out.state
    there = [each for each in out.lists if each.target is not None]
    if len(out.lists) > 1 and there:
        told += f": list {len(there)} of {len(out.lists)}"
    if out.counts.received:
        told += f", {out.counts.received - out.counts.pending:,} of {out.counts.received:,} contacts settled"
    return told


async def take_up(host: Host, move: Move) -> None:
    """Go on with the work of a process that is dead; where it lives, there is nothing to do but wait."""
    one = await host.database.run(work.any_operation, move.operation_id)
    if one is None or one.done:
        return
    liveness = open_liveness(host.config.database, lambda: None)
    await liveness.start()
    try:
        async with liveness.seize(one.owner) as dead:
            if not dead:
                return
            for operation_id, _ in await host.database.run(work.take_over, one.owner, host.operations.owner):
                host.operations.start(operation_id)
    finally:
        await liveness.close()
