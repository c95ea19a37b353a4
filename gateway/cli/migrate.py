"""`gateway migrate ...`: the commands and their options. Exit codes as everywhere, see `gateway.cli.main`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import context
from gateway.cli.options import (
    ConfigOption,
    DelimiterOption,
    EncodingOption,
    JsonOption,
    MappingOption,
    TenantOption,
)

migrate_app = typer.Typer(help="Lists to another vendor: plan, apply, certificate, rollback.", no_args_is_help=True)

MigrationArgument = Annotated[str, typer.Argument(help="The migration's id, mg_...", metavar="MIGRATION")]


@migrate_app.command()
def plan(
    to: Annotated[str, typer.Option("--to", help="The destination that is to have the lists.")],
    list_id: Annotated[str | None, typer.Option("--list", help="One list of the gateway, cl_...")] = None,
    source: Annotated[str | None, typer.Option("--from", help="All lists of this destination.")] = None,
    remote_list: Annotated[
        str | None, typer.Option("--remote-list", help="Only this list, by the vendor's id; with --from.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="The vendor's own export of --remote-list: CSV, XLSX or NDJSON.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every list of the tenant.")] = False,
    include: Annotated[
        str | None, typer.Option("--include", help="all: also those whom the source has reached already.")
    ] = None,
    start: Annotated[bool, typer.Option("--start", help="People may be called by the target; held otherwise.")] = False,
    delete_source: Annotated[
        bool, typer.Option("--delete-source", help="Delete the old list at its vendor once all has arrived.")
    ] = False,
    routing: Annotated[
        str | None, typer.Option("--routing", help="New lists afterwards: shadow (only rehearsed), percent or full.")
    ] = None,
    percent: Annotated[float | None, typer.Option("--percent", help="Of all numbers, with --routing percent.")] = None,
    vendor_options: Annotated[
        str | None, typer.Option("--vendor-options", help="JSON: options for the target's adapter.")
    ] = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="Write the rows concerned: .csv, else NDJSON.")] = None,
    mapping: MappingOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Say what a move would do, contact by contact; nothing is sent. Exit 1: somebody is left out or refused."""
    from gateway.cli.migrating import Export
    from gateway.cli.migrating import plan as run

    lies = {"list": list_id, "destination": source, "remote_list": remote_list, "all": every or None}
    wishes = {
        "include": include,
        "activation": "start" if start else None,
        "delete_source": delete_source,
        "routing": routing,
        "percent": percent,
        "vendor_options": vendor_options,
    }
    read = {"mapping": mapping, "delimiter": delimiter, "encoding": encoding}
    file = None if export is None else Export(export, read)
    if file is None and any(read.values()):
        raise context.Usage("--mapping, --delimiter and --encoding say how --export is to be read")
    sys.exit(run(context.config_path(config), tenant, lies, to, wishes, file, rows, json))


@migrate_app.command()
def apply(
    plan_id: Annotated[str, typer.Argument(help="The plan's id, mg_...", metavar="PLAN")],
    digest: Annotated[str | None, typer.Option("--digest", help="Only if the plan has this digest.")] = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Do what the plan says. Asked again after a crash, it goes on where it was."""
    from gateway.cli.migrating import apply as run

    sys.exit(run(context.config_path(config), tenant, plan_id, digest, json))


@migrate_app.command()
def status(
    move_id: Annotated[
        str | None, typer.Argument(help="One migration; all of them otherwise.", metavar="[MIGRATION]")
    ] = None,
    rows: Annotated[
        Path | None, typer.Option("--rows", help="Write its rows, of the certificate or else the plan.")
    ] = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Where migrations stand."""
    from gateway.cli.migrating import status as run
    from gateway.cli.migrating import status_of_all

    if move_id is None and rows is not None:
        raise context.Usage("--rows are those of one migration: name it")
    if move_id is None:
        sys.exit(status_of_all(context.config_path(config), tenant, json))
    sys.exit(run(context.config_path(config), tenant, move_id, rows, json))


@migrate_app.command()
def certificate(
    move_id: MigrationArgument,
    html: Annotated[Path | None, typer.Option("--html", help="Write it as a page for people.")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="Write it byte by byte as it was signed.")] = None,
    config: ConfigOption = None,
    tenant: TenantOption = None,
) -> None:
    """The certificate, byte by byte as it was signed, on standard output or into a file."""
    from gateway.cli.certificates import certificate as run

    sys.exit(run(context.config_path(config), tenant, move_id, html, output))


@migrate_app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A certificate as JSON; - for standard input.", metavar="FILE")],
    key: Annotated[
        str | None, typer.Option("--key", help="The public key that is trusted: base64, or a PEM file.")
    ] = None,
    config: Annotated[str | None, typer.Option("--config", help="Trust the signing key of this configuration.")] = None,
    json: JsonOption = False,
) -> None:
    """Check a certificate. Exit 0: nothing was changed; 1: changed, or signed by another key; 3: not signed."""
    from gateway.cli.certificates import verify as run

    if key is not None and config is not None:
        raise context.Usage("name one key: --key or --config")
    sys.exit(run(file, key, None if config is None else context.config_path(config), json))


@migrate_app.command()
def rollback(
    move_id: MigrationArgument,
    no_resume: Annotated[
        bool, typer.Option("--no-resume", help="Do not let a source dial again that the migration has stopped.")
    ] = False,
    delete_target: Annotated[
        bool, typer.Option("--delete-target", help="Delete at the target what the migration made there.")
    ] = False,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Go back: the target is made quiet first, then the old lists count again. Exit 1: something is left as it is."""
    from gateway.cli.migrating import rollback as run

    sys.exit(run(context.config_path(config), tenant, move_id, not no_resume, delete_target, json))


@migrate_app.command()
def resolve(
    move_id: MigrationArgument,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Your word that nobody is called from the source any more.")
    ] = False,
    config: ConfigOption = None,
    tenant: TenantOption = None,
    json: JsonOption = False,
) -> None:
    """Give your word where nobody can prove that a source is quiet; what is held may be activated then."""
    from gateway.cli.migrating import resolve as run

    if not quiet:
        raise context.Usage("look at the source first; then say --quiet: nobody is called from there any more")
    sys.exit(run(context.config_path(config), tenant, move_id, json))


@migrate_app.command("key")
def make_key(
    file: Annotated[Path, typer.Argument(help="Where the private key is written; it must not be there yet.")],
    json: JsonOption = False,
) -> None:
    """Make a key that signs certificates, and say how it is configured."""
    from gateway.cli.certificates import make_key as run

    sys.exit(run(file, json))
