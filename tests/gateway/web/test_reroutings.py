"""Another destination stands in for one, switched while the gateway runs: who gets the list, and what is told of it."""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from gateway.migrating import shadowing
from gateway.store import reroutings as store
from tests.gateway.conftest import LIMITS, Gateway, OpenGateway, Tenant, Vendors, destination, key_of
from tests.gateway.web.long_files import accepted, as_csv, send
from tests.gateway.web.long_files import people as rows_of_a_file
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

MAIN, NEXT, SPARE = "velip", "exotel", "koreai"
"""The vendors of the destinations `main`, `next` and `spare`."""
BY = f"key {hashlib.sha256(key_of('acme').encode()).hexdigest()[:8]}"
ROUTES = [{"when": {"tag": "spare"}, "to": ["spare", "main"]}, {"to": ["main", "spare"]}]
Opened = Callable[..., AbstractAsyncContextManager[tuple[Gateway, httpx.AsyncClient]]]


@pytest.fixture
def opened(open_gateway: OpenGateway, vendors: Vendors, url: str) -> Opened:
    """A gateway on either database; `gone` are destinations that its configuration does not have."""

    @asynccontextmanager
    async def open_it(
        gone: str = "", routes: list[dict[str, Any]] = ROUTES, limits: dict[str, int] | None = None
    ) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
        every = {
            "main": destination(vendors[MAIN]),
            "next": destination(vendors[NEXT], limits=LIMITS | (limits or {})),
            "spare": destination(vendors[SPARE]),
        }
        kept = {name: one for name, one in every.items() if name != gone}
        async with open_gateway({"acme": Tenant(kept, routes)}, database=url) as gateway:
            yield gateway, await gateway.client("acme")

    return open_it


async def put(client: httpx.AsyncClient, source: str = "main", **body: Any) -> httpx.Response:
    return await client.put(f"/v1/reroutings/{source}", json=body)


async def switched(client: httpx.AsyncClient, source: str = "main", **body: Any) -> dict[str, Any]:
    answer = await put(client, source, **body)
    assert answer.status_code == 200, answer.text
    return masked(answer.json())


def change(mode: str, target: str = "next", source: str = "main", **fields: Any) -> dict[str, Any]:
    told = {"source": source, "target": target, "mode": mode, "percent": None, "in_force": mode != "off"}
    return told | {"migration": None, "by": BY, "at": "<time>"} | fields


def phones(ledger: Ledger) -> list[str]:
    return [phone.lstrip("+") for one in ledger.lists.values() for phone in one.phones]


def digits(number: int, first: int = 1) -> list[str]:
    return [one["phone"][1:] for one in people(number, first)]


def went_to(one: dict[str, Any]) -> dict[str, int]:
    return {each["destination"]: each["counts"]["accepted"] for each in one["deliveries"]}


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


ODD = [
    {**people(1, first=501)[0], "id": "A-1"},  # the target has no place for an id
    {**people(1, first=502)[0], "first_name": 'An"a'},
    {**people(1, first=503)[0], "attributes": {"plan": "a\nb"}},  # which the target refuses
    {"phone": "12"},
]


