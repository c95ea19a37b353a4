"""What the tests of adapters share; it ships with the gateway, so that foreign adapters are tested with the same."""

from gateway.certification.bench import Bench, MemoryLocks, bench, digits
from gateway.certification.samples import NOW, batch, contact, contacts, head, job, profile_of

__all__ = [
    "NOW",
    "Bench",
    "MemoryLocks",
    "batch",
    "bench",
    "contact",
    "contacts",
    "digits",
    "head",
    "job",
    "profile_of",
]
