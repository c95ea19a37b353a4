"""Contacts as rows of cells: a column at a time, since a long list asks for its cells millions of times."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter

from gateway.canonical import Contact

ATTRIBUTE = "attributes."
_AT_ONCE = 1_000

Made = Callable[[Contact], str | None]
Source = str | Made
"""What fills a column: a contact's field, `attributes.<name>`, or what a function makes of the contact."""


def rows_of(sources: Sequence[Source], contacts: Iterable[Contact]) -> Iterator[tuple[str | None, ...]]:
    """The cells of each contact, one for each source; None where it has nothing. A thousand are read at once."""
    columns = [source if callable(source) else _field(source) for source in sources]
    rest = iter(contacts)
    while some := list(islice(rest, _AT_ONCE)):
        yield from zip(*(map(of, some) for of in columns), strict=True)


def _field(source: str) -> Made:
    if not source.startswith(ATTRIBUTE):
        return attrgetter(source)
    name = source.removeprefix(ATTRIBUTE)
    return lambda contact: contact.attributes.get(name)
