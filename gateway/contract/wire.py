"""Bases for a vendor's wire types. Vendor spelling lives in aliases, next to the canonical word."""

from pydantic import BaseModel, ConfigDict


class WireOut(BaseModel):
    """What we send: nothing beyond the declared fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


class WireIn(BaseModel):
    """What we read: what we do not need is ignored, what we need is required."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)
