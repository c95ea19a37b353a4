"""A destination that only rehearses: what it would have got is told, it gets nothing, and the list goes its way."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.contract.simulation import Ledger
from gateway.migrating import shadowing
from tests.gateway.conftest import Vendors
from tests.gateway.web.rerouted import MAIN, NEXT, Opened, change, digits, phones, switched, went_to
from tests.gateway.web.shapes import LISTS, a_list, counts, create, masked, people

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
