"""The wire of the two campaign sends: the CSV's layout, the JSON's contacts, and the envelope of the answers."""

from typing import Any

from pydantic import Field, StrictInt

from gateway.contract import WireIn, WireOut


class LayoutContact(WireOut):
    """Whom a row is for. Placeholders such as `{{contactCode}}` name CSV columns."""

    contact_code: str = Field(alias="contactCode")
    channel_type: str = Field(alias="channelType")


class Layout(WireOut):
    """The `layout` form field of `sendcampaigncsv`; no other endpoint has this `contact` wrapper."""

    contact: LayoutContact
    custom_fields: dict[str, str] | None = Field(None, alias="customFields")

    def text(self) -> str:
        """The JSON text of the form field; no variables, no `customFields`."""
        return self.model_dump_json(exclude_none=True)


class ListedContact(WireOut):
    """One item of `contacts` of `sendcampaignlist`. That `customFields` stands here is not documented."""

    contact_code: str = Field(alias="contactCode")
    channel_type: str = Field(alias="channelType")
    custom_fields: dict[str, str] | None = Field(None, alias="customFields")


class Envelope(WireIn):
    """The general reply of the API, known from integrators; this endpoint's own is not documented."""

    status_code: StrictInt = Field(alias="statusCode")
    data: Any = None
    errors: Any = None
    error: Any = None

    def complaints(self) -> int:
        """How many errors the body carries, whatever the status says: `data.errors` of a 200 is a known case."""
        places = [{"errors": self.errors, "error": self.error}]
        places += [self.data] if isinstance(self.data, dict) else []
        places += [item for item in self.data if isinstance(item, dict)] if isinstance(self.data, list) else []
        found = [place.get(name) for place in places for name in ("errors", "error")]
        return sum(len(value) if isinstance(value, list) else 1 for value in found if value)
