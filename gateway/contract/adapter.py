"""What an adapter is: a name, facts as data, typed credentials and options, and generators free of I/O."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr

from gateway.canonical import Contact, ListHead, Profile
from gateway.contract.exchange import Exchange
from gateway.contract.mapping import FieldTable
from gateway.contract.receipts import (
    Batch,
    CheckReport,
    Done,
    Examination,
    Finding,
    Job,
    Opened,
    Page,
    Receipt,
    RemoteContact,
    RemoteList,
    RemoteStatus,
)


class Settings(BaseModel):
    """Base of credentials and options: frozen, unknown keys refused by name, secrets hidden from messages."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


C = TypeVar("C", bound=Settings)
O = TypeVar("O", bound=Settings)  # noqa: E741


@unique
class Verb(StrEnum):
    """What can be asked of a vendor."""

    DELIVER = "deliver"
    CREATE = "create"
    APPEND = "append"
    FIND = "find"
    BROWSE = "browse"
    READ = "read"
    STATUS = "status"
    RENAME = "rename"
    DELETE = "delete"
    REMOVE = "remove"
    STOP = "stop"
    RESUME = "resume"
    CHECK = "check"


@unique
class Support(StrEnum):
    NATIVE = "native"
    EMULATED = "emulated"
    NONE = "none"


@unique
class Evidence(StrEnum):
    """How far a vendor fact can be trusted: written by the vendor, seen in the vendor's own code or samples, seen in
    the code of integrators, or our own conservative reading where nothing is documented."""

    DOCUMENTED = "documented"
    VENDOR_CODE = "vendor_code"
    OBSERVED = "observed"
    JUDGED = "judged"


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether a vendor has a verb; `note` gives the cost of an emulation or, for `none`, what to do instead."""

    support: Support
    note: str = ""
    evidence: Evidence = Evidence.DOCUMENTED


@unique
class ActivationKind(StrEnum):
    """Whether the vendor only stores a list (`passive`), or calls people as soon as it has it (`dials`)."""

    PASSIVE = "passive"
    DIALS = "dials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """A vendor's limits: what the planner and the transport keep to. Times in seconds. A destination may override them.

    `visibility_delay` is how long a new list may stay invisible to look-ups.
    """

    batch_size: int
    contacts_per_list: int
    requests_per_minute: int = 600
    concurrency: int = 4
    page_size: int = 100
    visibility_delay: float = 5.0
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Fact:
    """One limit or property of the vendor, for `/v1/vendors` and the README."""

    name: str
    value: str
    evidence: Evidence = Evidence.DOCUMENTED


@unique
class Style(StrEnum):
    """How a remote list is filled: made by its first batch (`deliver`), or made empty and then filled (`create`)."""

    DELIVER = "deliver"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a list is cut for the vendor."""

    style: Style
    contacts_per_list: int
    batch_size: int


@dataclass(frozen=True, slots=True)
class Token:
    """What goes into the authorisation header, behind the scheme. `expires_at` None: it never does."""

    value: SecretStr
    expires_at: datetime | None = None
    reusable: bool = True


@dataclass(frozen=True, slots=True)
class Auth(Generic[C]):
    """How requests are authorised. `token` is pure: credentials, the time (UTC) and a nonce come in.

    `locks`: one refusal of the credentials stops all use of them here until a check succeeds.
    """

    header: str
    scheme: str
    token: Callable[[C, datetime, str], Token]
    locks: bool = False


@dataclass(frozen=True, slots=True)
class Passthrough:
    """One allowed call of the vendor's own API: a method and a regular expression of the path."""

    method: str
    path: str
    note: str = ""

    def allows(self, method: str, path: str) -> bool:
        return method == self.method and re.fullmatch(self.path, path) is not None


