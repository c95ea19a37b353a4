"""The short way of small lists: it leaves what the long way leaves, in two commits; and when it is not taken."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from gateway import express
from gateway.canonical import Outcome
from gateway.contract import Item, Opened, Receipt
from gateway.store.schema import metadata
from tests.gateway.conftest import Gateway, Vendors
from tests.gateway.web.shapes import LISTS, a_list, counts, create, finished, masked, people

MIXED = [*people(3, tag="a"), {"phone": "12"}, {"phone": "+5511990000001"}]
"""Three contacts, one without a number, and one that repeats the first."""


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way each list took."""
    taken: list[str] = []
    real = express.create

    async def watched(*arguments: Any) -> Any:
        ended = await real(*arguments)
        taken.append({express.Delivered: "short", type(None): "long"}.get(type(ended), "handed on"))
        return ended

    monkeypatch.setattr(express, "create", watched)
    return taken


def long_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(express, "MOST", 0)


async def stored(gateway: Gateway, shown: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Every row about a list, without what differs from run to run."""
    (delivery,) = shown["deliveries"]
    (remote,) = delivery["remote_lists"]
    operations = [one for one in await gateway.table("operations") if one["list_id"] == shown["id"]]
    mine = {"list_id": [shown["id"]], "delivery_id": [delivery["id"]]}
    mine["operation_id"] = [one["id"] for one in operations]
    found: dict[str, list[dict[str, Any]]] = {"operations": operations}
    found["lists"] = [one for one in await gateway.table("lists") if one["id"] == shown["id"]]
    for name in ("chunks", "deliveries", "remote_lists", "attempts", "idempotency"):
        column = next(column for column in mine if column in metadata.tables[name].c)
        found[name] = [one for one in await gateway.table(name) if one[column] in mine[column]]
    for one in found["idempotency"]:
        one["body"] = one["body"].decode()
    for rows in found.values():
        for row in rows:
            for column in {"no", "id", "digest", "key"} & row.keys() - ({"no"} if "body" in row else set()):
                del row[column]
    text = {name: [masked(row) for row in rows] for name, rows in found.items()}
    left = _without(text, remote["id"])
    return {name: sorted(rows, key=repr) for name, rows in left.items()}  # a table has no order of its own


def _without(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {name: _without(member, text) for name, member in value.items()}
    if isinstance(value, list):
        return [_without(member, text) for member in value]
    if isinstance(value, bytes):
        return value.replace(text.encode(), b"<remote>")
    return value.replace(text, "<remote>") if isinstance(value, str) else value


async def test_it_leaves_what_the_long_way_leaves(
    acme: httpx.AsyncClient, gateway: Gateway, vendors: Vendors, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    body, key = a_list("velip", contacts=MIXED), {"Idempotency-Key": '"k-1"'}
    short = await acme.post(LISTS, json=body, headers=key)
    again = await acme.post(LISTS, json=body, headers=key)
    assert (again.json(), again.headers["idempotent-replayed"]) == (short.json(), "true")
    assert again.headers["location"] == short.headers["location"]
    long_way(monkeypatch)
    long = await acme.post(LISTS, json=body, headers={"Idempotency-Key": '"k-2"'})
    assert ways == ["short", "long", "long"], "the second is the repeated request"
    assert short.json()["counts"] == counts(accepted=3, rejected=1, duplicate=1)
    left = [await stored(gateway, one.json()) for one in (short, long)]
    assert {name: len(rows) for name, rows in left[0].items()} == {
        "operations": 1,
        "lists": 1,
        "chunks": 3,
        "deliveries": 1,
        "remote_lists": 1,
        "attempts": 1,
        "idempotency": 1,
    }
    assert left[0] == left[1]
    assert len(vendors["velip"].simulation.ledger.lists) == 2


REFUSED_BY_ADAPTERS = [
    {"phone": "+34612345678"},
    {"phone": "+5511990000077", "attributes": {"note": 'say "\\'}},
]


@pytest.mark.parametrize("vendor", ["velip", "voximplant", "indigitall", "exotel"])
async def test_the_answer_is_what_a_look_shows(
    acme: httpx.AsyncClient, gateway: Gateway, ways: list[str], vendor: str
) -> None:
    """It is made of what is known, and not read back: rows that are none, refused contacts and all."""
    contacts = [*MIXED, *REFUSED_BY_ADAPTERS]
    body = a_list(vendor, contacts=contacts, description="why", reference=f"r-{vendor}", activation={"mode": "start"})
    short = await acme.post(LISTS, json=body)
    assert (short.status_code, ways) == (201, ["short"]), short.text
    assert short.json()["counts"]["rejected"] >= 1
    assert short.json() == (await acme.get(short.headers["location"])).json()


async def test_the_answer_is_what_a_look_shows_when_the_vendor_refuses_some(
    acme: httpx.AsyncClient, gateway: Gateway, ways: list[str]
) -> None:
    velip = gateway.host.registry.adapters["velip"]
    real = velip.deliver
    assert real is not None

    def refusing(job: Any, batch: Any) -> Any:
        opened = yield from real(job, batch)
        receipt = Receipt({batch.contacts[1].key: Item(Outcome.REJECTED)}, Outcome.ACCEPTED, "one was refused")
        return Opened(opened.remote, receipt)

    object.__setattr__(velip, "deliver", refusing)
    try:
        short = await acme.post(LISTS, json=a_list("velip", contacts=MIXED))
    finally:
        object.__setattr__(velip, "deliver", real)
    assert (ways, short.json()["state"]) == (["short"], "partial")
    assert short.json()["counts"] == counts(accepted=2, rejected=2, duplicate=1)
    assert short.json() == (await acme.get(short.headers["location"])).json()


async def test_it_takes_two_commits(
    acme: httpx.AsyncClient, gateway: Gateway, ways: list[str], commits: list[None]
) -> None:
    await create(acme, "velip")
    commits.clear()
    answer = await acme.post(LISTS, json=a_list("velip"), headers={"Idempotency-Key": '"two-commits"'})
    assert (answer.status_code, ways[-1]) == (201, "short")
    assert len(commits) <= 2 + 1, "one more is the look for dead processes, once a second"


UNCLEAR, LOOK = ("create", "unknown"), ("look_up", "accepted")
ABSENT = [UNCLEAR, *[LOOK] * 4, ("create", "accepted")]
STRAYS = {
    "drop_after": [UNCLEAR, LOOK],
    "drop_before": ABSENT,
    "error_before": ABSENT,
    "garbage": [UNCLEAR, LOOK],
}


@pytest.mark.parametrize("fault", STRAYS)
async def test_what_does_not_go_straight_goes_on_the_long_way(
    acme: httpx.AsyncClient, vendors: Vendors, ways: list[str], fault: str
) -> None:
    """It is looked up, and sent a second time only where the first is proven to be absent."""
    velip = vendors["velip"].simulation
    velip.break_next(fault)
    found = (await acme.post(LISTS, json=a_list("velip", 3), headers={"Prefer": "wait=30"})).json()
    assert (ways, found["state"]) == (["handed on"], "delivered")
    assert (found["counts"], len(velip.ledger.lists)) == (counts(accepted=3), 1)
    told = [(one["step"], one["verdict"]) for one in found["deliveries"][0]["attempts"]]
    assert told == STRAYS[fault]


async def test_a_caller_who_does_not_wait_that_long_is_told_where_to_look(
    acme: httpx.AsyncClient, vendors: Vendors, ways: list[str]
) -> None:
    velip = vendors["velip"].simulation
    held = velip.hold()
    headers = {"Idempotency-Key": '"k-3"', "Prefer": "wait=1"}
    answer = await acme.post(LISTS, json=a_list("velip"), headers=headers)
    assert (answer.status_code, ways) == (202, ["handed on"])
    assert answer.json()["counts"] == counts(pending=2)
    held.released.set()
    await finished(acme, answer.headers["location"])
    listed = (await acme.get(f"{LISTS}/{answer.json()['id']}")).json()
    assert (listed["state"], listed["counts"]) == ("delivered", counts(accepted=2))
    again = await acme.post(LISTS, json=a_list("velip"), headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, listed["id"])
    assert len(velip.ledger.lists) == 1


async def test_of_requests_with_one_key_at_once_one_acts(
    acme: httpx.AsyncClient, vendors: Vendors, ways: list[str]
) -> None:
    body, headers = a_list("velip"), {"Idempotency-Key": '"k-4"'}
    answers = await asyncio.gather(*(acme.post(LISTS, json=body, headers=headers) for _ in range(8)))
    assert {one.status_code for one in answers} <= {201, 409}
    assert len({one.json()["id"] for one in answers if one.status_code == 201}) == 1
    assert (len(vendors["velip"].simulation.ledger.lists), ways.count("short")) == (1, 1)


@pytest.mark.parametrize("why", ["suppressed", "two deliveries", "a reference that is taken", "held"])
async def test_the_long_way_is_taken_when(acme: httpx.AsyncClient, vendors: Vendors, ways: list[str], why: str) -> None:
    body = a_list("velip")
    if why == "suppressed":
        said = await acme.put("/v1/suppressions", json={"phones": [body["contacts"][0]["phone"]]})
        assert said.status_code == 200, said.text
    elif why == "a reference that is taken":
        body["reference"] = "r-1"
        await create(acme, "velip", reference="r-1")
        ways.clear()
    elif why == "held":
        body |= {"destination": "voximplant", "activation": {"mode": "hold"}}
    else:
        del body["destination"]
    answer = await acme.post(LISTS, json=body)
    assert ways == ["long"]
    if why == "suppressed":
        assert answer.json()["counts"] == counts(accepted=1, suppressed=1)
        await acme.delete("/v1/suppressions", params={"all": "true"})
    elif why == "a reference that is taken":
        assert answer.status_code == 409
        assert len(vendors["velip"].simulation.ledger.lists) == 1


async def test_a_commit_whose_end_nobody_heard_is_not_done_once_more(
    acme: httpx.AsyncClient, vendors: Vendors, ways: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: Any) -> None:
        raise OperationalError("COMMIT", None, Exception("the connection broke"))

    monkeypatch.setattr(express.attempts, "leave", lost)
    answer = await acme.post(LISTS, json=a_list("velip", contacts=people(2, first=500)))
    assert answer.status_code >= 500
    assert (ways, len(vendors["velip"].simulation.ledger.lists)) == ([], 0)
