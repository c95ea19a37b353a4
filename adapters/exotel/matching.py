"""Which entry of a bulk answer speaks of which item of the request."""

from collections.abc import Callable, Sequence

from adapters.exotel.codes import fails
from adapters.exotel.wire import Entry


def matched(
    entries: Sequence[Entry], sent: Sequence[frozenset[str]], shown: Callable[[Entry], str | None]
) -> tuple[Entry | None, ...]:
    """The entry of each item, in the order sent; None for an item of which no entry provably speaks.

    By the value that an entry shows where it shows one, else by position (sheet 2: whether answers keep the order is
    not documented). `sent` holds the forms in which each item's value may be shown. A sid must never go to the wrong
    person: once an answer is out of order or incomplete, an entry without a value is only used where it cannot matter.
    """
    values = [shown(entry) for entry in entries]
    in_order = len(entries) == len(sent) and all(
        value is None or value in forms for value, forms in zip(values, sent, strict=True)
    )
    if in_order:
        return tuple(entries)
    by_value = {value: entry for value, entry in zip(values, entries, strict=True) if value is not None}
    found = [next((by_value[form] for form in forms if form in by_value), None) for forms in sent]
    nameless = [entry for value, entry in zip(values, entries, strict=True) if value is None]
    if found.count(None) == len(nameless) and all(fails(entry) and entry.sid is None for entry in nameless):
        left = iter(nameless)
        found = [one or next(left) for one in found]
    return tuple(found)
