"""Long files on lists that exist, keys that make them happen once, and long lists that are cancelled on their way."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from gateway.contract.simulation import Ledger
from tests.gateway.conftest import LIMITS, Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web import long_files as files
from tests.gateway.web.long_files import accepted, as_csv, as_ndjson, contacts, kept, outcomes, people, send, shut, told
from tests.gateway.web.shapes import LISTS, counts, create, finished, problem, refusal
from tests.gateway.web.shapes import people as some_people

ASYNC = {"Prefer": "respond-async"}
START = {"activation": "start"}


def there(ledger: Ledger) -> list[list[str]]:
    """The numbers on each list of a vendor, in digits."""
    return [[phone.lstrip("+") for phone in one.phones] for one in ledger.lists.values()]


async def short_list(client: httpx.AsyncClient, vendor: str, rows: list[files.Row]) -> str:
    """A list of these rows at a vendor, and where contacts are appended to it."""
    answer = await send(client, as_csv(rows, padding=1), destination=vendor, **START)
    assert answer.status_code == 201, answer.text
    return f"{LISTS}/{answer.json()['id']}/contacts"


@pytest.mark.parametrize(("vendor", "joined"), [("voximplant", True), ("exotel", True), ("velip", False)])
async def test_a_long_file_is_appended_without_the_numbers_that_the_list_has(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger], vendor: str, joined: bool
) -> None:
    first, more = people(200), people(files.ROWS, first=101)
    path = await short_list(acme, vendor, first)
    before = frozenset(accepted(first))
    answer = await send(acme, as_csv(more), path)
    assert answer.status_code == 201, answer.text
    after = answer.json()
    assert after["counts"] == counts(**Counter(outcomes(first) + outcomes(more, there=before)))
    found = await contacts(acme, after["id"])
    assert told(found[200:]) == list(enumerate(outcomes(more, there=before), 2))
    assert [one["contact_id"] for one in found] == [f"<ct {seq}>" for seq in range(1, len(found) + 1)]
    both = [accepted(first), accepted(more, there=before)]
    assert there(ledger(vendor)) == ([both[0] + both[1]] if joined else both)
    assert len(after["deliveries"]) == (1 if joined else 2)
    assert await gateway.rows("uploads") == {"uploads": 0}


async def test_a_long_append_that_is_refused_leaves_the_list_as_it_was(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger]
) -> None:
    path = await short_list(acme, "voximplant", people(100))
    list_path = path.removesuffix("/contacts")
    before, as_it_was = await kept(gateway), (await acme.get(list_path)).json()
    asked = list(ledger("voximplant").requests)
    broken = as_csv(people(first=1_000))
    broken = files.File(broken.content + b'\r\n,"+5511977770001,,,', broken.media_type, broken.name)
    answer = await send(acme, broken, path)
    assert problem(answer) == refusal(422, "source.unusable")
    begun = await send(acme, broken, path, headers=ASYNC)
    assert (await finished(acme, begun.headers["location"]))["state"] == "failed"
    assert (await acme.get(list_path)).json() == as_it_was
    assert (await kept(gateway), ledger("voximplant").requests) == (before, asked)
    again = await send(acme, as_csv(people(first=1_000)), path)
    assert again.status_code == 201, again.text
    assert there(ledger("voximplant")) == [accepted(people(100)) + accepted(people(first=1_000))]


async def test_while_a_file_is_read_a_short_append_is_refused_and_the_list_is_not_deleted(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await short_list(acme, "velip", people(100))
    list_path = path.removesuffix("/contacts")
    before = await kept(gateway)
    with shut(monkeypatch) as gate:
        begun = await send(acme, as_csv(people(first=1_000)), path, headers=ASYNC)
        assert begun.status_code == 202, begun.text
        await gate.until_reached()
        for refused in (
            await acme.post(path, json={"contacts": some_people(1)}),
            await send(acme, as_csv(people(10, first=50_000), padding=1), path),
            await acme.delete(list_path),
        ):
            assert problem(refused) == refusal(409, "list.busy", retryable=True)
            assert refused.json()["operation"] == begun.json()["operation"]["id"]
        assert (await acme.get(list_path)).json()["counts"] == counts(**Counter(outcomes(people(100))))
        await acme.post(f"{begun.headers['location']}/cancel")
        gate.opened.set()
        ended = await finished(acme, begun.headers["location"])
    assert ended["state"] == "cancelled"
    assert await kept(gateway) == before
    assert there(ledger("velip")) == [accepted(people(100))]
    assert (await acme.post(path, json={"contacts": some_people(1, first=9_000_000)})).status_code == 201


async def test_long_appends_at_once_are_done_one_after_the_other_and_send_no_number_twice(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger]
) -> None:
    path = await short_list(acme, "voximplant", people(10))
    first = frozenset(accepted(people(10)))
    same, other = people(files.ROWS), people(files.ROWS, first=1_501)
    answers = await asyncio.gather(
        *(send(acme, file, path) for file in (as_csv(same), as_ndjson(same), as_csv(other), as_ndjson(other)))
    )
    assert [answer.status_code for answer in answers] == [201] * 4
    (phones,) = there(ledger("voximplant"))
    assert sorted(phones) == sorted({*first, *accepted(same), *accepted(other)})
    after = (await acme.get(path.removesuffix("/contacts"))).json()
    assert (after["counts"]["accepted"], after["counts"]["received"]) == (len(phones), 10 + 4 * files.ROWS)
    assert sum(number for name, number in after["counts"].items() if name != "received") == 10 + 4 * files.ROWS
    assert await gateway.rows("uploads") == {"uploads": 0}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


async def test_a_long_file_with_a_key_is_one_list_however_often_it_comes(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, key = as_csv(people()), keyed("long-file")
    with shut(monkeypatch) as gate:
        first = asyncio.create_task(send(acme, file, headers=key, destination="velip"))
        await gate.until_reached()
        repeat = await send(acme, file, headers=key, destination="velip")
        assert problem(repeat) == refusal(409, "idempotency.in_flight", retryable=True)
        href = f"/v1/operations/{repeat.json()['operation']}"
        assert (repeat.headers["location"], (await acme.get(href)).json()["stage"]) == (href, "reading")
        gate.opened.set()
        answer = await first
    assert answer.status_code == 201, answer.text
    rows = await gateway.rows()
    again = await send(acme, file, headers=key, destination="velip")
    assert (again.status_code, again.content) == (201, answer.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = await send(acme, as_csv(people(first=2)), headers=key, destination="velip")
    assert problem(other) == refusal(422, "idempotency.mismatch")
    assert problem(await send(acme, file, headers=key, destination="exotel")) == refusal(422, "idempotency.mismatch")
    assert (await gateway.rows(), rows["uploads"]) == (rows, 0)
    assert there(ledger("velip")) == [accepted(people())]


async def test_a_long_append_with_a_key_is_done_once(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger]
) -> None:
    path = await short_list(acme, "velip", people(10))
    answers = [
        await send(acme, as_csv(people()), path, form=True, headers=keyed("long-append") | ASYNC) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    assert (await finished(acme, answers[0].headers["location"]))["state"] == "succeeded"
    first = accepted(people(10))
    assert there(ledger("velip")) == [first, accepted(people(), there=frozenset(first))]
    assert await gateway.rows("uploads") == {"uploads": 0}


async def test_a_refused_long_file_gives_its_key_back(acme: httpx.AsyncClient, gateway: Gateway) -> None:
    good, key = as_csv(people()), keyed("long-refused")
    broken = files.File(good.content + b'\r\n,"+5511977770001,,,', good.media_type, good.name)
    for _ in range(2):
        refused = await send(acme, broken, headers=key, destination="velip")
        assert problem(refused) == refusal(422, "source.unusable")
    assert (await send(acme, good, headers=key, destination="velip")).status_code == 201
    assert await gateway.rows("uploads") == {"uploads": 0}


@pytest.fixture
async def in_batches(running_vendors: Vendors, open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    """A gateway that sends five hundred contacts in a request."""
    limits = LIMITS | {"batch_size": 500}
    tenants = {"acme": Tenant({"voximplant": destination(running_vendors["voximplant"], limits=limits)})}
    async with open_gateway(tenants) as gateway:
        yield gateway


async def test_a_long_list_that_is_cancelled_on_its_way_sends_no_further_batch(
    in_batches: Gateway, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    client, rows = await in_batches.client("acme"), people()
    held = vendors["voximplant"].simulation.hold("AppendToCallList")
    begun = await send(client, as_csv(rows), headers=ASYNC, destination="voximplant", **START)
    href = begun.headers["location"]
    await held.arrived.wait()
    assert (await client.post(f"{href}/cancel")).status_code == 202
    held.released.set()
    ended = await finished(client, href)
    told_of = Counter(outcomes(rows))
    left = told_of["accepted"] - 1_000
    expected = counts(accepted=1_000, rejected=told_of["rejected"] + left, duplicate=told_of["duplicate"])
    assert (ended["state"], ended["error"], ended["counts"]) == ("cancelled", None, expected)
    assert there(ledger("voximplant")) == [accepted(rows)[:1_000]]
    after = (await client.get(f"{LISTS}/{begun.json()['id']}")).json()
    assert (after["state"], after["counts"], after["operation"]) == ("partial", expected, None)
    found = await contacts(client, after["id"])
    sent = [one["phone"].lstrip("+") for one in found if one["outcome"] == "accepted"]
    assert sent == accepted(rows)[:1_000]
    codes = Counter(fault["code"] for one in found for fault in one["faults"])
    assert codes == {"delivery.cancelled": left, "phone.invalid": told_of["rejected"]}
    again = await send(client, as_csv(rows), f"{LISTS}/{after['id']}/contacts")
    assert again.status_code == 201, again.text
    assert there(ledger("voximplant")) == [accepted(rows)]


async def test_an_append_that_is_cancelled_while_it_waits_for_its_turn_can_be_sent_again(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], vendors: Vendors
) -> None:
    one = await create(acme, "velip", contacts=some_people(1, first=500))
    held = vendors["velip"].simulation.hold()
    path = f"{LISTS}/{one['id']}/contacts"
    slow = await acme.post(path, json={"contacts": some_people(1, first=600)}, headers=ASYNC)
    begun = await send(acme, as_csv(people()), path, headers=ASYNC)
    await acme.post(f"{begun.headers['location']}/cancel")
    held.released.set()
    ended = await finished(acme, begun.headers["location"])
    assert ended["state"] == "cancelled"
    assert (await finished(acme, slow.headers["location"]))["state"] == "succeeded"
    again = await send(acme, as_csv(people()), path)
    assert again.status_code == 201, again.text
    phones = [phone for each in there(ledger("velip")) for phone in each]
    assert len(phones) == len(set(phones)) == again.json()["counts"]["accepted"]
    assert sorted(phones) == sorted({*accepted(people()), "5511990000500", "5511990000600"})
