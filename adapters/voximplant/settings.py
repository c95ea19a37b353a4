"""Credentials and options of a Voximplant destination, and what a single list may change."""

import codecs
import json
import re
from enum import StrEnum, unique
from functools import lru_cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyAddress,
    SecretStr,
    StringConstraints,
    model_validator,
)

from adapters.voximplant.columns import RESERVED
from gateway.contract import Settings

MOST_ATTEMPTS = 5
LOWEST_PRIORITY = 2**31 - 1  # documented as 2^31; one less fits every reader

_CHARSET = re.compile(r"utf-8|us-ascii|iso-8859-\d{1,2}|windows-12\d\d|koi8-[ru]", re.IGNORECASE)


def _account_id(value: object) -> object:
    """Key files hold the account id as a number or as text; the token wants text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@lru_cache(maxsize=64)
def rsa_private_key(pem: str) -> Any:
    """The key, for `jwt.encode`; ValueError says what else it is. Its primes are tested, which takes 40 ms: once."""
    import jwt  # with its cryptography 10 MiB: only where a key is configured
    from jwt.algorithms import RSAAlgorithm

    try:
        key: object = RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(pem.encode())
    except (ValueError, TypeError, jwt.InvalidKeyError):
        key = None
    if not hasattr(key, "private_numbers"):
        raise ValueError("is not an RSA private key in PEM form; it begins with -----BEGIN PRIVATE KEY-----")
    return key


def _rsa_private_key(secret: SecretStr) -> SecretStr:
    rsa_private_key(secret.get_secret_value())
    return secret


class ServiceAccount(Settings):
    """A service-account key file. The vendor may add keys to it: those that we do not need are ignored."""

    model_config = ConfigDict(extra="ignore")

    account_email: str | None = None
    account_id: Annotated[str, BeforeValidator(_account_id), StringConstraints(pattern=r"^\d{1,20}$")]
    key_id: str = Field(min_length=1)
    private_key: Annotated[SecretStr, AfterValidator(_rsa_private_key)]


def _key_file(value: object) -> object:
    """The JSON text of a key file as a dict; what is a dict or a `ServiceAccount` already passes."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return text
    try:
        parsed = json.loads(text)
    except ValueError:
        raise ValueError("is not JSON; give the text of the service-account key file") from None
    if not isinstance(parsed, dict):
        raise ValueError("is not a JSON object with account_id, key_id and private_key")
    return parsed


class Credentials(Settings):
    """What signs our tokens."""

    service_account: Annotated[ServiceAccount, BeforeValidator(_key_file)] = Field(
        description="the text of the service-account key file (JSON), such as file:secrets/voximplant.json"
    )


@unique
class TaskPriorityStrategy(StrEnum):
    FIRST_ATTEMPTS = "first_attempts"
    REPEATED_ATTEMPTS = "repeated_attempts"


def _charset(name: str) -> str:
    try:
        codecs.lookup(name)
    except LookupError:
        raise ValueError("is not a charset that can be written here") from None
    if not _CHARSET.fullmatch(name):
        raise ValueError("must be UTF-8, US-ASCII, ISO-8859-n, windows-12nn, KOI8-R or KOI8-U")
    return name


def _free_column(name: str) -> str:
    if name in RESERVED:
        raise ValueError("is a column with another meaning")
    return name


Charset = Annotated[str, AfterValidator(_charset)]
Delimiter = Annotated[str, StringConstraints(pattern=r"^[\t!#$%&*,./;<=>?@^|~]$")]
Escape = Annotated[str, StringConstraints(pattern=r'^["\\^~`]$')]
PhoneColumn = Annotated[
    str, StringConstraints(pattern=r"^(_?[A-Za-z][A-Za-z0-9_]*)$", max_length=64), AfterValidator(_free_column)
]
RuleId = Annotated[int, Field(ge=1)]
Priority = Annotated[int, Field(ge=0, le=LOWEST_PRIORITY)]
MaxSimultaneous = Annotated[int, Field(ge=1, le=LOWEST_PRIORITY)]
NumAttempts = Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)]
IntervalSeconds = Annotated[int, Field(ge=0, le=LOWEST_PRIORITY)]
ServerLocation = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Options(Settings):
    """What a destination configures: the parameters of CreateCallList, and how contacts become columns."""

    rule_id: RuleId = Field(description="the routing rule whose scenario calls people (Control Panel, Applications)")
    priority: Priority = Field(1, description="0 is the highest; the vendor has no default; dialing.priority wins")
    max_simultaneous: MaxSimultaneous = Field(
        1,
        description="calls at the same time; the vendor has no default, 1 is the careful one; "
        "dialing.max_concurrent wins",
    )
    num_attempts: NumAttempts = Field(
        1, description="1 to 5; the vendor has no default, 1 is the careful one; dialing.max_attempts wins"
    )
    interval_seconds: IntervalSeconds | None = Field(
        None, description="seconds between attempts; the vendor's default is 0; dialing.retry_interval wins"
    )
    encoding: Charset = Field("UTF-8", description="charset of the uploaded file")
    delimiter: Delimiter = Field(";", description="column separator of the uploaded file: one sign or a tab")
    escape: Escape | None = Field(
        None,
        description="escape character of the uploaded file; without it a contact with a backslash is rejected, "
        "because the vendor's default is not documented",
    )
    reference_ip: IPvAnyAddress | None = Field(
        None, description="an address near the people called, from which the vendor picks the server"
    )
    server_location: ServerLocation | None = Field(
        None, description="where the scenario runs; wins over reference_ip; values: the vendor's getServerLocations"
    )
    task_priority_strategy: TaskPriorityStrategy | None = Field(
        None, description="whether first or repeated attempts go first; the vendor's default is first_attempts"
    )
    phone_column: PhoneColumn = Field("phone_number", description="the column that your scenario dials")
    carry_priority: bool = Field(
        False, description="send a contact's priority as the column task_priority (50 for a contact without one)"
    )


class ListOptions(Settings):
    """What one list may say under `vendor_options.voximplant`; it wins over the options. Null: not said."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given

    rule_id: RuleId | None = Field(None, description="another rule for this list")
    priority: Priority | None = Field(None, description="as in the options; dialing.priority wins")
    max_simultaneous: MaxSimultaneous | None = Field(None, description="as in the options; dialing.max_concurrent wins")
    num_attempts: NumAttempts | None = Field(None, description="as in the options; dialing.max_attempts wins")
    interval_seconds: IntervalSeconds | None = Field(None, description="as in the options; dialing.retry_interval wins")
    encoding: Charset | None = Field(None, description="as in the options")
    delimiter: Delimiter | None = Field(None, description="as in the options")
    escape: Escape | None = Field(None, description="as in the options")
    reference_ip: IPvAnyAddress | None = Field(None, description="as in the options")
    server_location: ServerLocation | None = Field(None, description="as in the options")
    task_priority_strategy: TaskPriorityStrategy | None = Field(None, description="as in the options")
    phone_column: PhoneColumn | None = Field(None, description="as in the options")
    carry_priority: bool | None = Field(None, description="as in the options")
