"""Destinations, checks, vendors, the pass-through, and the pages that are open to all."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract import Verb
from gateway.contract.simulation import Ledger
from gateway.registry import Registry
from tests.gateway.conftest import LIMITS, Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.shapes import create, masked, problem, refusal


async def test_destinations_are_shown_with_their_limits_and_without_credentials(
    globex: httpx.AsyncClient, vendors: Vendors, registry: Registry
) -> None:
    own = registry.adapters["exotel"].limits
    answer = await globex.get("/v1/destinations")
    assert answer.json() == {
        "items": [
            {
                "name": "exotel",
                "adapter": "exotel",
                "base_url": vendors["exotel"].base_url,
                "limits": {
                    "concurrency": own.concurrency,
                    "page_size": own.page_size,
                    "batch_size": own.batch_size,
                    "contacts_per_list": own.contacts_per_list,
                }
                | LIMITS,
                "locked": None,
                "circuit": {"state": "closed", "detail": ""},
            }
        ],
        "next_cursor": None,
    }
    for secret in vendors["exotel"].simulation.credentials.values():
        assert secret not in answer.text


@pytest.mark.parametrize("vendor", ["exotel", "indigitall", "koreai", "velip", "voximplant"])
async def test_a_check_proves_address_and_credentials_and_changes_nothing(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    answer = await acme.post(f"/v1/destinations/{vendor}/check")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["destination"], found["ok"], found.keys()) == (vendor, True, {"destination", "ok", "facts"})
    assert len(ledger(vendor).requests) == 1
    assert (ledger(vendor).lists, ledger(vendor).calls) == ({}, [])


@pytest.mark.parametrize("fault", ["rate_limited", "error_before", "html", "garbage", "drop_before"])
async def test_a_check_that_finds_nothing_out_may_be_repeated(
    acme: httpx.AsyncClient, vendors: Vendors, fault: str
) -> None:
    vendors["koreai"].simulation.break_next(fault, times=9)
    answer = await acme.post("/v1/destinations/koreai/check")
    assert problem(answer) == refusal(503, "vendor.not_sent", "not_sent", retryable=True)


async def test_a_check_with_wrong_credentials_is_a_refusal(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    simulation = vendors["exotel"].simulation
    simulation.credentials = dict(simulation.credentials, api_token="another")
    try:
        answer = await acme.post("/v1/destinations/exotel/check")
    finally:
        del simulation.credentials
    assert problem(answer) == refusal(502, "vendor.refused")


async def test_vendors_are_shown_with_what_they_can_do(globex: httpx.AsyncClient, registry: Registry) -> None:
    page = (await globex.get("/v1/vendors")).json()
    assert [one["name"] for one in page["items"]] == list(registry.adapters)
    for one in page["items"]:
        adapter = registry.adapters[one["name"]]
        assert (await globex.get(f"/v1/vendors/{one['name']}")).json() == one
        assert one["verbs"] == {
            verb: {"support": known.support, "note": known.note, "evidence": known.evidence}
            for verb in Verb
            for known in [adapter.capability(verb)]
        }
        assert one["options"]["properties"].keys() == adapter.options.model_fields.keys()
        assert one["credentials"] == list(adapter.credentials.model_fields)
    assert problem(await globex.get("/v1/vendors/nobody")) == refusal(404, "not_found")


async def test_a_passthrough_call_gets_our_credentials_and_is_audited_before_it_leaves(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger]
) -> None:
    await create(acme, "exotel", number=2)
    before = len(await gateway.table("audit"))
    path = "/v2/accounts/acme1/contacts"
    answer = await acme.get(f"/v1/passthrough/exotel{path}", params={"limit": "1"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["gateway-vendor-status"] == "200"
    assert len(answer.json()["response"]) == 1
    assert ledger("exotel").requests[-1] == f"GET {path}"
    (row,) = (await gateway.table("audit"))[before:]
    assert {name: value for name, value in masked(row).items() if name != "id"} == {
        "tenant": "acme",
        "destination": "exotel",
        "method": "GET",
        "path": path,
        "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "status": 200,
        "at": "<time>",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "exotel/v2/accounts/acme1/lists"),
        ("POST", "exotel/v2/accounts/acme1/contacts"),
        ("DELETE", "exotel/v2/accounts/acme1/contacts"),
        ("GET", "exotel/v2/accounts/acme1/contacts/../lists"),
        ("GET", "exotel/v2/accounts/acme1/contacts/%2e%2e/lists"),
        ("GET", "exotel/v2/accounts/acme1/contacts%3Fx=1"),
        ("GET", "exotel/v2/accounts/acme1/contacts%00"),
        ("GET", "exotel//v2/accounts/acme1/contacts"),
        ("POST", "velip/GetDestinationsList"),
        ("POST", "velip/CreateDestinationBase"),
        ("POST", "voximplant/CreateCallList"),
        ("GET", "indigitall/v1/chat/contacts"),
    ],
)
async def test_a_passthrough_call_that_is_not_on_the_allow_list_never_leaves(
    acme: httpx.AsyncClient, gateway: Gateway, vendors: Vendors, method: str, path: str
) -> None:
    before = await gateway.rows("audit")
    url = httpx.URL(gateway.url).copy_with(raw_path=f"/v1/passthrough/{path}".encode())
    answer = await acme.request(method, url)
    assert problem(answer) == refusal(403, "passthrough.not_allowed")
    assert all(one.simulation.ledger.requests == [] for one in vendors.values())
    assert await gateway.rows("audit") == before


@pytest.mark.parametrize(
    ("fault", "status"), [("rate_limited", 429), ("error_before", 503), ("redirect", 302), ("html", 200)]
)
async def test_a_passthrough_answer_is_the_vendors_own(
    acme: httpx.AsyncClient, vendors: Vendors, fault: str, status: int
) -> None:
    vendors["exotel"].simulation.break_next(fault)
    answer = await acme.get("/v1/passthrough/exotel/v2/accounts/acme1/contacts")
    assert (answer.status_code, answer.headers["gateway-vendor-status"]) == (status, str(status))
    assert "location" not in answer.headers


async def test_a_passthrough_call_without_an_answer_is_a_504_and_stands_in_the_audit(
    acme: httpx.AsyncClient, gateway: Gateway, vendors: Vendors
) -> None:
    vendors["exotel"].simulation.break_next("drop_after")
    answer = await acme.delete("/v1/passthrough/exotel/v2/accounts/acme1/contacts/abc")
    assert problem(answer) == refusal(504, "vendor.unclear", "unknown")
    last = (await gateway.table("audit"))[-1]
    assert (last["method"], last["status"]) == ("DELETE", None)


@pytest.mark.parametrize(("path", "status"), [("/healthz", "alive"), ("/readyz", "ready")])
async def test_health_is_open_to_all(gateway: Gateway, path: str, status: str) -> None:
    nobody = await gateway.client(None)
    answer = await nobody.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": status})
    head = await nobody.head(path)
    assert (head.status_code, head.content) == (200, b"")


async def test_a_gateway_without_its_database_is_alive_and_not_ready(open_gateway: OpenGateway) -> None:
    async with open_gateway({}) as gateway:
        nobody = await gateway.client(None)
        await gateway.host.database.close()
        answer = await nobody.get("/readyz")
        assert (answer.status_code, problem(answer)["code"]) == (503, "internal")
        assert (await nobody.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"X-Forwarded-For": "127.0.0.1"}, 404),
        ({"Forwarded": "for=127.0.0.1"}, 404),
        ({"X-Forwarded-For": "10.0.0.1", "Authorization": "Bearer operator-key-0123456789"}, 200),
        ({"X-Forwarded-For": "10.0.0.1", "Authorization": "Bearer operator-key-0123456780"}, 404),
        ({"X-Forwarded-For": "10.0.0.1", "Authorization": "Bearer key-of-acme-0123456789"}, 404),
    ],
)
async def test_metrics_answer_loopback_and_the_operator(
    vendors: Vendors, open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch, headers: Any, status: int
) -> None:
    monkeypatch.setenv("TEST_OPERATOR_KEY", "operator-key-0123456789")
    tenants = {"acme": Tenant({"velip": destination(vendors["velip"])})}
    async with open_gateway(tenants, operator_key="env:TEST_OPERATOR_KEY") as gateway:
        nobody = await gateway.client(None)
        await nobody.get("/v1/contact-lists/cl_secret")
        answer = await nobody.get("/metrics", headers=headers)
        if status == 404:
            assert problem(answer) == refusal(404, "not_found")
            return
        assert answer.status_code == 200
        counted = 'gateway_http_requests_total{method="GET",route="/v1/contact-lists/{list_id}",status="401"} 1.0'
        assert counted in answer.text.splitlines()
        assert "cl_secret" not in answer.text


async def test_vendor_requests_are_counted_by_verdict(vendors: Vendors, open_gateway: OpenGateway) -> None:
    async with open_gateway({"acme": Tenant({"velip": destination(vendors["velip"])})}) as gateway:
        acme, nobody = await gateway.client("acme"), await gateway.client(None)
        await create(acme, "velip")
        vendors["velip"].simulation.break_next("drop_after")
        await create(acme, "velip")
        told = (await nobody.get("/metrics")).text.splitlines()
    attempts = 'gateway_vendor_attempts_total{adapter="velip",step="%s",verdict="%s"} %s'
    assert attempts % ("create", "accepted", "1.0") in told
    assert attempts % ("create", "unknown", "1.0") in told
    assert attempts % ("look_up", "accepted", "1.0") in told


async def test_a_gateway_that_ends_closes_its_database(open_gateway: OpenGateway) -> None:
    async with open_gateway({}) as gateway:
        assert await gateway.rows("lists") == {"lists": 0}
    with pytest.raises(RuntimeError, match="after shutdown"):
        await gateway.rows("lists")


async def test_the_pages_for_people_load_nothing_from_elsewhere(gateway: Gateway) -> None:
    nobody = await gateway.client(None)
    document = await nobody.get("/openapi.json")
    assert (document.status_code, document.json()["openapi"]) == (200, "3.1.0")
    page = await nobody.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    loads = re.findall(r"<(?:script|img|iframe|object|embed|link|base)\b|(?:src|action)\s*=|@import|url\(", page.text)
    links = [link for link in re.findall(r'href="([^"]*)"', page.text) if not link.startswith(("#", "/"))]
    assert (loads, links) == ([], [])
    for path in document.json()["paths"]:
        assert path in page.text
