"""Another destination stands in for one, switched while the gateway runs: who gets the list, and what is told of it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from gateway.store import reroutings as store
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.long_files import accepted, as_csv, send
from tests.gateway.web.long_files import people as rows_of_a_file
from tests.gateway.web.rerouted import BY, MAIN, NEXT, SPARE, Opened, change, digits, phones, put, switched, went_to
from tests.gateway.web.shapes import (
    LISTS,
    a_list,
    counts,
    create,
    finished,
    masked,
    people,
    pointers,
    problem,
    refusal,
)


@pytest.mark.parametrize("named", ["main", None], ids=["by the request", "by a route"])
async def test_full_sends_to_the_target_and_nothing_to_the_source_until_it_is_off(
    opened: Opened, ledger: Callable[[str], Ledger], named: str | None
) -> None:
    async with opened() as (_, client):
        assert await switched(client, target="next", mode="full") == change("full")
        one = await create(client, named)
        assert (one["counts"], went_to(one)) == (counts(accepted=2), {"next": 2})
        assert (phones(ledger(NEXT)), ledger(MAIN).requests) == (digits(2), [])
        answer = await client.post(f"{LISTS}/{one['id']}/contacts", json={"contacts": people(1, first=3)})
        assert answer.status_code == 201
        assert (sorted(phones(ledger(NEXT))), ledger(MAIN).requests) == (digits(3), [])
        assert await switched(client, mode="off") == change("off")
        assert went_to(await create(client, named, contacts=people(1, first=4))) == {"main": 1}
        assert (phones(ledger(MAIN)), sorted(phones(ledger(NEXT)))) == (digits(1, first=4), digits(3))


async def test_an_append_goes_by_what_is_in_force_when_it_comes(
    opened: Opened, ledger: Callable[[str], Ledger]
) -> None:
    async with opened() as (_, client):
        one = await create(client, "main")
        await switched(client, target="next", mode="full")
        answer = await client.post(f"{LISTS}/{one['id']}/contacts", json={"contacts": people(1, first=3)})
        assert went_to(answer.json()) == {"main": 2, "next": 1}
        assert (phones(ledger(MAIN)), phones(ledger(NEXT))) == (digits(2), digits(1, first=3))


async def test_a_long_file_goes_to_the_target_too(opened: Opened, ledger: Callable[[str], Ledger]) -> None:
    rows = rows_of_a_file()
    async with opened() as (_, client):
        await switched(client, target="next", mode="full")
        begun = await send(client, as_csv(rows), headers={"Prefer": "respond-async"})
        assert (await finished(client, begun.headers["location"]))["state"] == "succeeded"
        assert (phones(ledger(NEXT)), ledger(MAIN).requests) == (accepted(rows), [])


async def test_a_share_is_sticky_over_lists_and_about_as_large_as_asked(
    opened: Opened, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    shares = []
    async with opened() as (_, client):
        assert await switched(client, target="next", mode="percent", percent=30) == change("percent", percent=30.0)
        for _ in range(2):
            for vendor in vendors.values():
                vendor.simulation.reset()
            assert (await create(client, None, number=200))["counts"] == counts(accepted=200)
            moved, stayed = set(phones(ledger(NEXT))), set(phones(ledger(MAIN)))
            assert (moved | stayed, moved & stayed) == (set(digits(200)), set())
            shares.append(moved)
        await switched(client, target="next", mode="percent", percent=60)
        explained = (await client.post("/v1/routes/explain", json=a_list(None, number=200))).json()["routes"][1]
    assert shares[0] == shares[1]
    assert 35 <= len(shares[0]) <= 85, "30 % of 200, give or take five deviations"
    told = {why.partition("since")[0] + why.rpartition("Z: ")[2]: number for why, number in explained["why"].items()}
    moving = told["every condition holds; 60 % next instead of main"]
    staying = told["every condition holds; 60 % main, the contact is not among those that go to next"]
    assert (moving + staying, moving > len(shares[0])) == (200, True)


async def test_a_fallback_is_replaced_too_and_no_destination_is_tried_twice(
    opened: Opened, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    vendors[SPARE].simulation.break_next("rate_limited", times=50)
    async with opened() as (_, client):
        await switched(client, target="next", mode="full")
        one = await create(client, None, contacts=[each | {"tag": "spare"} for each in people(2)])
        assert [(each["destination"], each["state"]) for each in one["deliveries"]] == [
            ("spare", "failed"),
            ("next", "delivered"),
        ]
        assert (ledger(MAIN).requests, phones(ledger(NEXT))) == ([], digits(2))
        await switched(client, target="spare", mode="full")
        one = await create(client, None, contacts=people(1, first=9))
        assert [each["destination"] for each in one["deliveries"]] == ["spare"]
        assert ledger(MAIN).requests == []


async def test_rules_are_not_followed_further(opened: Opened, ledger: Callable[[str], Ledger]) -> None:
    async with opened() as (_, client):
        await switched(client, "main", target="next", mode="full")
        await switched(client, "next", target="spare", mode="full")
        assert went_to(await create(client, "main")) == {"next": 2}
        assert went_to(await create(client, "next", contacts=people(1, first=3))) == {"spare": 1}
        assert (phones(ledger(NEXT)), phones(ledger(SPARE))) == (digits(2), digits(1, first=3))


async def test_the_history_has_every_change_newest_first_and_outlives_a_restart(
    opened: Opened, ledger: Callable[[str], Ledger]
) -> None:
    asked = [
        ("main", {"target": "next", "mode": "shadow"}),
        ("main", {"target": "next", "mode": "percent", "percent": 10}),
        ("spare", {"target": "next", "mode": "full"}),
        ("main", {"target": "next", "mode": "full"}),
        ("main", {"target": "next", "mode": "full"}),  # as it is: no change
        ("spare", {"mode": "off"}),
        ("spare", {"mode": "off"}),
    ]
    expected = [
        change("off", source="spare"),
        change("full"),
        change("full", source="spare", in_force=False),
        change("percent", percent=10.0, in_force=False),
        change("shadow", in_force=False),
    ]
    async with opened() as (_, client):
        assert (await client.get("/v1/reroutings")).json() == {"items": [], "next_cursor": None}
        for source, body in asked:
            await switched(client, source, **body)
    async with opened() as (_, client):
        first = (await client.get("/v1/reroutings", params={"limit": 3})).json()
        rest = (await client.get("/v1/reroutings", params={"limit": 3, "cursor": first["next_cursor"]})).json()
        assert (masked(first["items"]), masked(rest["items"])) == (expected[:3], expected[3:])
        assert rest["next_cursor"] is None
        assert went_to(await create(client, "main")) == {"next": 2}
        assert ledger(MAIN).requests == []
        state = masked((await client.get("/v1/reroutings/main")).json())
        assert (state["in_force"], state["shadow"]["lists"]) == (change("full"), 0)
        assert (await client.get("/v1/reroutings/spare")).json()["in_force"] is None


async def test_a_target_that_is_not_configured_any_more_refuses_lists(
    opened: Opened, ledger: Callable[[str], Ledger]
) -> None:
    async with opened() as (_, client):
        at = (await put(client, target="next", mode="full")).json()["at"]
    async with opened(gone="next") as (gateway, client):
        why = (
            f"next stands in for main (full since {at}, by {BY}) and is not in the configuration any more: "
            "configure it, or switch the rerouting off"
        )
        before = await gateway.rows()
        for path, body in (
            (LISTS, a_list("main")),
            (LISTS, a_list(None)),
            ("/v1/preview", a_list("main")),
            (LISTS, a_list(None, contacts=[{**people(1)[0], "tag": "spare"}])),
        ):
            answer = await client.post(path, json=body)
            assert (problem(answer), answer.json()["detail"]) == (refusal(422, "rerouting.impossible"), why)
        told = (await client.post("/v1/routes/explain", json=a_list("main"))).json()["routes"][0]["why"]
        assert list(told) == [
            f"the request names this destination; full since {at}: next instead of main, which is not configured: "
            "the list is refused"
        ]
        assert await gateway.rows() == before
        assert (ledger(MAIN).requests, ledger(NEXT).requests, ledger(SPARE).requests) == ([], [], [])
        assert went_to(await create(client, "spare")) == {"spare": 2}
        await switched(client, mode="off")
        assert went_to(await create(client, "main")) == {"main": 2}


async def test_a_source_that_is_not_configured_any_more_may_still_be_named(
    opened: Opened, ledger: Callable[[str], Ledger]
) -> None:
    routes = [{"to": ["spare"]}]
    async with opened() as (_, client):
        await switched(client, target="next", mode="full")
    async with opened(gone="main", routes=routes) as (_, client):
        assert went_to(await create(client, "main")) == {"next": 2}
        assert problem(await put(client, target="next", mode="shadow")) == refusal(422, "rerouting.impossible")
        await switched(client, target="spare", mode="full")
        await switched(client, mode="off")
        assert problem(await client.post(LISTS, json=a_list("main"))) == refusal(422, "destination.unknown")


@pytest.mark.parametrize(
    ("source", "body", "code", "at"),
    [
        ("nowhere", {"target": "next", "mode": "full"}, "not_found", None),
        ("main", {"target": "nowhere", "mode": "full"}, "destination.unknown", "/target"),
        ("main", {"target": "main", "mode": "shadow"}, "rerouting.impossible", "/target"),
        ("main", {"mode": "full"}, "request.invalid", "/target"),
        ("main", {"target": "next"}, "request.invalid", "/mode"),
        ("main", {"target": "next", "mode": "half"}, "request.invalid", "/mode"),
        ("main", {"target": "next", "mode": "percent"}, "request.invalid", "/percent"),
        ("main", {"target": "next", "mode": "percent", "percent": 0}, "request.invalid", "/percent"),
        ("main", {"target": "next", "mode": "percent", "percent": 100}, "request.invalid", "/percent"),
        ("main", {"target": "next", "mode": "full", "percent": 10}, "request.invalid", "/percent"),
        ("main", {"mode": "off", "percent": 10}, "request.invalid", "/percent"),
        ("main", {"target": "next", "mode": "full", "until": "May"}, "request.invalid", "/until"),
        ("main", {"mode": "off"}, "not_found", None),
        ("main", {"target": "barred", "mode": "full"}, "rerouting.impossible", "/target"),
        ("main", {"target": "barred", "mode": "percent", "percent": 10}, "rerouting.impossible", "/target"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused_and_not_recorded(
    acme: httpx.AsyncClient, gateway: Gateway, source: str, body: dict[str, Any], code: str, at: str | None
) -> None:
    config = gateway.host.config
    given = config.tenants["acme"].destinations
    known = {"main": given[MAIN], "next": given[NEXT], "barred": replace(given[SPARE], credentials=None)}
    tenants = {**config.tenants, "acme": replace(config.tenants["acme"], destinations=known)}
    gateway.host.config = replace(config, tenants=tenants)
    try:
        answer = await put(acme, source, **body)
    finally:
        gateway.host.config = config
    status = {"not_found": 404, "request.invalid": 400}.get(code, 422)
    assert problem(answer) == refusal(status, code), answer.text
    assert {pointer for pointer, _ in pointers(answer)} == ({at} if at else set())
    assert await gateway.rows("reroutings") == {"reroutings": 0}


async def test_off_names_the_one_that_stands_in_or_nobody(opened: Opened) -> None:
    async with opened() as (_, client):
        await switched(client, target="next", mode="full")
        answer = await put(client, target="spare", mode="off")
        assert problem(answer) == refusal(422, "rerouting.impossible")
        assert answer.json()["detail"] == "spare does not stand in for main, next does"
        assert await switched(client, target="next", mode="off") == change("off")


async def test_what_one_tenant_switches_is_nothing_to_another(
    open_gateway: OpenGateway, vendors: Vendors, ledger: Callable[[str], Ledger], url: str
) -> None:
    both = {"main": destination(vendors[MAIN]), "next": destination(vendors[NEXT])}
    async with open_gateway({"acme": Tenant(both), "other": Tenant(both)}, database=url) as gateway:
        acme, other = await gateway.client("acme"), await gateway.client("other")
        await switched(acme, target="next", mode="full")
        assert went_to(await create(other, "main")) == {"main": 2}
        assert ledger(NEXT).requests == []
        assert (await other.get("/v1/reroutings")).json()["items"] == []
        assert problem(await put(other, mode="off")) == refusal(404, "not_found")
        assert (await gateway.host.database.run(store.in_force, "acme")).keys() == {"main"}
