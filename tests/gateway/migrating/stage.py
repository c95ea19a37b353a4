"""What tests of migrations share: people with every field, a tenant's calls, and what the vendors' ledgers show."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from gateway.canonical.contacts import TEXT_FIELDS
from gateway.certification.samples import RICH
from gateway.contract.simulation import LedgerList
from tests.gateway.conftest import Gateway, Vendors

MIGRATIONS = "/v1/migrations"
LISTS = "/v1/contact-lists"
VENDORS = ("exotel", "indigitall", "koreai", "velip", "voximplant")
INDIA, BRAZIL = "+9198{:08d}", "+55119{:08d}"
NOTHING = dict.fromkeys(
    ("received", "moves", "reached", "unclear", "gone", "refused", "suppressed", "absent", "invalid"), 0
)


def fates(**given: int) -> dict[str, int]:
    return NOTHING | given | {"received": sum(given.values())}


def pattern_for(*vendors: str) -> str:
    """Numbers that these vendors take."""
    return INDIA if "exotel" in vendors else BRAZIL


def crowd(number: int, pattern: str = BRAZIL, first: int = 1) -> list[dict[str, Any]]:
    """People with every field, the second of them without an id; texts differ from person to person."""
    return [person(no, pattern) for no in range(first, first + number)]


def person(no: int, pattern: str) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "phone": pattern.format(10_000_000 + no),
        "first_name": f"Zoë{no}",
        "last_name": f"Müller{no}",
        "company": f"Łódź{no} & Söhne",
        "email": f"zoe{no}@example.org",
        "attributes": {"due_date": f"2026-05-{no % 28 + 1:02d}", "plan": f"plus{no}"},
    }
    return {**RICH, **changes} | ({} if no == 2 else {"id": f"A-{no}"})


def texts(one: dict[str, Any], field: str) -> list[str]:
    """The texts of a field of a person as it was sent; attributes by `attributes.<name>`, or all of them."""
    if field.startswith("attributes"):
        wanted = field.partition(".")[2]
        return [text for name, text in one["attributes"].items() if wanted in ("", name)]
    value = one.get(field)
    return [] if value is None else [str(value)]


FIELDS = (*TEXT_FIELDS, "priority", "attributes.due_date", "attributes.plan")


def digits(phones: Iterable[str]) -> list[str]:
    return [phone.lstrip("+") for phone in phones]


def cells(row: Any) -> list[str]:
    """Every text in a vendor's own record, however it is nested."""
    if isinstance(row, dict):
        return [text for value in row.values() for text in cells(value)]
    if isinstance(row, list | tuple):
        return [text for value in row for text in cells(value)]
    return [str(row)]


def losses_of(shown: Sequence[dict[str, Any]]) -> Counter[tuple[str, str, int | None]]:
    return Counter((one["field"], one["kind"], one["contacts"]) for one in shown)


@dataclass(slots=True)
class Stage:
    """A tenant of a running gateway, and the simulators that its destinations are named after."""

    gateway: Gateway
    client: httpx.AsyncClient
    vendors: Vendors

    def lists_at(self, vendor: str) -> list[LedgerList]:
        held = self.vendors[vendor].simulation.ledger.lists.values()
        return [one for one in held if not one.facts.get("deleted")]

    def there(self, vendor: str) -> list[str]:
        """The numbers of all lists of a vendor."""
        return [phone for one in self.lists_at(vendor) for phone in digits(one.phones)]

    def calls(self, vendor: str) -> list[str]:
        return self.vendors[vendor].simulation.ledger.calls

    def requests(self, vendor: str) -> list[str]:
        """The last part of the path of every request."""
        return [one.rsplit("/", 1)[-1] for one in self.vendors[vendor].simulation.ledger.requests]

    def sent(self) -> dict[str, int]:
        """How many requests each vendor has had."""
        return {name: len(one.simulation.ledger.requests) for name, one in self.vendors.items()}

    async def create(self, destination: str | None, contacts: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        """A list that was delivered while we waited; what dials has begun to."""
        given = {"name": "Spring", "activation": {"mode": "start"}, "contacts": contacts, "destination": destination}
        answer = await self.client.post(LISTS, json=given | fields)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def ask(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(MIGRATIONS, json=body, headers=named)

    async def plan(self, target: str, source: dict[str, Any] | str, **wishes: Any) -> dict[str, Any]:
        """A plan that was made while we waited; `source` may be a list's id."""
        source = {"list": source} if isinstance(source, str) else source
        answer = await self.ask({"source": source, "target": target, **wishes})
        assert answer.status_code == 201, answer.text
        planned: dict[str, Any] = answer.json()
        assert (planned["state"], planned["error"], planned["operation"]) == ("planned", None, None)
        return planned

    async def apply(self, planned: dict[str, Any], **headers: str) -> httpx.Response:
        wish = {"mode": "apply", "plan": planned["id"], "digest": planned["plan"]["digest"]}
        return await self.ask(wish, **headers)

    async def move(self, target: str, source: dict[str, Any] | str, **wishes: Any) -> dict[str, Any]:
        """A migration that was planned and applied to its end."""
        answer = await self.apply(await self.plan(target, source, **wishes))
        assert answer.status_code == 200, answer.text
        moved: dict[str, Any] = answer.json()
        assert (moved["state"], moved["error"], moved["operation"]) == ("done", None, None)
        return moved

    async def rollback(self, moved: dict[str, Any], **wishes: Any) -> dict[str, Any]:
        answer = await self.client.post(f"{MIGRATIONS}/{moved['id']}/rollback", json=wishes)
        assert answer.status_code == 200, answer.text
        back: dict[str, Any] = answer.json()
        return back

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def migration(self, move_id: str) -> dict[str, Any]:
        return await self.get(f"{MIGRATIONS}/{move_id}")

    async def show(self, list_id: str) -> dict[str, Any]:
        return await self.get(f"{LISTS}/{list_id}")

    async def rows(self, move_id: str, phase: str = "certificate") -> list[dict[str, Any]]:
        page = await self.get(f"{MIGRATIONS}/{move_id}/rows?phase={phase}&limit=500")
        assert page["next_cursor"] is None
        found: list[dict[str, Any]] = page["items"]
        return found

    async def sealed(self, move_id: str) -> dict[str, Any]:
        return await self.get(f"{MIGRATIONS}/{move_id}/certificate")

    def dial_on(self, vendor: str = "voximplant") -> None:
        """Let a simulated vendor dial whatever it still may."""
        simulation: Any = self.vendors[vendor].simulation
        simulation.dial_at_most = None
        simulation.dial_due()
