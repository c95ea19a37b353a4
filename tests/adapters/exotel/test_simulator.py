"""The simulator refuses what Exotel would: it must not be kinder than the vendor."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from adapters.exotel.simulator import ExotelSimulation
from adapters.exotel.simulator_rules import CEILING, Bad, contact_fields, csv_content, international

pytestmark = pytest.mark.anyio
BASE = "http://exotel.test/v2/accounts/acme1"
KEY = ("sim-key", "sim-token")


@pytest.fixture
def simulation() -> ExotelSimulation:
    return ExotelSimulation()


@pytest.fixture
async def client(simulation: ExotelSimulation) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(simulation.app), auth=KEY) as client:
        yield client


async def made(client: httpx.AsyncClient, name: str = "Spring") -> str:
    reply = await client.post(BASE + "/lists", json={"lists": [{"name": name, "tag": "t"}]})
    return str(reply.json()["response"][0]["data"]["sid"])


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        ("+919876543210", "+919876543210"),
        ("919876543210", "+919876543210"),
        ("9876543210", "+919876543210"),
        ("09876543210", "+919876543210"),
        ("+91 98765 43210", None),
        ("+91-9876543210", None),
        ("(91)9876543210", None),
        ("12", None),
        (9876543210, None),
    ],
)
def test_numbers_in_their_documented_forms(number: Any, stored: str | None) -> None:
    assert international(number) == stored


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"number,plan\n", "static", "no columns of its own"),
        (b"number,a,b,c,d,e,f\n", "dynamic", "5 variables"),
        (b"first_name\n", "static", "number is missing"),
        (b"number,due date\n", "dynamic", "special characters"),
        (b"number,tag,tag\n", "static", "twice"),
        (b"\xef\xbb\xbfnumber\n", "static", "byte-order mark"),
        (b"number\n\xff\n", "static", "UTF-8"),
        (b"", "static", "no CSV"),
        (b"number\n" + b"1" * 60_000_000, "static", "60 MB"),
    ],
)
def test_bad_files_are_refused(content: bytes, kind: str, words: str) -> None:
    with pytest.raises(Bad, match=words):
        csv_content(content, kind)


def test_a_bad_row_fails_alone() -> None:
    rows = csv_content(b"number,tag\n+919876543210,a\n+9,b\n+919876543211\n", "static")
    assert rows == [{"number": "+919876543210", "tag": "a"}, None, None]


@pytest.mark.parametrize("extra", [{"plan": "x"}, {"tag": 1}, {"custom_field": "x"}, {"number": None}])
def test_bad_contacts_are_refused(extra: dict[str, Any]) -> None:
    with pytest.raises(Bad):
        contact_fields({"number": "+919876543210", **extra})


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("POST", "/lists", {}, 400, 1001),
        ("POST", "/lists", {"lists": [{"name": "a"}], "more": 1}, 400, 1002),
        ("POST", "/contacts", {"contacts": [{"number": "+919876543210"}] * 5_001}, 400, 1002),
        ("POST", "/lists/{sid}/contacts", {"contact_references": [{"contact_sid": "x"}] * 5_001}, 400, 1002),
        ("PUT", "/lists", {"lists": [{"sid": "x"}] * 5_001}, 400, 1002),
        ("GET", "/lists/{sid}/contacts?limit=501", None, 400, 1002),
        ("GET", "/contacts?limit=21", None, 400, 1002),
        ("GET", "/lists?limit=all", None, 400, 1002),
        ("GET", "/lists?sort_by=date_created:desc", None, 400, 1002),
        ("GET", "/lists/nobody", None, 404, 1000),
        ("GET", "/csv-status/nothing", None, 404, 1000),
        ("DELETE", "/contacts/nobody", None, 404, 1000),
    ],
)
async def test_bad_calls_are_refused(
    client: httpx.AsyncClient, method: str, path: str, content: Any, status: int, code: int
) -> None:
    sid = await made(client)
    reply = await client.request(method, BASE + path.replace("{sid}", sid), json=content)
    assert (reply.status_code, reply.json()["response"]["error_data"]["code"]) == (status, code)


async def test_the_account_is_guarded(client: httpx.AsyncClient, simulation: ExotelSimulation) -> None:
    wrong = await client.get(BASE + "/lists", auth=("sim-key", "guess"))
    foreign = await client.get(BASE.replace("acme1", "acme2") + "/lists")
    no_json = await client.post(BASE + "/lists", content=b"{", headers={"content-type": "application/json"})
    text = await client.post(BASE + "/lists", content=b"{}")
    assert [one.status_code for one in (wrong, foreign, no_json, text)] == [401, 403, 400, 415]
    assert simulation.ledger.lists == {}


async def test_names_are_unique_and_only_known_contacts_are_linked(client: httpx.AsyncClient) -> None:
    sid = await made(client)
    again = await client.post(BASE + "/lists", json={"lists": [{"name": "Spring"}, {"name": "Autumn"}]})
    renamed = await client.put(BASE + "/lists", json={"lists": [{"sid": sid, "name": "Autumn"}]})
    link = {"contact_references": [{"contact_sid": "nobody"}]}
    linked = await client.post(f"{BASE}/lists/{sid}/contacts", json=link)
    assert [entry["code"] for entry in again.json()["response"]] == [409, 200]
    assert [one.json()["response"][0]["code"] for one in (renamed, linked)] == [409, 400]


async def test_a_full_list_takes_no_more(client: httpx.AsyncClient, simulation: ExotelSimulation) -> None:
    sid = await made(client)
    simulation.ledger.lists[sid].phones += ["+1"] * CEILING["static"]
    contact = await client.post(BASE + "/contacts", json={"contacts": [{"number": "+919876543210"}]})
    reference = {"contact_sid": contact.json()["response"][0]["data"]["sid"]}
    linked = await client.post(f"{BASE}/lists/{sid}/contacts", json={"contact_references": [reference]})
    assert linked.json()["response"][0]["error_data"]["description"] == "the list is full"


@pytest.mark.parametrize(
    ("data", "file", "status"),
    [
        ({"list_name": "a"}, ("a.csv", b"number\n+919876543210\n", "text/csv"), 200),
        ({}, ("a.csv", b"number\n", "text/csv"), 400),
        ({"list_name": "a", "type": "other"}, ("a.csv", b"number\n", "text/csv"), 400),
        ({"list_name": "a"}, ("a.csv", b"number\n", "application/json"), 400),
        ({"list_name": "Spring", "type": "dynamic"}, ("a.csv", b"number\n", "text/csv"), 400),
    ],
)
async def test_an_upload_needs_its_fields(
    client: httpx.AsyncClient, data: dict[str, str], file: tuple[str, bytes, str], status: int
) -> None:
    await made(client)
    reply = await client.post(BASE + "/contacts/csv-upload", data=data, files={"file_name": file})
    assert reply.status_code == status


async def test_a_campaign_calls_the_people_of_its_lists_once_for_each(
    client: httpx.AsyncClient, simulation: ExotelSimulation
) -> None:
    file = ("a.csv", b"number\n+919876543210\n9876543210\n+919876543211\n", "text/csv")
    await client.post(BASE + "/contacts/csv-upload", data={"list_name": "a"}, files={"file_name": file})
    (held,) = simulation.ledger.lists.values()
    assert held.phones == ["+919876543210", "+919876543211"]
    assert simulation.ledger.calls == []
    run = {"lists": [held.id], "caller_id": "0800"}
    reply = await client.post(BASE + "/campaigns", json={"campaigns": [run]})
    assert simulation.ledger.calls == ["919876543210", "919876543211"]
    campaign = reply.json()["response"][0]["data"]["id"]
    paused = await client.put(f"{BASE}/campaigns/{campaign}", json={"campaigns": [{"action": "pause"}]})
    assert paused.json()["response"]["data"]["status"] == "Paused"
    assert (await client.delete(f"{BASE}/lists/{held.id}")).status_code == 400


async def test_contacts_are_changed_and_deleted_for_good(
    client: httpx.AsyncClient, simulation: ExotelSimulation
) -> None:
    people = {"contacts": [{"number": "+919876543210"}, {"number": "+919876543211"}]}
    made_contacts = (await client.post(BASE + "/contacts", json=people)).json()["response"]
    first, second = (entry["data"]["sid"] for entry in made_contacts)
    await client.put(BASE + "/contacts", json={"contacts": [{"sid": first, "tag": "gold"}]})
    await client.put(f"{BASE}/contacts/{second}", json={"first_name": "Ana"})
    shown = await client.get(BASE + "/contacts")
    assert [entry["data"] for entry in shown.json()["response"]] == [
        {"sid": first, "number": "+919876543210", "tag": "gold"},
        {"sid": second, "number": "+919876543211", "first_name": "Ana"},
    ]
    assert (await client.delete(f"{BASE}/contacts/{first}")).status_code == 200
    assert list(simulation.contacts) == [second]


async def test_reset_forgets_everything(client: httpx.AsyncClient, simulation: ExotelSimulation) -> None:
    await made(client)
    assert (await client.post("http://exotel.test/_simulator/reset")).status_code == 204
    page = json.loads((await client.get(BASE + "/lists")).content)
    assert (page["response"], simulation.ledger.lists) == ([], {})
