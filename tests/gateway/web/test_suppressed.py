"""Numbers that a tenant has suppressed never leave: not at once, not later, not by a fallback, not of a long file."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from tests.gateway.conftest import LIMITS, Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web import long_files as files
from tests.gateway.web.long_files import accepted, as_csv, contacts, is_long, outcomes, send
from tests.gateway.web.long_files import people as rows_of
from tests.gateway.web.shapes import LISTS, a_list, counts, create, finished, people, until

SUPPRESSIONS = "/v1/suppressions"
ASYNC = {"Prefer": "respond-async"}
START = {"mode": "start"}


async def forget(client: httpx.AsyncClient) -> None:
    assert (await client.delete(SUPPRESSIONS, params={"all": "true"})).status_code == 200


@pytest.fixture(autouse=True)
async def _nobody_is_suppressed(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, routed: httpx.AsyncClient
) -> AsyncIterator[None]:
    for client in (acme, globex, routed):
        await forget(client)
    yield
    for client in (acme, globex, routed):
        await forget(client)


async def suppress(client: httpx.AsyncClient, phones: list[str]) -> None:
    answer = await client.put(SUPPRESSIONS, json={"phones": phones})
    assert (answer.status_code, answer.json()["rejected"]) == (200, 0), answer.text


def there(ledger: Ledger) -> list[list[str]]:
    return [[phone.lstrip("+") for phone in one.phones] for one in ledger.lists.values()]


def digits(some: list[dict[str, Any]], *places: int) -> list[str]:
    return [one["phone"].lstrip("+") for place, one in enumerate(some) if not places or place in places]


async def left_out(client: httpx.AsyncClient, list_id: str) -> list[tuple[str, str | None, list[Any]]]:
    """Number, delivery and faults of what a list holds as suppressed."""
    found = await contacts(client, list_id, outcome="suppressed")
    return [(one["phone"], one["delivery"], one["faults"]) for one in found]


@pytest.mark.parametrize("vendor", ["velip", "exotel", "koreai", "voximplant", "indigitall"])
async def test_a_suppressed_number_stays_here(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    some = people(4)
    await suppress(acme, [some[1]["phone"], some[3]["phone"]])
    one = await create(acme, vendor, contacts=some, activation=START)
    assert (one["state"], one["counts"]) == ("delivered", counts(accepted=2, suppressed=2))
    assert one["deliveries"][0]["counts"] == counts(accepted=2)
    assert there(ledger(vendor)) == [digits(some, 0, 2)]
    assert await left_out(acme, one["id"]) == [(some[1]["phone"], None, []), (some[3]["phone"], None, [])]


async def test_a_list_of_suppressed_numbers_only_asks_nobody(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    await suppress(acme, [one["phone"] for one in people(2)])
    one = await create(acme, "velip")
    assert (one["state"], one["counts"], one["deliveries"]) == ("failed", counts(suppressed=2), [])
    assert ledger("velip").requests == []


async def test_a_repeated_number_is_one_duplicate_and_one_suppressed(acme: httpx.AsyncClient) -> None:
    some = [*people(1), *people(2)]
    await suppress(acme, [some[0]["phone"]])
    one = await create(acme, "velip", contacts=some)
    assert one["counts"] == counts(accepted=1, suppressed=1, duplicate=1)


@pytest.mark.parametrize("padding", [1, files.PADDING], ids=["short", "long"])
async def test_the_suppressed_numbers_of_a_file_stay_here(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], padding: int
) -> None:
    rows = rows_of()
    barred = set(accepted(rows)[::3])
    await suppress(acme, [f"+{phone}" for phone in sorted(barred)])
    file = as_csv(rows, padding)
    assert is_long(file) == (padding > 1)
    answer = await send(acme, file, destination="velip")
    assert answer.status_code == 201, answer.text
    told = zip(rows, outcomes(rows), strict=True)
    expected = ["suppressed" if of == "accepted" and files.number_of(row) in barred else of for row, of in told]
    found = await contacts(acme, answer.json()["id"])
    assert [one["outcome"] for one in found] == expected
    assert {one["delivery"] for one in found if one["outcome"] == "suppressed"} == {None}, "known before it was planned"
    assert there(ledger("velip")) == [[phone for phone in accepted(rows) if phone not in barred]]


@pytest.mark.parametrize("way", ["JSON", "short file", "long file"])
async def test_the_suppressed_numbers_of_an_append_stay_here(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], way: str
) -> None:
    first = people(1, first=900_000)
    one = await create(acme, "velip", contacts=first)
    path = f"{LISTS}/{one['id']}/contacts"
    rows = [row for row in rows_of() if row["phone"] != "12"]
    barred = set(accepted(rows)[::2])
    await suppress(acme, [f"+{phone}" for phone in sorted(barred)])
    if way == "JSON":
        answer = await acme.post(path, json={"contacts": [{"phone": row["phone"]} for row in rows]})
    else:
        answer = await send(acme, as_csv(rows, 1 if way == "short file" else files.PADDING), path)
    assert answer.status_code == 201, answer.text
    left = [phone for phone in accepted(rows) if phone not in barred]
    assert answer.json()["counts"]["suppressed"] == len(barred)
    assert answer.json()["counts"]["accepted"] == 1 + len(left)
    assert there(ledger("velip")) == [digits(first), left]


@pytest.mark.parametrize("vendor", ["voximplant", "indigitall"])
async def test_a_number_that_is_suppressed_while_its_list_is_held_does_not_leave_on_activation(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    some = people(4)
    one = await create(acme, vendor, contacts=some)
    assert (one["state"], one["counts"]) == ("staged", counts(pending=4))
    await suppress(acme, [some[0]["phone"], some[2]["phone"]])
    answer = await acme.post(f"{LISTS}/{one['id']}/activate")
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["state"], after["counts"]) == ("delivered", counts(accepted=2, suppressed=2))
    assert after["deliveries"][0]["remote_lists"][0]["count"] == 2
    assert sorted(ledger(vendor).calls) == digits(some, 1, 3)
    assert [phone for phone, *_ in await left_out(acme, one["id"])] == [some[0]["phone"], some[2]["phone"]]


@pytest.mark.parametrize("vendor", ["voximplant", "indigitall"])
async def test_a_held_list_whose_numbers_are_all_suppressed_calls_nobody(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendor: str
) -> None:
    one = await create(acme, vendor)
    await suppress(acme, [each["phone"] for each in people(2)])
    answer = await acme.post(f"{LISTS}/{one['id']}/activate")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["counts"]) == ("failed", counts(suppressed=2))
    assert ledger(vendor).calls == []


@pytest.fixture
async def in_batches(running_vendors: Vendors, open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    """A gateway that sends two contacts in a request."""
    limits = LIMITS | {"batch_size": 2}
    every = {name: destination(running_vendors[name], limits=limits) for name in ("voximplant", "koreai")}
    async with open_gateway({"acme": Tenant(every)}) as gateway:
        yield gateway


@pytest.mark.parametrize(("vendor", "add"), [("voximplant", "AppendToCallList"), ("koreai", "addContacts")])
async def test_a_number_that_is_suppressed_between_two_batches_is_left_out_of_the_later_ones(
    in_batches: Gateway, vendors: Vendors, ledger: Callable[[str], Ledger], vendor: str, add: str
) -> None:
    client, some = await in_batches.client("acme"), people(8)
    held = vendors[vendor].simulation.hold(add)
    begun = await client.post(LISTS, json=a_list(vendor, contacts=some, activation=START), headers=ASYNC)
    await held.arrived.wait()
    # the last of the batch that is under way, one of each that follows, and the whole last one
    await suppress(client, [some[place]["phone"] for place in (1, 3, 4, 6, 7)])
    held.released.set()
    assert (await finished(client, begun.headers["location"]))["state"] == "succeeded"
    after = (await client.get(f"{LISTS}/{begun.json()['id']}")).json()
    under_way_then = 4 if vendor == "voximplant" else 2  # voximplant's first batch came with the making of its list
    went = [place for place in range(8) if place < under_way_then or place not in (3, 4, 6, 7)]
    assert there(ledger(vendor)) == [digits(some, *went)]
    assert after["counts"] == counts(accepted=len(went), suppressed=8 - len(went))
    assert after["state"] == "delivered"


async def test_a_fallback_leaves_out_what_was_left_out_before(
    routed: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    """`nowhere` cannot be reached, so that koreai gets the list."""
    some = people(3)
    await suppress(routed, [some[1]["phone"]])
    one = await create(routed, None, contacts=some, reference="refused-suppressed")
    assert (one["state"], one["counts"]) == ("delivered", counts(accepted=2, suppressed=1))
    assert there(ledger("koreai")) == [digits(some, 0, 2)]


async def test_a_fallback_leaves_out_what_was_suppressed_when_its_turn_came(
    routed: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    """Exotel refuses, after a while; meanwhile a number is suppressed."""
    some = people(3)
    simulation = vendors["exotel"].simulation
    simulation.break_next("rate_limited", times=50, retry_after=1)
    begun = await routed.post(LISTS, json=a_list(None, contacts=some, reference="storm-suppressed"), headers=ASYNC)

    async def asked() -> bool:
        return bool(ledger("exotel").requests)

    await until(asked)
    await suppress(routed, [some[1]["phone"]])
    assert (await finished(routed, begun.headers["location"]))["state"] == "succeeded"
    after = (await routed.get(f"{LISTS}/{begun.json()['id']}")).json()
    assert (after["counts"], there(ledger("exotel"))) == (counts(accepted=2, suppressed=1), [])
    assert there(ledger("koreai")) == [digits(some, 0, 2)]


async def test_a_fallback_takes_with_it_what_was_suppressed_since_the_list_was_made(
    routed: httpx.AsyncClient, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    """Held for indigitall, which then refuses: the delivery that fell back keeps nothing."""
    some = people(3)
    one = await create(routed, None, contacts=some, reference="doubt-suppressed")
    await suppress(routed, [some[1]["phone"]])
    vendors["indigitall"].simulation.break_next("rate_limited", times=50, retry_after=0)
    answer = await routed.post(f"{LISTS}/{one['id']}/activate")
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["counts"], ledger("indigitall").calls) == (counts(accepted=2, suppressed=1), [])
    told = [(each["destination"], each["state"], each["counts"]) for each in after["deliveries"]]
    both = counts(accepted=2, suppressed=1)
    assert told == [("indigitall", "failed", counts()), ("koreai", "delivered", both)]
    assert there(ledger("koreai")) == [digits(some, 0, 2)]


async def test_tenants_suppress_for_themselves_only(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient, ledger: Callable[[str], Ledger]
) -> None:
    some = people(3)
    await suppress(acme, [some[0]["phone"]])
    await suppress(globex, [some[2]["phone"]])
    theirs = await create(globex, "exotel", contacts=some)
    mine = await create(acme, "exotel", contacts=some)
    assert theirs["counts"] == mine["counts"] == counts(accepted=2, suppressed=1)
    assert there(ledger("exotel")) == [digits(some, 0, 1), digits(some, 1, 2)]


async def test_a_preview_counts_the_suppressed_and_does_not_show_them(acme: httpx.AsyncClient) -> None:
    some = people(3)
    await suppress(acme, [some[1]["phone"]])
    answer = await acme.post("/v1/preview", json=a_list("velip", contacts=some))
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["received"], shown["suppressed"], shown["destinations"][0]["contacts"]) == (3, 1, 2)
    assert some[0]["phone"].lstrip("+") in answer.text
    assert some[1]["phone"].lstrip("+") not in answer.text


@pytest.mark.parametrize("padding", [1, files.PADDING], ids=["short", "long"])
async def test_a_number_that_is_suppressed_no_longer_can_be_appended(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], padding: int
) -> None:
    rows = rows_of()
    barred = accepted(rows)[:5]
    await suppress(acme, [f"+{phone}" for phone in barred])
    answer = await send(acme, as_csv(rows, padding), destination="velip")
    path = f"{LISTS}/{answer.json()['id']}/contacts"
    assert answer.json()["counts"]["suppressed"] == 5
    assert (await acme.post(path, json={"contacts": [{"phone": rows[0]["phone"]}]})).json()["counts"]["suppressed"] == 6
    await forget(acme)
    again = await send(acme, as_csv(rows, padding), path)
    assert again.status_code == 201, again.text
    assert there(ledger("velip")) == [accepted(rows)[5:], barred]
    assert again.json()["counts"]["accepted"] == len(accepted(rows))
