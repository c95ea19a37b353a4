"""Examining the contacts of one list: the adapter is asked once for all that differ in nothing that matters to it."""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from gateway.canonical import Contact, Fault, ListHead, LossReport, Profile
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.contract import AnyAdapter, Examination

MOST_SHAPES: Final = 1_000
"""Shapes that are remembered: contacts of a JSON list may each have attributes of their own names."""
_texts: Final = attrgetter(*TEXT_FIELDS)
_attributes: Final = attrgetter("attributes")
_priority: Final = attrgetter("priority")

Shape = tuple[Any, ...]
"""Which fields of a contact are filled (as types: the one of None where they are not), and its attributes' names."""


class Examiner:
    """Examines the contacts of one list for one destination, and adds their losses up in `report`."""

    def __init__(self, adapter: AnyAdapter, head: ListHead, profile: Profile, options: Any) -> None:
        self._adapter, self._head, self._profile, self._options = adapter, head, profile, options
        self._ordinary = adapter.ordinary
        self._report = LossReport()
        self._known: dict[Shape, Examination] = {}
        self._seen: dict[Shape, int] = {}
        """Contacts of a known shape that the report does not count yet."""

    def __call__(self, contact: Contact) -> Examination:
        """Faults for which the contact is not sent; losses, which are counted when there are none."""
        plain = self._has_ordinary_texts([_texts(contact)], [contact.attributes])
        return self._by_shape(contact) if plain else self._whole(contact)

    def refusals(self, contacts: Sequence[Contact]) -> dict[int, tuple[Fault, ...]]:
        """The places of those that are not sent, in order, with their faults; the losses of the others are counted."""
        if len(contacts) == 1:
            faults = self(contacts[0]).faults
            return {0: faults} if faults else {}
        columns = list(zip(*map(_texts, contacts), strict=True))
        attributes = list(map(_attributes, contacts))
        if not self._has_ordinary_texts(columns, attributes):
            found = map(self, contacts)
        elif _are_alike([*columns, list(map(_priority, contacts))], attributes) and self._are_ordinary(contacts):
            of_first = self._by_shape(contacts[0])
            if not of_first.faults:
                self._report.add_contact(of_first.losses, len(contacts) - 1)
                return {}
            found = map(self._whole, contacts)
        else:
            found = map(self._by_shape, contacts)
        return {place: one.faults for place, one in enumerate(found) if one.faults}

    def _has_ordinary_texts(self, texts: Iterable[Sequence[str | None]], attributes: Iterable[dict[str, str]]) -> bool:
        if self._ordinary is None:
            return False
        filled = filter(None, chain.from_iterable(texts))
        return self._ordinary.text(
            self._options, "".join(chain(filled, chain.from_iterable(map(dict.values, attributes))))
        )

    def _are_ordinary(self, contacts: Sequence[Contact]) -> bool:
        """Whether contacts with ordinary texts are."""
        judge = self._ordinary.contact if self._ordinary else None
        return judge is None or all(judge(self._options, contact) for contact in contacts)

    def _by_shape(self, contact: Contact) -> Examination:
        """The examination of a contact with ordinary texts."""
        if not self._are_ordinary((contact,)):
            return self._whole(contact)
        shape: Shape = (contact.priority is None, *map(type, _texts(contact)), *contact.attributes)
        found = self._known.get(shape)
        if found is not None:
            self._seen[shape] += 1
            return found
        found = self._whole(contact)
        if not found.faults and len(self._known) < MOST_SHAPES:
            self._known[shape], self._seen[shape] = found, 0
        return found

    def _whole(self, contact: Contact) -> Examination:
        found = self._adapter.examine(self._head, self._profile, self._options, contact)
        if not found.faults:
            self._report.add_contact(found.losses)
        return found

    @property
    def report(self) -> LossReport:
        """The losses so far."""
        for shape, number in self._seen.items():
            self._report.add_contact(self._known[shape].losses, number)
            self._seen[shape] = 0
        return self._report


def _are_alike(columns: Iterable[Sequence[object]], attributes: list[dict[str, str]]) -> bool:
    """Whether contacts with these fields, each a column, and these attributes are of one shape."""
    uniform = all(column.count(None) in (0, len(column)) for column in columns)
    return uniform and len(set(map(tuple, attributes))) == 1
