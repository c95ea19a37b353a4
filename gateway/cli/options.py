"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[str | None, typer.Option("--config", help="Configuration file (else GATEWAY_CONFIG).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose list it is, where there are several.")]
FileArgument = Annotated[Path, typer.Argument(help="CSV, XLSX, NDJSON, or JSON with the whole list.", metavar="FILE")]
NameOption = Annotated[str | None, typer.Option("--name", help="Name of the list; the file's name otherwise.")]
DestinationOption = Annotated[str | None, typer.Option("--destination", help="Destination; overrides the routes.")]
MappingOption = Annotated[str | None, typer.Option("--mapping", help='JSON: {"canonical field": "column"}.')]
ReferenceOption = Annotated[str | None, typer.Option("--reference", help="Your own key of the list.")]
ChannelOption = Annotated[str | None, typer.Option("--channel", help="voice, sms or whatsapp.")]
RegionOption = Annotated[str | None, typer.Option("--region", help="Country of national numbers, such as BR.")]
DuplicatesOption = Annotated[str | None, typer.Option("--duplicates", help="keep_first, keep_last or keep_all.")]
LossOption = Annotated[str | None, typer.Option("--on-loss", help="report or refuse.")]
DelimiterOption = Annotated[str | None, typer.Option("--delimiter", help="The file's delimiter, when known.")]
EncodingOption = Annotated[str | None, typer.Option("--encoding", help="The file's charset, when known.")]
SheetOption = Annotated[str | None, typer.Option("--sheet", help="The workbook's sheet, where several are filled.")]
ListArgument = Annotated[str, typer.Argument(help="The list's id, cl_...", metavar="LIST")]
