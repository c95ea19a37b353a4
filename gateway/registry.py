"""Finds adapters and simulators: this repository's by module name, foreign ones by entry point."""

import importlib
import importlib.resources
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType
from typing import Any

import pluggy

from gateway.contract import PROJECT, Adapter, AnyAdapter, Support, Verb, hookspecs
from gateway.contract.simulation import Simulator

BUILT_IN = "adapters"


class RegistryError(Exception):
    """An adapter cannot be used; the message names it, says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Registry:
    """Adapters and simulators by name, read-only."""

    adapters: Mapping[str, AnyAdapter]
    simulators: Mapping[str, Simulator]
    modules: Mapping[str, str]
    """The module that registered each adapter."""


def load(modules: Iterable[str] | None = None, *, entry_points: bool = True, simulators: bool = True) -> Registry:
    """Load the adapters of these modules (default: all packages under `adapters/`) and of installed entry points.

    `simulators=False` leaves the simulators out, which a server has no use for.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    for name in built_in_modules() if modules is None else modules:
        _register(manager, name, lambda name=name: importlib.import_module(name))
    if entry_points:
        for point in metadata.entry_points(group=PROJECT):
            _register(manager, f"{point.name} ({point.value})", point.load)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise RegistryError(
            f"the adapter package {manager.get_name(error.plugin)} implements a hook that does not exist; "
            "the hooks are provide_adapter and provide_simulator"
        ) from error
    adapters = _by_name(_collect(manager, "provide_adapter", Adapter), "adapter")
    for plugin, adapter in adapters.values():
        problem = _flaw(adapter)
        if problem:
            raise RegistryError(f"the adapter of {plugin} cannot be used: {problem}")
    wanted = _collect(manager, "provide_simulator", Simulator) if simulators else []
    found = _by_name(wanted, "simulator")
    return Registry(
        MappingProxyType({name: adapter for name, (_, adapter) in adapters.items()}),
        MappingProxyType({name: simulator for name, (_, simulator) in found.items()}),
        MappingProxyType({name: _module(manager, plugin) for name, (plugin, _) in adapters.items()}),
    )


def _by_name(found: list[tuple[str, Any]], what: str) -> dict[str, tuple[str, Any]]:
    """What plugins gave, sorted by its name, each with its plugin. Two of one name are an error."""
    named: dict[str, tuple[str, Any]] = {}
    for plugin, value in found:
        if not isinstance(value.name, str):
            raise RegistryError(f"the {what} of {plugin} cannot be used: its name {value.name!r} is no text")
        if value.name in named:
            other = named[value.name][0]
            raise RegistryError(f"the {what} of {plugin} cannot be used: {other} has registered {value.name} already")
        named[value.name] = (plugin, value)
    return dict(sorted(named.items()))


def _flaw(adapter: AnyAdapter) -> str | None:
    try:
        return flaw(adapter)
    except Exception as error:  # an adapter made of anything: whatever it is, it is no adapter
        return f"it is not made as an adapter is ({type(error).__name__}: {error})"


def _module(manager: pluggy.PluginManager, plugin: str) -> str:
    found = manager.get_plugin(plugin)
    return str(getattr(found, "__name__", type(found).__module__))


def built_in_modules() -> list[str]:
    """The packages under `adapters/` that hold an adapter: all but the toolkit."""
    root = importlib.resources.files(BUILT_IN)
    names = sorted(entry.name for entry in root.iterdir() if entry.joinpath("__init__.py").is_file())
    return [f"{BUILT_IN}.{name}" for name in names if name != "toolkit"]


def _register(manager: pluggy.PluginManager, name: str, load: Any) -> None:
    try:
        manager.register(load(), name=name)
    except Exception as error:
        raise RegistryError(
            f"the adapter package {name} cannot be loaded: {type(error).__name__}: {error}; repair or uninstall it"
        ) from error


def _collect(manager: pluggy.PluginManager, hook: str, kind: type[Any]) -> list[tuple[str, Any]]:
    found = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        try:
            value = implementation.function()
        except Exception as error:
            raise RegistryError(
                f"{hook} of {implementation.plugin_name} failed: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(value, kind):
            raise RegistryError(f"{hook} of {implementation.plugin_name} gave no {kind.__name__}")
        found.append((implementation.plugin_name, value))
    return found


def flaw(adapter: AnyAdapter) -> str | None:
    """What is wrong with an adapter, in a sentence; None when nothing is."""
    if not adapter.name.isidentifier() or not adapter.name.islower():
        return f"its name {adapter.name!r} is not a lower-case identifier"
    for verb in Verb:
        function = getattr(adapter, verb.value)
        claimed = adapter.capability(verb).support is not Support.NONE
        if function is None and adapter.capability(verb).support is Support.NATIVE:
            return f"it claims {verb.value} but has no such function"
        if function is not None and not claimed:
            return f"it has {verb.value} but its capabilities do not say so"
        if function is not None and not inspect.isgeneratorfunction(function):
            return f"its {verb.value} is not a generator function"
    if adapter.deliver is None and (adapter.create is None or adapter.append is None):
        return "it has neither deliver nor create and append"
    extra = set(adapter.list_options.model_fields) - set(adapter.options.model_fields)
    if extra:
        return f"vendor_options has fields that its options lack: {', '.join(sorted(extra))}"
    return None
