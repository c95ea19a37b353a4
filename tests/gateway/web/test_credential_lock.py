"""One refused authentication at Velip locks the credential: fifteen would ban the address for ever."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import update

from gateway.contract.simulation import Ledger
from gateway.store.database import timestamp
from gateway.store.schema import credential_locks
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.shapes import a_list, counts, create, problem, refusal

WRONG = "WRONGTOKEN30CHARACTERS00000000"
CHECK = "/v1/destinations/velip/check"


@pytest.fixture
async def locking(vendors: Vendors, open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    there = {name: destination(vendors["velip"], credentials={"tsid": WRONG}) for name in ("velip", "velip-too")}
    async with open_gateway({"acme": Tenant(there)}) as gateway:
        yield gateway


async def locks(client: httpx.AsyncClient) -> list[bool]:
    return [one["locked"] is not None for one in (await client.get("/v1/destinations")).json()["items"]]


async def test_one_refused_authentication_stops_every_further_request(
    locking: Gateway, ledger: Callable[[str], Ledger]
) -> None:
    client = await locking.client("acme")
    assert await locks(client) == [False, False]
    first = await create(client, "velip")
    assert (first["state"], first["counts"]) == ("failed", counts(rejected=2))
    assert [(one["verdict"], one["status"]) for one in first["deliveries"][0]["attempts"]] == [("rejected", 401)]
    assert len(ledger("velip").requests) == 1
    assert await locks(client) == [True, True], "the lock is of host and token, not of the destination's name"
    for name in ("velip", "velip-too"):
        again = await create(client, name)
        assert (again["state"], again["deliveries"][0]["attempts"]) == ("failed", [])
        assert "stays unused until a check of it passes" in again["deliveries"][0]["detail"]
    assert len(ledger("velip").requests) == 1
    assert WRONG not in str(await locking.table("credential_locks"))
    assert WRONG not in (await client.get("/v1/destinations")).text


async def test_a_locked_credential_is_checked_at_most_once_in_ten_minutes(
    locking: Gateway, ledger: Callable[[str], Ledger]
) -> None:
    client = await locking.client("acme")
    await create(client, "velip")
    assert problem(await client.post(CHECK)) == refusal(502, "vendor.refused")
    assert len(ledger("velip").requests) == 2
    for _ in range(3):
        answer = await client.post(CHECK)
        assert problem(answer) == refusal(503, "vendor.not_sent", "not_sent", retryable=True)
    assert len(ledger("velip").requests) == 2
    await ten_minutes_pass(locking)
    assert problem(await client.post(CHECK)) == refusal(502, "vendor.refused")
    assert (len(ledger("velip").requests), await locks(client)) == (3, [True, True])


async def ten_minutes_pass(gateway: Gateway) -> None:
    before = timestamp(datetime.now(UTC) - timedelta(minutes=10, seconds=1))
    await gateway.host.database.run(
        lambda connection: connection.execute(update(credential_locks).values(checked_at=before))
    )


async def test_a_check_that_passes_lifts_the_lock(
    locking: Gateway, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    client = await locking.client("acme")
    await create(client, "velip")
    vendors["velip"].simulation.access.tokens[WRONG] = None
    assert (await create(client, "velip"))["state"] == "failed", "that it would pass now is nobody's knowledge yet"
    answer = await client.post(CHECK)
    assert answer.json() == {
        "destination": "velip",
        "ok": True,
        "facts": {"account": "501", "user": "77", "may_manage_campaigns": "1"},
    }
    assert await locks(client) == [False, False]
    assert (await create(client, "velip-too", name="After"))["state"] == "delivered"
    assert len(ledger("velip").requests) == 3


async def test_a_passthrough_call_does_not_go_round_the_lock(locking: Gateway, ledger: Callable[[str], Ledger]) -> None:
    client = await locking.client("acme")
    await create(client, "velip")
    answer = await client.post("/v1/passthrough/velip/GetCampaignsList", data={"limit": "1"})
    assert problem(answer) == refusal(502, "vendor.refused")
    assert len(ledger("velip").requests) == 1


async def test_preview_goes_on_while_locked(locking: Gateway, ledger: Callable[[str], Ledger]) -> None:
    client = await locking.client("acme")
    await create(client, "velip")
    assert (await client.post("/v1/preview", json=a_list("velip"))).status_code == 200
    assert len(ledger("velip").requests) == 1
