"""The hooks: what a package may register. Found by name (this repository) and by entry point `contact_list_gateway`."""

import pluggy

from gateway.contract.adapter import AnyAdapter
from gateway.contract.simulation import Simulator

PROJECT = "contact_list_gateway"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def provide_adapter() -> AnyAdapter:  # type: ignore[empty-body]
    """The adapter of one vendor."""


@hookspec
def provide_simulator() -> Simulator:  # type: ignore[empty-body]
    """A simulator of the same vendor, under the adapter's name."""
