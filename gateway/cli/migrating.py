"""`gateway migrate plan`, `apply`, `status`, `rollback` and `resolve`, without a running server.

Exit 0: everybody moved, and the target has them; 1: somebody is left out, refused, still held, or another than before;
2: usage, configuration, or a migration that cannot be made; 3: something is unknown, or not proven quiet.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import ValidationError
from sqlalchemy import Connection

from gateway import settings
from gateway.canonical import ListHead
from gateway.cli import context
from gateway.cli.certificates import write
from gateway.cli.context import Usage
from gateway.cli.migration_tables import certificate_tables, lists_text, migration_text, rows_table
from gateway.cli.sending import take_in
from gateway.cli.tables import console
from gateway.cli.watching import finished, shown, take_up
from gateway.contract import RemoteList
from gateway.creating import StoredSuppressions
from gateway.host import Host
from gateway.migrating import certifying, files, requesting, sources
from gateway.migrating.documents import Certificate, PlanOut, Row, Sealed
from gateway.migrating.resources import MigrationOut, migration_out
from gateway.migrating.texts import plan_text
from gateway.migrating.wishes import ApplyIn, PlanIn, RollbackIn
from gateway.planning import destination_of
from gateway.problem import ErrorItem, Problem
from gateway.resources import PageOf
from gateway.settings import Tenant
from gateway.sources import NDJSON, XLSX, FileParameters, open_file
from gateway.store import moves
from gateway.store.moves import Move

_SHOWN: Final = 1_000
"""Migrations that are listed."""
_TOLD: Final = 50
"""Contacts that are told one by one; more of them are a file."""
_MEDIA: Final = {".xlsx": XLSX, ".xlsm": XLSX, ".ndjson": NDJSON[0], ".jsonl": NDJSON[0]}
_OPTIONS: Final = {"target": "--to", "source": "--from", "activation": "--start"}
"""Options that are not called as their fields are."""


@dataclass(frozen=True, slots=True)
class Export:
    """A vendor's own export of a list, and how it is to be read."""

    file: Path
    read: Mapping[str, str | None]


def plan(
    path: Path,
    tenant_name: str | None,
    lies: Mapping[str, Any],
    target: str,
    wishes: Mapping[str, Any],
    export: Export | None,
    rows: Path | None,
    as_json: bool,
) -> int:
    """Plan, and print the plan. Exit code 1 when somebody is left out, or a list refused."""
    wish = _wish(lies, target, wishes)
    if export is not None and wish.source.remote_list is None:
        raise Usage("--export needs --from and --remote-list: which list it is an export of")

    async def work() -> int:
        async with context.opened(path) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            asked = wish if export is None else await _adopted(host, tenant, wish, export)
            move = await requesting.plan(host, tenant, asked, context.asker())
            out = await finished(host, tenant, move)
            await _write_rows(host, out, rows)
        if as_json:
            context.print_json(out)
        else:
            _tell_plan(out)
        return _exit_code(out, None)

    return context.run(work())


def _wish(lies: Mapping[str, Any], target: str, wishes: Mapping[str, Any]) -> PlanIn:
    """What the options ask for; `Usage` names those that make no sense."""
    if sum(bool(lies[name]) for name in ("list", "destination", "all")) != 1:
        raise Usage("name what is to move: one of --list, --from and --all")
    if lies["remote_list"] is not None and lies["destination"] is None:
        raise Usage("--remote-list needs --from: the destination where the list is")
    given = {name: value for name, value in wishes.items() if value is not None}
    if "vendor_options" in given:
        given["vendor_options"] = _options(given["vendor_options"])
    try:
        return PlanIn.model_validate({"source": dict(lies), "target": target, **given})
    except ValidationError as error:
        told = (f"{_option(key)}: {why}" for key, why in settings.explain(error))
        raise Usage("\n".join(told)) from None


