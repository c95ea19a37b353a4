"""`gateway suppress add`, `remove` and `list`: do-not-contact numbers, without a running server."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.progress import Progress, SpinnerColumn, TextColumn

from gateway import settings, suppressing
from gateway.canonical import Fault
from gateway.cli import context
from gateway.cli.context import Usage
from gateway.cli.tables import console
from gateway.ingest import Source, SourceError, open_items
from gateway.registry import load
from gateway.settings import Tenant
from gateway.store import suppressions as store
from gateway.store.database import Database
from gateway.suppressing import Added, BrokenOff, Format, Removed

_NUMBER: Final = re.compile(r"[+\d\s().\-]*\d[\d\s().\-]*", re.ASCII)
_PAGE: Final = 1_000


def add(
    path: Path,
    tenant_name: str | None,
    words: list[str],
    region: str | None,
    given: dict[str, str | None],
    as_json: bool,
) -> int:
    """Suppress the numbers, or those of the file. Exit code 1 when some are none."""
    return _change(path, tenant_name, words, region, given, as_json, suppressing.add)


def remove(
    path: Path,
    tenant_name: str | None,
    words: list[str],
    region: str | None,
    given: dict[str, str | None],
    as_json: bool,
) -> int:
    """Suppress the numbers, or those of the file, no longer. Exit code 1 when some are none."""
    return _change(path, tenant_name, words, region, given, as_json, suppressing.remove)


def remove_all(path: Path, tenant_name: str | None, as_json: bool) -> int:
    """Suppress nobody any longer."""

    async def work() -> int:
        async with _opened(path, tenant_name) as (database, tenant):
            done = await suppressing.remove_all(database, tenant.name)
        return _told(done, as_json)

    return context.run(work())


def show(path: Path, tenant_name: str | None, words: list[str], region: str | None, as_json: bool) -> int:
    """Print the suppressed numbers in order, or those of `words` that are suppressed."""

    async def work() -> int:
        async with _opened(path, tenant_name) as (database, tenant):
            asked = sorted({_number(word, region or tenant.default_region) for word in words}) if words else [None]
            comma = "["
            for phone in asked:
                async for one in _every(database, tenant.name, phone):
                    if as_json:
                        print(f"{comma}\n  {msgspec.json.encode(one).decode()}", end="")
                        comma = ","
                    else:
                        print(f"{one.phone}  {one.added_at}")
        if as_json:
            print("\n]" if comma == "," else "[]")
        return 0

    return context.run(work())


async def _every(database: Database, tenant: str, phone: str | None) -> AsyncIterator[store.Suppression]:
    after = ""
    while found := await database.run(store.page, tenant, after, _PAGE, phone):
        for one in found:
            yield one
        after = found[-1].phone


def _change(
    path: Path,
    tenant_name: str | None,
    words: list[str],
    region: str | None,
    given: dict[str, str | None],
    as_json: bool,
    change: Callable[..., Awaitable[Added | Removed]],
) -> int:
    async def work() -> int:
        async with _opened(path, tenant_name) as (database, tenant):
            with _source(words, given) as (name, source), _progress() as tell:
                try:
                    done = await change(database, tenant.name, source, region or tenant.default_region, tell)
                except BrokenOff as broken:
                    raise Usage(f"{name}: {broken.detail}") from None
        return _told(done, as_json)

    return context.run(work())


@asynccontextmanager
async def _opened(path: Path, tenant_name: str | None) -> AsyncIterator[tuple[Database, Tenant]]:
    """The database and the tenant only: nothing is sent, so no secret is read and no work is taken up."""
    config = await asyncio.to_thread(lambda: settings.load(path, load().adapters, secrets=False))
    tenant = context.pick_tenant(config, tenant_name)
    database = Database(config.database)
    try:
        await database.prepare()
        yield database, tenant
    finally:
        await database.close()


@contextmanager
def _source(words: list[str], given: dict[str, str | None]) -> Iterator[tuple[str, Source]]:
    """The numbers on the command line, or those of the one file that is named there."""
    files = [word for word in words if not _NUMBER.fullmatch(word)]
    if not files:
        stated = [f"--{name}" for name, value in given.items() if value is not None]
        if stated:
            raise Usage(f"{', '.join(stated)}: for a file only; name a FILE")
        yield "the command line", open_items(words)
        return
    if len(words) > 1:
        raise Usage(f"{files[0]} is no number: name one FILE, or numbers only")
    file = Path(files[0])
    form: Format = "ndjson" if file.suffix in (".ndjson", ".jsonl") else "csv"
    if file.is_dir():
        raise Usage(f"{file}: is a folder, name a file in it")
    with file.open("rb") as stream:
        try:
            options: dict[str, Any] = given | {"mapping": _mapping(given.get("mapping"))}
            yield str(file), suppressing.open_numbers(stream, form, **options)
        except SourceError as error:
            raise Usage(f"{file}: {error.detail}") from None


def _mapping(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text.encode(), type=dict[str, str])
    except msgspec.DecodeError as error:
        raise Usage(f"--mapping: is not the JSON that it should be: {error}") from None


def _number(word: str, region: str | None) -> str:
    found = suppressing.one_number(word, region)
    if isinstance(found, Fault):
        raise Usage(f"{word}: {found.detail}")
    return found


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """A line on a terminal that says how many rows are done."""
    screen = console(error=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        line = progress.add_task("reading")
        yield lambda rows: progress.update(line, description=f"{rows} numbers")


def _told(done: Added | Removed, as_json: bool) -> int:
    if as_json:
        context.print_json(done)
    else:
        skipped = {"total", "rejections", "source"}
        counts = done.model_dump(exclude=skipped)
        print(", ".join(f"{number} {name}" for name, number in counts.items()) + f"; {done.total} suppressed in all")
        for one in done.rejections:
            place = f"row {one.row}" + (f", {one.column}" if one.column else "")
            print(f"  {place}: {one.phone!r}: {one.code}: {one.detail}", file=sys.stderr)
    return 1 if done.rejected else 0
