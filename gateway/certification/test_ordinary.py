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
        for one in everybody:
            wanted = adapter.examine(head, profile, options, one)
            assert examiner(one) == wanted, one
            if not wanted.faults:
                report.add_contact(wanted.losses)
        assert list(examiner.report.of_contacts.items()) == list(report.of_contacts.items())
