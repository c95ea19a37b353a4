"""The canonical contact list: the one shape that every adapter translates from and to."""

from gateway.canonical.contacts import Contact, ContactIn
from gateway.canonical.faults import Fault
from gateway.canonical.lists import (
    Activation,
    DailyWindow,
    Dialing,
    DuplicatePolicy,
    ListHead,
    Mode,
    Profile,
    Schedule,
)
from gateway.canonical.losses import Loss, LossEntry, LossKind, LossReport, added_up
from gateway.canonical.outcomes import Counts, Outcome, State, Verdict, state_of

__all__ = [
    "Activation",
    "Contact",
    "ContactIn",
    "Counts",
    "DailyWindow",
    "Dialing",
    "DuplicatePolicy",
    "Fault",
    "ListHead",
    "Loss",
    "LossEntry",
    "LossKind",
    "LossReport",
    "Mode",
    "Outcome",
    "Profile",
    "Schedule",
    "State",
    "Verdict",
    "added_up",
    "state_of",
]
