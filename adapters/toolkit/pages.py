"""Reading by offset where little is said about it: pages may be short, come again, or move while they are read."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

CIRCLE = "the vendor takes no notice of the offset: asked from {offset} on, it shows the page before once more"
MOVED = (
    "the list changed while it was read, or the vendor pages otherwise than it says: read {offset}, then lost the place"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: how many entries come before it, and the digest of the last of them, where it is known."""

    offset: int = 0
    last: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> "Place":
        """The place that a cursor names: `40`, or `40:<digest>`; None is the beginning."""
        offset, _, last = (cursor or "0").partition(":")
        return cls(int(offset), last)

    def after(self, fresh: Sequence[str]) -> str:
        """The cursor behind these entries. It moves by what came, never by what was asked for: pages may be capped."""
        return f"{self.offset + len(fresh)}:{_digest(fresh[-1])}"

    def circle(self, entries: Sequence[str]) -> str:
        """Why there is no going on: these entries end as the page before did. "" when they do not."""
        return CIRCLE.format(offset=self.offset) if entries and _digest(entries[-1]) == self.last else ""

    @property
    def known(self) -> int:
        """How many entries of an overlapping page are known from the page before."""
        return 1 if self.last else 0

    @property
    def overlapping(self) -> int:
        """The offset of a page that begins with the last entry before this place."""
        return self.offset - self.known

    def moved(self, entries: Sequence[str]) -> str:
        """Why an overlapping page does not follow on the one before; "" when it does. An entry may be missing there."""
        follows = not self.last or (bool(entries) and _digest(entries[0]) == self.last)
        return "" if follows else MOVED.format(offset=self.offset)


def _digest(entry: str) -> str:
    return hashlib.sha256(entry.encode(errors="surrogatepass")).hexdigest()[:16]
