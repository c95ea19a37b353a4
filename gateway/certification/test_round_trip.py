"""What can be read back from the vendor is what was sent, less what the loss report says."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.canonical import Contact, Outcome
from gateway.certification import samples
from gateway.certification.bench import Bench, beside, now
from gateway.contract import AnyAdapter, RemoteContact, Verb
from gateway.contract.mapping import CONTACT_FIELDS
from gateway.planning import profile_of
from gateway.registry import Registry

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Zl", "Zp")), min_size=1, max_size=40)
FILLED = TEXT.map(str.strip).filter(bool)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
PERSON = st.fixed_dictionaries(
    {},
    optional={
        "id": st.from_regex(r"[A-Za-z0-9-]{1,30}", fullmatch=True),
        "first_name": FILLED,
        "last_name": FILLED,
        "company": FILLED,
        "email": st.just("zoe@example.org"),
        "language": st.sampled_from(["pt-BR", "es"]),
        "time_zone": st.sampled_from(["America/Sao_Paulo", "Asia/Tokyo"]),
        "priority": st.integers(0, 1_000),
        "tag": FILLED,
        "attributes": st.dictionaries(NAMES, FILLED, max_size=3),
    },
)
PEOPLE = st.lists(PERSON, min_size=1, max_size=4)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as opened:
        yield opened


@pytest.fixture(scope="module")
def readable(registry: Registry, adapter: AnyAdapter, portal: BlockingPortal) -> Iterator[Bench]:
    with portal.wrap_async_context_manager(beside(adapter, registry.simulators[adapter.name])) as running:
        yield running


def test_what_is_read_back_is_what_was_sent(readable: Bench, portal: BlockingPortal) -> None:
    if readable.adapter.read is None:
        return  # that reading is refused then, test_verbs asks

    @given(PEOPLE)
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def go_round(rows: list[dict[str, Any]]) -> None:
        portal.call(partial(_go_round, readable, rows))

    go_round()


async def _go_round(bench: Bench, rows: list[dict[str, Any]]) -> None:
    bench.simulation.reset()
    adapter, at = bench.adapter, now()
    pattern = samples.country_of(adapter, bench.options)
    people = _distinct(
        [samples.contact(row, phone=pattern.format(row), **one) for row, one in enumerate(rows, start=1)]
    )
    head, profile = samples.head(activation={"mode": "start"}), profile_of(people)
    people = [one for one in people if not adapter.examine(head, profile, bench.options, one).faults]
    if not people:
        return
    job = bench.job(people, head=head, now=at, start=True)
    remote, receipt = await bench.deliver(job, samples.batch(people))
    assert [receipt.of(one).outcome for one in people] == [Outcome.ACCEPTED] * len(people)
    assert adapter.read is not None, Verb.READ
    page = await bench.talk(adapter.read(remote, bench.options, None, 50))
    found = {one.fields["phone"]: one for one in page.items}
    assert sorted(found) == sorted(one.phone for one in people)
    for one in people:
        lost = {loss.field for loss in adapter.examine(job.head, job.profile, job.options, one).losses}
        assert _shown(found[one.phone], one, lost) == _sent(one, lost)
    assert adapter.echo is not None, "what can be read has an echo"
    echoes = [adapter.echo(job, one) for one in people]
    assert _by_phone(page.items) == _by_phone(echoes), "what is read back is not what echo says"
    assert [(one.remote_id, one.state, one.reached) for one in echoes] == [(None, "", False)] * len(people)
    assert [adapter.echo(job, one) for one in people] == echoes, "echo is pure"


def _by_phone(contacts: Iterable[RemoteContact]) -> list[tuple[Any, ...]]:
    """What a migration compares of each contact."""
    return [(one.fields, one.key, one.window) for one in sorted(contacts, key=lambda one: str(one.fields["phone"]))]


def _distinct(people: list[Contact]) -> list[Contact]:
    """The first contact of each key: keys are unique within a list."""
    return list({one.key: one for one in reversed(people)}.values())[::-1]


def _sent(one: Contact, lost: set[str]) -> dict[str, Any]:
    """The filled fields that the loss report does not name."""
    values = {name: getattr(one, name) for name in CONTACT_FIELDS if name not in lost}
    values["attributes"] = {name: text for name, text in one.attributes.items() if f"attributes.{name}" not in lost}
    return {name: value for name, value in values.items() if value not in (None, {})}


def _shown(found: RemoteContact, one: Contact, lost: set[str]) -> dict[str, Any]:
    """The fields read back; a lost one may come back changed, and for no id our own key may stand."""
    values = {name: value for name, value in found.fields.items() if name not in lost}
    attributes = {
        name: value for name, value in values.pop("attributes", {}).items() if f"attributes.{name}" not in lost
    }
    if one.id is None and values.get("id") == one.key:
        del values["id"]
    return values | ({"attributes": attributes} if attributes else {})
