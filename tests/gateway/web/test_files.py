"""Long files become the same lists as short ones: row by row, at the vendors too, in every form they come in."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from tests.gateway.conftest import LIMITS, Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web import long_files as files
from tests.gateway.web.long_files import FORMATS, PADDING, as_csv, contacts, is_long, outcomes, people, send, told
from tests.gateway.web.shapes import LISTS, counts, finished, masked

WAYS = [("csv", False), ("csv", True), ("ndjson", False), ("ndjson", True), ("xlsx", False), ("xlsx", True)]
VENDORS = ["exotel", "indigitall", "velip", "voximplant"]
ASYNC = {"Prefer": "respond-async"}


def comparable(one: dict[str, Any]) -> dict[str, Any]:
    """A list without what the vendor chose and what it took: its requests, and the ids and names of remote lists."""
    plain: dict[str, Any] = masked(one)
    for delivery in plain["deliveries"]:
        delivery["attempts"] = len(delivery["attempts"])
        delivery["remote_lists"] = [there["count"] for there in delivery["remote_lists"]]
    return plain


async def long_and_short(
    client: httpx.AsyncClient, rows: list[files.Row], way: str, form: bool, **fields: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The list of the rows sent as a long file, and that of a short one with the same rows."""
    file = FORMATS[way](rows)
    assert is_long(file)
    begun = await send(client, file, form=form, headers=ASYNC, **fields)
    assert begun.status_code == 202, begun.text
    ended = await finished(client, begun.headers["location"])
    assert (ended["state"], ended["stage"], ended["error"]) == ("succeeded", "done", None)
    after = (await client.get(ended["result"]["href"])).json()
    assert (after["id"], after["counts"]) == (begun.json()["id"], ended["counts"])
    short = FORMATS[way](rows, padding=1)
    assert not is_long(short)
    answer = await send(client, short, form=form, **fields)
    assert answer.status_code == 201, answer.text
    return after, answer.json()


async def compare(
    client: httpx.AsyncClient, gateway: Gateway, ledger: Ledger, rows: list[files.Row], way: str, form: bool, **to: Any
) -> None:
    long, short = await long_and_short(client, rows, way, form, **to)
    assert comparable(long) == comparable(short)
    assert long["counts"] == counts(**Counter(outcomes(rows)))
    found = await contacts(client, long["id"])
    assert found == await contacts(client, short["id"])
    first = 1 if way == "ndjson" else 2
    assert told(found) == list(enumerate(outcomes(rows), first))
    phones = [[phone.lstrip("+") for phone in there.phones] for there in ledger.lists.values()]
    assert phones == [files.accepted(rows)] * 2
    assert await gateway.rows("uploads") == {"uploads": 0}


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_long_file_is_the_same_list_at_every_vendor(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    to = {"destination": vendor, "activation": "start"}
    await compare(acme, gateway, ledger(vendor), people(), "csv", False, **to)


async def test_a_long_file_is_the_same_list_at_a_vendor_of_small_batches(
    vendors: Vendors, open_gateway: OpenGateway
) -> None:
    tenants = {"acme": Tenant({"koreai": destination(vendors["koreai"], limits=LIMITS | {"batch_size": 1_000})})}
    async with open_gateway(tenants) as gateway:
        client = await gateway.client("acme")
        ledger = vendors["koreai"].simulation.ledger
        await compare(client, gateway, ledger, people(), "csv", True, destination="koreai")


@pytest.mark.parametrize(("way", "form"), WAYS, ids=[f"{way}{' in a form' * form}" for way, form in WAYS])
async def test_a_long_file_of_every_form_is_the_same_list(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger], way: str, form: bool
) -> None:
    await compare(acme, gateway, ledger("velip"), people(), way, form, destination="velip")


@pytest.mark.parametrize("policy", ["keep_last", "keep_all"])
async def test_of_repeated_numbers_a_long_file_keeps_those_that_it_says(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], policy: str
) -> None:
    rows = people()
    answer = await send(acme, as_csv(rows), destination="velip", duplicates=policy)
    assert answer.status_code == 201, answer.text
    assert told(await contacts(acme, answer.json()["id"])) == list(enumerate(outcomes(rows, policy), 2))
    (there,) = ledger("velip").lists.values()
    assert there.phones == files.accepted(rows, policy)


