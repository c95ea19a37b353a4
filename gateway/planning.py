"""From a list and its routes to deliveries: who goes where, what is lost, what is refused, how it is cut. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from gateway.canonical import Contact, Fault, ListHead, LossEntry, LossReport, Mode, Profile
from gateway.contract import ActivationKind, AnyAdapter, Plan, Settings
from gateway.ingest import ProfileBuilder
from gateway.problem import ErrorItem, Problem, pointer
from gateway.routing import Asked, destinations_for
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


@dataclass(frozen=True, slots=True)
class Group:
    """Contacts that share a destination and its fallbacks; the first of `chain` is tried first."""

    chain: tuple[str, ...]
    contacts: list[Contact]


def route(tenant: Tenant, head: ListHead, contacts: Sequence[Contact]) -> tuple[list[Group], list[Contact]]:
    """The contacts by where they go, and those that no route takes."""
    groups: dict[tuple[str, ...], Group] = {}
    unrouted = []
    for contact in contacts:
        chain = destinations_for(tenant, Asked(tenant.name, head, len(contacts), contact))
        if not chain:
            unrouted.append(contact)
        else:
            groups.setdefault(chain, Group(chain, [])).contacts.append(contact)
    return list(groups.values()), unrouted


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


@dataclass(frozen=True, slots=True)
class Draft:
    """One delivery as it would be: who is sent in which part and batch, who is refused beforehand, what is lost."""

    destination: Destination
    fallbacks: tuple[str, ...]
    options: Settings
    given_options: dict[str, Any]
    profile: Profile
    plan: Plan
    carried: list[Contact]
    refused: list[tuple[Contact, tuple[Fault, ...]]]
    losses: list[LossEntry]

    @property
    def parts(self) -> int:
        return -(-len(self.carried) // self.plan.contacts_per_list)

    def places(self) -> Iterator[tuple[int, int, Contact]]:
        """(part, batch, contact) of everyone who is sent, both counted from 1."""
        for place, contact in enumerate(self.carried):
            part, within = divmod(place, self.plan.contacts_per_list)
            yield part + 1, within // self.plan.batch_size + 1, contact


def draft(
    destination: Destination, fallbacks: tuple[str, ...], head: ListHead, contacts: Sequence[Contact], now: datetime
) -> Draft:
    """Plan one delivery. A list that the adapter cannot take at all is a 422 that names each reason."""
    adapter = destination.adapter
    given = dict(head.vendor_options.get(adapter.name, {}))
    options = merged_options(destination, given)
    profile = profile_of(contacts)
    of_list = adapter.examine_list(head, profile, options, now)
    if of_list.faults:
        raise Problem(
            "list.refused",
            f"{destination.name} cannot take this list: {of_list.faults[0].detail}",
            [_list_fault(destination, one) for one in of_list.faults],
        )
    report = LossReport()
    report.add_list(of_list.losses)
    carried, refused = [], []
    for contact in contacts:
        found = adapter.examine(head, profile, options, contact)
        if found.faults:
            refused.append((contact, found.faults))
        else:
            carried.append(contact)
            report.add_contact(found.losses)
    plan = adapter.how(head, profile, options, destination.limits)
    return Draft(destination, fallbacks, options, given, profile, plan, carried, refused, report.entries())


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
