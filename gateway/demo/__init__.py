"""`gateway demo`: real lists, real sockets, and what became of every contact, beside the simulators' own ledgers."""

from gateway.demo.tour import run

__all__ = ["run"]
