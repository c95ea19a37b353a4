"""A list as a target would get it, contact by contact and request by request. Nothing is sent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.canonical import Contact, ListHead, Mode
from gateway.canonical.lists import Activation
from gateway.contract import ActivationKind, Batch, Examination, Job, Style
from gateway.driver import rehearse
from gateway.ingest.spool import Spool
from gateway.planning import Draft, remote_key


@dataclass(slots=True)
class Carried:
    """The contacts that a target takes, in order, and where its batches lie: (part, batch) to (from, up to)."""

    contacts: Spool[Contact] = field(default_factory=lambda: Spool(Contact))
    batches: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of carried contacts, read anew each time that it is gone through."""

    contacts: Spool[Contact]
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def __iter__(self) -> Iterator[Contact]:
        return self.contacts.between(self.start, self.end)


def carry(planned: Draft, moving: Spool[Contact], tell: Callable[[Contact, Examination], None]) -> Carried:
    """Let the target judge every contact, and lay out its batches. `tell` hears of faults and losses."""
    carried = Carried()
    for contact in moving:
        found = planned.judge(contact)
        if found.faults:
            carried.refused += 1
        else:
            place, at = planned.next_place(), len(carried.contacts)
            start, _ = carried.batches.get(place, (at, at))
            carried.batches[place] = (start, at + 1)
            carried.contacts.append(contact)
        if found.faults or found.losses:
            tell(contact, found)
    return carried


def calls(planned: Draft, carried: Carried, head: ListHead, now: datetime) -> int:
    """How many requests the target needs. Each is made, by the adapter's own generators, and thrown away.

    A vendor that dials is shown as if the list were started.
    """
    adapter = planned.destination.adapter
    dials = adapter.activation is ActivationKind.DIALS
    shown = head.model_copy(update={"activation": Activation(mode=Mode.START)}) if dials else head
    jobs = {
        part: Job(
            head=shown,
            profile=planned.profile,
            options=planned.options,
            key=remote_key("preview", part),
            now=now,
            part=part,
            parts=planned.parts,
            start=dials,
        )
        for part in range(1, planned.parts + 1)
    }
    number, remotes = 0, dict[int, Any]()
    if planned.plan.style is Style.CREATE and jobs:
        assert adapter.create is not None
        rehearsal = rehearse(adapter.create(tuple(jobs.values())))
        number += len(rehearsal.requests)
        remotes = dict(zip(jobs, rehearsal.result, strict=True))
    for (part, batch), (start, end) in carried.batches.items():
        people = Batch(batch, f"{jobs[part].key}-{batch}", Stretch(carried.contacts, start, end))
        if part in remotes:
            assert adapter.append is not None
            rehearsal = rehearse(adapter.append(jobs[part], remotes[part], people))
        else:
            assert adapter.deliver is not None
            rehearsal = rehearse(adapter.deliver(jobs[part], people))
            remotes[part] = rehearsal.result.remote
        number += len(rehearsal.requests)
    return number