def _options(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text.encode(errors="replace"), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Usage(f"--vendor-options: is not a JSON object: {error}") from None


def _option(key: str) -> str:
    name = key.partition(".")[0]
    return _OPTIONS.get(name, f"--{name.replace('_', '-')}") if name else "the plan"


async def _adopted(host: Host, tenant: Tenant, wish: PlanIn, export: Export) -> PlanIn:
    """The list in the vendor's own export, kept as ours: what is planned then."""
    destination = destination_of(tenant, str(wish.source.destination), "/source/destination")
    destination_of(tenant, wish.target, "/target")  # before anything is kept
    remote_id = str(wish.source.remote_list)
    await sources.refuse_known(host, tenant, destination, remote_id)
    head = ListHead(name=export.file.stem, destination=destination.name)
    with export.file.open("rb") as stream:
        media_type = _MEDIA.get(export.file.suffix.lower(), "text/csv")
        source = open_file(media_type, stream, _parameters(export), destination.adapter.export)
        suppressed = await asyncio.to_thread(StoredSuppressions, host.database, tenant.name)
        intake = await asyncio.to_thread(take_in, source, head, tenant, suppressed)
    remote = RemoteList(remote_id, head.name, count=intake.received)
    list_id, _ = await sources.adopt(host, tenant, destination, head, remote, intake)
    return wish.model_copy(update={"source": wish.source.model_copy(update=_ONLY | {"list": list_id})})


_ONLY: Final = {"destination": None, "remote_list": None}


def _parameters(export: Export) -> FileParameters:
    try:
        return FileParameters.model_validate(dict(export.read))
    except ValidationError as error:
        raise Usage("\n".join(f"{_option(key)}: {why}" for key, why in settings.explain(error))) from None


def apply(path: Path, tenant_name: str | None, move_id: str, digest: str | None, as_json: bool) -> int:
    """Apply a plan and wait to the end; an apply that a dead process left is gone on with."""

    async def work() -> int:
        async with context.opened(path) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            move = await requesting.get(host, tenant, move_id)
            if move.state == "applying":
                _refuse_other(move, digest)
                await take_up(host, move)
            else:
                wish = ApplyIn(mode="apply", plan=move_id, digest=digest)
                move = await requesting.apply(host, tenant, wish, context.asker())
            out = await finished(host, tenant, move)
            return await _end(host, tenant, out, None, as_json)

    return context.run(work())


def _refuse_other(move: Move, digest: str | None) -> None:
    if digest not in (None, move.digest):
        item = ErrorItem(pointer="/digest", code="migration.stale", detail=f"the plan has {move.digest}")
        raise Problem("migration.stale", "another plan than this one is being applied", [item])


def rollback(
    path: Path, tenant_name: str | None, move_id: str, resume: bool, delete_target: bool, as_json: bool
) -> int:
    """Go back and wait to the end. Exit code 1 when something is left as it is."""

    async def work() -> int:
        async with context.opened(path) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            move = await requesting.get(host, tenant, move_id)
            if move.state == "rolling_back":
                await take_up(host, move)
            else:
                wish = RollbackIn(resume=resume, delete_target=delete_target)
                move = await requesting.rollback(host, tenant, move_id, wish, context.asker())
            out = await finished(host, tenant, move)
        if as_json:
            context.print_json(out)
        else:
            console().print(f"{out.id}: {out.state}" + ("; the old lists count again" * (out.state == "rolled_back")))
            _tell_error(out)
        return 1 if out.error is not None else 0

    return context.run(work())


def status(path: Path, tenant_name: str | None, move_id: str, rows: Path | None, as_json: bool) -> int:
    """How one migration stands: its plan, or how far its lists have come and what became of their contacts."""

    async def work() -> int:
        async with context.opened(path, secrets=False) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            move = await requesting.get(host, tenant, move_id)
            out = await host.database.run(migration_out, move)
            return await _end(host, tenant, out, rows, as_json)

    return context.run(work())


def status_of_all(path: Path, tenant_name: str | None, as_json: bool) -> int:
    """The tenant's migrations, newest first."""

    async def work() -> int:
        async with context.opened(path, secrets=False) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            found = await host.database.run(_some, tenant.name)
        if as_json:
            context.print_json(PageOf[MigrationOut](items=found))
        else:
            told = "\n".join(map(migration_text, found))
            console().print(told or "nothing was ever moved", soft_wrap=True)
        return 0

    return context.run(work())


def _some(connection: Connection, tenant: str) -> list[MigrationOut]:
    return [migration_out(connection, one) for one in moves.page(connection, tenant, "", _SHOWN)]


def resolve(path: Path, tenant_name: str | None, move_id: str, as_json: bool) -> int:
    """Take a person's word that the sources are quiet."""

    async def work() -> int:
        async with context.opened(path, secrets=False) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            await requesting.vouch(host, tenant, move_id, context.asker())
            out = await host.database.run(shown, tenant.name, move_id)
        if as_json:
            context.print_json(out)
        else:
            _tell_lists(out)
            console().print("what is held at the target may be activated now")
        return 0

    return context.run(work())


async def _end(host: Host, tenant: Tenant, out: MigrationOut, rows: Path | None, as_json: bool) -> int:
    """Print how a migration stands; the exit code."""
    move = await requesting.get(host, tenant, out.id)
    sealed = None if move.certificate is None else Sealed.model_validate_json(move.certificate).certificate
    await _write_rows(host, out, rows)
    if as_json:
        context.print_json(out)
    elif out.state == "planned":
        _tell_plan(out)
        _tell_error(out)
    else:
        await _tell(host, out, sealed)
    return _exit_code(out, sealed)


def _tell_plan(out: MigrationOut) -> None:
    assert out.plan is not None
    screen = console()
    screen.print(plan_text(out.plan, screen.width), end="", soft_wrap=True)
    screen.print(f"\nrows: gateway migrate status {out.id} --rows FILE.csv", soft_wrap=True)
    if any(one.refused for one in out.plan.lists):
        screen.print("next: this plan cannot be applied, see what is refused")
    else:
        screen.print(f"next: gateway migrate apply {out.id} --digest {out.plan.digest}", soft_wrap=True)


def _tell_error(out: MigrationOut) -> None:
    if out.error is not None:
        console().print(f"{out.error.code}: {out.error.detail}", soft_wrap=True)


def _tell_lists(out: MigrationOut) -> None:
    for line in lists_text(out):
        console().print(line, soft_wrap=True)


async def _tell(host: Host, out: MigrationOut, sealed: Certificate | None) -> None:
    screen = console()
    screen.print(f"{out.id}: {out.state}")
    _tell_lists(out)
    _tell_error(out)
    if sealed is None:
        return
    for one in certificate_tables(sealed):
        screen.print(one, soft_wrap=isinstance(one, str))
    if sealed.rows.count <= _TOLD:
        screen.print(rows_table(await asyncio.to_thread(_first_rows, host, out.id)))
    screen.print(f"rows: gateway migrate status {out.id} --rows FILE.csv", soft_wrap=True)
    screen.print(f"certificate: gateway migrate certificate {out.id} --html FILE", soft_wrap=True)
    screen.print(f"back: gateway migrate rollback {out.id}", soft_wrap=True)


def _first_rows(host: Host, move_id: str) -> list[Row]:
    return list(islice(chain.from_iterable(certifying.rows(host.database, move_id, "certificate")), _TOLD))


async def _write_rows(host: Host, out: MigrationOut, path: Path | None) -> None:
    """The rows of the certificate, or of the plan where there is none: CSV by the file's ending, else NDJSON."""
    if path is None:
        return
    phase = "plan" if out.certificate is None else "certificate"
    make = files.rows_csv if path.suffix.lower() == ".csv" else certifying.ndjson
    await asyncio.to_thread(lambda: write(path, make(host.database, out.id, phase)))


def _exit_code(out: MigrationOut, sealed: Certificate | None) -> int:
    """By what became of the contacts, or, before that, by what the plan says."""
    if out.state == "rolled_back":
        return 1 if out.error is not None else 0
    if out.counts.unknown or any(one.proof and not one.proof.proven and not one.proof.by for one in out.lists):
        return 3
    if sealed is None:
        return 0 if out.state == "planned" and out.plan is not None and _all_move(out.plan) else 1
    left_out = sealed.counts.received - sealed.counts.moves
    other = sealed.compared.different + sealed.compared.missing + sealed.compared.unexpected
    return 1 if left_out or other or out.error is not None else context.exit_code(out.counts)


def _all_move(plan: PlanOut) -> bool:
    return plan.counts.moves == plan.counts.received and not any(one.refused for one in plan.lists)
