"""A list as a target would get it, contact by contact and request by request. Nothing is sent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gateway.canonical import Contact, ListHead
from gateway.contract import Examination
from gateway.ingest.spool import Spool
from gateway.planning import Draft
from gateway.previewing import rehearsed


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


def calls(planned: Draft, carried: Carried, head: ListHead) -> int:
    """How many requests the target needs. Each is made, by the adapter's own generators, and thrown away."""
    batches = (
        (part, batch, Stretch(carried.contacts, start, end)) for (part, batch), (start, end) in carried.batches.items()
    )
    return sum(1 for _ in rehearsed(planned, head, batches))
