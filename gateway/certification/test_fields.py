"""The field table, the loss report and the wire agree, in both directions: a field is probed one at a time.

A field is carried when two values of it make two different requests. It is lost when it is not, and then the loss
report says `dropped`.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from gateway.canonical import Contact, ListHead, Loss, LossKind
from gateway.certification import samples
from gateway.certification.rehearsing import rehearsed
from gateway.contract import CONTACT_FIELDS, LIST_FIELDS, AnyAdapter, Fidelity
from gateway.contract.simulation import Simulation
from gateway.planning import profile_of
from gateway.registry import Registry

DAY = timedelta(days=1)
CONTACT_VALUES: dict[str, tuple[Any, Any]] = {
    "id": ("A-1", "B-2"),
    "first_name": ("Ana", "Eva"),
    "last_name": ("Lima", "Rocha"),
    "company": ("Acorn", "Beech"),
    "email": ("ana@example.org", "eva@example.org"),
    "language": ("pt-BR", "es"),
    "time_zone": ("America/Sao_Paulo", "Asia/Tokyo"),
    "priority": (3, 7),
    "tag": ("gold", "blue"),
    "attributes": ({"plan": "plus"}, {"plan": "less"}),
}
LIST_VALUES: dict[str, tuple[Any, Any]] = {
    "name": ("Spring renewals", "Autumn offers"),
    "reference": ("crm-1", "crm-2"),
    "description": ("first wave", "second wave"),
    "schedule.start_at": ((samples.NOW + DAY).isoformat(), (samples.NOW + 2 * DAY).isoformat()),
    "schedule.daily_window": (samples.WINDOW, {**samples.WINDOW, "end": "20:00"}),
    "dialing.max_attempts": (2, 3),
    "dialing.retry_interval": ("PT10M", "PT20M"),
    "dialing.max_concurrent": (2, 3),
    "dialing.priority": (2, 3),
}
FULL_HEAD: dict[str, Any] = {"name": LIST_VALUES["name"][0], **samples.full_head(samples.NOW)}
FULL_CONTACT = {name: values[0] for name, values in CONTACT_VALUES.items()}
CONTEXTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {"alone": ({}, {}), "filled": (FULL_HEAD, FULL_CONTACT)}


@dataclass(frozen=True)
class Probe:
    """A list of one contact in which one field changes, before one adapter."""

    adapter: AnyAdapter
    options: Any
    head: dict[str, Any]
    contact: dict[str, Any]
    wires: list[list[bytes]] = field(default_factory=list)
    losses: list[tuple[Loss, ...]] = field(default_factory=list)

    def with_value(self, name: str, value: Any) -> None:
        """Rehearse the list with this value of the field; None: without the field."""
        head, one = self.made(name, value)
        profile = profile_of([one])
        of_list = self.adapter.examine_list(head, profile, self.options, samples.NOW)
        of_contact = self.adapter.examine(head, profile, self.options, one)
        assert (of_list.faults, of_contact.faults) == ((), ()), "an ordinary value is refused"
        self.losses.append((*of_list.losses, *of_contact.losses))
        self.wires.append(rehearsed(self.adapter, self.options, head, [one]))

    def made(self, name: str, value: Any) -> tuple[ListHead, Contact]:
        said, fields = dict(self.head), dict(self.contact)
        if name in CONTACT_VALUES:
            _put(fields, name, value)
        elif "." in name:
            group, _, member = name.partition(".")
            said[group] = dict(said.get(group, {}))
            _put(said[group], member, value)
        else:
            _put(said, name, value)
        pattern = samples.country_of(self.adapter, self.options)
        return samples.head(**said), samples.contact(phone=pattern.format(1), **fields)

    def of(self, name: str, place: int) -> list[LossKind]:
        """The losses of the field when its value was the one at this place."""
        named = f"{name}.plan" if name == "attributes" else name
        return [loss.kind for loss in self.losses[place] if loss.field == named]


def _put(values: dict[str, Any], name: str, value: Any) -> None:
    values.pop(name, None)
    if value is not None:
        values[name] = value


@pytest.fixture
def simulation(registry: Registry, name: str) -> Simulation:
    return registry.simulators[name].create()


def probed(adapter: AnyAdapter, simulation: Simulation, name: str, context: str) -> Probe:
    """The field without a value, with its first and with its second value."""
    options = adapter.options.model_validate(dict(simulation.options))
    probe = Probe(adapter, options, *CONTEXTS[context])
    first, second = (CONTACT_VALUES | LIST_VALUES)[name]
    for value in (first if name == "name" else None, first, second):
        probe.with_value(name, value)
    return probe


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("field", [*CONTACT_VALUES, *LIST_VALUES])
def test_table_losses_and_wire_agree(adapter: AnyAdapter, simulation: Simulation, field: str, context: str) -> None:
    probe = probed(adapter, simulation, field, context)
    without, first, second = probe.wires
    carried, kinds = first != second, probe.of(field, 1)
    rule = adapter.fields[field]
    assert len(kinds) <= 1, f"{field} is lost twice: {kinds}"
    assert (LossKind.DROPPED in kinds) is not carried, f"on the wire: {carried}, loss report: {kinds}"
    assert probe.of(field, 2) == kinds
    if field != "name":
        assert probe.of(field, 0) == [], "a field that is not filled cannot be lost"
    if not carried:
        assert without == first, "the value is not sent, but its presence changes the request"
    if rule.fidelity is Fidelity.FULL:
        assert (carried, kinds) == (True, []), "the table says that it is carried in full"
    if rule.fidelity is Fidelity.NONE:
        assert (carried, kinds) == (False, [LossKind.DROPPED]), "the table says that it is not carried"


@pytest.mark.parametrize("field", [*CONTACT_VALUES, *LIST_VALUES])
def test_what_the_table_calls_partial_is_carried_somehow(
    adapter: AnyAdapter, simulation: Simulation, field: str
) -> None:
    probes = [probed(adapter, simulation, field, context) for context in CONTEXTS]
    if adapter.fields[field].fidelity is Fidelity.PARTIAL:
        assert any(probe.wires[1] != probe.wires[2] for probe in probes)


def test_the_number_is_carried(adapter: AnyAdapter, simulation: Simulation) -> None:
    options = adapter.options.model_validate(dict(simulation.options))
    pattern = samples.country_of(adapter, options)
    wires = [
        rehearsed(adapter, options, samples.head(), [samples.contact(phone=pattern.format(row), key="k1")])
        for row in (1, 2)
    ]
    assert wires[0] != wires[1]
    assert adapter.fields["phone"].fidelity is Fidelity.FULL


def test_starting_is_a_loss_where_the_vendor_is_passive(adapter: AnyAdapter, simulation: Simulation) -> None:
    options = adapter.options.model_validate(dict(simulation.options))
    one = samples.contact(phone=samples.country_of(adapter, options).format(1))
    started = samples.head(activation={"mode": "start"})
    losses = adapter.examine_list(started, profile_of([one]), options, samples.NOW).losses
    dials = samples.dials(adapter)
    assert [loss.kind for loss in losses if loss.field == "activation.mode"] == ([] if dials else [LossKind.DROPPED])
    assert adapter.fields["activation.mode"].fidelity is (Fidelity.FULL if dials else Fidelity.NONE)


@pytest.mark.parametrize("scenario", samples.SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_loss_names_a_field_and_says_why(
    adapter: AnyAdapter, simulation: Simulation, scenario: samples.Scenario
) -> None:
    options = adapter.options.model_validate(dict(simulation.options))
    people = scenario.people(samples.country_of(adapter, options))
    head, profile = samples.head(**scenario.head(samples.NOW)), profile_of(people)
    losses = list(adapter.examine_list(head, profile, options, samples.NOW).losses)
    losses += [loss for one in people for loss in adapter.examine(head, profile, options, one).losses]
    known = {*CONTACT_FIELDS, *LIST_FIELDS, "channel", "duplicates", "default_region"}
    assert [loss for loss in losses if loss.field.partition("attributes.")[2] == "" and loss.field not in known] == []
    assert [loss for loss in losses if not loss.why] == []


def test_every_uncarried_field_says_why(adapter: AnyAdapter) -> None:
    assert [rule.field for rule in adapter.fields.rules if rule.fidelity is not Fidelity.FULL and not rule.why] == []
    assert [rule.field for rule in adapter.fields.rules if rule.fidelity is not Fidelity.NONE and not rule.to] == []
