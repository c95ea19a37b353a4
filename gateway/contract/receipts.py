"""What adapters are handed (`Job`, `Batch`, `RemoteList`) and what they hand back (`Receipt`, `Finding`, ...)."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from gateway.canonical import Contact, Fault, ListHead, Loss, Outcome, Profile, Verdict
from gateway.canonical.lists import DailyWindow

O = TypeVar("O")  # noqa: E741 - the adapter's options model


class Contacts(Protocol):
    """Contacts that can be counted and gone through as often as needed, without being in memory at once."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Contact]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Generic[O]):
    """One remote list to be made.

    `key` is our own key of it: at most 15 lower-case letters and digits, unique, stable, what `find` looks for.
    `part` of `parts` counts the remote lists of one delivery from 1. `now` (UTC) and the keys are the only time and
    chance an adapter sees. `start`: people may be called as soon as the vendor has the list.
    """

    head: ListHead
    profile: Profile
    options: O
    key: str
    now: datetime
    part: int = 1
    parts: int = 1
    start: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """The contacts of one vendor request (or of the few that belong together)."""

    number: int
    key: str
    contacts: Contacts

    @property
    def boundary(self) -> str:
        """A multipart boundary, the same for the same batch, that no contact's text can be expected to hold."""
        return "gw" + hashlib.sha256(self.key.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class RemoteList:
    """A list at the vendor. `id` is the vendor's, `key` ours; `extra` is whatever else the adapter needs again."""

    id: str
    name: str
    key: str = ""
    count: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """What a vendor said of one contact."""

    outcome: Outcome
    remote_id: str | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a vendor said of a batch: by contact key in `items`, and `rest` for all the others.

    `rest` is `unknown` unless the adapter says better: a contact that nobody mentions is not accepted. `detail` says
    in a sentence why the rest is pending or unknown, with the numbers (`sent 100, the vendor counts 98`).
    """

    items: Mapping[str, Item] = field(default_factory=dict)
    rest: Outcome = Outcome.UNKNOWN
    detail: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    """What the adapter needs again about the remote list (an upload's id): kept with its `extra`."""

    @property
    def is_queued(self) -> bool:
        """Whether the vendor has not decided on every contact yet."""
        return self.rest is Outcome.PENDING or any(item.outcome is Outcome.PENDING for item in self.items.values())

    def of(self, contact: Contact) -> Item:
        """The one outcome of this contact."""
        return self.items.get(contact.key) or Item(self.rest)


@dataclass(frozen=True, slots=True)
class Opened:
    """A remote list that was made with its first batch."""

    remote: RemoteList
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look-up proved about a request whose outcome was unclear.

    `accepted`: it took effect, `remote` and `receipt` say what. `not_sent`: it provably did not; `remote` is given
    when the list itself is there without the batch. `unknown`: no proof either way.
    """

    verdict: Verdict
    remote: RemoteList | None = None
    receipt: Receipt | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RemoteStatus:
    """How a remote list stands: its count where the vendor gives one, and the vendor's own word.

    `dialing`: whether the list, or what uses it, calls people just now; None where the vendor does not show it.
    """

    count: int | None
    state: str
    dialing: bool | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteContact:
    """A contact read back from a vendor, in canonical fields. `state` is the vendor's word on calling it."""

    fields: Mapping[str, Any]
    key: str | None = None
    remote_id: str | None = None
    state: str = ""
    reached: bool = False
    """The vendor has called or messaged this person, or is just doing so."""
    attempts_left: int | None = None
    """How often the vendor may still try; None where it does not say."""
    window: DailyWindow | None = None
    """When this person may be called, where the vendor keeps it for each contact."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of something read from a vendor. `incomplete` says why there is more that cannot be read."""

    items: tuple[T, ...]
    next_cursor: str | None = None
    total: int | None = None
    incomplete: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """A deletion, removal, stop or resumption that took effect. `remains` says what is left at the vendor."""

    remains: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a harmless call proved about address and credentials."""

    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Examination:
    """What an adapter knows before anything is sent: losses, and the faults for which it refuses."""

    losses: tuple[Loss, ...] = ()
    faults: tuple[Fault, ...] = ()
