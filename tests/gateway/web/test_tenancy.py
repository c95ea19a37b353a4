"""A tenant sees nothing of another tenant, not even that it exists; without a key nobody sees anything."""

from typing import Any

import httpx
import pytest

from gateway.web.table import PASSTHROUGH, PASSTHROUGH_METHODS, TABLE
from tests.gateway.conftest import Gateway
from tests.gateway.web.shapes import LISTS, a_list, create, finished, people, problem, refusal

BODIES: dict[tuple[str, str], Any] = {
    ("PATCH", "/v1/contact-lists/{list_id}"): {"name": "Mine now"},
    ("POST", "/v1/contact-lists/{list_id}/contacts"): {"contacts": people(1)},
    ("POST", "/v1/contact-lists/{list_id}/resolve"): {"delivery": "dl_x", "as": "accepted"},
    ("POST", "/v1/migrations/{migration_id}/resolve"): {"as": "quiet"},
    ("POST", "/v1/migrations/{migration_id}/rollback"): {},
}
CALLS = [(one.method, one.path) for one in TABLE]
OWNED = [call for call in CALLS if "{" in call[1] and "{adapter}" not in call[1]]
EVERY = [*CALLS, *((method, PASSTHROUGH) for method in PASSTHROUGH_METHODS)]


def ids(call: tuple[str, str]) -> str:
    return " ".join(call)


@pytest.mark.parametrize("call", OWNED, ids=ids)
async def test_what_another_tenant_owns_is_as_absent_as_what_nobody_owns(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, gateway: Gateway, call: tuple[str, str]
) -> None:
    method, path = call
    accepted = await acme.post(LISTS, json=a_list("velip"), headers={"Prefer": "respond-async"})
    theirs = accepted.json()
    await finished(acme, accepted.headers["location"])
    person = (await acme.get(f"{LISTS}/{theirs['id']}/contacts")).json()["items"][0]["contact_id"]
    plan = {"source": {"list": theirs["id"]}, "target": "koreai"}
    real = {
        "list_id": theirs["id"],
        "contact_id": person,
        "operation_id": theirs["operation"]["id"],
        "name": "velip",
        "destination": "velip",
        "migration_id": (await acme.post("/v1/migrations", json=plan)).json()["id"],
        "remote_list": "70123",
    }
    answers = [
        await globex.request(method, path.format(**names), json=BODIES.get(call))
        for names in (real, dict.fromkeys(real, "nobody-has-this"))
    ]
    for answer in answers:
        assert problem(answer) == refusal(404, "not_found")
    details = [answer.json()["detail"].replace("velip", "X").replace("nobody-has-this", "X") for answer in answers]
    assert details[0] == details[1]
    assert len((await acme.get(f"{LISTS}/{theirs['id']}/contacts")).json()["items"]) == 2


async def test_a_page_of_lists_shows_only_ones_own(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    mine, theirs = (await create(acme))["id"], (await create(globex, contacts=people(1)))["id"]
    for client, own, other in ((acme, mine, theirs), (globex, theirs, mine)):
        seen = {one["id"] for one in (await client.get(LISTS, params={"limit": 1000})).json()["items"]}
        assert (own in seen, other in seen) == (True, False)


async def test_a_destination_of_another_tenant_cannot_be_named(globex: httpx.AsyncClient, gateway: Gateway) -> None:
    before = await gateway.rows()
    for path in (LISTS, "/v1/preview"):
        body = a_list("velip") if path == LISTS else a_list(None, destinations=["velip"])
        answer = await globex.post(path, json=body)
        assert problem(answer) == refusal(422, "destination.unknown")
        assert answer.json()["detail"] == "velip is not a destination; there are: exotel"
    assert [one["name"] for one in (await globex.get("/v1/destinations")).json()["items"]] == ["exotel"]
    assert await gateway.rows() == before


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        (None, "auth.missing"),
        ("", "auth.missing"),
        ("Bearer", "auth.missing"),
        ("Basic a2V5OmtleQ==", "auth.missing"),
        ("key-of-acme-0123456789", "auth.missing"),
        ("Bearer key-of-acme-0123456788", "auth.unknown_key"),
        ("Bearer key-of-acme-0123456789 x", "auth.unknown_key"),
        ("Bearer \xe9", "auth.unknown_key"),
    ],
)
async def test_a_call_without_a_known_key_is_a_401(gateway: Gateway, authorization: str | None, code: str) -> None:
    nobody = await gateway.client(None)
    headers = [] if authorization is None else [("Authorization", authorization.encode("latin-1"))]
    answer = await nobody.get(LISTS, headers=headers)
    assert problem(answer) == refusal(401, code)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("call", EVERY, ids=ids)
async def test_every_call_wants_a_key(gateway: Gateway, call: tuple[str, str]) -> None:
    nobody = await gateway.client(None)
    before = await gateway.rows()
    answer = await nobody.request(call[0], call[1].replace("{path:path}", "x"), json=BODIES.get(call))
    assert problem(answer) == refusal(401, "auth.missing")
    assert await gateway.rows() == before
