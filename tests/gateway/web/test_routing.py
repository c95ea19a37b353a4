"""Routes: by country, by a sticky share, and the fallback that is used only after a proven nothing. Explained too."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from tests.gateway.conftest import Gateway, Vendors
from tests.gateway.web.shapes import LISTS, a_list, counts, create, masked, people

INDIA, AMERICA = {"phone": "+919876543210"}, {"phone": "+12125550123"}


def by_destination(one: dict[str, Any]) -> dict[str, tuple[str, dict[str, int]]]:
    return {each["destination"]: (each["state"], each["counts"]) for each in one["deliveries"]}


async def test_one_list_fans_out_by_country_and_who_has_no_route_is_rejected(
    routed: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    one = await create(routed, None, contacts=[*people(2), INDIA, AMERICA])
    assert (one["state"], one["counts"]) == ("delivered", counts(accepted=3, rejected=1))
    assert by_destination(one) == {
        "velip": ("delivered", counts(accepted=2)),
        "exotel": ("delivered", counts(accepted=1)),
    }
    (velip,), (exotel,) = ledger("velip").lists.values(), ledger("exotel").lists.values()
    assert (velip.phones, exotel.phones) == ([each["phone"][1:] for each in people(2)], [INDIA["phone"]])
    (left,) = (await routed.get(f"{LISTS}/{one['id']}/rejections")).json()["items"]
    assert (left["phone"], [fault["code"] for fault in left["faults"]]) == (AMERICA["phone"], ["route.none"])


async def test_a_share_is_sticky_for_every_number(
    routed: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    shares = []
    for number in range(2):
        for vendor in vendors.values():
            vendor.simulation.reset()
        one = await create(routed, None, reference=f"canary-{number}", number=200)
        assert one["counts"] == counts(accepted=200)
        found = {name: {phone for each in ledger(name).lists.values() for phone in each.phones} for name in vendors}
        assert len(found["velip"]) + len(found["koreai"]) == 200
        shares.append(found["velip"])
        assert (await routed.delete(f"{LISTS}/{one['id']}")).status_code == 200
    assert shares[0] == shares[1]
    assert 35 <= len(shares[0]) <= 85, "30 % of 200, give or take five deviations"


@pytest.mark.parametrize(
    ("reference", "fault", "status", "attempts"),
    [("refused-1", None, None, 3), ("storm-1", "rate_limited", 429, 3)],
    ids=["connection refused", "429 without end"],
)
async def test_the_fallback_is_used_when_the_first_provably_took_nothing(
    routed: httpx.AsyncClient,
    vendors: Vendors,
    ledger: Callable[[str], Ledger],
    reference: str,
    fault: str | None,
    status: int | None,
    attempts: int,
) -> None:
    if fault:
        vendors["exotel"].simulation.break_next(fault, times=50)
    one = await create(routed, None, reference=reference)
    assert (one["state"], one["counts"]) == ("delivered", counts(accepted=2))
    first, second = one["deliveries"]
    assert (first["state"], first["counts"], first["superseded_by"]) == ("failed", counts(), second["id"])
    assert [(each["verdict"], each["status"]) for each in first["attempts"]] == [("not_sent", status)] * attempts
    assert first["detail"]
    assert (second["destination"], second["state"], second["superseded_by"]) == ("koreai", "delivered", None)
    assert ledger("exotel").lists == {}
    assert [len(each.phones) for each in ledger("koreai").lists.values()] == [2]


async def test_a_refusal_of_the_credentials_is_a_proven_nothing_too(
    routed: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    vendors["exotel"].simulation.credentials = dict(vendors["exotel"].simulation.credentials, api_token="another")
    try:
        one = await create(routed, None, reference="storm-key")
    finally:
        del vendors["exotel"].simulation.credentials
    assert [(each["destination"], each["state"]) for each in one["deliveries"]] == [
        ("exotel", "failed"),
        ("koreai", "delivered"),
    ]
    assert [(each["verdict"], each["status"]) for each in one["deliveries"][0]["attempts"]] == [("rejected", 401)]
    assert (ledger("exotel").lists, len(ledger("koreai").lists)) == ({}, 1)


async def test_an_unknown_outcome_never_falls_back(
    routed: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    vendors["indigitall"].simulation.break_next("drop_after")
    one = await create(routed, None, reference="doubt-1", activation={"mode": "start"})
    assert (one["state"], one["counts"]) == ("unknown", counts(unknown=2))
    assert by_destination(one) == {"indigitall": ("unknown", counts(unknown=2))}
    assert (len(ledger("indigitall").calls), len(ledger("indigitall").requests)) == (2, 1)
    assert ledger("koreai").requests == []


async def test_a_list_that_fits_no_destination_at_all_ends_as_safe_to_send_again(
    routed: httpx.AsyncClient, vendors: Vendors
) -> None:
    for name in ("exotel", "koreai"):
        vendors[name].simulation.break_next("rate_limited", times=50)
    one = await create(routed, None, reference="storm-2")
    assert (one["state"], one["counts"]) == ("failed", counts(rejected=2))
    assert [(each["state"], each["counts"]["received"]) for each in one["deliveries"]] == [("failed", 0), ("failed", 2)]
    found = (await routed.get(f"{LISTS}/{one['id']}/rejections")).json()["items"]
    assert [[fault["code"] for fault in each["faults"]] for each in found] == [["delivery.not_sent"]] * 2


async def test_explain_says_of_every_route_whom_it_takes_and_why_not_the_others(
    routed: httpx.AsyncClient, gateway: Gateway, vendors: Vendors
) -> None:
    before = await gateway.rows()
    answer = await routed.post("/v1/routes/explain", json=a_list(None, contacts=[*people(2), INDIA, AMERICA]))
    assert answer.status_code == 200, answer.text
    unlike = "reference is absent, the route wants "
    assert answer.json() == {
        "received": 4,
        "routes": [
            {"route": 0, "destinations": ["nowhere", "koreai"], "takes": 0, "why": {f"{unlike}refused-*": 4}},
            {"route": 1, "destinations": ["exotel", "koreai"], "takes": 0, "why": {f"{unlike}storm-*": 4}},
            {"route": 2, "destinations": ["indigitall", "koreai"], "takes": 0, "why": {f"{unlike}doubt-*": 4}},
            {"route": 3, "destinations": ["velip"], "takes": 0, "why": {f"{unlike}canary-*": 4}},
            {"route": 4, "destinations": ["koreai"], "takes": 0, "why": {f"{unlike}canary-*": 4}},
            {
                "route": 5,
                "destinations": ["exotel"],
                "takes": 1,
                "why": {
                    "country is BR, the route wants IN": 2,
                    "every condition holds": 1,
                    "country is US, the route wants IN": 1,
                },
            },
            {
                "route": 6,
                "destinations": ["velip", "koreai"],
                "takes": 2,
                "why": {
                    "every condition holds": 2,
                    "an earlier route takes the contact": 1,
                    "country is US, the route wants BR": 1,
                },
            },
        ],
        "unrouted": 1,
    }
    assert await gateway.rows() == before
    assert all(each.simulation.ledger.requests == [] for each in vendors.values())


async def test_a_destination_of_the_request_overrides_every_route(routed: httpx.AsyncClient) -> None:
    body = a_list("koreai", contacts=[INDIA])
    explained = (await routed.post("/v1/routes/explain", json=body)).json()["routes"]
    assert explained[0] == {
        "route": None,
        "destinations": ["koreai"],
        "takes": 1,
        "why": {"the request names this destination": 1},
    }
    assert {each["takes"] for each in explained[1:]} == {0}
    one = (await routed.post(LISTS, json=body)).json()
    assert masked(by_destination(one)) == {"koreai": ("delivered", counts(accepted=1))}
