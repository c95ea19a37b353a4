"""Vendor requests and replies as values. No secret is ever inside one: `Credential` marks the place.

The transport puts the secrets in while it writes the bytes, the preview puts `***` there. So an adapter, a stored
attempt and a log can't leak what they never held.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Credential:
    """The place of a credential in a request. `name` is a dotted path into the adapter's credentials model."""

    name: str


Value = str | Credential
Pairs = tuple[tuple[str, Value], ...]


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body, UTF-8. A `Credential` may only be a value of the outermost object."""

    value: Any


@dataclass(frozen=True, slots=True)
class Form:
    """An `application/x-www-form-urlencoded` body; the text of `fields` is ASCII or percent-encoded UTF-8."""

    fields: Pairs


@dataclass(frozen=True, slots=True)
class File:
    """A file part. `chunks` makes its bytes anew each time it is called, and the same each time."""

    field: str
    filename: str
    content_type: str
    chunks: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Multipart:
    """A `multipart/form-data` body: text fields first, then files. `boundary` comes from the driver's key."""

    boundary: str
    fields: Pairs = ()
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Raw:
    """A body of bytes made by `chunks`, as `File`."""

    content_type: str
    chunks: Callable[[], Iterable[bytes]]


Body = Json | Form | Multipart | Raw


@dataclass(frozen=True, slots=True)
class Request:
    """One vendor request. `path` is relative to the destination's base URL and starts with a slash.

    A part of it that may hold a slash or a percent sign is percent-encoded by the adapter; the encoder does the rest.
    """

    method: str
    path: str
    query: Pairs = ()
    headers: Pairs = ()
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A vendor's HTTP answer. Header names are lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON; `ValueError` when it is not."""
        return json.loads(self.body)


def json_reply(value: Any, status: int = 200) -> Reply:
    """A JSON reply: what `Step.success` is usually made of."""
    return Reply(status, json.dumps(value).encode(), {"content-type": "application/json"})
