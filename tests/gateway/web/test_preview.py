"""A preview shows the exact requests, sends nothing, stores nothing and needs no credentials."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway import settings
from gateway.registry import Registry
from gateway.sandbox import serving
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.shapes import LISTS, a_list, people, pointers, problem, refusal

PREVIEW = "/v1/preview"
PERSON = people(1)[0] | {"id": "A-1", "first_name": "Ana", "last_name": "Lima", "attributes": {"plan": "plus"}}


@dataclass
class Tap:
    """Hears the bytes on their way to a simulator."""

    app: Any
    heard: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()

        async def listen() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        await self.app(scope, listen, send)
        headers = {name.decode().title(): value.decode() for name, value in scope["headers"]}
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        target = scope["raw_path"].decode().partition("?")[0] + query
        self.heard.append((scope["method"], target, headers, body.decode()))


def unkeyed(text: str | None) -> str:
    """Without what differs from list to list: our key, the boundary made of it, and ids that the vendor gives."""
    text = re.sub(r"\bg[0-9a-z]{14}\b", "<key>", unquote(text or ""))
    return re.sub(r"\bgw[0-9a-f]{32}\b|\b[0-9a-f]{32}\b|/u-?[0-9a-f-]+$|cl-[0-9a-z-]+", "<id>", text)


@pytest.mark.parametrize("vendor", ["exotel", "indigitall", "koreai", "velip", "voximplant"])
async def test_what_is_previewed_is_what_is_sent(vendors: Vendors, open_gateway: OpenGateway, vendor: str) -> None:
    simulation = vendors[vendor].simulation
    tap = Tap(simulation.app)
    async with serving(tap) as url:
        there = {vendor: destination(vendors[vendor], base_url=url + simulation.base_path)}
        async with open_gateway({"acme": Tenant(there, [{"to": [vendor]}])}) as gateway:
            client = await gateway.client("acme")
            body = a_list(None, activation={"mode": "start"}, contacts=[PERSON])
            answer = await client.post(PREVIEW, json=body)
            assert answer.status_code == 200, answer.text
            assert tap.heard == []
            assert (await gateway.rows("lists", "attempts")) == {"lists": 0, "attempts": 0}
            assert (await client.post(LISTS, json=body)).json()["state"] == "delivered"
    (shown,) = answer.json()["destinations"]
    secrets = [str(secret) for secret in simulation.credentials.values()]
    sent = []
    for method, target, headers, content in tap.heard:
        for secret in secrets:
            content = content.replace(secret, "***")
        sent.append((method, unkeyed(target), unkeyed(headers.get("Content-Type")), unkeyed(content)))
    previewed = [
        (
            one["method"],
            unkeyed(one["url"].removeprefix(url)),
            unkeyed(one["headers"].get("Content-Type")),
            unkeyed(one["body"]),
        )
        for one in shown["requests"]
    ]
    # a status that is polled again is shown once
    assert previewed == [one for place, one in enumerate(sent) if one[0] != "GET" or one not in sent[:place]]
    assert shown["calls"] == len(previewed)


async def test_a_preview_of_all_destinations_stores_nothing_and_sends_nothing(
    acme: httpx.AsyncClient, gateway: Gateway, vendors: Vendors
) -> None:
    before = await gateway.rows()
    body = a_list(None, contacts=[PERSON, {"phone": "1"}, people(1)[0]], destinations="all")
    answer = await acme.post(PREVIEW, json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert {one["destination"]: (one["contacts"], one["refused"]) for one in found["destinations"]} == dict.fromkeys(
        vendors, (1, None)
    )
    assert (found["received"], found["duplicates"], found["unrouted"]) == (3, 1, 0)
    assert [(one["row"], [fault["code"] for fault in one["faults"]]) for one in found["rejected"]] == [
        (2, ["phone.invalid"])
    ]
    assert await gateway.rows() == before
    for one in vendors.values():
        assert one.simulation.ledger.requests == []
        for secret in one.simulation.credentials.values():
            assert str(secret) not in answer.text


@pytest.mark.parametrize(
    ("wanted", "names"), [(["koreai", "velip"], ["koreai", "velip"]), (["velip"], ["velip"]), ([], []), (None, [])]
)
async def test_a_preview_shows_the_destinations_that_are_asked_for(
    acme: httpx.AsyncClient, wanted: list[str] | None, names: list[str]
) -> None:
    found = (await acme.post(PREVIEW, json=a_list(None, destinations=wanted))).json()
    assert [one["destination"] for one in found["destinations"]] == names
    assert found["unrouted"] == (0 if wanted is not None else 2)


async def test_losses_are_told_before_sending_and_refused_on_demand(acme: httpx.AsyncClient, gateway: Gateway) -> None:
    body = a_list("velip", contacts=[PERSON | {"email": "ana@example.org"}], description="for May", on_loss="refuse")
    before = await gateway.rows()
    answer = await acme.post(LISTS, json=body)
    assert problem(answer) == refusal(422, "list.losses")
    assert pointers(answer) == {
        ("/description", "loss.dropped"),
        ("/contacts/*/first_name", "loss.merged"),
        ("/contacts/*/last_name", "loss.merged"),
        ("/contacts/*/email", "loss.dropped"),
    }
    assert await gateway.rows() == before
    shown = (await acme.post(PREVIEW, json=body | {"on_loss": "report"})).json()["destinations"][0]
    assert {(one["field"], one["kind"]) for one in shown["losses"]} == {
        ("description", "dropped"),
        ("first_name", "merged"),
        ("last_name", "merged"),
        ("email", "dropped"),
    }
    refused = (await acme.post(PREVIEW, json=body)).json()["destinations"][0]
    assert (refused["refused"], refused["requests"]) == ("4 losses; nothing was sent", [])


async def test_a_preview_needs_no_credentials(
    vendors: Vendors, registry: Registry, gateway: Gateway, acme: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secrets = (await acme.post(PREVIEW, json=a_list(None, destinations="all"))).json()
    without = settings.load(gateway.config, registry.adapters, secrets=False)
    assert all(one.credentials is None for one in without.tenants["acme"].destinations.values())
    keyed = settings.Config(without.path, without.server, without.tenants, gateway.host.config.keys, None)
    monkeypatch.setattr(gateway.host, "config", keyed)
    assert (await acme.post(PREVIEW, json=a_list(None, destinations="all"))).json() == with_secrets
