"""One person on a contact list: as a caller sends it (`ContactIn`), and normalised, as adapters get it (`Contact`)."""

from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ATTRIBUTE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
MAX_ATTRIBUTES = 100

AttributeName = Annotated[str, StringConstraints(pattern=ATTRIBUTE_NAME, max_length=64)]
AttributeValue = Annotated[str, StringConstraints(max_length=2000)]


class ContactIn(BaseModel):
    """A contact as the caller sends it. Only `phone` is required."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="Contact")

    phone: str = Field(
        min_length=1,
        max_length=64,
        description="E.164, or a national number when the list or the tenant has a default region",
        examples=["+5511999990001"],
    )
    id: str | None = Field(None, min_length=1, max_length=200, description="the caller's own key of the contact")
    first_name: str | None = Field(None, max_length=200)
    last_name: str | None = Field(None, max_length=200)
    company: str | None = Field(None, max_length=200)
    email: str | None = Field(None, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
    language: str | None = Field(None, max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    time_zone: str | None = Field(None, max_length=64, description="IANA name, such as America/Sao_Paulo")
    priority: int | None = Field(None, ge=0, le=2**31 - 1, description="0 is the most urgent")
    tag: str | None = Field(None, max_length=200)
    attributes: dict[AttributeName, AttributeValue] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES)


class Contact(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A valid contact, normalised. What adapters translate.

    `row` is the row of the sender's file (or the place in the JSON array, from 1). `key` is unique within the list and
    stable across re-uploads: the caller's `id`, else derived from the phone. `phone` is E.164 with its plus sign,
    `phone_text` the caller's own spelling, `region` the ISO country of the number ("" when it belongs to none).
    """

    row: int
    key: str
    phone: str
    region: str = ""
    phone_text: str = ""
    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    email: str | None = None
    language: str | None = None
    time_zone: str | None = None
    priority: int | None = None
    tag: str | None = None
    attributes: dict[str, str] = {}


TEXT_FIELDS = ("id", "first_name", "last_name", "company", "email", "language", "time_zone", "tag")
"""The optional fields of a contact that hold text."""
