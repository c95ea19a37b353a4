"""`gateway database`, `gateway retain` and `gateway erase`: the operator's commands about what is stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway import logs, retention, settings
from gateway.canonical import Fault
from gateway.cli import context
from gateway.cli.context import Usage
from gateway.engine.addresses import database_file
from gateway.registry import load
from gateway.settings import Config
from gateway.store import upgrading
from gateway.store.database import Database
from gateway.suppressing import one_number


@asynccontextmanager
async def _opened(path: Path, *, prepared: bool = True) -> AsyncIterator[tuple[Config, Database]]:
    """The database only: nothing is sent, so no secret is read and no work is taken up."""
    logs.configure("error")
    config = await asyncio.to_thread(lambda: settings.load(path, load(simulators=False).adapters, secrets=False))
    database = Database(config.database)
    try:
        if prepared:
            await database.prepare()
        yield config, database
    finally:
        await database.close()


def ready(path: Path) -> None:
    """Have the database up to date before a server starts, so that what is wrong with it is told in a sentence."""

    async def work() -> int:
        async with _opened(path):
            return 0

    context.run(work())


def upgrade(path: Path) -> int:
    """Make the tables, or bring them up to date; say from which version."""

    async def work() -> int:
        async with _opened(path, prepared=False) as (_, database):
            before = await asyncio.to_thread(upgrading.prepare, database.engine)
        if before.up_to_date:
            print(f"the database is up to date: version {upgrading.VERSION}")
        else:
            print(f"the database was {before.version or 'empty'}, it is now version {upgrading.VERSION}")
        return 0

    return context.run(work())


def check(path: Path) -> int:
    """Say which version the tables have. Exit code 1 when it is not today's. Changes nothing."""

    async def work() -> int:
        async with _opened(path, prepared=False) as (config, database):
            file = database_file(config.database)
            there = file is None or file.exists()
            found = await database.run(upgrading.standing) if there else upgrading.Standing(None)
        if found.up_to_date:
            print(f"the database is up to date: version {upgrading.VERSION}")
            return 0
        state = f"has version {found.version}" if found.version else "has no tables yet"
        print(f"the database {state}, this release works with {upgrading.VERSION}: run gateway database upgrade")
        return 1

    return context.run(work())


def retain(path: Path, dry: bool, as_json: bool) -> int:
    """Remove what is older than `[retention]` allows, or count it."""

    async def work() -> int:
        async with _opened(path) as (config, database):
            removed = await retention.retain(database, config.retention, dry=dry)
        if as_json:
            context.print_json(removed)
        else:
            told = ", ".join(f"{number} {kind}" for kind, number in removed.model_dump().items())
            print(f"{'would be removed' if dry else 'removed'}: {told}")
        return 0

    return context.run(work())


def erase(path: Path, tenant: str | None, text: str, region: str | None, dry: bool, as_json: bool) -> int:
    """Erase one number. Exit code 1 when it has to wait, or when old copies are still in the database's files."""

    async def work() -> int:
        async with _opened(path) as (config, database):
            names = [context.pick_tenant(config, tenant).name] if tenant is not None else list(config.tenants)
            phone = one_number(text, region)
            if isinstance(phone, Fault):
                raise Usage(f"the number cannot be read: {phone.detail}; send it as +<country><number>")
            erased = await retention.erase(database, config, phone, names, dry=dry)
        if as_json:
            context.print_json(erased)
        else:
            _tell(erased, dry)
        return 1 if erased.waiting or not (dry or erased.cleaned) else 0

    return context.run(work())


def _tell(erased: retention.Erased, dry: bool) -> None:
    for one in erased.waiting:
        print(f"not erased: {one.tenant or '-'} {one.list or '-'} {one.operation or '-'}: {one.why}")
    done = "would be erased" if dry or erased.waiting else "erased"
    print(f"{done}: {erased.contacts} contacts, {erased.rows} rejected rows, {erased.mentions} other places")
    for there in erased.at_vendors:
        where = f"{there.tenant} {there.list} {there.destination} list {there.remote_list or '?'}"
        print(f"still at the vendor, which the gateway does not touch: {where} contact {there.remote_id or '?'}")
    if not (dry or erased.waiting or erased.cleaned):
        print("old copies are still in the database's files, because others were at work: run this again")
