"""One canonical contact list, translated by adapters into each vendor's shape, behind one endpoint."""

__version__ = "0.1.0"
