"""The plan of a migration as plain text for terminals."""

import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gateway.canonical import LossEntry
from gateway.contract import Fidelity
from gateway.migrating.documents import Fates, ListPlan, PlanOut
from gateway.migrating.wording import FATES, contacts_of_source, number
from gateway.vendors import FieldOut

_NARROWEST: Final = 24
"""Characters that the last column of a table gets at least."""


def plan_text(plan: PlanOut, width: int = 100) -> str:
    """The whole plan, in lines of at most `width` characters where the words allow it."""
    lines = [
        *_named("Plan", plan.id),
        *_named("Digest", plan.digest),
        *_named("Made", plan.made_at),
        *_named("To", f"{plan.target} ({plan.adapter}, API {plan.api_version})", width),
        *_named("Takes", f"{number(plan.calls)} calls, at least {_duration(plan.seconds)}", width),
        *_named("Activation", plan.activation, width),
        *_named("Rows", plan.rows, width),
        *_named("Note", plan.notes, width),
        "",
        *_fates(plan.counts, width),
        *_losses(plan.losses, width),
        *_fidelity(plan.fidelity, width),
    ]
    for place, one in enumerate(plan.lists, start=1):
        lines += ["", *_list(place, one, width)]
    return "\n".join(lines) + "\n"


def _list(place: int, one: ListPlan, width: int) -> Iterator[str]:
    reference = f" [{one.reference}]" if one.reference else ""
    yield _safe(f"List {number(place)}: {one.name}{reference}")
    source = one.source
    yield from _named("List", source.list_id)
    yield from _named("From", ", ".join(source.destinations), width)
    for remote in source.remote_lists:
        count = "" if remote.count is None else f", {number(remote.count)} by the vendor's count"
        yield from _named("At the vendor", f"{remote.id} {remote.name}{count}", width)
    yield from _named("Contacts", contacts_of_source(source), width)
    if source.unmanaged:
        yield from _named("Not ours", f"{number(source.unmanaged)} contacts never came through the gateway", width)
    yield from _named("Not read", source.incomplete, width)
    yield from _named("Refused", one.refused, width)
    takes = (
        f"{number(one.calls)} calls, {number(one.remote_lists)} {'list' if one.remote_lists == 1 else 'lists'} there"
    )
    yield from _named("Takes", f"{takes}, at least {_duration(one.seconds)}", width)
    yield from _named("Stop", one.stop, width)
    yield from _named("Activation", one.activation, width)
    yield from _named("Note", one.notes, width)
    yield ""
    yield from _fates(one.counts, width)
    yield from _losses(one.losses, width)


def _named(what: str, said: str | Sequence[str] | None, width: int = 0) -> Iterator[str]:
    """`what  said`, wrapped; a line for each of several, none for nothing."""
    for one in [said] if isinstance(said, str) else said or ():
        yield from _row([(what, -13)], one, width)


def _fates(counts: Fates, width: int) -> Iterator[str]:
    """What becomes of the rows; fates that nothing has are left out."""
    found = counts.model_dump()
    wide = len(number(counts.received))
    yield from _row([(number(counts.received), wide)], "rows at the source", width)
    for fate, said in FATES.items():
        if found[fate]:
            yield from _row([(number(found[fate]), wide), (fate, -10)], said, width)


def _losses(losses: Iterable[LossEntry], width: int) -> Iterator[str]:
    cells = [
        (loss.field, loss.kind.value, "the list" if loss.contacts is None else number(loss.contacts), loss.why)
        for loss in losses
    ]
    yield from _table("Lost", ("field", "loss", "contacts", "why"), cells, width)


def _fidelity(fields: Iterable[FieldOut], width: int) -> Iterator[str]:
    """The fields that the target does not carry as they are."""
    cells = [
        (one.field, one.fidelity.value, one.to or "-", one.why) for one in fields if one.fidelity is not Fidelity.FULL
    ]
    yield from _table("Not carried as it is", ("field", "carried", "to", "why"), cells, width, right="")


def _table(
    title: str, header: tuple[str, ...], cells: Sequence[tuple[str, ...]], width: int, right: str = "contacts"
) -> Iterator[str]:
    """A table whose last column is wrapped; nothing where there are no cells."""
    if not cells:
        return
    yield from ("", title)
    wide = [max(len(_safe(row[place])) for row in [header, *cells]) for place in range(len(header) - 1)]
    sizes = [size if name == right else -size for name, size in zip(header, wide, strict=False)]
    for row in [header, *cells]:
        yield from _row(list(zip(row, sizes, strict=False)), row[-1], width)


def _row(columns: Iterable[tuple[str, int]], last: str, width: int) -> Iterator[str]:
    """The columns, each in so many characters (negative: to the left), and the last one wrapped beside them."""
    shown = ((_safe(cell), size) for cell, size in columns)
    start = "  " + "".join(f"{cell:>{size}}  " if size > 0 else f"{cell:<{-size}}  " for cell, size in shown)
    room = max(width - len(start), _NARROWEST) if width else 1 << 30
    said = textwrap.wrap(_safe(last), room, break_long_words=False, break_on_hyphens=False) or [""]
    yield (start + said[0]).rstrip()
    yield from (" " * len(start) + line for line in said[1:])


def _safe(value: str) -> str:
    """A text that moves no cursor: what cannot be printed is written out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in value)


def _duration(seconds: float) -> str:
    """`45 s`, `12 min 30 s`, `3 h 20 min`; never less than it is."""
    whole = math.ceil(seconds)
    if whole < 3_600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    hours, minutes = divmod(math.ceil(whole / 60), 60)
    return f"{number(hours)} h {minutes} min"
