"""`gateway vendors`, `check`, `status`, `rejections` and `config check`."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from gateway import managing, settings
from gateway.canonical import Outcome
from gateway.cli import context
from gateway.cli.context import Usage
from gateway.cli.tables import console, list_table, vendor_table
from gateway.problem import Problem
from gateway.registry import load
from gateway.rejections import rejections_file
from gateway.resources import contact_out, list_out
from gateway.store import chunks
from gateway.vendors import vendor_out


def vendors(name: str | None, as_json: bool) -> int:
    adapters = load().adapters
    if name is not None and name not in adapters:
        raise Usage(f"there is no vendor {name}; there are: {', '.join(adapters)}")
    chosen = [adapter for adapter in adapters.values() if name in (None, adapter.name)]
    if as_json:
        context.print_json([vendor_out(adapter).model_dump(mode="json") for adapter in chosen])
        return 0
    screen = console()
    screen.print(vendor_table(chosen))
    for adapter in chosen:
        screen.print(f"{adapter.name}: {adapter.title}, {adapter.api_version}. {adapter.activation_note}")
    return 0


def check(path: Path, tenant_name: str | None, destination: str | None, as_json: bool) -> int:
    async def work() -> int:
        results: list[dict[str, Any]] = []
        async with context.opened(path) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            if destination is not None and destination not in tenant.destinations:
                known = ", ".join(tenant.destinations)
                raise Usage(f"there is no destination {destination}; there are: {known}")
            for name in [destination] if destination else tenant.destinations:
                try:
                    facts = await managing.check(host, tenant, name)
                    results.append({"destination": name, "ok": True, "detail": "", "facts": facts})
                except Problem as problem:
                    results.append({"destination": name, "ok": False, "detail": problem.detail, "facts": {}})
        if as_json:
            context.print_json(results)
        for one in results if not as_json else []:
            told = ", ".join(f"{key} {value}" for key, value in one["facts"].items()) or one["detail"]
            print(f"{one['destination']}: {'ok' if one['ok'] else 'failed'} {told}".rstrip())
        return 0 if all(one["ok"] for one in results) else 2

    return context.run(work())


def status(path: Path, tenant_name: str | None, list_id: str, as_json: bool) -> int:
    async def work() -> int:
        async with context.opened(path) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            one = await managing.get(host, tenant, list_id)
            found = await host.database.run(list_out, one)
        if as_json:
            context.print_json(found)
        else:
            console().print(list_table([found]))
        return context.exit_code(found.counts)

    return context.run(work())


def rejections(path: Path, tenant_name: str | None, list_id: str, as_json: bool) -> int:
    async def work() -> int:
        async with context.opened(path) as host:
            tenant = context.pick_tenant(host.config, tenant_name)
            one = await managing.get(host, tenant, list_id)
            if as_json:
                rows = await host.database.run(chunks.page, one.id, Outcome.REJECTED, 0, 1_000_000)
                context.print_json([contact_out(row).model_dump(mode="json") for row in rows])
                return 1 if rows else 0
            rejected = (await host.database.run(list_out, one)).counts.rejected
            for piece in await asyncio.to_thread(rejections_file, host.database, one, Outcome.REJECTED):
                sys.stdout.buffer.write(piece)
        return 1 if rejected else 0

    return context.run(work())


def config_check(path: Path, as_json: bool) -> int:
    try:
        config = settings.load(path, load().adapters)
    except settings.ConfigError as error:
        if not as_json:
            raise
        context.print_json([{"file": one.file, "key": one.key, "why": one.why} for one in error.faults])
        return 2
    destinations = sum(len(tenant.destinations) for tenant in config.tenants.values())
    told = f"{path}: good, {len(config.tenants)} tenants, {destinations} destinations"
    if as_json:
        context.print_json([])
    else:
        print(told)
    return 0