async def test_a_shadow_sees_what_a_preview_shows_and_sends_nothing(
    opened: Opened, ledger: Callable[[str], Ledger]
) -> None:
    crowd = [*people(250), *ODD]
    async with opened(limits={"batch_size": 40, "contacts_per_list": 100, "requests_per_minute": 3}) as (_, client):
        shown = await client.post("/v1/preview", json=a_list("main", contacts=crowd, destinations=["next"]))
        (preview,) = shown.json()["destinations"]
        assert ledger(NEXT).requests == []
        assert await switched(client, target="next", mode="shadow") == change("shadow")
        one = await create(client, "main", contacts=crowd)
        assert went_to(one) == {"main": one["counts"]["accepted"]}
        refused = [each["faults"][0]["code"] for each in preview["rejected"]]
        found = masked((await client.get("/v1/reroutings/main")).json())
        of_one = {
            "target": "next",
            "since": "<time>",
            "lists": 1,
            "contacts": 253,
            "carried": preview["contacts"],
            "refused": {code: refused.count(code) for code in refused},
            "losses": preview["losses"],
            "remote_lists": preview["remote_lists"],
            "requests": preview["calls"],
            "bytes": sum(each["body_bytes"] for each in preview["requests"]),
            "seconds": preview["seconds"],
            "failed": {},
        }
        assert found == {"source": "main", "in_force": change("shadow"), "shadow": of_one}
        assert (of_one["remote_lists"], of_one["requests"] > 6, of_one["seconds"] > 0) == (3, True, True)
        assert [(each["field"], each["contacts"]) for each in of_one["losses"]] == [("id", 1)]
        assert (of_one["carried"], of_one["refused"]) == (252, {"value.unsafe_for_vendor": 1})
        assert one["counts"] == counts(accepted=253, rejected=1)
        await create(client, "spare", contacts=people(1, first=901))
        assert masked((await client.get("/v1/reroutings/main")).json()) == found, "that was for another destination"
        more = people(1, first=902)
        shown = await client.post("/v1/preview", json=a_list("main", contacts=more, destinations=["next"]))
        calls = shown.json()["destinations"][0]["calls"]
        answer = await client.post(f"{LISTS}/{one['id']}/contacts", json={"contacts": ODD[:1] + more})
        assert answer.status_code == 201
        total = (await client.get("/v1/reroutings/main")).json()["shadow"]
        assert (total["lists"], total["contacts"], total["requests"]) == (2, 254, of_one["requests"] + calls)
    assert ledger(NEXT).requests == []


async def test_a_shadow_sees_whom_the_source_refused_and_whom_its_fallback_got(
    opened: Opened, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    async with opened(routes=[{"to": ["next", "spare"]}]) as (_, client):
        await switched(client, "next", target="main", mode="shadow")
        one = await create(client, None, contacts=[*people(2), ODD[2]])
        assert (one["counts"], went_to(one)) == (counts(accepted=2, rejected=1), {"next": 2})
        vendors[NEXT].simulation.break_next("rate_limited", times=50)
        one = await create(client, None, contacts=people(1, first=11))
        assert went_to(one) == {"next": 0, "spare": 1}
        report = (await client.get("/v1/reroutings/next")).json()["shadow"]
        assert (report["lists"], report["contacts"], report["carried"], report["refused"]) == (2, 4, 4, {})
    assert ledger(MAIN).requests == []


async def test_a_list_that_the_target_cannot_take_is_delivered_and_told(
    opened: Opened, ledger: Callable[[str], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("planted: Ana")

    async with opened() as (gateway, client):
        await switched(client, target="next", mode="shadow")
        odd = {"on_loss": "refuse", "contacts": [{**people(1)[0], "id": "A-1"}]}
        preview = await client.post("/v1/preview", json=a_list("main", **odd, destinations=["next", "main"]))
        refused, taken = (each["refused"] for each in preview.json()["destinations"])
        assert (refused is not None, taken) == (True, None), "a list that only the target refuses"
        assert went_to(await create(client, "main", **odd)) == {"main": 1}
        with monkeypatch.context() as patched:
            patched.setattr(shadowing, "rehearsed", broken)
            one = await create(client, "main", contacts=people(2, first=11))
        assert (one["state"], went_to(one)) == ("delivered", {"main": 2})
        assert (phones(ledger(MAIN)), ledger(NEXT).requests) == ([*digits(1), *digits(2, first=11)], [])
        report = (await client.get("/v1/reroutings/main")).json()["shadow"]
        crash = "the rehearsal failed (ValueError); the gateway's log has the details"
        assert report["failed"] == {refused: 1, crash: 1}
        assert (report["lists"], report["contacts"], report["carried"], report["requests"]) == (2, 3, 0, 0)
        assert "planted" not in repr(await gateway.table("shadows"))
        ended = [(each["kind"], each["state"]) for each in await gateway.table("operations")]
        assert ended == [("create", "succeeded")] * 2


async def test_a_shadow_of_an_operation_that_runs_again_is_counted_once(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    async def twice(*arguments: Any) -> None:
        begun.append(arguments)
        for _ in range(2):
            await shadow(*arguments)

    shadow = shadowing.shadow
    monkeypatch.setattr(shadowing, "shadow", twice)
    async with opened() as (_, client):
        await switched(client, target="next", mode="shadow")
        await create(client, "main")
        assert len(begun) == 1
        report = (await client.get("/v1/reroutings/main")).json()["shadow"]
        assert (report["lists"], report["contacts"]) == (1, 2)


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
