"""What an operator configures for an indigitall destination, and what a single list may change of it."""

import re
from enum import StrEnum, unique
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, field_validator, model_validator

from gateway.canonical.lists import Duration
from gateway.contract import Settings

CHANNEL_TYPE = "cloud_api"
SCHEDULE_FIELD = "scheduleAt"
NAMEABLE = ("phone", "id", "first_name", "last_name", "company", "email", "language", "tag")
"""The contact fields that `custom_fields` may name."""

_OTHER_SPELLINGS = ("cloudapi", "whatsapp")
_ATOMS = r"(?:[A-Za-z0-9_~-]|\{application_id\}|\{campaign_id\})+"
_SEGMENTS = rf"(?:/{_ATOMS}(?:\.{_ATOMS})*)+/?"
_QUERY = r"(?:\?(?:[A-Za-z0-9._~=&-]|\{application_id\}|\{campaign_id\})*)?"


def _path_template(pattern: str) -> AfterValidator:
    """A check that says what a path is made of: an ellipsis copied from an example is no path."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(
                "must be the vendor's own path, whole: a slash, then parts of letters, digits, - _ ~ and single dots; "
                "it may hold {application_id} and {campaign_id}"
            )
        return text

    return AfterValidator(check)


PathTemplate = Annotated[str, StringConstraints(max_length=500), _path_template(_SEGMENTS)]
CheckTemplate = Annotated[str, StringConstraints(max_length=500), _path_template(_SEGMENTS + _QUERY)]
"""A path with an optional query."""
FormField = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=64)]
Column = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$", max_length=64)]
"""A campaign variable: letters, digits, underscores (page `sendcampaignlist`)."""


@unique
class SlicingCondition(StrEnum):
    """How messages are spread when the application has slicing switched on (page `sendcampaigncsv`)."""

    FRAGMENTED = "fragmentedSlots"
    IMMEDIATE = "immediateConsecutiveSlots"
    DEFERRED = "deferredConsecutiveSlots"


class Constant(Settings):
    """A campaign variable with the same text for everybody."""

    constant: str = Field(max_length=2000, description="the text; without double curly braces")

    @field_validator("constant")
    @classmethod
    def _no_placeholder(cls, text: str) -> str:
        if "{{" in text or "}}" in text:
            raise ValueError("must not hold {{ or }}: the vendor would take it for a column")
        return text


def _source(text: str) -> str | Constant:
    """The canonical field that a plain text names, else a constant; a text that may be a misspelt field is refused."""
    if text in NAMEABLE or re.fullmatch(r"attributes\.[A-Za-z_][A-Za-z0-9_]*", text):
        return text
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]*)?", text):
        raise ValueError(
            f"{text} is none of {', '.join(NAMEABLE)}, attributes.<name>; "
            f'if the word itself is to be sent, write {{"constant": "{text}"}}'
        )
    return Constant(constant=text)


def _sources(named: dict[str, str | Constant] | None) -> dict[str, str | Constant] | None:
    if named is None:
        return None
    return {variable: _source(value) if isinstance(value, str) else value for variable, value in named.items()}


CustomFields = dict[Variable, str | Constant]
_CUSTOM_FIELDS = Field(
    None,
    description="campaign variable -> contact field, `attributes.<name>`, or a constant (`10%`, or "
    '{"constant": "gold"}). Unset: every attribute and every filled text field becomes a variable of its own name. '
    "Set: fields that it does not name are losses; an empty table sends no variables at all",
)
_DELAY = Field(
    None,
    description="send this long after the request (ISO 8601, weeks to seconds, at most 89 days); "
    "not together with schedule.start_at",
)
_SLICING = Field(
    None,
    description="only with slicing switched on for the application. With either of the consecutive conditions the "
    "vendor cancels the send, without telling, when it finds no slots. Unset: the vendor's fragmentedSlots",
)


class Credentials(Settings):
    server_key: SecretStr = Field(min_length=1, description="a server key of the console, of the base URL's region")


class Options(Settings):
    """The destination's options. What the vendor's public pages do not name has no default."""

    application_id: int = Field(ge=1, description="the project (application) at indigitall")
    campaign_id: int = Field(ge=1, description="the proactive chat campaign whose messages are sent")
    send_csv_path: PathTemplate | None = Field(
        None,
        description="path of `Send campaign from CSV`, from the vendor; may hold {application_id} and {campaign_id}. "
        "The public pages give none: nothing is sent while it is unset",
    )
    send_json_path: PathTemplate | None = Field(
        None,
        description="path of the JSON send (`sendcampaignlist`, at most 100 contacts each), from the vendor; "
        "used only while send_csv_path is unset",
    )
    json_custom_fields: Literal["contact"] | None = Field(
        None,
        description="where the JSON send has customFields, once the vendor has confirmed it: in each contact. "
        "Unset: only lists without variables go that way",
    )
    check_path: CheckTemplate | None = Field(
        None,
        description="path, with its query, of a harmless GET that proves address and key, such as the unofficially "
        "known /v1/chat/contacts?applicationId={application_id}&limit=1&offset=0. Unset: no check",
    )
    layout_field: FormField = Field("layout", description="name of the form field with the layout")
    file_field: FormField = Field("file", description="name of the form field with the CSV file")
    delay_field: FormField | None = Field(
        None, description="name of the form field of the delay. Unset: a delay is sent as a scheduleAt"
    )
    slicing_field: FormField | None = Field(None, description="name of the form field of the slicing condition")
    channel_type: str = Field(
        CHANNEL_TYPE, pattern=r"^[a-z_]+$", max_length=64, description="the vendor's channel; only cloud_api is known"
    )
    contact_code_column: Column = Field("contactCode", description="name of the CSV column with the phone number")
    custom_fields: CustomFields | None = _CUSTOM_FIELDS
    delay: Duration | None = _DELAY
    slicing_condition: SlicingCondition | None = _SLICING

    _interpret = field_validator("custom_fields")(_sources)

    @property
    def by_json(self) -> bool:
        """Whether sends go the JSON way: only when that path alone is configured."""
        return self.send_csv_path is None and self.send_json_path is not None

    @field_validator("channel_type")
    @classmethod
    def _this_endpoints_spelling(cls, value: str) -> str:
        if value in _OTHER_SPELLINGS:
            raise ValueError(f"{value} belongs to other endpoints; this one says {CHANNEL_TYPE}")
        return value

    @model_validator(mode="after")
    def _distinct_form_fields(self) -> Self:
        names = [self.layout_field, self.file_field, SCHEDULE_FIELD, self.delay_field, self.slicing_field]
        used = [name for name in names if name is not None]
        if len(set(used)) < len(used):
            raise ValueError(f"the form fields need different names, and {SCHEDULE_FIELD} is the vendor's own")
        return self


class ListOptions(Settings):
    """What one list may say under `vendor_options.indigitall`."""

    campaign_id: int | None = Field(None, ge=1, description="another campaign of the same application")
    custom_fields: CustomFields | None = _CUSTOM_FIELDS
    delay: Duration | None = _DELAY
    slicing_condition: SlicingCondition | None = _SLICING

    _interpret = field_validator("custom_fields")(_sources)
