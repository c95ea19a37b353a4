"""A whole list, however long: contacts with settled keys, rejected rows, duplicates and the profile."""

from bisect import bisect
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import attrgetter
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
Run = tuple[Outcome, Sequence[Contact | Rejected]]
"""Rows that follow each other in the file and were taken in alike."""


_get: Final = {name: attrgetter(name) for name in (*TEXT_FIELDS, "priority")}
_attributes, _phone, _key, _row = map(attrgetter, ("attributes", "phone", "key", "row"))
_NOTHING: Final = frozenset({None})


class ProfileBuilder:
    """Learns a list's profile contact by contact."""

    def __init__(self) -> None:
        self._count = 0
        self._unseen = list(_get)
        self._attributes: dict[str, None] = {}

    def add(self, contact: Contact) -> None:
        """Take one contact into account."""
        self._count += 1
        if any(_get[name](contact) is not None for name in self._unseen):
            self._unseen = [name for name in self._unseen if _get[name](contact) is None]
        if not contact.attributes.keys() <= self._attributes.keys():
            self._attributes.update(dict.fromkeys(contact.attributes))

    def add_all(self, contacts: Sequence[Contact]) -> None:
        """As many contacts at once."""
        self._count += len(contacts)
        self._unseen = [name for name in self._unseen if set(map(_get[name], contacts)) <= _NOTHING]
        self._attributes.update(dict.fromkeys(chain.from_iterable(map(_attributes, contacts))))

    def profile(self) -> Profile:
        """What is known so far."""
        fields = _get.keys() - set(self._unseen)
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

    def between(self, start: int, end: int) -> list[int]:
        """Those from `start` up to, and without, `end`."""
        if not any(self._bits[start >> 3 : (end >> 3) + 1]):
            return []
        return [at for at in range(start, min(end, len(self._bits) * 8)) if self._bits[at >> 3] >> (at & 7) & 1]


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
        return ((outcome, item) for outcome, items in self.runs() for item in items)

    def runs(self) -> Iterator[Run]:
        """Every row in the order of the file, those together that follow each other and became the same."""
        rejected = iter(self._rejected)
        row = next(rejected, None)
        for outcome, contacts in self._judged():
            begin = 0
            while row is not None and row.row < contacts[-1].row:
                end = bisect(contacts, row.row, begin, key=_row)
                if begin < end:
                    yield outcome, contacts[begin:end]
                yield Outcome.REJECTED, [row]
                row, begin = next(rejected, None), end
            yield outcome, contacts[begin:]
        if row is not None:
            yield from ((Outcome.REJECTED, [one]) for one in chain((row,), rejected))

    def contacts(self) -> Iterator[Contact]:
        """The contacts to be sent, in the order of the file."""
        return chain.from_iterable(contacts for outcome, contacts in self._judged() if outcome is Outcome.PENDING)

    @property
    def _all_are_sent(self) -> bool:
        return not self._barred and next(self._repeats.fates(), None) is None

    def profile(self) -> Profile:
        """That of the contacts to be sent."""
        if self._known is not None and self._all_are_sent:
            return self._known.profile()
        builder = ProfileBuilder()
        for outcome, contacts in self._judged():
            if outcome is Outcome.PENDING:
                builder.add_all(contacts)
        return builder.profile()

    @property
    def kept(self) -> int:
        """How many contacts are neither rejected nor duplicates."""
        return self.valid - sum(key is None for _, key in self._repeats.fates())

    def _judged(self) -> Iterator[tuple[Outcome, list[Contact]]]:
        """The contacts with their settled keys, in runs; none is empty."""
        fates, start = self._repeats.fates(), 0
        fate = next(fates, None)
        for contacts in self._contacts.blocks():
            end = start + len(contacts)
            outcomes = dict.fromkeys(self._barred.between(start, end), Outcome.SUPPRESSED)
            while fate is not None and fate[0] < end:
                place, key = fate
                if key is None:
                    outcomes[place] = Outcome.DUPLICATE
                else:
                    contacts[place - start] = msgspec.structs.replace(contacts[place - start], key=key)
                fate = next(fates, None)
            begin = 0
            for at in sorted(place - start for place in outcomes):
                if begin < at:
                    yield Outcome.PENDING, contacts[begin:at]
                yield outcomes[start + at], [contacts[at]]
                begin = at + 1
            if begin < len(contacts):
                yield Outcome.PENDING, contacts[begin:]
            start = end


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
    there = iter(earlier.numbers())
    while some := list(islice(there, BLOCK)):
        repeats.add_all([phone for phone, _ in some], [key for _, key in some])
    repeats.begin()
    asked: list[str] = []
    for block in source.blocks():
        taken = normaliser.take_all(block)
        people = [one for one in taken if isinstance(one, Contact)]
        if len(people) < len(taken):
            rejected.extend([one for one in taken if isinstance(one, Rejected)])
        phones = list(map(_phone, people))
        contacts.extend(people)
        known.add_all(people)
        repeats.add_all(phones, list(map(_key, people)))
        asked += phones
        if len(asked) >= BLOCK:
            barred.add(len(contacts), asked, suppressed)
    barred.add(len(contacts), asked, suppressed)
    return Intake(source.info, contacts, rejected, repeats, barred, known)
