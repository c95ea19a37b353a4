"""`gateway serve` as a process: nothing personal in its log or metrics, SIGHUP reloads, SIGTERM ends it cleanly."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.gateway.conftest import Tenant, Vendors, destination, key_of, write_configuration
from tests.gateway.web.shapes import LISTS, a_list, counts, people, until
from tests.launcher import Launched

PHONES = ["+5511987650001", "+5511987650002", "5511987650003x", "+5511987650004"]
PLANTED = [
    *(phone.strip("+x")[-9:] for phone in PHONES),
    "Plantada",
    "Silvania",
    "ana.planted@example.org",
    "planted-attribute",
    "planted-reference",
    "Planted list",
    "planted-key",
    "planted-cursor",
    "planted_tag",
]

ENDED = (0, -signal.SIGTERM)
"""uvicorn ends in order, and then lets the signal have its way."""


@dataclass
class Served:
    """A running `gateway serve`, and what it wrote to standard error so far."""

    url: str
    config: Path
    process: asyncio.subprocess.Process | Launched
    log: Path

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
        return [line for line in found if line["event"] == event]

    def client(self, tenant: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {key_of(tenant)}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    async def answers(self, path: str = "/readyz", tenant: str = "acme") -> int | None:
        async with self.client(tenant) as client:
            try:
                return (await client.get(path)).status_code
            except httpx.TransportError:
                assert self.process.returncode is None, self.log.read_text(encoding="utf-8")
                return None


@asynccontextmanager
async def served(folder: Path, tenants: dict[str, Tenant]) -> AsyncIterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = write_configuration(folder, tenants, port=port, log_level="debug", wait=20.0)
    log = folder / "stderr"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", "serve", "--config", str(config), stdout=stderr, stderr=stderr
        )
    one = Served(f"http://127.0.0.1:{port}", config, process, log)
    try:
        await until(one.answers, 60)
        yield one
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_neither_log_nor_metrics_hold_a_person_or_a_secret(vendors: Vendors, tmp_path: Path) -> None:
    tenants = {"acme": Tenant({name: destination(one) for name, one in vendors.items()})}
    async with served(tmp_path / "served", tenants) as gateway, gateway.client("acme") as client:
        await everything_that_can_be_told(client, vendors)
        metrics = (await client.get("/metrics")).text
        gateway.process.send_signal(signal.SIGTERM)
        assert await gateway.process.wait() in ENDED
        log = gateway.log.read_text(encoding="utf-8")
    assert 'route="/v1/contact-lists",status="201"' in metrics
    assert gateway.lines("call")
    secrets = [
        key_of("acme"),
        *(str(value) for one in vendors.values() for value in one.simulation.credentials.values()),
    ]
    assert [text for text in [*PLANTED, *secrets] if text in log or text in metrics] == []


async def everything_that_can_be_told(client: httpx.AsyncClient, vendors: Vendors) -> None:
    """Lists, errors, vendor refusals, passthrough, idempotency: all with planted texts in every place there is."""
    rows = [
        {
            "id": f"planted-key-{place}",
            "phone": phone,
            "first_name": "Plantada",
            "last_name": "Silvania",
            "email": "ana.planted@example.org",
            "tag": "planted_tag",
            "attributes": {"plan": "planted-attribute"},
        }
        for place, phone in enumerate(PHONES)
    ]
    head = {"name": "Planted list", "activation": {"mode": "start"}}
    faults = ["", "drop_after", "html", "rate_limited", "ok_with_error", "error_after", "garbage"]
    for number, (name, one) in enumerate((name, one) for name in vendors for one in faults):
        if one:
            vendors[name].simulation.break_next(one, retry_after=0)
        body = head | {"destination": name, "contacts": rows, "reference": f"planted-reference-{number}"}
        answer = await client.post(LISTS, json=body, headers={"Idempotency-Key": f"planted-key-{number}"})
        assert answer.status_code == 201, answer.text
    broken = json.dumps(head | {"contacts": rows}).replace("Silvania", "Silvania\ud800")
    for content in (broken, broken[:-20], json.dumps({"contacts": rows, "Plantada": 1})):
        answer = await client.post(LISTS, content=content.encode("utf-8", "surrogatepass"))
        assert answer.status_code in (201, 400)
    for path in (
        f"{LISTS}?cursor=planted-cursor",
        f"{LISTS}/Plantada",
        f"/v1/passthrough/exotel/v2/accounts/acme1/contacts?number={PHONES[0].replace('+', '%2B')}",
        f"/v1/passthrough/exotel/v2/accounts/acme1/contacts/{PHONES[0]}",
        f"/{PHONES[0]}",
    ):
        await client.get(path, headers={"Referer": PHONES[0], "User-Agent": "Plantada"})
    await client.get(LISTS, headers={"Authorization": "Bearer planted-key-of-nobody"})


async def test_a_good_file_is_taken_a_bad_one_is_logged_and_the_old_one_keeps_running(
    vendors: Vendors, tmp_path: Path
) -> None:
    velip = Tenant({"velip": destination(vendors["velip"])})
    async with served(tmp_path / "served", {"acme": velip}) as gateway:
        assert await gateway.answers(LISTS, "globex") == 401
        write_configuration(gateway.config.parent, {"acme": velip, "globex": velip}, log_level="debug")
        gateway.process.send_signal(signal.SIGHUP)
        await until(lambda: is_status(gateway, 200))

        bad = Tenant({"velip": destination(vendors["velip"], base_url="http://198.51.100.7", adapter="nobody")})
        write_configuration(gateway.config.parent, {"acme": bad}, colour="red", wait=-1)
        gateway.process.send_signal(signal.SIGHUP)
        refused = await until(lambda: logged(gateway, "configuration refused, the old one stays"))
        file = str(gateway.config)
        assert (len(refused), refused[0]["level"]) == (1, "error")
        assert {fault.split(": ")[1] for fault in refused[0]["faults"]} == {"server.colour", "server.wait"}
        assert all(fault.startswith(file) for fault in refused[0]["faults"])
        assert await gateway.answers(LISTS, "globex") == 200

        write_configuration(gateway.config.parent, {"acme": bad})
        gateway.process.send_signal(signal.SIGHUP)
        refused = await until(lambda: logged(gateway, "configuration refused, the old one stays", 2))
        assert {fault.split(": ")[1] for fault in refused[1]["faults"]} == {
            "tenants.acme.destinations.velip.base_url",
            "tenants.acme.destinations.velip.adapter",
        }
        assert await gateway.answers(LISTS, "globex") == 200
        assert len(gateway.lines("configuration loaded")) == 1


async def is_status(gateway: Served, status: int) -> bool:
    return await gateway.answers(LISTS, "globex") == status


async def logged(gateway: Served, event: str, number: int = 1) -> list[dict[str, Any]]:
    found = gateway.lines(event)
    return found if len(found) >= number else []


async def test_a_term_signal_lets_work_end_and_the_list_is_there_after_the_next_start(
    vendors: Vendors, tmp_path: Path
) -> None:
    tenants = {"acme": Tenant({"velip": destination(vendors["velip"])})}
    held = vendors["velip"].simulation.hold()
    async with served(tmp_path / "served", tenants) as gateway, gateway.client("acme") as client:
        begun = await client.post(LISTS, json=a_list("velip"), headers={"Prefer": "respond-async"})
        assert (begun.status_code, begun.json()["counts"]) == (202, counts(pending=2))
        await held.arrived.wait()
        gateway.process.send_signal(signal.SIGTERM)
        held.released.set()
        assert await gateway.process.wait() in ENDED
        assert "Traceback" not in gateway.log.read_text(encoding="utf-8")
    async with served(tmp_path / "served", tenants) as gateway, gateway.client("acme") as client:
        after = (await client.get(f"{LISTS}/{begun.json()['id']}")).json()
    assert (after["state"], after["counts"], after["operation"]) == ("delivered", counts(accepted=2), None)
    (there,) = vendors["velip"].simulation.ledger.lists.values()
    assert there.phones == [one["phone"].lstrip("+") for one in people(2)]
