"""What an adapter calls ordinary is examined once for all contacts that fill the same fields: nobody may notice."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.canonical import Contact, LossReport
from gateway.canonical.contacts import TEXT_FIELDS
from gateway.certification import samples
from gateway.contract import AnyAdapter
from gateway.contract.simulation import Simulation
from gateway.examining import Examiner
from gateway.planning import profile_of
from gateway.registry import Registry


@pytest.fixture
def simulation(registry: Registry, name: str) -> Simulation:
    return registry.simulators[name].create()


def people(pattern: str) -> Iterator[Contact]:
    """Ordinary contacts and, of the same shapes, others with every hostile text in every field."""
    for scenario in samples.SCENARIOS:
        yield from scenario.people(pattern)
        yield from scenario.people(samples.COUNTRIES[-1])
    for row, name in enumerate(("plan", "createdAt", "phone_number", "first_name", "extra1"), start=1):
        yield samples.contact(row, phone=pattern.format(row), attributes={name: "x"})
    for row, text in enumerate(("America/Sao_Paulo", *samples.HOSTILE, "No/Such_Zone", "A-1", "ç"), start=1):
        for field in TEXT_FIELDS:
            yield samples.contact(row, phone=pattern.format(row), **{field: text})
        values: dict[str, Any] = {**samples.RICH, "id": f"A-{row}", "attributes": {"plan": text, "name_1": "x"}}
        yield samples.contact(row, phone=pattern.format(row), **values)


@pytest.mark.parametrize("backwards", [False, True])
def test_ordinary_contacts_are_examined_as_all_others(
    adapter: AnyAdapter, simulation: Simulation, backwards: bool
) -> None:
    options = adapter.options.model_validate(dict(simulation.options))
    nobody_notices(adapter, options, backwards)


def nobody_notices(adapter: AnyAdapter, options: Any, backwards: bool) -> None:
    """Whoever is examined by shape gets what the adapter says of them, and the report adds up the same."""
    everybody = list(people(samples.country_of(adapter, options)))
    if backwards:
        everybody.reverse()
    for head in (samples.head(), samples.head(**samples.full_head(samples.NOW))):
        profile, report = profile_of(everybody), LossReport()
        examiner = Examiner(adapter, head, profile, options)
        refused = []
        for one in everybody:
            wanted = adapter.examine(head, profile, options, one)
            assert examiner(one) == wanted, one
            refused += [(one, wanted.faults)] if wanted.faults else []
            if not wanted.faults:
                report.add_contact(wanted.losses)
        assert list(examiner.report.of_contacts.items()) == list(report.of_contacts.items())
        for at_once in (1, 2, 3, len(everybody)):
            together = Examiner(adapter, head, profile, options)
            found = []
            for start in range(0, len(everybody), at_once):
                some = everybody[start : start + at_once]
                found += [(some[place], faults) for place, faults in together.refusals(some).items()]
            assert found == refused
            assert list(together.report.of_contacts.items()) == list(report.of_contacts.items())


def test_whoever_is_like_all_others_is_examined_with_them(adapter: AnyAdapter, simulation: Simulation) -> None:
    """A block of contacts that fill the same: their losses are counted for each of them."""
    options = adapter.options.model_validate(dict(simulation.options))
    pattern, head = samples.country_of(adapter, options), samples.head()
    alike = [samples.contact(row, phone=pattern.format(row), **samples.RICH) for row in range(1, 6)]
    profile, report = profile_of(alike), LossReport()
    for one in alike:
        report.add_contact(adapter.examine(head, profile, options, one).losses)
    examiner = Examiner(adapter, head, profile, options)
    assert (examiner.refusals(alike[:2]), examiner.refusals(alike[2:])) == ({}, {})
    assert list(examiner.report.of_contacts.items()) == list(report.of_contacts.items())
    mixed = [*alike[:2], samples.contact(6, phone=pattern.format(6), **{**samples.RICH, "priority": None})]
    alone, together = (Examiner(adapter, head, profile, options) for _ in range(2))
    assert together.refusals(mixed) == {}
    assert [alone(one).faults for one in mixed] == [(), (), ()]
    assert together.report.of_contacts == alone.report.of_contacts
    text = "".join(value for one in alike for value in (one.first_name or "", *one.attributes.values()))
    ordinary = adapter.ordinary
    if ordinary is not None and ordinary.text(options, text):
        parts = (text[start : start + 3] for start in range(len(text)))
        assert all(ordinary.text(options, part) for part in parts), "what is ordinary as a whole is so in its parts"
