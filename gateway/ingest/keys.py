"""Row keys: unique within a list, and the same when the same rows come again."""

import hashlib

import msgspec

from gateway.canonical import Contact


def derive_key(phone: str, contact_id: str | None, occurrence: int) -> str:
    """`p` and 22 hexadecimal digits, made of the number, the contact's own id and how often both were seen before.

    It can be traced back to the number by trying all numbers: treat it as one in logs.
    """
    text = f"{phone}\x1f{contact_id or ''}\x1f{occurrence}"
    return "p" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=11).hexdigest()


def first_key(phone: str, contact_id: str | None) -> str:
    """The key of a contact whose number and id a list does not repeat: its own id, else derived."""
    return contact_id or derive_key(phone, None, 1)


class Keys:
    """Settles the keys of one list: whoever comes first gets the first key, repeats get keys of their own."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._occurrences: dict[tuple[str, str | None], int] = {}

    def settle(self, contact: Contact) -> Contact:
        """The contact with a key that no other contact of the list has."""
        if contact.key not in self._seen:
            self._seen.add(contact.key)
            return contact
        pair = (contact.phone, contact.id)
        # the first occurrence without an id has the key that `first_key` gave
        number = self._occurrences.get(pair, 0 if contact.id else 1)
        while True:
            number += 1
            key = derive_key(contact.phone, contact.id, number)
            if key not in self._seen:
                break
        self._occurrences[pair] = number
        self._seen.add(key)
        return msgspec.structs.replace(contact, key=key)
