"""A long file that is refused leaves nothing: no list, no upload, no request to a vendor; its reference is free."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from gateway import reading
from gateway.contract.simulation import Ledger
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination, key_of
from tests.gateway.web.long_files import File, as_csv, as_ndjson, kept, people, send, shut
from tests.gateway.web.shapes import LISTS, counts, finished, pointers, problem, refusal, until
from tests.gateway.web.shapes import people as some_people

ASYNC = {"Prefer": "respond-async"}


GOOD = as_csv(people())


def ending(file: File, tail: bytes) -> File:
    return File(file.content + tail, file.media_type, file.name)


def with_changed(old: bytes, new: bytes, times: int = -1) -> File:
    return File(GOOD.content.replace(old, new, times), GOOD.media_type, GOOD.name)


ENDLESS = b"y" * (2 << 20)
LATE = {
    "a quote that stays open": (ending(GOOD, b'\r\n,"+5511977770001,,,\r\n,,,,'), "source.unclosed_quote"),
    "a cell without an end": (ending(GOOD, b"\r\n,+5511977770001,B-1," + ENDLESS[:200_000]), "source.cell_too_long"),
    "a line without an end": (ending(as_ndjson(people()), b'\n{"id": "' + ENDLESS + b'"}'), "source.row_too_long"),
}


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("form", [False, True], ids=["raw", "in a form"])
async def test_a_file_that_breaks_late_is_refused_while_its_sender_waits(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger], name: str, form: bool
) -> None:
    file, code = LATE[name]
    before = await kept(gateway)
    status = 422 if code == "source.unclosed_quote" else 413
    answer = await send(acme, file, form=form, destination="velip", reference="crm-late")
    assert problem(answer) == refusal(status, "source.unusable" if status == 422 else "body.too_large")
    assert pointers(answer) == {("", code)}
    assert (await kept(gateway), ledger("velip").requests) == (before, [])
    await again(acme, "crm-late")


async def again(client: httpx.AsyncClient, reference: str) -> None:
    """The reference is free: another list takes it, and gives it back."""
    good = await send(client, as_csv(people()), destination="velip", reference=reference)
    assert (good.status_code, good.json()["reference"]) == (201, reference)
    assert (await client.delete(f"{LISTS}/{good.json()['id']}")).status_code == 200


@pytest.mark.parametrize("name", LATE)
async def test_a_file_that_breaks_late_fails_its_operation_when_nobody_waits(
    acme: httpx.AsyncClient,
    gateway: Gateway,
    ledger: Callable[[str], Ledger],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    file, code = LATE[name]
    before = await kept(gateway)
    with shut(monkeypatch):
        answer = await send(acme, file, headers=ASYNC, destination="velip", reference="crm-later")
    assert answer.status_code == 202, answer.text
    ended = await finished(acme, answer.headers["location"])
    told = "source.unusable" if code == "source.unclosed_quote" else "body.too_large"
    assert (ended["state"], ended["error"]["code"]) == ("failed", told)
    assert (await acme.get(ended["result"]["href"])).status_code == 404
    assert (await kept(gateway), ledger("velip").requests) == (before, [])
    await again(acme, "crm-later")


UNUSABLE = (422, "source.unusable")
NOWHERE = {"destination": "nowhere-such"}
UNFIT: dict[str, tuple[File, dict[str, str], tuple[int, str]]] = {
    "no phone column": (with_changed(b",phone,", b",colour,", 1), {}, UNUSABLE),
    "a NUL in the first row": (with_changed(b"Ana", b"A\0a", 1), {}, UNUSABLE),
    "a NUL in the last row": (ending(GOOD, b"\r\n,+55119\x007770001,B-1,,"), {}, UNUSABLE),
    "no such destination": (GOOD, NOWHERE, (422, "destination.unknown")),
    "a field that is none": (GOOD, {"duplicates": "keep_some"}, (400, "request.invalid")),
    "a mapping that does not fit": (GOOD, {"mapping": '{"phone": "colour"}'}, (400, "source.unusable")),
    "another media type": (File(GOOD.content, "application/pdf", "a.pdf"), {}, (415, "body.wrong_type")),
}


@pytest.mark.parametrize("name", UNFIT)
async def test_what_can_be_told_at_once_is_refused_at_once_even_if_nobody_waits(
    acme: httpx.AsyncClient, gateway: Gateway, name: str
) -> None:
    file, fields, (status, code) = UNFIT[name]
    before = await gateway.rows()
    answer = await send(acme, file, headers=ASYNC, **({"destination": "velip"} | fields))
    assert problem(answer) == refusal(status, code)
    assert await gateway.rows() == before


async def test_a_loss_refuses_a_long_file_whose_sender_wants_none(
    acme: httpx.AsyncClient, gateway: Gateway, ledger: Callable[[str], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await kept(gateway)
    content = GOOD.content.replace(b",plan\r\n", b",email\r\n", 1).replace(b",gold", b",a@example.org")
    file = File(content, GOOD.media_type, GOOD.name)
    answer = await send(acme, file, destination="velip", on_loss="refuse")
    assert problem(answer) == refusal(422, "list.losses")
    assert ("/contacts/*/email", "loss.dropped") in pointers(answer)
    with shut(monkeypatch):
        begun = await send(acme, file, headers=ASYNC, destination="velip", on_loss="refuse")
    ended = await finished(acme, begun.headers["location"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "list.losses")
    assert (await kept(gateway), ledger("velip").requests) == (before, [])


@pytest.mark.parametrize("headers", [ASYNC, {"Prefer": "wait=60"}], ids=["nobody waits", "its sender waits"])
async def test_a_list_that_is_cancelled_while_its_file_is_read_never_was(
    acme: httpx.AsyncClient,
    gateway: Gateway,
    ledger: Callable[[str], Ledger],
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
) -> None:
    before = await kept(gateway)
    with shut(monkeypatch) as gate:
        call = asyncio.create_task(send(acme, as_csv(people()), headers=headers, destination="velip"))
        await gate.until_reached()
        (one,) = (await acme.get(LISTS, params={"limit": 1})).json()["items"]
        assert (one["state"], one["counts"], one["source"]) == ("delivering", counts(), None)
        href = one["operation"]["href"]
        refused = await acme.delete(f"{LISTS}/{one['id']}")
        assert problem(refused) == refusal(409, "list.busy", retryable=True)
        assert refused.json()["operation"] == one["operation"]["id"]
        assert (await acme.get(href)).json()["stage"] == "reading"
        assert (await acme.post(f"{href}/cancel")).status_code == 202
        gate.opened.set()
        ended = await finished(acme, href)
    assert (ended["state"], ended["error"]) == ("cancelled", None)
    assert (await acme.get(ended["result"]["href"])).status_code == 404
    answer = await call
    if headers is ASYNC:
        assert answer.status_code == 202
    else:
        assert problem(answer) == refusal(404, "not_found")
        assert answer.json()["operation"] == one["operation"]["id"]
    assert (await kept(gateway), ledger("velip").requests) == (before, [])


async def test_a_file_that_the_gateway_itself_cannot_read_leaves_nothing_either(
    acme: httpx.AsyncClient, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("a bug of ours")

    before = await kept(gateway)
    monkeypatch.setattr(reading, "collect", fails)
    answer = await send(acme, as_csv(people()), destination="velip", reference="crm-bug")
    assert problem(answer) == refusal(500, "internal")
    assert await kept(gateway) == before
    monkeypatch.undo()
    await again(acme, "crm-bug")


class Sender:
    """A caller who sends a body as it likes."""

    def __init__(self, gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.gateway, self.reader, self.writer = gateway, reader, writer

    @classmethod
    async def begin(cls, gateway: Gateway, length: int, form: bool) -> "Sender":
        """Send the head of a call whose body has this many bytes, and the first part of the body."""
        parts = urlsplit(gateway.url)
        sender = cls(gateway, *await asyncio.open_connection(parts.hostname, parts.port))
        media_type = "multipart/form-data; boundary=mark" if form else "text/csv"
        head = [
            f"POST {LISTS}?name=Broken&destination=velip HTTP/1.1" if not form else f"POST {LISTS} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: Bearer {key_of('acme')}",
            f"Content-Type: {media_type}",
            f"Content-Length: {length}",
        ]
        sender.writer.write("\r\n".join([*head, "", ""]).encode())
        if form:
            part = json.dumps({"name": "Broken", "destination": "velip"})
            sender.writer.write(b'--mark\r\nContent-Disposition: form-data; name="list"\r\n\r\n' + part.encode())
            disposition = b'\r\n--mark\r\nContent-Disposition: form-data; name="file"; filename="a.csv"'
            sender.writer.write(disposition + b"\r\nContent-Type: text/csv\r\n\r\n")
        sender.writer.write(b"phone\r\n")
        return sender

    async def send(self, pieces: int, pause: float = 0.0) -> None:
        """Send pieces of 64 KiB."""
        for _ in range(pieces):
            self.writer.write(b"+5511990000001\r\n" * 4096)
            await self.writer.drain()
            await asyncio.sleep(pause)

    async def leave(self) -> None:
        self.writer.transport.abort()

    async def answer(self) -> tuple[int, dict[str, Any]]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None
        return int(head.split()[1]), json.loads(await self.reader.readexactly(int(length[1])))


async def calls_of_status(gateway: Gateway, status: int) -> int:
    """How many creates ended with this status."""
    text = (await (await gateway.client(None)).get("/metrics")).text
    found = re.findall(r"^gateway_http_requests_total\{(.*)\} (.*)$", text, re.MULTILINE)
    return sum(
        int(float(number))
        for labels, number in found
        if 'route="/v1/contact-lists"' in labels and 'method="POST"' in labels and f'status="{status}"' in labels
    )


async def stored_pieces(gateway: Gateway) -> int:
    return (await gateway.rows("uploads"))["uploads"]


@pytest.mark.parametrize("form", [False, True], ids=["raw", "in a form"])
async def test_an_upload_whose_sender_goes_away_leaves_nothing(
    acme: httpx.AsyncClient, gateway: Gateway, form: bool
) -> None:
    before, broken_off = await gateway.rows(), await calls_of_status(gateway, 408)
    sender = await Sender.begin(gateway, 20 << 20, form)
    await sender.send(pieces=160)
    if not form:
        await until(lambda: stored_pieces(gateway))
    await sender.leave()

    async def noticed() -> bool:
        return await calls_of_status(gateway, 408) > broken_off

    await until(noticed)
    assert await gateway.rows() == before


@pytest.fixture
async def strict(running_vendors: Vendors, open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    """A gateway that waits half a second for a body, and longer for one that comes at a fair rate; 5 MiB at most."""
    tenants = {"acme": Tenant({"velip": destination(running_vendors["velip"])})}
    async with open_gateway(tenants, upload_timeout=0.5, max_upload=5) as gateway:
        yield gateway


@pytest.mark.parametrize("form", [False, True], ids=["raw", "in a form"])
async def test_an_upload_that_is_too_slow_is_broken_off(strict: Gateway, form: bool) -> None:
    before = await strict.rows()
    sender = await Sender.begin(strict, 20 << 20, form)
    status, body = await sender.answer()
    await sender.leave()
    assert (status, body["code"], body["retryable"]) == (408, "upload.too_slow", True)
    assert await strict.rows() == before


async def test_a_slow_upload_that_comes_at_a_fair_rate_is_taken(strict: Gateway) -> None:
    sender = await Sender.begin(strict, len(b"phone\r\n") + (32 << 16), form=False)
    await sender.send(pieces=32, pause=0.04)
    status, body = await sender.answer()
    await sender.leave()
    assert (status, body["counts"]) == (201, counts(accepted=1, duplicate=32 * 4096 - 1))


@pytest.mark.parametrize("form", [False, True], ids=["raw", "in a form"])
async def test_a_file_above_the_largest_upload_is_refused(
    strict: Gateway, ledger: Callable[[str], Ledger], form: bool
) -> None:
    before = await strict.rows()
    client = await strict.client("acme")
    file = as_csv(people(), padding=2_000)
    assert len(file.content) > 5 << 20
    assert problem(await send(client, file, form=form, destination="velip")) == refusal(413, "body.too_large")
    assert await strict.rows() == before
    assert ledger("velip").requests == []


async def test_json_stays_within_the_limits_of_a_call(acme: httpx.AsyncClient, gateway: Gateway) -> None:
    before = await gateway.rows()
    body = {"name": "Long", "destination": "velip", "contacts": some_people(5_001)}
    answer = await acme.post(LISTS, json=body)
    assert problem(answer) == refusal(413, "list.too_large")
    assert await gateway.rows() == before