@dataclass(frozen=True, slots=True)
class Ordinary(Generic[O]):
    """An ordinary contact has ordinary texts, and nothing else about it needs a look of its own.

    `text`: (options, all texts of one contact or of many, but the phones, joined). If a text is ordinary, so are its
    parts. `contact`: (options, contact), what its texts joined do not tell; None when there is nothing.
    """

    text: Callable[[O, str], bool]
    contact: Callable[[O, Contact], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Adapter(Generic[C, O]):
    """One vendor. The functions are generators (see `exchange`) or pure; a verb that is None the vendor does not have.

    `options` is what a destination configures; `list_options` what a single list may say under
    `vendor_options.<name>`: its fields are a subset of those of `options`, all optional, and never an address or an
    account. `examine_list` and `examine` run before anything is sent: losses, and faults that refuse the list (422) or
    the contact (`rejected`).
    """

    name: str
    title: str
    api_version: str
    documentation: str
    auth: Auth[C]
    credentials: type[C]
    options: type[O]
    list_options: type[Settings]
    capabilities: Mapping[Verb, Capability]
    limits: Limits
    fields: FieldTable
    activation: ActivationKind
    activation_note: str
    """Where a campaign is started at this vendor, or when a delivered list begins to dial."""

    examine_list: Callable[[ListHead, Profile, O, datetime], Examination]
    examine: Callable[[ListHead, Profile, O, Contact], Examination]
    ordinary: Ordinary[O] | None = None
    """In which contacts `examine` finds no fault, and losses that depend on nothing but which of their fields are
    filled: it is asked once for all of them that fill the same."""

    plan: Callable[[ListHead, Profile, O, Limits], Plan] | None = None
    deliver: Callable[[Job[O], Batch], Exchange[Opened]] | None = None
    create: Callable[[tuple[Job[O], ...]], Exchange[tuple[RemoteList, ...]]] | None = None
    append: Callable[[Job[O], RemoteList, Batch], Exchange[Receipt]] | None = None
    find: Callable[[Job[O], RemoteList | None, Batch | None], Exchange[Finding]] | None = None
    browse: Callable[[O, str | None, str | None, int], Exchange[Page[RemoteList]]] | None = None
    """(options, name or None, cursor or None, page size)"""
    read: Callable[[RemoteList, O, str | None, int], Exchange[Page[RemoteContact]]] | None = None
    """(remote list, options, cursor or None, page size)"""
    echo: Callable[[Job[O], Contact], RemoteContact] | None = None
    """How `read` shows a contact of this job that arrived whole: pure, and there wherever `read` is."""
    status: Callable[[RemoteList, O], Exchange[RemoteStatus]] | None = None
    rename: Callable[[tuple[RemoteList, ...], str, str | None, O], Exchange[tuple[RemoteList, ...]]] | None = None
    """(the remote lists of one delivery, new name, new description or None, options)"""
    delete: Callable[[RemoteList, O], Exchange[Done]] | None = None
    remove: Callable[[RemoteList, RemoteContact, O], Exchange[Done]] | None = None
    stop: Callable[[RemoteList, O], Exchange[Done]] | None = None
    resume: Callable[[RemoteList, O], Exchange[Done]] | None = None
    check: Callable[[O], Exchange[CheckReport]] | None = None

    export: Mapping[str, str] = field(default_factory=dict)
    """Columns of the files that go to this vendor or come from it: canonical field (`attributes.x`) to column."""
    counts_only: bool = False
    """The vendor says how many contacts it has, not which: batches go one after the other."""
    facts: tuple[Fact, ...] = ()
    passthrough: tuple[Passthrough, ...] = ()
    secrets_in_body: tuple[str, ...] = ()
    """Credentials that this vendor wants in the body, declared here next to the adapter's reason."""
    secrets_why: str = ""

    def capability(self, verb: Verb) -> Capability:
        return self.capabilities.get(verb, Capability(Support.NONE, "the vendor has no such call"))

    def how(self, head: ListHead, profile: Profile, options: O, limits: Limits) -> Plan:
        """How this list is cut: the adapter's own plan, else by the limits."""
        if self.plan:
            return self.plan(head, profile, options, limits)
        style = Style.DELIVER if self.deliver else Style.CREATE
        # Without `append` a remote list takes no second batch.
        whole = limits.contacts_per_list if self.append else min(limits.contacts_per_list, limits.batch_size)
        return Plan(style, whole, min(limits.batch_size, whole))


AnyAdapter = Adapter[Any, Any]
