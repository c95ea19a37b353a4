"""What a destination at Exotel is configured with: credentials, options, and what one list may say for itself."""

from enum import StrEnum, unique
from typing import Annotated, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from gateway.canonical.contacts import ATTRIBUTE_NAME
from gateway.contract import Settings

MAX_COLUMNS = 5
"""Variables of a dynamic list; every column besides `number` is counted (strict reading of "up to 5 variables")."""

Column = Annotated[
    str,
    StringConstraints(pattern=rf"^(first_name|last_name|company|email|tag|attributes\.{ATTRIBUTE_NAME[1:-1]})$"),
]
Columns = Annotated[tuple[Column, ...], Field(max_length=MAX_COLUMNS)]
BytesPerRow = Annotated[int, Field(ge=16, le=1_000_000)]


@unique
class Path(StrEnum):
    """How contacts travel: as JSON objects with a verdict each, as a CSV file that is only counted, or by size."""

    AUTO = "auto"
    JSON = "json"
    CSV = "csv"


@unique
class Kind(StrEnum):
    """What a CSV upload makes: a list without variables, one with variables, or what the attributes ask for."""

    AUTO = "auto"
    STATIC = "static"
    DYNAMIC = "dynamic"


@unique
class CustomField(StrEnum):
    """How attributes go into the JSON of a contact: not at all, as the vendor's sample nests them, or flat."""

    OFF = "off"
    NESTED = "nested"
    FLAT = "flat"


@unique
class SinglePut(StrEnum):
    """The body of `PUT /lists/{sid}`, which the vendor does not show; `off` uses the bulk call instead."""

    OFF = "off"
    FLAT = "flat"
    WRAPPED = "wrapped"


class Credentials(Settings):
    """The API key and token of the account (HTTP Basic, https://developer.exotel.com/api/)."""

    api_key: SecretStr = Field(description="API key, the user of HTTP Basic")
    api_token: SecretStr = Field(description="API token, the password of HTTP Basic")


class Options(Settings):
    """What a destination at Exotel may be told."""

    account_sid: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$", description="the account's sid, which stands in the path of every call"
    )
    path: Path = Field(
        Path.AUTO,
        description="json: contacts, then references; csv: a file; auto: csv above 5000 contacts or for attributes",
    )
    kind: Kind = Field(
        Kind.AUTO, description="kind of a CSV upload; auto: dynamic when there are attributes to carry, else static"
    )
    columns: Columns | None = Field(
        None,
        description="columns of a dynamic upload besides number, in order: first_name, last_name, company, email, tag "
        "or attributes.<name>; default: the names, then attributes in order of appearance, then the rest, 5 in all",
    )
    custom_field: CustomField = Field(
        CustomField.OFF,
        description="send attributes in the JSON path: nested as the vendor's sample shows, or flat; its table and "
        "its sample disagree",
    )
    bytes_per_row: BytesPerRow | None = Field(
        None,
        description="longest CSV row to expect, in bytes, for cutting uploads below 60 MB; default: what the canonical "
        "fields may hold at most. An upload that turns out larger is refused before it is sent",
    )
    page_size: int = Field(
        20, ge=1, le=500, description="rows asked for when contacts of a list are looked up; the vendor says 20 and 500"
    )
    poll_seconds: float = Field(
        10.0, gt=0, le=600, description="longest pause between two looks at the status of an upload, in seconds"
    )
    single_put: SinglePut = Field(
        SinglePut.OFF, description="rename a single list by PUT /lists/{sid} with a flat or wrapped body"
    )
    absence_is_proof: bool = Field(
        False,
        description="believe that an upload into an existing list never arrived when none of its rows is there after "
        "the visibility delay; raise visibility_delay to 1800 s with it",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.path is Path.JSON and self.kind is Kind.DYNAMIC:
            raise ValueError("a dynamic list can only be made by CSV: set path to auto or csv")
        return self


class ListOptions(Settings):
    """What one list may say under `vendor_options.exotel`."""

    path: Path | None = Field(None, description="as the destination's option")
    kind: Kind | None = Field(None, description="as the destination's option")
    columns: Columns | None = Field(None, description="as the destination's option")
    custom_field: CustomField | None = Field(None, description="as the destination's option")
    bytes_per_row: BytesPerRow | None = Field(None, description="as the destination's option")
