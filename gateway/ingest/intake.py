"""A whole list in memory: contacts with settled keys, rejected rows, duplicates and the profile."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.canonical import Contact, DuplicatePolicy, Profile
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.ingest.keys import Keys
from gateway.ingest.normaliser import Normaliser
from gateway.ingest.source import Rejected, Source, SourceInfo


class ProfileBuilder:
    """Learns a list's profile contact by contact."""

    def __init__(self) -> None:
        self._count = 0
        self._unseen = [*TEXT_FIELDS, "priority"]
        self._attributes: dict[str, None] = {}

    def add(self, contact: Contact) -> None:
        """Take one contact into account."""
        self._count += 1
        seen = [name for name in self._unseen if getattr(contact, name) is not None]
        if seen:
            self._unseen = [name for name in self._unseen if name not in seen]
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


@dataclass(frozen=True, slots=True)
class Intake:
    """A list taken in. `received` is the sum of contacts, rejected rows and duplicates."""

    contacts: list[Contact]
    rejected: list[Rejected]
    duplicates: list[Contact]
    profile: Profile
    info: SourceInfo
    received: int


def collect(source: Source, normaliser: Normaliser, policy: DuplicatePolicy) -> Intake:
    """Read a source to its end. Raises SourceError where the file breaks off the reading."""
    valid: list[Contact] = []
    rejected: list[Rejected] = []
    for raw in source:
        taken = normaliser.take(raw)
        if isinstance(taken, Contact):
            valid.append(taken)
        else:
            rejected.append(taken)
    kept, duplicates = part_duplicates(valid, policy)
    keys, profile = Keys(), ProfileBuilder()
    # the kept ones choose first, so that their keys are the same when the file comes again without the duplicates
    kept = [keys.settle(contact) for contact in kept]
    duplicates = [keys.settle(contact) for contact in duplicates]
    for contact in kept:
        profile.add(contact)
    received = len(kept) + len(duplicates) + len(rejected)
    return Intake(kept, rejected, duplicates, profile.profile(), source.info, received)


def part_duplicates(contacts: Iterable[Contact], policy: DuplicatePolicy) -> tuple[list[Contact], list[Contact]]:
    """Contacts to keep and contacts whose number another one has, both in the order of the file."""
    if policy is DuplicatePolicy.KEEP_ALL:
        return list(contacts), []
    kept: dict[str, Contact] = {}
    duplicates: list[Contact] = []
    for contact in contacts:
        other = kept.get(contact.phone)
        if other is None:
            kept[contact.phone] = contact
        elif policy is DuplicatePolicy.KEEP_FIRST:
            duplicates.append(contact)
        else:
            duplicates.append(kept.pop(contact.phone))
            kept[contact.phone] = contact
    return list(kept.values()), sorted(duplicates, key=lambda contact: contact.row)
