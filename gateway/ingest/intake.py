"""A whole list, however long: contacts with settled keys, rejected rows, duplicates and the profile."""

import heapq
from collections.abc import Collection, Iterable, Iterator
from itertools import repeat
from typing import Final

import msgspec

from gateway.canonical import Contact, DuplicatePolicy, Outcome, Profile
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.ingest.normaliser import Normaliser
from gateway.ingest.repeats import Repeats
from gateway.ingest.source import Rejected, Source, SourceInfo
from gateway.ingest.spool import Spool

BLOCK: Final = 500

Taken = tuple[Outcome, Contact | Rejected]
"""A row as it was taken in: `pending` when it is to be sent, else `rejected`, `duplicate` or `suppressed`."""


class ProfileBuilder:
    """Learns a list's profile contact by contact."""

    def __init__(self) -> None:
        self._count = 0
        self._unseen = [*TEXT_FIELDS, "priority"]
        self._attributes: dict[str, None] = {}

    def add(self, contact: Contact) -> None:
        """Take one contact into account."""
        self._count += 1
        for name in self._unseen:
            if getattr(contact, name) is not None:
                self._unseen = [name for name in self._unseen if getattr(contact, name) is None]
                break
        if not contact.attributes.keys() <= self._attributes.keys():
            self._attributes.update(dict.fromkeys(contact.attributes))

    def profile(self) -> Profile:
        """What is known so far."""
        fields = {*TEXT_FIELDS, "priority"} - set(self._unseen)
        if self._count:
            fields.add("phone")
        if self._attributes:
            fields.add("attributes")
        return Profile(self._count, frozenset(fields), tuple(self._attributes))


class Suppressed:
    """Which of these numbers (E.164) must not be contacted. This one knows none."""

    def among(self, phones: Collection[str]) -> Collection[str]:
        """The suppressed ones of `phones`."""
        return ()


class Earlier:
    """What a list holds already when contacts are appended to it. This one is a new list."""

    def numbers(self) -> Iterable[tuple[str, str]]:
        """(phone, key) of its contacts."""
        return ()


class Places:
    """Places in a list, a bit each: those of the contacts that are suppressed."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, end: int, phones: list[str], suppressed: Suppressed) -> None:
        """Judge the last contacts before `end`, and forget their numbers."""
        barred = suppressed.among(phones)
        if barred:
            self._bits.extend(bytes(end // 8 + 1 - len(self._bits)))
            for place, phone in enumerate(phones, end - len(phones)):
                if phone in barred:
                    self._bits[place >> 3] |= 1 << (place & 7)
        phones.clear()

    def __bool__(self) -> bool:
        return bool(self._bits)

    def __contains__(self, place: int) -> bool:
        return place >> 3 < len(self._bits) and bool(self._bits[place >> 3] >> (place & 7) & 1)


class Intake:
    """A list taken in. `received` is the number of its rows, whatever became of them; `valid` that of its contacts."""

    def __init__(
        self,
        info: SourceInfo,
        contacts: Spool[Contact],
        rejected: Spool[Rejected],
        repeats: Repeats,
        barred: Places | None = None,
        known: ProfileBuilder | None = None,
    ) -> None:
        self.info, self.received = info, len(contacts) + len(rejected)
        self.valid = len(contacts)
        self._contacts, self._rejected, self._repeats, self._barred = contacts, rejected, repeats, barred or Places()
        self._known = known

    def rows(self) -> Iterator[Taken]:
        """Every row in the order of the file, contacts with their settled keys."""
        rejected = ((Outcome.REJECTED, row) for row in self._rejected)
        if not len(self._rejected):
            return self._judged()
        both: Iterator[Taken] = heapq.merge(self._judged(), rejected, key=lambda taken: taken[1].row)
        return both

    def contacts(self) -> Iterator[Contact]:
        """The contacts to be sent, in the order of the file."""
        if self._all_are_sent:
            return iter(self._contacts)
        return (contact for outcome, contact in self._judged() if outcome is Outcome.PENDING)

    @property
    def _all_are_sent(self) -> bool:
        return not self._barred and next(self._repeats.fates(), None) is None

    def profile(self) -> Profile:
        """That of the contacts to be sent."""
        if self._known is not None and self._all_are_sent:
            return self._known.profile()
        builder = ProfileBuilder()
        for contact in self.contacts():
            builder.add(contact)
        return builder.profile()

    @property
    def kept(self) -> int:
        """How many contacts are neither rejected nor duplicates."""
        return self.valid - sum(key is None for _, key in self._repeats.fates())

    def _judged(self) -> Iterator[tuple[Outcome, Contact]]:
        fates = self._repeats.fates()
        at, key = next(fates, (-1, None))
        if self._all_are_sent:
            yield from zip(repeat(Outcome.PENDING), self._contacts, strict=False)
            return
        for place, contact in enumerate(self._contacts):
            outcome = Outcome.SUPPRESSED if place in self._barred else Outcome.PENDING
            if place == at:
                if key is None:
                    outcome = Outcome.DUPLICATE
                else:
                    contact = msgspec.structs.replace(contact, key=key)
                at, key = next(fates, (-1, None))
            yield outcome, contact


def collect(
    source: Source,
    normaliser: Normaliser,
    policy: DuplicatePolicy,
    suppressed: Suppressed = Suppressed(),  # noqa: B008 - it holds nothing
    earlier: Earlier = Earlier(),  # noqa: B008
) -> Intake:
    """Read a source to its end. Raises SourceError where the file breaks off the reading."""
    contacts, rejected, repeats, barred = Spool(Contact), Spool(Rejected), Repeats(policy), Places()
    known = ProfileBuilder()
    for phone, key in earlier.numbers():
        repeats.add(phone, key)
    repeats.begin()
    block: list[str] = []
    for raw in source:
        taken = normaliser.take(raw)
        if isinstance(taken, Contact):
            contacts.append(taken)
            known.add(taken)
            repeats.add(taken.phone, taken.key)
            block.append(taken.phone)
            if len(block) >= BLOCK:
                barred.add(len(contacts), block, suppressed)
        else:
            rejected.append(taken)
    barred.add(len(contacts), block, suppressed)
    return Intake(source.info, contacts, rejected, repeats, barred, known)
