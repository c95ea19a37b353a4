"""Names of remote lists: the list's own name, its reference where it fits, and our key at the end.

The vendor does not say whether names are unique, so the key makes them so, and `find` compares them exactly.
CreateCallList: at most 255 characters, no `/` and no `\\`.
"""

import re
from dataclasses import dataclass

from gateway.canonical import Loss, LossKind

LONGEST = 255
LONGEST_KEY = 15
GLUE = " | "
_ROOM = LONGEST - len(GLUE) - LONGEST_KEY

_SLASHES = re.compile(r"[/\\]+")
_SPACES = re.compile(r"\s+")
_OURS = re.compile(r"(?:^| \| )((?=[a-z]*\d)[a-z0-9]{15})$")
_CLEANED = "the vendor takes no slash or backslash in names; runs of white space become one space"


@dataclass(frozen=True, slots=True)
class Title:
    """What of name and reference goes into a remote list's name, and what is lost of them."""

    text: str
    reference: str
    losses: tuple[Loss, ...] = ()

    def with_key(self, key: str) -> str:
        """The remote list's whole name."""
        return GLUE.join(part for part in (self.text, self.reference, key) if part)


def title(name: str, reference: str | None) -> Title:
    """Name and reference, cleaned and cut so that any key of ours still fits behind them."""
    losses = []
    text = _clean(name)
    if len(text) > _ROOM:
        text = text[:_ROOM].rstrip()
        losses.append(Loss("name", LossKind.TRUNCATED, f"cut to {_ROOM} characters to make room for our key"))
    elif text != name:
        losses.append(Loss("name", LossKind.REFORMATTED, _CLEANED))
    label = _clean(reference) if reference else ""
    if label and len(text) + len(GLUE) + len(label) > _ROOM:
        losses.append(Loss("reference", LossKind.DROPPED, "no room for it in the list's name"))
        label = ""
    elif reference and label != reference:
        losses.append(Loss("reference", LossKind.REFORMATTED, _CLEANED))
    return Title(text, label, tuple(losses))


def key_in(name: str) -> str:
    """Our key at the end of a remote list's name; "" when there is none."""
    match = _OURS.search(name)
    return match[1] if match else ""


def _clean(text: str) -> str:
    return _SPACES.sub(" ", _SLASHES.sub("-", text)).strip()
