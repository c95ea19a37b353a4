"""The demo's tour: simulators and gateway on real sockets, lists in through the one endpoint, outcomes out."""

import asyncio
import json
import tempfile
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from gateway import logs, opening, registry, settings
from gateway.cli.tables import console as make_console
from gateway.cli.tables import contacts_table, counts_text, losses_text
from gateway.contract import ActivationKind
from gateway.registry import Registry
from gateway.resources import ContactOut, DeliveryOut, ListOut
from gateway.sandbox import RunningSimulation, sandbox, serving
from gateway.sandbox_config import API_KEY, write_config
from gateway.web.app import create_app

MESSY = "renovacoes.csv"
COUNTRIES = "three-countries.csv"
LIMITS = "{ visibility_delay = 1.0 }"


@dataclass(frozen=True, slots=True)
class Client:
    """A caller of the gateway, as any back office would be one."""

    url: str

    async def call(self, method: str, path: str, body: bytes | None = None, media_type: str = "text/csv") -> Any:
        return await asyncio.to_thread(self._call, method, path, body, media_type)

    def _call(self, method: str, path: str, body: bytes | None, media_type: str) -> Any:
        headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": media_type, "Prefer": "wait=60"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None

    async def send(self, file: str, **parameters: str) -> ListOut:
        content = resources.files("gateway.demo").joinpath(file).read_bytes()
        answer = await self.call("POST", f"/v1/contact-lists?{urlencode(parameters)}", content)
        return ListOut.model_validate(answer)

    async def contacts(self, list_id: str) -> list[ContactOut]:
        answer = await self.call("GET", f"/v1/contact-lists/{list_id}/contacts?limit=1000")
        return [ContactOut.model_validate(one) for one in answer["items"]]


def run(as_json: bool = False) -> int:
    """Run the tour. 0 when every contact has its outcome and the ledgers agree with us."""
    return asyncio.run(_tour(as_json))


async def _tour(as_json: bool) -> int:
    logs.configure("error")
    known = registry.load()
    console = make_console(quiet=as_json)
    with tempfile.TemporaryDirectory() as folder:
        async with sandbox(known.simulators) as vendors, _gateway(known, vendors, Path(folder)) as client:
            console.print(f"simulators: {', '.join(f'{one.name} {one.base_url}' for one in vendors.values())}")
            console.print(f"gateway: {client.url} (real sockets, nothing leaves this machine)\n")
            found = await _send_all(known, vendors, client, console)
            verdicts = _compare(vendors, found)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
    else:
        console.print(_summary(found, verdicts))
    agreed = all(ours == theirs for ours, theirs in verdicts.values())
    settled = all(not one.counts.pending and not one.counts.unknown for one in found)
    console.print("every contact has one outcome, and the ledgers agree" if agreed and settled else "SOMETHING DIFFERS")
    return 0 if agreed and settled else 1


@asynccontextmanager
async def _gateway(known: Registry, vendors: dict[str, RunningSimulation], folder: Path) -> AsyncIterator[Client]:
    """A gateway whose tenant has one destination for each vendor, and routes by country."""
    names = list(vendors)
    routes = [(["IN"], [names[0]]), (["ES"], [names[2 % len(names)]]), (["BR"], names[-2:])]
    extra = "".join(
        f"\n[[tenants.demo.routes]]\nwhen = {{ country = {json.dumps(country)} }}\nto = {json.dumps(to)}\n"
        for country, to in routes
    )
    config = settings.load(write_config(folder, vendors, 0, LIMITS, extra), known.adapters)
    async with serving(create_app(lambda: opening.running(known, config)), lifespan="on") as url:
        yield Client(url)


async def _send_all(
    known: Registry, vendors: dict[str, RunningSimulation], client: Client, console: Console
) -> list[ListOut]:
    found = []
    for name in vendors:
        one = await client.send(MESSY, name=f"Renovações {name}", destination=name)
        console.print(contacts_table(f"{MESSY} -> {name}", await client.contacts(one.id), _destinations(one)))
        if known.adapters[name].activation is ActivationKind.DIALS:
            one = await _activate(vendors[name], one, client, console)
        found.append(one)
    last = list(vendors)[-2]
    vendors[last].simulation.break_next("drop_after")
    console.print(
        f"\n{last} will now accept a list and cut the line without an answer: it is looked up, not sent again"
    )
    one = await client.send(COUNTRIES, name="Three countries", reference="crm-118")
    console.print(contacts_table(f"{COUNTRIES} -> by country", await client.contacts(one.id), _destinations(one)))
    return [*found, one]


def _destinations(one: ListOut) -> dict[str, str]:
    return {delivery.id: delivery.destination for delivery in one.deliveries}


async def _activate(vendor: RunningSimulation, one: ListOut, client: Client, console: Console) -> ListOut:
    """A vendor that dials gets nothing until the caller says so."""
    console.print(f"held: {one.state}, {len(vendor.simulation.ledger.calls)} people called; now activated")
    answer = await client.call("POST", f"/v1/contact-lists/{one.id}/activate", b"")
    console.print(f"activated: {answer['state']}, {len(vendor.simulation.ledger.calls)} people called\n")
    return ListOut.model_validate(answer)


def _compare(vendors: dict[str, RunningSimulation], found: list[ListOut]) -> dict[str, tuple[int, int]]:
    """Contacts that we call accepted, and contacts in the ledger, by destination."""
    ours = dict.fromkeys(vendors, 0)
    for delivery in (delivery for one in found for delivery in one.deliveries):
        ours[delivery.destination] += delivery.counts.accepted
    return {
        name: (ours[name], sum(len(one.phones) for one in vendor.simulation.ledger.lists.values()))
        for name, vendor in vendors.items()
    }


def _summary(found: list[ListOut], verdicts: dict[str, tuple[int, int]]) -> Table:
    table = Table("list", "destination", "state", "outcomes", "losses", "ledger", title="\nWhat became of it")
    for one in found:
        table.add_row(one.name, "", one.state, counts_text(one.counts), "", "")
        for delivery in one.deliveries:
            table.add_row("", *_delivery_cells(delivery), "")
        table.add_section()
    for name, (ours, theirs) in verdicts.items():
        table.add_row("all lists", name, "", f"{ours} accepted", "", f"{theirs} stored")
    return table


def _delivery_cells(delivery: DeliveryOut) -> tuple[str, str, str, str]:
    return delivery.destination, delivery.state, counts_text(delivery.counts), losses_text(delivery.losses)
