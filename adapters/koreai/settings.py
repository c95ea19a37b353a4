"""What a tenant configures for Kore.ai: the JWT app's credentials, the application, and what the vendor leaves open."""

from typing import Literal

from pydantic import Field, SecretStr

from gateway.contract import Settings

_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_PREFIX = r"^(/[A-Za-z0-9._-]+)+$"

PhoneFormat = Literal["digits", "plus"]


class Credentials(Settings):
    """The JWT app of the account (its scope must be Campaign Management, and the application published)."""

    client_id: str = Field(min_length=1, description="client id of the JWT app, `cs-...`; the token's `appId`")
    client_secret: SecretStr = Field(min_length=1, description="client secret of the JWT app; signs the tokens")
    subject: str = Field("contact-list-gateway", min_length=1, description="the token's `sub`; any text will do")


class Options(Settings):
    """Where the lists live, and the choices that the vendor's pages leave open."""

    stream_id: str = Field(pattern=_ID, description="application (bot or stream) id, `st-...`; sent in path and `iid`")
    account_id: str = Field(pattern=_ID, description="account id; sent in the header and in the query")
    phone_format: PhoneFormat = Field(
        "digits", description="`digits` as in the vendor's API samples, or `plus` as in the rule of its console"
    )
    value_length: int = Field(
        300,
        ge=300,
        le=2000,
        description="longest attribute in characters; the console's limit is 300, for the API none is documented",
    )
    poll_seconds: float = Field(
        5.0,
        ge=0.01,
        le=300,
        description="pause between two looks at a list's count; each look is one of the account's 60 calls a minute",
    )
    stable_looks: int = Field(
        6, ge=2, le=100, description="how many looks in a row the count must stand still before the watch is given up"
    )
    absent_after_seconds: float | None = Field(
        None,
        gt=0,
        le=86_400,
        description="how long an add may wait in the vendor's queue at most. Not documented, so without it a lost add "
        "stays unknown; never used for a list with duplicates=keep_all",
    )
    page_parameter: str | None = Field(
        None,
        pattern=r"^[A-Za-z_]+$",
        description="query parameter that asks for later contacts of a list. Not documented, so without it only the "
        "first 50 are read",
    )
    page_parameter_counts: Literal["contacts", "pages"] = Field(
        "contacts", description="whether `page_parameter` takes the contacts to skip, or a page number from 1"
    )
    lists_prefix: str = Field(
        "/campaign/api/v2/public", pattern=_PREFIX, description="what comes before the stream id in the calls on lists"
    )
    add_prefix: str = Field(
        "/api/1.1/public", pattern=_PREFIX, description="what comes before the stream id in the call that adds contacts"
    )


class ListOptions(Settings):
    """What a single list may change under `vendor_options.koreai`."""

    phone_format: PhoneFormat | None = Field(None, description="see the option of the same name")
    value_length: int | None = Field(None, ge=300, le=2000, description="see the option of the same name")
