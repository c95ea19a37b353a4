"""`gateway send` and `gateway preview`: a file straight to its destinations, without a running server."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError
from rich.progress import Progress, SpinnerColumn, TextColumn

from gateway import creating, previewing, settings
from gateway.canonical import ListHead
from gateway.cli import context
from gateway.cli.context import Usage
from gateway.cli.tables import console, list_table, preview_tables
from gateway.creating import StoredSuppressions
from gateway.host import Host
from gateway.ingest import (
    Intake,
    Normaliser,
    Source,
    SourceError,
    Suppressed,
    collect,
    open_csv,
    open_items,
    open_ndjson,
    open_xlsx,
)
from gateway.registry import load
from gateway.resources import ListOut, list_out
from gateway.settings import Tenant
from gateway.store import lists as store


def send(
    path: Path,
    tenant_name: str | None,
    file: Path,
    given: dict[str, Any],
    mapping: str | None,
    delimiter: str | None,
    encoding: str | None,
    sheet: str | None,
    as_json: bool,
) -> int:
    """Create and deliver; waits to the end. The exit code."""

    async def work() -> int:
        async with context.opened(path) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            with file.open("rb") as stream:
                head, source = read(file, stream, given, mapping, delimiter, encoding, sheet)
                suppressed = await asyncio.to_thread(StoredSuppressions, host.database, tenant.name)
                intake = await asyncio.to_thread(take_in, source, head, tenant, suppressed)
            created = await creating.create(host, tenant, head, intake)
            found = await _watch(host, tenant, created)
        if as_json:
            context.print_json(found)
        else:
            console().print(list_table([found]))
            console().print(f"gateway status {found.id} · gateway rejections {found.id}")
        return context.exit_code(found.counts)

    return context.run(work())


async def _watch(host: Host, tenant: Tenant, created: creating.Created) -> ListOut:
    """Wait for the operation, with a line of progress on a terminal."""
    screen = console(error=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        line = progress.add_task("delivering")
        while True:
            done = await host.operations.wait(created.operation_id, 0.5)
            one = await host.database.run(store.get_list, tenant.name, created.list_id)
            assert one is not None
            found = await host.database.run(list_out, one)
            if done:
                return found
            counts = found.counts
            progress.update(line, description=f"{counts.received - counts.pending} of {counts.received} contacts")


def preview(
    path: Path,
    tenant_name: str | None,
    file: Path,
    given: dict[str, Any],
    mapping: str | None,
    delimiter: str | None,
    encoding: str | None,
    sheet: str | None,
    wanted: Any,
    as_json: bool,
) -> int:
    """Show what would be sent."""
    registry = load()
    config = settings.load(path, registry.adapters, secrets=False)
    tenant = context.pick_tenant(config, tenant_name)
    with file.open("rb") as stream:
        head, source = read(file, stream, given, mapping, delimiter, encoding, sheet)
        intake = take_in(source, head, tenant)
    shown = previewing.preview(registry.adapters, tenant, head, intake, wanted)
    if as_json:
        context.print_json(shown)
    else:
        for part in preview_tables(shown):
            console().print(part)
    return 1 if shown.rejected or any(one.rejected or one.refused for one in shown.destinations) else 0


def read(
    file: Path,
    stream: Any,
    given: dict[str, Any],
    mapping: str | None,
    delimiter: str | None,
    encoding: str | None,
    sheet: str | None = None,
) -> tuple[ListHead, Source]:
    """The list's head and its rows, from a file and what the command line says."""
    is_workbook = file.suffix.lower() in (".xlsx", ".xlsm")
    if sheet is not None and not is_workbook:
        raise Usage(f"--sheet: {file} is no workbook (.xlsx)")
    try:
        if file.suffix == ".json":
            members = msgspec.json.decode(stream.read(), type=dict[str, msgspec.Raw])
            contacts = msgspec.json.decode(members.pop("contacts", msgspec.Raw(b"[]")), type=list[msgspec.Raw])
            stated = msgspec.json.decode(msgspec.json.encode(members))
            return _head({"name": file.stem, **stated, **given}), open_items(contacts)
        head = _head({"name": file.stem, **given})
        if file.suffix in (".ndjson", ".jsonl"):
            return head, open_ndjson(stream, encoding=encoding)
        columns = msgspec.json.decode(mapping.encode(), type=dict[str, str]) if mapping else None
        if is_workbook:
            return head, open_xlsx(stream, mapping=columns, sheet=sheet)
        return head, open_csv(stream, delimiter=delimiter, encoding=encoding, mapping=columns)
    except SourceError as error:
        raise Usage(f"{file}: {error.detail}") from None
    except msgspec.DecodeError as error:
        what = "--mapping" if mapping and file.suffix != ".json" else str(file)
        raise Usage(f"{what}: is not the JSON that it should be: {error}") from None


def _head(values: dict[str, Any]) -> ListHead:
    try:
        return ListHead.model_validate_json(msgspec.json.encode(values), strict=True)
    except ValidationError as error:
        told = "\n".join(f"  {key}: {why}" for key, why in settings.explain(error))
        raise Usage(f"the list is not valid:\n{told}") from None


def take_in(source: Source, head: ListHead, tenant: Tenant, suppressed: Suppressed | None = None) -> Intake:
    region = head.default_region or tenant.default_region
    try:
        return collect(source, Normaliser(region), head.duplicates, suppressed or Suppressed())
    except SourceError as error:
        raise Usage(error.detail) from None
