"""What would be sent, exactly, and what would be lost: the adapters' own generators, fed their own successes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from gateway.canonical import Contact, Fault, ListHead, LossEntry, Mode, Outcome
from gateway.canonical.lists import Activation
from gateway.contract import ActivationKind, AnyAdapter, Batch, CannotDo, Contacts, Job, Request, Style
from gateway.driver import rehearse
from gateway.encoding import REDACTED, encode
from gateway.ingest import Intake, Rejected
from gateway.planning import (
    Chain,
    Draft,
    Router,
    activation_of,
    check_vendor_options,
    destination_of,
    draft,
    profile_of,
    refuse_losses,
    refuse_missing_targets,
    remote_key,
)
from gateway.problem import Problem
from gateway.resources import FaultOut, Resource
from gateway.routing import NO_REROUTINGS, Asked, Reroutings, explain
from gateway.settings import Destination, Tenant
from gateway.vendors import FieldOut, fields_out

REQUESTS_SHOWN = 50
BODY_SHOWN = 256 << 10

Batches = Iterable[tuple[int, int, Contacts]]
"""(part, batch, contacts) of a draft that has carried them, in order."""


class RequestOut(Resource):
    """One vendor request as it would leave; credentials are shown as ***."""

    step: str
    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    body_bytes: int
    digest: str
    truncated: bool = Field(False, description="the body is longer than what is shown")


class RowOut(Resource):
    row: int
    faults: list[FaultOut]


class DestinationPreview(Resource):
    """What one destination would get."""

    destination: str
    adapter: str
    activation: str
    contacts: int
    remote_lists: int
    calls: int
    seconds: float = Field(description="at least, at the rate that the vendor allows")
    requests: list[RequestOut] = Field(description="the first 50")
    losses: list[LossEntry]
    fidelity: list[FieldOut]
    rejected: list[RowOut]
    refused: str | None = Field(None, description="why this destination cannot take the list at all")


class Preview(Resource):
    """Nothing was sent."""

    received: int
    rejected: list[RowOut]
    duplicates: int
    suppressed: int = Field(0, description="on the tenant's do-not-contact list; nobody knows it without a database")
    unrouted: int
    destinations: list[DestinationPreview]


def preview(
    adapters: Mapping[str, AnyAdapter],
    tenant: Tenant,
    head: ListHead,
    intake: Intake,
    wanted: Sequence[str] | str | None,
    reroutings: Reroutings = NO_REROUTINGS,
) -> Preview:
    """Rehearse the list for its routes, or for the destinations that are asked for. Blocking: run it in a thread.

    What a caller names to be shown is shown itself, whoever stands in for it.
    """
    if intake.received == 0:
        raise Problem("list.empty", "send at least one contact")
    check_vendor_options(head, adapters.values())
    now = datetime.now(UTC)
    people = list(intake.contacts())
    everyone = Counter(outcome for outcome, _ in intake.rows())
    router = Router(tenant, head, len(people), reroutings)
    if wanted is None:
        groups: dict[Chain, list[Contact]] = {}
        for contact in people:
            groups.setdefault(router.chain_of(contact), []).append(contact)
        unrouted = len(groups.pop((), []))
        refuse_missing_targets(tenant, groups, reroutings)
        chosen = [(chain[0], group) for chain, group in groups.items()]
    else:
        unrouted = 0
        names = list(tenant.destinations) if wanted == "all" else list(wanted)
        chosen = [(name, people) for name in names]
    shown = [_preview_one(tenant, name, head, contacts, now) for name, contacts in chosen]
    refused = [row for _, row in intake.rows() if isinstance(row, Rejected)]
    return Preview(
        received=intake.received,
        rejected=[RowOut(row=one.row, faults=_faults(one.faults)) for one in refused],
        duplicates=everyone[Outcome.DUPLICATE],
        suppressed=everyone[Outcome.SUPPRESSED],
        unrouted=unrouted,
        destinations=shown,
    )


def _faults(faults: Sequence[Any]) -> list[FaultOut]:
    return [FaultOut(code=one.code, column=one.column, detail=one.detail) for one in faults]


def _preview_one(
    tenant: Tenant, name: str, head: ListHead, contacts: Sequence[Contact], now: datetime
) -> DestinationPreview:
    destination = destination_of(tenant, name, "/destinations")
    adapter = destination.adapter
    requests: list[tuple[str, Any]] = []
    placed, refused = None, None
    try:
        placed = _place(destination, head, contacts, now)
        refuse_losses(head, [placed.planned])
        requests = list(rehearsed(placed.planned, head, placed.batches()))
    except Problem as problem:
        refused = problem.detail
    except CannotDo as error:
        refused = error.why
    return DestinationPreview(
        destination=name,
        adapter=adapter.name,
        activation=activation_of(adapter, head, now),
        contacts=placed.planned.carried if placed else 0,
        remote_lists=placed.planned.parts if placed else 0,
        calls=len(requests),
        seconds=seconds_for(len(requests), destination),
        requests=[_shown(destination, step, request) for step, request in requests[:REQUESTS_SHOWN]],
        losses=placed.planned.losses if placed else [],
        fidelity=fields_out(adapter),
        rejected=[RowOut(row=one.row, faults=_faults(faults)) for one, faults in placed.refused] if placed else [],
        refused=refused,
    )


def seconds_for(calls: int, destination: Destination) -> float:
    """How long so many calls take at least, at the destination's rate."""
    per_minute = destination.limits.requests_per_minute
    return round(max(calls - per_minute, 0) * 60 / per_minute, 1)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A draft with its contacts, by part and batch, and those that its adapter refuses."""

    planned: Draft
    carried: dict[tuple[int, int], list[Contact]]
    refused: list[tuple[Contact, tuple[Fault, ...]]]

    def batches(self) -> Batches:
        return ((part, number, people) for (part, number), people in self.carried.items())


def _place(destination: Destination, head: ListHead, contacts: Sequence[Contact], now: datetime) -> _Placed:
    placed = _Placed(draft(destination, (), head, profile_of(contacts), now), {}, [])
    for contact in contacts:
        faults = placed.planned.examine(contact)
        if faults:
            placed.refused.append((contact, faults))
        else:
            placed.carried.setdefault(placed.planned.next_place(), []).append(contact)
    return placed


def rehearsed(planned: Draft, head: ListHead, batches: Batches) -> Iterator[tuple[str, Request]]:
    """(step, request) of a draft, in the order of sending. A vendor that dials is shown as if the list were started.

    `planned` has carried all its contacts, so that the number of remote lists is known. One batch
    is looked at after the other.
    """
    adapter = planned.destination.adapter
    dials = adapter.activation is ActivationKind.DIALS
    shown_head = head.model_copy(update={"activation": Activation(mode=Mode.START)}) if dials else head
    jobs = {
        part: Job(
            head=shown_head,
            profile=planned.profile,
            options=planned.options,
            key=remote_key("preview", part),
            now=planned.now,
            part=part,
            parts=planned.parts,
            start=dials,
        )
        for part in range(1, planned.parts + 1)
    }
    remotes: dict[int, Any] = {}
    if planned.plan.style is Style.CREATE and jobs:
        assert adapter.create is not None
        rehearsal = rehearse(adapter.create(tuple(jobs.values())))
        yield from rehearsal.requests
        remotes = dict(zip(jobs, rehearsal.result, strict=True))
    for part, number, people in batches:
        batch = Batch(number, f"{jobs[part].key}-{number}", people)
        if part not in remotes:
            assert adapter.deliver is not None
            rehearsal = rehearse(adapter.deliver(jobs[part], batch))
            remotes[part] = rehearsal.result.remote
        else:
            assert adapter.append is not None
            rehearsal = rehearse(adapter.append(jobs[part], remotes[part], batch))
        yield from rehearsal.requests


def _shown(destination: Any, step: str, request: Any) -> RequestOut:
    encoded = encode(request)
    try:
        body = b"".join(encoded.content.chunks()) if encoded.content else b""
        auth = destination.adapter.auth
        return RequestOut(
            step=step,
            method=encoded.method,
            url=destination.base_url + encoded.target,
            headers={**dict(encoded.headers), auth.header: auth.scheme + REDACTED},
            body=body[:BODY_SHOWN].decode("utf-8", "replace") if encoded.content else None,
            body_bytes=len(body),
            digest=encoded.digest,
            truncated=len(body) > BODY_SHOWN,
        )
    finally:
        encoded.close()


class RouteOut(Resource):
    """One route: how many contacts it takes, and why it does not take the others (reason to number)."""

    route: int | None
    destinations: list[str]
    takes: int
    why: dict[str, int]


class Explanation(Resource):
    received: int
    routes: list[RouteOut]
    unrouted: int


def explain_routes(
    tenant: Tenant, head: ListHead, intake: Intake, reroutings: Reroutings = NO_REROUTINGS
) -> Explanation:
    """Every route as it is judged for every contact of the list, and who stands in for its destinations."""
    told: dict[int | None, tuple[tuple[str, ...], Counter[str], int]] = {}
    unrouted, size = 0, intake.kept
    for contact in intake.contacts():
        considered = explain(tenant, Asked(tenant.name, head, size, contact), reroutings)
        unrouted += not any(one.chosen for one in considered)
        for one in considered:
            destinations, why, takes = told.get(one.route, (one.destinations, Counter(), 0))
            why[one.why] += 1
            told[one.route] = (destinations, why, takes + one.chosen)
    return Explanation(
        received=intake.received,
        routes=[
            RouteOut(route=place, destinations=list(destinations), takes=takes, why=dict(why.most_common(20)))
            for place, (destinations, why, takes) in told.items()
        ],
        unrouted=unrouted,
    )
