"""Resources as tables for a terminal."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from gateway.canonical import Counts, LossEntry
from gateway.contract import AnyAdapter, Fidelity, Support, Verb
from gateway.previewing import Preview
from gateway.resources import ContactOut, ListOut

_SIGNS = {Support.NATIVE: "yes", Support.EMULATED: "emulated", Support.NONE: "-"}
_FIDELITY = {Fidelity.FULL: "yes", Fidelity.PARTIAL: "partly", Fidelity.OPTION: "by option", Fidelity.NONE: "-"}


def console(*, error: bool = False, quiet: bool = False) -> Console:
    """A console that shows texts as they are: a contact's name is never taken for markup."""
    return Console(stderr=error, quiet=quiet, markup=False, highlight=False, emoji=False)


def counts_text(counts: Counts) -> str:
    """`3 accepted, 1 rejected`: the outcomes that are not zero."""
    told = [f"{number} {name}" for name, number in counts.model_dump().items() if number and name != "received"]
    return ", ".join(told) or "none"


def losses_text(losses: Iterable[LossEntry]) -> str:
    return ", ".join(
        f"{loss.field} {loss.kind}" + (f" ({loss.contacts})" if loss.contacts is not None else "") for loss in losses
    )


def list_table(found: Iterable[ListOut]) -> Table:
    """One line a delivery, and one for the rows that belong to none."""
    table = Table("list", "destination", "state", "activation", "outcomes", "losses")
    for one in found:
        table.add_row(f"{one.name}\n{one.id}", "", one.state, "", counts_text(one.counts), "")
        for delivery in one.deliveries:
            table.add_row(
                "",
                delivery.destination,
                delivery.state,
                delivery.activation,
                counts_text(delivery.counts),
                losses_text(delivery.losses),
            )
    return table


def contacts_table(title: str, found: Iterable[ContactOut], destinations: dict[str, str]) -> Table:
    """What became of every contact. `destinations` names a delivery's destination."""
    table = Table("row", "phone", "name", "destination", "outcome", "why", title=title, title_justify="left")
    for one in found:
        why = "; ".join(f"{fault.code}" for fault in one.faults) or one.detail or ""
        name = " ".join(filter(None, (one.first_name, one.last_name)))
        table.add_row(str(one.row), one.phone, name, destinations.get(one.delivery or "", "-"), one.outcome, why)
    return table


def preview_tables(shown: Preview) -> Iterable[Table | str]:
    """A table for each destination, and its requests."""
    yield (
        f"{shown.received} contacts: {len(shown.rejected)} rejected, {shown.duplicates} duplicates, "
        f"{shown.unrouted} without a route. Nothing was sent."
    )
    for one in shown.destinations:
        table = Table(title=f"{one.destination} ({one.adapter})", title_justify="left", show_header=False)
        table.add_row("contacts", str(one.contacts))
        table.add_row("activation", one.activation)
        table.add_row("remote lists", str(one.remote_lists))
        table.add_row("calls", f"{one.calls}, at least {one.seconds:g} s at the vendor's rate")
        if one.refused:
            table.add_row("refused", one.refused)
        for loss in one.losses:
            contacts = "the list" if loss.contacts is None else f"{loss.contacts} contacts"
            table.add_row("loss", f"{loss.field} {loss.kind} ({contacts}): {loss.why}")
        for row in one.rejected:
            table.add_row("rejected", f"row {row.row}: " + "; ".join(fault.code for fault in row.faults))
        for request in one.requests:
            table.add_row("request", f"{request.method} {request.url} ({request.body_bytes} bytes)")
        yield table


def vendor_table(adapters: Iterable[AnyAdapter]) -> Table:
    """Verbs and fields by vendor."""
    found = list(adapters)
    table = Table("", *(adapter.name for adapter in found))
    for verb in Verb:
        table.add_row(verb.value, *(_SIGNS[adapter.capability(verb).support] for adapter in found))
    table.add_section()
    for rule in found[0].fields.rules if found else ():
        table.add_row(rule.field, *(_FIDELITY[adapter.fields[rule.field].fidelity] for adapter in found))
    return table