async def test_routes_send_the_contacts_of_a_long_file_to_several_vendors(
    routed: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    rows = people()
    indian = [f"+9198765{place:05d}" for place in range(0, len(rows), 3)]
    for row, phone in zip(rows[::3], indian, strict=True):
        row["phone"] = phone
    answer = await send(routed, as_csv(rows))
    assert answer.status_code == 201, answer.text
    brazilian = [row for place, row in enumerate(rows) if place % 3]
    assert [one.phones for one in ledger("exotel").lists.values()] == [indian]
    assert [one.phones for one in ledger("velip").lists.values()] == [files.accepted(brazilian)]
    totals = Counter(outcomes(brazilian)) + Counter(accepted=len(indian))
    assert answer.json()["counts"] == counts(**totals)
    assert [one["row"] for one in await contacts(routed, answer.json()["id"])] == list(range(2, len(rows) + 2))


@pytest.mark.parametrize(
    ("prefer", "status"), [("wait=60", 201), ("respond-async", 202), ("wait=0", 202), ("respond-async, wait=60", 202)]
)
async def test_prefer_says_how_long_the_sender_of_a_long_file_waits(
    acme: httpx.AsyncClient, prefer: str, status: int
) -> None:
    answer = await send(acme, as_csv(people()), headers={"Prefer": prefer}, destination="velip")
    assert answer.status_code == status, answer.text
    if status == 202:
        assert answer.json()["operation"]["href"] == answer.headers["location"]
        assert (await finished(acme, answer.headers["location"]))["state"] == "succeeded"
    else:
        assert answer.headers["location"] == f"{LISTS}/{answer.json()['id']}"


def with_notes(rows: list[files.Row]) -> files.File:
    """As CSV in the manner of a spreadsheet at home, long by a column that is an attribute."""
    lines = ["Telefone;Código;Nome;Observação"]
    lines += [f"{row['phone']};{row['id']};{row['first_name']};{'x' * PADDING}" for row in rows]
    return files.File("\r\n".join(lines).encode("cp1252"), "text/csv", "people.csv")


async def refused_rows(client: httpx.AsyncClient) -> tuple[str, bytes]:
    """A held list of a long file whose rows are nearly all bad, and its rejections file."""
    rows = [row | {"phone": f"12{place}" if place % 100 else row["phone"]} for place, row in enumerate(people())]
    answer = await send(client, with_notes(rows), destination="voximplant")
    assert (answer.status_code, answer.json()["counts"]) == (201, counts(pending=30, rejected=2_970))
    list_id = answer.json()["id"]
    file = await client.get(f"{LISTS}/{list_id}/rejections", headers={"Accept": "text/csv"})
    assert file.headers["content-type"] == "text/csv; charset=cp1252"
    lines = file.content.decode("cp1252").split("\r\n")
    assert lines[0] == "Telefone;Código;Nome;Observação;error_code;error_detail"
    assert [line.split(";")[0] for line in lines[1:-1]] == [f"12{place}" for place in range(3_000) if place % 100]
    return list_id, file.content


def corrected(rejections: bytes, first: int) -> files.File:
    """The rejections file with good numbers."""
    header, *rows = rejections.decode("cp1252").rstrip("\r\n").split("\r\n")
    good = [f"{files.phone(first + place)};{row.split(';', 1)[1]}" for place, row in enumerate(rows)]
    return files.File("\r\n".join([header, *good]).encode("cp1252"), "text/csv", "again.csv")


async def test_the_rejections_of_a_long_file_come_back_corrected_as_a_new_list(acme: httpx.AsyncClient) -> None:
    _, rejections = await refused_rows(acme)
    file = corrected(rejections, first=50_000)
    assert is_long(file)
    again = (await send(acme, file, destination="voximplant", name="Again")).json()
    assert (again["source"]["corrections"], again["corrected"]) == (True, 2_970)
    assert again["counts"] == counts(pending=2_970)


@pytest.mark.parametrize("number", [2_970, 10], ids=["long", "short"])
async def test_the_rejections_of_a_long_file_are_appended_once_corrected(acme: httpx.AsyncClient, number: int) -> None:
    list_id, rejections = await refused_rows(acme)
    file = corrected(b"\r\n".join(rejections.split(b"\r\n")[: number + 1]), first=50_000)
    assert is_long(file) == (number == 2_970)
    answer = await send(acme, file, f"{LISTS}/{list_id}/contacts")
    assert answer.status_code == 201, answer.text
    after = answer.json()
    assert (after["corrected"], after["counts"]) == (number, counts(pending=30 + number, rejected=2_970))
