"""A list on the simulated Kore.ai's shelf: what it holds, what is still hidden of it, and how the vendor shows it."""

from dataclasses import dataclass, field
from typing import Any

from gateway.contract.simulation import LedgerList

STAMP = "2026-03-01T08:00:00.000Z"
MAPPED = ("firstName", "lastName", "phoneNumber", "timeZone", "uniqueId", "contactPriority")


@dataclass(slots=True)
class Queued:
    """Contacts that are taken in but not to be seen yet: for `looks` more looks at the list, and until `due`."""

    number: int
    looks: int
    due: float


@dataclass(slots=True)
class Shelf:
    """One list: the ledger's entry, which holds every contact that was taken in, and what is still hidden of it."""

    entry: LedgerList
    description: str
    allow_duplicates: bool
    queued: list[Queued] = field(default_factory=list)
    campaigns: list[str] = field(default_factory=list)

    def look(self, now: float) -> int:
        """How many contacts this look shows."""
        self.queued = [one for one in self.queued if one.looks > 0 or one.due > now]
        hidden = sum(one.number for one in self.queued)
        for one in self.queued:
            one.looks -= 1
        return len(self.entry.rows) - hidden

    def shown(self, now: float, *, integration_source: bool, objects: bool) -> dict[str, Any]:
        """The list object of 3.1; looking at it lets the queue move."""
        use: list[Any] = [f"cd-{name}" for name in self.campaigns]
        if objects:
            use = [{"name": name, "id": f"cd-{name}"} for name in self.campaigns]
        return {
            "_id": self.entry.id,
            "isActive": True,
            "name": self.entry.name,
            "lname": self.entry.name.lower(),
            "description": self.description,
            "totalRecordCount": self.look(now),
            "status": "Ready",
            "createdBy": "u-1",
            "updatedBy": "u-1",
            "mapping": {name: name for name in MAPPED},
            "isListInUse": bool(use),
            "listType": "call",
            "isGlobalDNC": False,
            "isDefault": False,
            "campaignInUse": use,
            "source": "passiveApiIntegration" if integration_source else "passiveApi",
            "apiConfigurations": {"dataSyncMode": "allowDuplicates"} if self.allow_duplicates else {},
            "columns": [],
            "files": [],
            "createdAt": STAMP,
            "updatedAt": STAMP,
            "allowDuplicates": self.allow_duplicates,
        }
