"""`gateway`: the commands, their options and exit codes.

Exit 0: nothing rejected, pending or unknown; 1: some contacts rejected, or still pending; 2: usage or configuration;
3: something unknown.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli import context
from gateway.cli.migrate import migrate_app
from gateway.cli.options import (
    ChannelOption,
    ConfigOption,
    DelimiterOption,
    DestinationOption,
    DuplicatesOption,
    EncodingOption,
    FileArgument,
    JsonOption,
    ListArgument,
    LossOption,
    MappingOption,
    NameOption,
    ReferenceOption,
    RegionOption,
    SheetOption,
    TenantOption,
)

app = typer.Typer(
    help="One canonical contact list, five campaign vendors, one endpoint.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="The configuration file.", no_args_is_help=True)
app.add_typer(config_app, name="config")
suppress_app = typer.Typer(help="Do-not-contact numbers: none of them ever leaves.", no_args_is_help=True)
app.add_typer(suppress_app, name="suppress")

database_app = typer.Typer(help="The tables of the database.", no_args_is_help=True)
app.add_typer(database_app, name="database")
route_app = typer.Typer(help="Another destination stands in for one, from now on.", no_args_is_help=True)
app.add_typer(route_app, name="route")
app.add_typer(migrate_app, name="migrate")

NumbersArgument = Annotated[
    list[str] | None, typer.Argument(help="One CSV or NDJSON file, or phone numbers.", metavar="FILE|NUMBER...")
]


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run the gateway. SIGHUP reloads the configuration."""
    ready, run = lean_server()
    ready(context.config_path(config))
    run(context.config_path(config))


def lean_server() -> tuple[Callable[[Path], None], Callable[[Path], None]]:
    """What a server runs, imported without what its libraries would load for things that it never does: 7 MiB."""
    with context.without("rich", "greenlet", "watchfiles"):
        from gateway.cli.keeping import ready
        from gateway.cli.serving import serve as run
    return ready, run


@app.command()
def demo(json: JsonOption = False) -> None:
    """Send real lists through all five vendors' simulators, and print what became of every contact."""
    from gateway.demo import run

    sys.exit(run(as_json=json))


@app.command()
def sandbox(
    folder: Annotated[Path, typer.Option(help="Where the configuration for it is written.")] = Path("sandbox"),
) -> None:
    """Run the vendors' simulators on real sockets, with a configuration that points at them."""
    from gateway.cli.serving import sandbox as run

    run(folder)


@app.command()
def send(
    file: FileArgument,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    name: NameOption = None,
    destination: DestinationOption = None,
    reference: ReferenceOption = None,
    channel: ChannelOption = None,
    region: RegionOption = None,
    duplicates: DuplicatesOption = None,
    on_loss: LossOption = None,
    mapping: MappingOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    start: Annotated[bool, typer.Option("--start", help="People may be called at once; held otherwise.")] = False,
    json: JsonOption = False,
) -> None:
    """Create a list from a file and deliver it."""
    from gateway.cli.sending import send as run

    given = _given(name, reference, channel, region, duplicates, on_loss, destination, start)
    sys.exit(run(context.config_path(config), tenant, file, given, mapping, delimiter, encoding, sheet, json))


@app.command()
def preview(
    file: FileArgument,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    name: NameOption = None,
    destination: Annotated[list[str] | None, typer.Option("--destination", help="Repeatable; or all.")] = None,
    reference: ReferenceOption = None,
    channel: ChannelOption = None,
    region: RegionOption = None,
    duplicates: DuplicatesOption = None,
    on_loss: LossOption = None,
    mapping: MappingOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    start: Annotated[bool, typer.Option("--start", help="Show it as a list that may dial.")] = False,
    json: JsonOption = False,
) -> None:
    """Show the exact vendor requests and every loss. Sends nothing, needs no credentials."""
    from gateway.cli.sending import preview as run

    given = _given(name, reference, channel, region, duplicates, on_loss, None, start)
    wanted: Any = "all" if destination == ["all"] else destination
    sys.exit(run(context.config_path(config), tenant, file, given, mapping, delimiter, encoding, sheet, wanted, json))


def _given(
    name: str | None,
    reference: str | None,
    channel: str | None,
    region: str | None,
    duplicates: str | None,
    on_loss: str | None,
    destination: str | None,
    start: bool,
) -> dict[str, Any]:
    """The list fields that the command line names."""
    values = {
        "name": name,
        "reference": reference,
        "channel": channel,
        "default_region": region,
        "duplicates": duplicates,
        "on_loss": on_loss,
        "destination": destination,
        "activation": {"mode": "start"} if start else None,
    }
    return {key: value for key, value in values.items() if value is not None}


@app.command()
def vendors(
    name: Annotated[str | None, typer.Argument(help="One vendor only.")] = None, json: JsonOption = False
) -> None:
    """What every vendor can do, and how far that is known."""
    from gateway.cli.reading import vendors as run

    sys.exit(run(name, json))


@app.command()
def check(
    config: ConfigOption = None,
    tenant: TenantOption = None,
    destination: DestinationOption = None,
    json: JsonOption = False,
) -> None:
    """Prove address and credentials of the destinations; lifts a locked credential that works again."""
    from gateway.cli.reading import check as run

    sys.exit(run(context.config_path(config), tenant, destination, json))


