"""Migrations and what became of their contacts, for a terminal."""

from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel
from rich.table import Table

from gateway.canonical import LossEntry
from gateway.cli.tables import counts_text
from gateway.migrating.documents import Certificate, Row
from gateway.migrating.resources import MigrationOut
from gateway.migrating.wording import COMPARED, FATES, OUTCOMES, number


def migration_text(one: MigrationOut) -> str:
    """Two lines a migration; no table, for ids are of use only when they are whole."""
    rows = "" if one.plan is None else f"{number(one.plan.counts.received)} rows, "
    told = f"{one.id}  {one.state}, {rows}at the target: {counts_text(one.counts)}"
    return f"{told}\n  {source_text(one.source)} to {one.target}, by {one.by} at {one.created_at}"


def source_text(source: Mapping[str, object]) -> str:
    """`vox`, `vox list 815`, `cl_...` or `everything`."""
    if source.get("all"):
        return "everything"
    if source.get("list"):
        return str(source["list"])
    remote = f" list {source['remote_list']}" if source.get("remote_list") else ""
    return f"{source['destination']}{remote}"


def lists_text(one: MigrationOut) -> Iterator[str]:
    """How far each list has come, and how its source was made quiet."""
    for each in one.lists:
        goes = f" goes on as {each.target}" if each.target else ""
        yield f"list {each.list_id}{goes}: {each.stage}, {counts_text(each.outcomes)}"
        if each.proof is not None:
            yield f"  {'proven quiet' if each.proof.proven else 'NOT proven quiet'}: {each.proof.how}"


def certificate_tables(one: Certificate) -> Iterator[Table | str]:
    """What became of all contacts, what was lost, and what nobody could look at."""
    yield from _counted("what became of the rows of the source", one.counts, FATES)
    yield from _counted("at the target", one.outcomes, OUTCOMES)
    yield from _counted("compared with the source", one.compared, COMPARED)
    yield from _lost(one.losses)
    for told in one.unverified:
        yield f"not verified: {told}"
    for each in one.lists:
        if each.source_deleted:
            yield f"the old list {each.name}: {each.source_deleted}"
    for told in one.routing:
        yield f"routing: {told}"


def _counted(title: str, counts: BaseModel, words: Mapping[str, str]) -> Iterator[Table | str]:
    found = [(name, value) for name, value in counts.model_dump().items() if value and name in words]
    if found:
        table = Table(show_header=False)
        for name, value in found:
            table.add_row(number(value), name, words[name])
        yield f"{title}:"
        yield table


def _lost(losses: Iterable[LossEntry]) -> Iterator[Table | str]:
    found = list(losses)
    if found:
        table = Table("field", "loss", "contacts", "why")
        for loss in found:
            contacts = "the list" if loss.contacts is None else number(loss.contacts)
            table.add_row(loss.field, loss.kind, contacts, loss.why)
        yield "lost:"
        yield table


def rows_table(found: Iterable[Row]) -> Table:
    """Contact by contact."""
    table = Table("row", "id", "phone", "fate", "at the target", "compared", "why")
    for one in found:
        table.add_row(
            str(one.row), one.key or "-", one.phone or "-", one.fate or "-", one.outcome, one.compared or "-", one.why
        )
    return table
