"""Kore.ai's own words: what is sent, and what is read of the answers (list calls v2, adding contacts 1.1)."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, StrictBool, StrictInt

from gateway.contract import WireIn, WireOut

Record = dict[str, str]
"""A contact as Kore.ai takes it: a flat object of texts; the keys stand in `mapping.RECORD_KEYS`, others are free."""


class NewList(WireOut):
    """Body of `createContactList`; `source` must be `passiveApi` and all four are always sent."""

    name: str
    description: str
    source: str = "passiveApi"
    allow_duplicates: bool = Field(alias="allowDuplicates")


class AddedContacts(WireOut):
    """Body of `addContacts`, which knows a list only by its name."""

    list_name: str = Field(alias="contact_list_name")
    data: list[Record]


class ListChange(WireOut):
    """Body of the update call; what is None is left out and stays as it is."""

    name: str
    description: str | None = None


class ListObject(WireIn):
    """A contact list as every list call shows it.

    Only id and name are required: `getAllListDetails` mixes in the console's CSV lists, whose other fields differ.
    """

    id: str = Field(alias="_id", min_length=1)
    name: str
    count: StrictInt | None = Field(None, alias="totalRecordCount", ge=0)
    status: str = ""
    source: str = ""
    in_use: StrictBool = Field(False, alias="isListInUse")
    campaigns: tuple[str | Mapping[str, Any], ...] = Field((), alias="campaignInUse")
    """Ids by the vendor's table, objects of `name` and `id` in its samples."""
    updated_at: str = Field("", alias="updatedAt")

    @property
    def campaign_names(self) -> tuple[str, ...]:
        """The campaigns that use the list: by name where the vendor gives one, else by id."""
        return tuple(
            one if isinstance(one, str) else str(one.get("name") or one.get("id") or "?") for one in self.campaigns
        )


class ListAnswer(WireIn):
    data: ListObject


class ListsAnswer(WireIn):
    data: tuple[ListObject, ...]


class ChangeEcho(WireIn):
    name: str | None = None


class Change(WireIn):
    id: str = Field(alias="contactListId")
    body: ChangeEcho = ChangeEcho()


class ChangeAnswer(WireIn):
    data: Change


class ContactPage(WireIn):
    """One page of `getAllContacts`. The paging fields are only echoed; how to ask for the next page is undocumented."""

    results: tuple[Mapping[str, Any], ...]
    skip: StrictInt = 0
    limit: StrictInt = 50
    has_more: StrictBool = Field(False, alias="hasMore")
    total: StrictInt | None = Field(None, alias="totalResults")


class ContactsAnswer(WireIn):
    data: ContactPage