@app.command()
def status(
    list_id: ListArgument, config: ConfigOption = None, tenant: TenantOption = None, json: JsonOption = False
) -> None:
    """Where a list stands."""
    from gateway.cli.reading import status as run

    sys.exit(run(context.config_path(config), tenant, list_id, json))


@app.command()
def rejections(
    list_id: ListArgument, config: ConfigOption = None, tenant: TenantOption = None, json: JsonOption = False
) -> None:
    """The rejected rows of a list, as CSV in the sender's own columns."""
    from gateway.cli.reading import rejections as run

    sys.exit(run(context.config_path(config), tenant, list_id, json))


@config_app.command("check")
def config_check(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Check the configuration file; every fault with file, key and reason."""
    from gateway.cli.reading import config_check as run

    sys.exit(run(context.config_path(config), json))


@suppress_app.command("add")
def suppress_add(
    numbers: NumbersArgument = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    region: RegionOption = None,
    mapping: MappingOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    json: JsonOption = False,
) -> None:
    """Contact these numbers no more. A repeat changes nothing."""
    from gateway.cli.suppressions import add as run

    given = {"mapping": mapping, "delimiter": delimiter, "encoding": encoding}
    sys.exit(run(context.config_path(config), tenant, _named(numbers), region, given, json))


@suppress_app.command("remove")
def suppress_remove(
    numbers: NumbersArgument = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    region: RegionOption = None,
    mapping: MappingOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    every: Annotated[bool, typer.Option("--all", help="Remove every number of the tenant.")] = False,
    json: JsonOption = False,
) -> None:
    """Let these numbers be contacted again."""
    from gateway.cli.suppressions import remove as run
    from gateway.cli.suppressions import remove_all

    given = {"mapping": mapping, "delimiter": delimiter, "encoding": encoding}
    if not every:
        sys.exit(run(context.config_path(config), tenant, _named(numbers), region, given, json))
    if numbers or region or any(given.values()):
        raise context.Usage("--all stands alone: leave out the numbers and how to read them")
    sys.exit(remove_all(context.config_path(config), tenant, json))


@suppress_app.command("list")
def suppress_list(
    numbers: Annotated[list[str] | None, typer.Argument(help="Ask for these only.", metavar="[NUMBER...]")] = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    region: RegionOption = None,
    json: JsonOption = False,
) -> None:
    """Every suppressed number, and since when."""
    from gateway.cli.suppressions import show as run

    sys.exit(run(context.config_path(config), tenant, numbers or [], region, json))


@database_app.command("upgrade")
def database_upgrade(config: ConfigOption = None) -> None:
    """Bring the tables up to date; a server does so too when it starts. Stop the old release first."""
    from gateway.cli.keeping import upgrade as run

    sys.exit(run(context.config_path(config)))


@database_app.command("check")
def database_check(config: ConfigOption = None) -> None:
    """Say whether the tables are up to date: exit 0 when they are, 1 when not. Changes nothing."""
    from gateway.cli.keeping import check as run

    sys.exit(run(context.config_path(config)))


@route_app.command("list")
def route_list(
    source: Annotated[str | None, typer.Argument(help="One destination only, with its shadow's report.")] = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Every change of who stands in for whom, newest first."""
    from gateway.cli.routing import show as run

    sys.exit(run(context.config_path(config), tenant, source, json))


@route_app.command("set")
def route_set(
    source: Annotated[str, typer.Argument(help="The destination that lists are for.")],
    target: Annotated[str, typer.Argument(help="The destination that stands in for it.")],
    mode: Annotated[str, typer.Option("--mode", help="shadow (only rehearsed), percent or full.")] = "full",
    percent: Annotated[float | None, typer.Option("--percent", help="Of all numbers, with --mode percent.")] = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Let a destination stand in for another. Lists that are here already stay where they are."""
    from gateway.cli.routing import change as run

    sys.exit(run(context.config_path(config), tenant, source, target, mode, percent, json))


@route_app.command("off")
def route_off(
    source: Annotated[str, typer.Argument(help="The destination that lists are for.")],
    config: ConfigOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Back again: lists go where their routes say."""
    from gateway.cli.routing import change as run

    sys.exit(run(context.config_path(config), tenant, source, None, "off", None, json))


@app.command()
def retain(
    config: ConfigOption = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove what is older than [retention] allows. A server does so every hour."""
    from gateway.cli.keeping import retain as run

    sys.exit(run(context.config_path(config), dry, json))


@app.command()
def erase(
    number: Annotated[str, typer.Argument(help="One phone number, such as +5511999990001.", metavar="NUMBER")],
    config: ConfigOption = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only what this tenant has.")] = None,
    region: RegionOption = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only look.")] = False,
    json: JsonOption = False,
) -> None:
    """Erase a number from everything that is stored; it stays suppressed. Exit 1: it has to wait, see why."""
    from gateway.cli.keeping import erase as run

    sys.exit(run(context.config_path(config), tenant, number, region, dry, json))


def _named(numbers: list[str] | None) -> list[str]:
    if not numbers:
        raise context.Usage("name a FILE or numbers")
    return numbers


def main() -> None:
    """The entry point: errors become a sentence and an exit code, never a traceback."""
    sys.exit(context.guarded(lambda: app(standalone_mode=False)))
