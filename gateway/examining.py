"""Examining the contacts of one list: the adapter is asked once for all that differ in nothing that matters to it."""

from operator import attrgetter
from typing import Any, Final

from gateway.canonical import Contact, ListHead, LossReport, Profile
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.contract import AnyAdapter, Examination

MOST_SHAPES: Final = 1_000
"""Shapes that are remembered: contacts of a JSON list may each have attributes of their own names."""
_texts: Final = attrgetter(*TEXT_FIELDS)

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
        if self._ordinary is None:
            return self._whole(contact)
        texts, attributes = _texts(contact), contact.attributes
        if not self._ordinary(self._options, contact, "".join([*filter(None, texts), *attributes.values()])):
            return self._whole(contact)
        shape: Shape = (contact.priority is None, *map(type, texts), *attributes)
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
