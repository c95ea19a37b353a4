"""Being registered is being tested: what the suite needs of an adapter is there."""

from gateway.certification import samples
from gateway.contract import CONTACT_FIELDS, AnyAdapter, Settings, Support, Verb
from gateway.contract.simulation import Simulation, Simulator
from gateway.registry import Registry, flaw
from gateway.vendors import vendor_out

FIELDS = frozenset(CONTACT_FIELDS) - {"attributes"}


def test_it_has_a_simulator(registry: Registry, name: str) -> None:
    assert isinstance(registry.simulators.get(name), Simulator), f"{name} has no simulator: see provide_simulator"
    assert isinstance(registry.simulators[name].create(), Simulation)


def test_the_simulator_names_credentials_and_options_that_the_adapter_takes(registry: Registry, name: str) -> None:
    adapter, simulation = registry.adapters[name], registry.simulators[name].create()
    assert isinstance(adapter.credentials.model_validate(dict(simulation.credentials)), Settings)
    options = adapter.options.model_validate(dict(simulation.options))
    assert samples.country_of(adapter, options)


def test_it_has_no_flaw(adapter: AnyAdapter) -> None:
    assert flaw(adapter) is None


def test_the_simulator_is_no_part_of_the_adapter(registry: Registry, name: str) -> None:
    """Two readings of the vendor's pages that may disagree; one that shares the other's code proves nothing."""
    simulation = type(registry.simulators[name].create()).__module__
    assert simulation.rpartition(".")[2].startswith("simulator"), "the simulator belongs in simulator*.py"


def test_every_verb_is_spoken_of(adapter: AnyAdapter) -> None:
    assert set(adapter.capabilities) == set(Verb), "capabilities must say native, emulated or none for every verb"
    silent = [
        verb for verb, known in adapter.capabilities.items() if known.support is not Support.NATIVE and not known.note
    ]
    assert silent == [], "what is emulated gives its cost, what is none says what to do instead"


def test_options_are_described(adapter: AnyAdapter) -> None:
    models = (adapter.options, adapter.list_options)
    assert [name for model in models for name, one in model.model_fields.items() if not one.description] == []


def test_limits_make_sense(adapter: AnyAdapter) -> None:
    limits = adapter.limits
    assert 1 <= limits.batch_size <= 500_000
    assert limits.contacts_per_list >= limits.batch_size
    assert min(limits.requests_per_minute, limits.concurrency, limits.page_size, limits.timeout) > 0


def test_it_can_be_shown(adapter: AnyAdapter) -> None:
    assert vendor_out(adapter).name == adapter.name


def test_what_can_be_read_has_an_echo(adapter: AnyAdapter) -> None:
    """Who moves a list compares what is read back with it: without it nothing can be certified."""
    assert (adapter.echo is None) is (adapter.read is None), "echo is there wherever read is, and nowhere else"


def test_the_columns_of_its_files_are_canonical_fields(adapter: AnyAdapter) -> None:
    assert [field for field in adapter.export if field.partition("attributes.")[2] == "" and field not in FIELDS] == []
    columns = list(adapter.export.values())
    assert "" not in columns
    assert len(set(columns)) == len(columns), "two fields cannot share a column"
    assert "phone" in adapter.export or columns == [], "a contact without a number is none"
