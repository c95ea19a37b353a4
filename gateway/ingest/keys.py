"""Row keys: unique within a list, and the same when the same rows come again."""

import hashlib


def derive_key(phone: str, contact_id: str | None, occurrence: int) -> str:
    """`p` and 22 hexadecimal digits, made of the number, the contact's own id and how often both were seen before.

    It can be traced back to the number by trying all numbers: treat it as one in logs.
    """
    text = f"{phone}\x1f{contact_id or ''}\x1f{occurrence}"
    return "p" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=11).hexdigest()


def first_key(phone: str, contact_id: str | None) -> str:
    """The key of a contact whose number and id a list does not repeat: its own id, else derived."""
    return contact_id or derive_key(phone, None, 1)
