"""Pages of a collection: opaque cursors (DESIGN section 4)."""

import base64
import json
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gateway.problem import ErrorItem, Problem

T = TypeVar("T")


class PageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(100, ge=1, le=1_000)
    cursor: str | None = Field(None, max_length=200)


def encode(value: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def decode(cursor: str | None, first: str | int) -> str | int:
    """The place after which the page begins; `first` without a cursor. 400 when the cursor is none of ours."""
    if cursor is None:
        return first
    try:
        value = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if type(value) is not type(first) or (isinstance(value, int) and not 0 <= value < 2**31):
            raise ValueError
    except ValueError:
        item = ErrorItem(pointer="cursor", code="field.invalid", detail="is not a cursor of this collection")
        raise Problem("request.invalid", "cursor is not a cursor of this collection", [item]) from None
    return str(value) if isinstance(first, str) else int(value)


def cut(found: list[T], limit: int, place: Callable[[T], str | int]) -> tuple[list[T], str | None]:
    """A page of what was found, one more than it may hold, and the cursor of the next page if there is one."""
    items = found[:limit]
    return items, encode(place(items[-1])) if len(found) > limit else None
