"""From a list and its routes to deliveries: who goes where, what is lost, what is refused, how it is cut. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from pydantic import ValidationError

from gateway.canonical import Contact, Fault, ListHead, LossEntry, Mode, Profile
from gateway.contract import ActivationKind, AnyAdapter, Plan, Settings
from gateway.examining import Examiner
from gateway.ingest import Intake, ProfileBuilder
from gateway.problem import ErrorItem, Problem, pointer
from gateway.routing import NO_REROUTINGS, Asked, Reroutings, asks_of, describe, destinations_for
from gateway.settings import Destination, Tenant, explain

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def remote_key(delivery_id: str, part: int) -> str:
    """Our own key of a remote list: 15 lower-case letters and digits, the first a letter, always the same."""
    number = int.from_bytes(hashlib.sha256(f"{delivery_id}/{part}".encode()).digest()[:12], "big")
    text = ""
    for _ in range(14):
        number, digit = divmod(number, 36)
        text += _BASE36[digit]
    return "g" + text


def profile_of(contacts: Iterable[Contact]) -> Profile:
    """The profile of these contacts."""
    builder = ProfileBuilder()
    for contact in contacts:
        builder.add(contact)
    return builder.profile()


Chain = tuple[str, ...]
"""A destination and its fallbacks; the first is tried first. Empty: no route takes the contact."""


_MOST_KINDS = 1_000
"""Kinds of contacts whose chains are remembered: each may have a tag of its own."""


class Router:
    """Says where each contact of one list goes. `reroutings` are those that it follows, for the whole list the same."""

    def __init__(self, tenant: Tenant, head: ListHead, size: int, reroutings: Reroutings = NO_REROUTINGS) -> None:
        self._tenant, self._head, self._size, self.reroutings = tenant, head, size, reroutings
        self.asks = asks_of(tenant, head, reroutings)
        self._known: dict[tuple[str, str | None], Chain] = {}

    def chain_of(self, contact: Contact) -> Chain:
        """The same for all contacts of a country and a tag, unless a share of the numbers goes elsewhere."""
        if self.asks.number:
            return self._ask(contact)
        kind = contact.region, contact.tag if self.asks.tag else None
        chain = self._known.get(kind)
        if chain is None:
            chain = self._ask(contact)
            if len(self._known) < _MOST_KINDS:
                self._known[kind] = chain
        return chain

    def runs(self, contacts: Sequence[Contact]) -> Iterator[tuple[Chain, Sequence[Contact]]]:
        """The contacts in their order, those that follow each other and go the same way together."""
        if not any(self.asks):
            yield self.chain_of(contacts[0]), contacts
            return
        for chain, run in groupby(contacts, self.chain_of):
            yield chain, list(run)

    def _ask(self, contact: Contact) -> Chain:
        asked = Asked(self._tenant.name, self._head, self._size, contact)
        return destinations_for(self._tenant, asked, self.reroutings)


def profiles_of(router: Router, intake: Intake) -> dict[Chain, Profile]:
    """The profile of the contacts of each chain, in the order of their first contacts."""
    contacts = intake.contacts()
    if not any(router.asks):
        first = next(contacts, None)
        return {} if first is None else {router.chain_of(first): intake.profile()}
    builders: dict[Chain, ProfileBuilder] = {}
    for contact in contacts:
        chain = router.chain_of(contact)
        builder = builders.get(chain) or builders.setdefault(chain, ProfileBuilder())
        builder.add(contact)
    return {chain: builder.profile() for chain, builder in builders.items()}


def destination_of(tenant: Tenant, name: str, at: str = "/destination") -> Destination:
    destination = tenant.destinations.get(name)
    if destination is None:
        known = ", ".join(tenant.destinations) or "none"
        raise Problem(
            "destination.unknown",
            f"{name} is not a destination; there are: {known}",
            [ErrorItem(pointer=at, code="destination.unknown", detail=f"there are: {known}")],
        )
    return destination


def refuse_missing_targets(tenant: Tenant, chains: Iterable[Chain], reroutings: Reroutings) -> None:
    """422 when a destination that is not configured any more stands in for another one that a contact is for.

    Neither may the list go to the old destination by accident, nor its contacts be lost.
    """
    targets = {rule.target: rule for rule in reroutings.values() if rule.mode in ("full", "percent")}
    for name in dict.fromkeys(name for chain in chains for name in chain):
        if name not in tenant.destinations and name in targets:
            rule = targets[name]
            detail = (
                f"{name} stands in for {rule.source} ({describe(rule)}, by {rule.by}) and is not in the configuration "
                "any more: configure it, or switch the rerouting off"
            )
            item = ErrorItem(pointer="/destination", code="rerouting.impossible", detail=detail)
            raise Problem("rerouting.impossible", detail, [item])


def check_vendor_options(head: ListHead, adapters: Iterable[AnyAdapter]) -> None:
    """Every entry of `vendor_options` against its adapter's own model; all faults at once."""
    known = {adapter.name: adapter for adapter in adapters}
    items = []
    for name, values in head.vendor_options.items():
        if name not in known:
            detail = f"there is no adapter {name}; there are: {', '.join(known)}"
            items.append(ErrorItem(pointer=pointer("vendor_options", name), code="field.unknown", detail=detail))
            continue
        try:
            known[name].list_options.model_validate(values)
        except ValidationError as error:
            items += [
                ErrorItem(pointer=pointer("vendor_options", name, *key.split(".")), code="field.invalid", detail=why)
                for key, why in explain(error)
            ]
    if items:
        raise Problem("vendor_options.invalid", f"{len(items)} faults in vendor_options, see errors", items)


