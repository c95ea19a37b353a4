"""Whatever a vendor answers, the verdict is right, nobody is sent twice, and the reply is kept without secrets."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.contract.simulation import Ledger
from gateway.sandbox import serving
from tests.gateway.conftest import OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.shapes import LISTS, counts, create, people

STORED = {
    "garbage": (200, "}{ � not yours"),
    "html": (200, "<html><body>Welcome</body></html>"),
    "empty": (200, ""),
    "error_after": (503, "Service Unavailable"),
    "drop_after": (None, None),
}
NOT_STORED = {
    "error_before": (503, "Service Unavailable"),
    "redirect": (302, ""),
    "ok_with_error": (200, '{"return":{"status":"Erro na base ...","status_code":"230","cd_id":"0"}}'),
    "drop_before": (None, None),
}


def first_attempts(one: dict[str, Any], step: str) -> list[tuple[Any, ...]]:
    return [
        (each["verdict"], each["status"], each["reply"])
        for each in one["deliveries"][0]["attempts"]
        if each["step"] == step
    ]


@pytest.mark.parametrize("fault", STORED)
async def test_an_unclear_answer_to_a_list_that_was_stored_is_found_and_not_sent_again(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger], fault: str
) -> None:
    vendors["velip"].simulation.break_next(fault, "CreateDestinationBase")
    one = await create(acme, "velip")
    assert (one["state"], one["counts"]) == ("delivered", counts(accepted=2))
    assert first_attempts(one, "create") == [("unknown", *STORED[fault])]
    assert [len(each.phones) for each in ledger("velip").lists.values()] == [2]
    (remote,) = one["deliveries"][0]["remote_lists"]
    assert [remote["id"]] == list(ledger("velip").lists)


@pytest.mark.parametrize("fault", NOT_STORED)
async def test_an_unclear_answer_to_a_list_that_is_proven_absent_is_sent_once_more(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger], fault: str
) -> None:
    vendors["velip"].simulation.break_next(fault, "CreateDestinationBase")
    one = await create(acme, "velip")
    assert (one["state"], one["counts"]) == ("delivered", counts(accepted=2))
    unclear, sent = first_attempts(one, "create")
    assert unclear == ("unknown", *NOT_STORED[fault])
    assert sent[:2] == ("accepted", 200)
    assert [len(each.phones) for each in ledger("velip").lists.values()] == [2]


async def test_a_list_that_is_proven_absent_twice_is_given_up_as_not_sent(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    vendors["velip"].simulation.break_next("error_before", "CreateDestinationBase", times=99)
    one = await create(acme, "velip")
    assert (one["state"], one["counts"]) == ("failed", counts(rejected=2))
    assert [each[0] for each in first_attempts(one, "create")] == ["unknown", "unknown"]
    found = (await acme.get(f"{LISTS}/{one['id']}/rejections")).json()["items"]
    assert [[fault["code"] for fault in each["faults"]] for each in found] == [["delivery.not_sent"]] * 2
    assert ledger("velip").lists == {}


@pytest.mark.parametrize("fault", [*STORED, *(kind for kind in NOT_STORED if kind != "ok_with_error")])
async def test_what_cannot_be_looked_up_stays_unknown_and_is_sent_once(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger], fault: str
) -> None:
    vendors["indigitall"].simulation.break_next(fault)
    one = await create(acme, "indigitall", activation={"mode": "start"})
    assert (one["state"], one["counts"]) == ("unknown", counts(unknown=2))
    assert first_attempts(one, "send_campaign") == [("unknown", *(STORED | NOT_STORED)[fault])]
    assert len(ledger("indigitall").requests) == 1
    assert len(ledger("indigitall").calls) == (2 if fault in STORED else 0)


async def test_a_reply_is_kept_without_the_secrets_and_numbers_that_it_echoes(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    """A vendor that gives back whatever it got: token, numbers, and a NUL that no database takes."""
    heard: list[str] = []

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        heard.append((await request.body()).decode())
        text = f"{request.headers['authorization']}\n{heard[-1]}\n\0{'x' * 5_000}"
        await Response(text, 500)(scope, receive, send)

    token = vendors["velip"].simulation.credentials["tsid"]
    async with serving(echo) as url:
        tenants = {"acme": Tenant({"velip": destination(vendors["velip"], base_url=url)})}
        async with open_gateway(tenants) as gateway:
            one = await create(await gateway.client("acme"), "velip", number=1)
            stored = await gateway.table("attempts")
    assert (one["state"], one["counts"]) == ("unknown", counts(unknown=1))
    verdict, status, reply = first_attempts(one, "create")[0]
    assert (verdict, status, len(reply)) == ("unknown", 500, 2_000)
    expected = heard[0].replace(token, "***").replace(people(1)[0]["phone"].lstrip("+"), "***")
    assert reply.startswith(f"Bearer ***\n{expected}\n\ufffdxxx")
    assert token in heard[0]
    assert token not in str(stored) + str(one)


async def test_a_look_up_that_fails_settles_nothing(
    acme: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    vendors["velip"].simulation.break_next("drop_after", "CreateDestinationBase")
    vendors["velip"].simulation.break_next("html", "GetDestinationsList", times=99)
    one = await create(acme, "velip")
    assert (one["state"], one["counts"]) == ("unknown", counts(unknown=2))
    assert len(ledger("velip").lists) == 1


async def test_a_count_that_falls_short_is_never_a_guess_about_rows(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    vendors["velip"].simulation.break_next("drop_row", "CreateDestinationBase")
    one = await create(acme, "velip", number=3)
    assert (one["state"], one["counts"]) == ("unknown", counts(unknown=3))
    found = (await acme.get(f"{LISTS}/{one['id']}/contacts")).json()["items"]
    assert {each["detail"] for each in found} == {"sent 3, the vendor counts 2"}


async def test_the_right_body_under_a_wrong_content_type_is_read(acme: httpx.AsyncClient, vendors: Vendors) -> None:
    vendors["velip"].simulation.break_next("wrong_type", "CreateDestinationBase")
    assert (await create(acme, "velip"))["state"] == "delivered"
