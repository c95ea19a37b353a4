"""What a tenant configures for Velip: the token, and how lists are written."""

import re
from enum import StrEnum, unique
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints, field_validator

from gateway.contract import Settings


@unique
class Mode(StrEnum):
    """The input modes of CreateDestinationBase, and `auto`, which chooses by size."""

    AUTO = "auto"
    JSON = "json"
    FORM = "form"
    CSV = "csv"
    JSON_FILE = "json_file"


@unique
class KeySet(StrEnum):
    """The spelling of record keys: the developer portal's, or that of the older manual and the MCP pages."""

    PORTAL = "portal"
    MANUAL = "manual"


Source = Annotated[str, StringConstraints(pattern=r"^(company|email|tag|attributes\.[A-Za-z_][A-Za-z0-9_]*)$")]
"""A canonical field that may feed an extra column."""


class Extras(Settings):
    """Which canonical field feeds each free column: `company`, `email`, `tag` or `attributes.<name>`."""

    extra1: Source | None = Field(None, description="field that feeds extra1")
    extra2: Source | None = Field(None, description="field that feeds extra2")
    extra3: Source | None = Field(None, description="field that feeds extra3")
    extra4: Source | None = Field(None, description="field that feeds extra4, which the manual's key set lacks")

    def sources(self) -> dict[str, str]:
        """The canonical field by extra column, unused columns left out."""
        return {column: source for column, source in self if source is not None}


class Credentials(Settings):
    """A permanent token from the portal (Integrations > API tokens). Tokens of the MCP server do not work."""

    tsid: SecretStr = Field(description="permanent API token: at least 10 characters, no spaces")

    @field_validator("tsid")
    @classmethod
    def _looks_like_a_token(cls, tsid: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[!-~]{10,}", tsid.get_secret_value()):
            raise ValueError("must be at least 10 printable ASCII characters without spaces")
        return tsid


class ListOptions(Settings):
    """What a single list may say under `vendor_options.velip`."""

    mode: Mode = Field(Mode.AUTO, description="how this list is uploaded")
    extras: Extras | None = Field(None, description="what feeds extra1..extra4 of this list")


class Options(Settings):
    """What a destination configures. Every default is the documented form, or the careful reading where none is."""

    mode: Mode = Field(
        Mode.AUTO,
        description="upload as json, form, csv or json_file; auto: json up to json_rows contacts, else json_file",
    )
    json_rows: int = Field(5_000, ge=1, le=50_000, description="the most contacts that auto sends as a JSON body")
    key_set: KeySet = Field(
        KeySet.PORTAL,
        description="record keys in JSON: portal (phone, cod_cli, extra1..4) or manual (number, codcli, extra1..3)",
    )
    suffix: Literal[".php", ""] = Field(".php", description="what follows an endpoint's name in the address")
    extras: Extras | None = Field(
        None, description="what feeds extra1..extra4; left out: the first attributes of the list, in their order"
    )
    csv_encoding: Literal["ascii", "utf-8", "iso-8859-1"] = Field(
        "ascii",
        description="charset of CSV files, which Velip does not document; a contact beyond it is rejected",
    )
    name_length: int = Field(
        50, ge=10, le=255, description="longest list name, without the ` 2/3` that tells the parts of a delivery apart"
    )
    foreign_numbers: bool = Field(
        False,
        description="send numbers outside Brazil; only when Velip has set the account's number normalisation for them",
    )

    @property
    def record_keys(self) -> KeySet:
        """The key set in use: CSV files have one documented header, the portal's."""
        return KeySet.PORTAL if self.mode is Mode.CSV else self.key_set

    def mode_for(self, rows: int) -> Mode:
        """The input mode for a list of this many contacts; never `auto`."""
        if self.mode is not Mode.AUTO:
            return self.mode
        return Mode.JSON if rows <= self.json_rows else Mode.JSON_FILE