def merged_options(destination: Destination, given: dict[str, Any]) -> Settings:
    """The destination's options with what the list says on top."""
    if not given:
        return destination.options
    adapter = destination.adapter
    over = adapter.list_options.model_validate(given).model_dump(exclude_unset=True)
    try:
        merged: Settings = adapter.options.model_validate(
            {**destination.options.model_dump(exclude_unset=True), **over}
        )
    except ValidationError as error:
        items = [
            ErrorItem(
                pointer=pointer("vendor_options", adapter.name, *key.split(".")), code="field.invalid", detail=why
            )
            for key, why in explain(error)
        ]
        raise Problem(
            "vendor_options.invalid", f"{destination.name} cannot take these options together", items
        ) from None
    return merged


class Draft:
    """One delivery as it would be. It is shown its contacts one by one, and says where each has its place.

    A draft that has carried nothing yet begins with part 1; `join` lets it go on in a remote list that is there.
    """

    def __init__(
        self,
        destination: Destination,
        fallbacks: Chain,
        head: ListHead,
        profile: Profile,
        given: dict[str, Any],
        now: datetime,
    ) -> None:
        self.destination, self.fallbacks, self.head, self.profile = destination, fallbacks, head, profile
        self.given_options, self.now = given, now
        self.options = merged_options(destination, given)
        adapter = destination.adapter
        of_list = adapter.examine_list(head, profile, self.options, now)
        if of_list.faults:
            raise Problem(
                "list.refused",
                f"{destination.name} cannot take this list: {of_list.faults[0].detail}",
                [_list_fault(destination, one) for one in of_list.faults],
            )
        self.plan: Plan = adapter.how(head, profile, self.options, destination.limits)
        self.judge = Examiner(adapter, head, profile, self.options)
        """As `examine`, with the losses of this contact; many at once."""
        self.judge.report.add_list(of_list.losses)
        self.carried, self.parts = 0, 0
        self._room = self._batch = self._in_batch = 0

    def join(self, part: int, batch: int, room: int) -> None:
        """Go on in a remote list that is there, after this batch, as long as it has room."""
        self.parts, self._batch, self._room = part, batch, room
        self._in_batch = self.plan.batch_size

    def examine(self, contact: Contact) -> tuple[Fault, ...]:
        """Why this destination refuses the contact; nothing when it is carried, its losses being counted."""
        return self.judge(contact).faults

    def next_place(self) -> tuple[int, int]:
        """(part, batch) of the next contact that is carried, both counted from 1."""
        return self.next_places(1)[:2]

    def next_places(self, most: int) -> tuple[int, int, int]:
        """(part, batch, number) of the next contacts that are carried: as many of them as go there together."""
        if self._room <= 0:
            self.parts, self._batch, self._in_batch = self.parts + 1, 1, 0
            self._room = self.plan.contacts_per_list
        elif self._in_batch >= self.plan.batch_size:
            self._batch, self._in_batch = self._batch + 1, 0
        number = min(most, self._room, self.plan.batch_size - self._in_batch)
        self._room, self._in_batch = self._room - number, self._in_batch + number
        self.carried += number
        return self.parts, self._batch, number

    @property
    def losses(self) -> list[LossEntry]:
        return self.judge.report.entries()


def draft(destination: Destination, fallbacks: Chain, head: ListHead, profile: Profile, now: datetime) -> Draft:
    """Plan one delivery. A list that the adapter cannot take at all is a 422 that names each reason."""
    return Draft(
        destination, fallbacks, head, profile, dict(head.vendor_options.get(destination.adapter.name, {})), now
    )


def _list_fault(destination: Destination, fault: Fault) -> ErrorItem:
    at = pointer(*(fault.column or "destination").split("."))
    return ErrorItem(pointer=at, code=fault.code, detail=f"{destination.name}: {fault.detail}")


def refuse_losses(head: ListHead, drafts: Iterable[Draft]) -> None:
    """With `on_loss: refuse`, any loss is a 422 that names each."""
    if head.on_loss != "refuse":
        return
    items = [
        ErrorItem(
            pointer=pointer(*loss.field.split(".")) if loss.contacts is None else pointer("contacts", "*", loss.field),
            code=f"loss.{loss.kind}",
            detail=f"{one.destination.name}: {loss.why}" + (f" ({loss.contacts} contacts)" if loss.contacts else ""),
        )
        for one in drafts
        for loss in one.losses
    ]
    if items:
        raise Problem("list.losses", f"{len(items)} losses; nothing was sent", items)


def activation_of(adapter: AnyAdapter, head: ListHead, now: datetime) -> str:
    """`passive`, `held`, `scheduled` or `started` (DESIGN section 4)."""
    if adapter.activation is ActivationKind.PASSIVE:
        return "passive"
    if head.activation.mode is Mode.HOLD:
        return "held"
    return "scheduled" if head.schedule.start_at and head.schedule.start_at > now else "started"
