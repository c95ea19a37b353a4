"""What a contact has for the columns of a file, read all at once: a long list asks for it millions of times."""

from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter

from gateway.canonical import Contact

ATTRIBUTE = "attributes."


def cells_of(sources: Sequence[str]) -> Callable[[Contact], Sequence[str | None]]:
    """What a contact has for each source: a field's name, or `attributes.<name>`. None where it has nothing."""
    fields = [source for source in sources if not source.startswith(ATTRIBUTE)]
    names = [source.removeprefix(ATTRIBUTE) for source in sources if source.startswith(ATTRIBUTE)]
    get = attrgetter(*fields, "phone", "phone")  # with one name it would give no tuple, and none is an error
    places = [sources.index(one) for one in (*fields, *(ATTRIBUTE + name for name in names))]
    number = len(fields)

    def cells(contact: Contact) -> list[str | None]:
        return [*get(contact)[:number], *map(contact.attributes.get, names)]

    if places == sorted(places):
        return cells
    order = itemgetter(*(places.index(place) for place in range(len(places))))
    return lambda contact: order(cells(contact))
