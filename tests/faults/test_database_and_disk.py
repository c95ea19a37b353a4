"""A locked database, a full disk: nothing is sent unrecorded, what is created is refused, and work goes on later."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from gateway import encoding
from gateway.ingest import spool
from tests.faults.lane import ended
from tests.faults.own_side import Disk, Own, a_file, locked, locked_now_and_then, own
from tests.faults.scenarios import LARGE_BYTES, PROFILES, VENDORS, Body, phone

FINDS = [name for name in VENDORS if name != "indigitall"]
"""The vendors that can be asked what became of a request."""


def pieces(name: str) -> dict[str, Any]:
    return dict(PROFILES[VENDORS.index(name)].pieces)


async def created(gateway: Own, body: Body) -> tuple[str, str]:
    """A list's id, and the path of its operation."""
    answer = await gateway.send(body)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"], answer.headers["location"]


async def finished(gateway: Own, list_id: str, operation: str, *bodies: Body) -> dict[str, int]:
    """What became of the good contacts, once the operation has succeeded and nothing is wrong."""
    assert (await ended(gateway.client, operation))["state"] == "succeeded"
    told = await gateway.told(list_id, *bodies)
    assert gateway.broken(told) == []
    return dict(told.tally)


def json_body(name: str, number: int) -> Body:
    good = [phone(place) for place in range(number)]
    head = {"name": "Spring renewals", "reference": "r-1", "destination": name, "activation": {"mode": "start"}}
    content = json.dumps({**head, "contacts": [{"phone": one} for one in good]}).encode()
    return Body(content, "application/json", {}, tuple(good), number)


@pytest.mark.parametrize("name", VENDORS)
async def test_while_the_database_is_locked_nothing_is_sent_and_then_the_list_goes_on(
    name: str, tmp_path: Path
) -> None:
    body, one_at_a_time = a_file(name, 14), {"concurrency": 1, "timeout": 120.0}
    async with own(tmp_path, name, **pieces(name), **one_at_a_time) as gateway:  # what has no record takes no room
        watched, free = gateway.vendor.watched, asyncio.Event()

        async def hold() -> None:
            lock = locked(gateway.path)
            await lock.__aenter__()

            async def release() -> None:
                await free.wait()
                await lock.__aexit__(None, None, None)

            holding.append(asyncio.create_task(release()))

        holding: list[asyncio.Task[None]] = []
        watched.before[3] = hold
        list_id, operation = await created(gateway, body)
        await gateway.has_paused(3)
        assert len(watched.starts) == 3, "something left while no intent could be written"
        free.set()
        await holding[0]
        tally = await finished(gateway, list_id, operation, body)
    assert tally == ({"accepted": 14} if name in FINDS else {"accepted": 10, "unknown": 4})


async def test_a_database_that_is_locked_again_and_again_delays_a_list_and_does_no_harm(tmp_path: Path) -> None:
    body = a_file("voximplant", 60)
    async with own(tmp_path, "voximplant", 0.02, batch_size=2) as gateway:
        list_id, operation = await created(gateway, body)
        async with locked_now_and_then(gateway.path, 6, 0.5, 0.15):
            await gateway.has_paused(1)
        assert gateway.pauses() >= 2
        assert await finished(gateway, list_id, operation, body) == {"accepted": 60}


async def test_what_is_created_while_the_database_is_locked_is_refused_and_can_be_sent_again(tmp_path: Path) -> None:
    body = json_body("velip", 20)
    async with own(tmp_path, "velip") as gateway:
        async with locked(gateway.path):
            answer = await gateway.send(body, **{"Idempotency-Key": "k-1"})
        refused_clearly(answer)
        assert gateway.vendor.ledger.requests == []
        again = await gateway.send(body, **{"Idempotency-Key": "k-1"})
        assert again.status_code == 202, again.text
        assert await finished(gateway, again.json()["id"], again.headers["location"], body) == {"accepted": 20}


def refused_clearly(answer: Any) -> None:
    """A problem that says that it is ours, and that the same request may succeed later."""
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (answer.status_code, told["code"], told["retryable"]) == (503, "storage.unavailable", True), told


@pytest.mark.parametrize("name", VENDORS)
async def test_when_the_disk_is_full_a_list_waits_and_then_goes_on(name: str, tmp_path: Path) -> None:
    number = 60 if name == "koreai" else 120
    body = a_file(name, number)
    async with own(tmp_path, name, **pieces(name)) as gateway:
        gateway.vendor.watched.before[4] = gateway.fill_disk
        list_id, operation = await created(gateway, body)
        await gateway.has_paused(2)
        seen = len(gateway.vendor.watched.starts)
        assert seen < number / 5
        await gateway.free_disk()
        tally = await finished(gateway, list_id, operation, body)
    assert tally["accepted"] >= number - 4
    assert name not in FINDS or tally == {"accepted": number}


async def test_what_is_created_when_the_disk_is_full_is_refused_and_can_be_sent_again(tmp_path: Path) -> None:
    body = json_body("velip", 3_000)
    async with own(tmp_path, "velip") as gateway:
        await gateway.fill_disk()
        refused_clearly(await gateway.send(body, **{"Idempotency-Key": "k-1"}))
        large = a_file("velip", 50, padding=LARGE_BYTES // 50)
        refused_clearly(await gateway.send(large, **{"Idempotency-Key": "k-2"}))
        assert gateway.vendor.ledger.requests == []
        await gateway.free_disk()
        assert (await gateway.client.get("/v1/contact-lists")).json()["items"] == []
        again = await gateway.send(body, **{"Idempotency-Key": "k-1"})
        assert again.status_code == 202, again.text
        assert await finished(gateway, again.json()["id"], again.headers["location"], body) == {"accepted": 3_000}


async def test_a_long_file_that_finds_no_room_for_its_spool_is_read_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, body = Disk(full=True), a_file("velip", 3_000, padding=1_000)
    monkeypatch.setattr(spool, "tempfile", disk.files(tempfile.TemporaryFile))
    async with own(tmp_path, "velip") as gateway:
        list_id, operation = await created(gateway, body)
        await gateway.has_paused(2)
        assert gateway.vendor.ledger.requests == []
        disk.full = False
        assert await finished(gateway, list_id, operation, body) == {"accepted": 3_000}


async def test_a_list_that_finds_no_room_for_its_spool_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, body = Disk(full=True), json_body("velip", 2_500)
    monkeypatch.setattr(spool, "tempfile", disk.files(tempfile.TemporaryFile))
    async with own(tmp_path, "velip") as gateway:
        refused_clearly(await gateway.send(body))
        disk.full = False
        again = await gateway.send(body)
        assert await finished(gateway, again.json()["id"], again.headers["location"], body) == {"accepted": 2_500}


@pytest.mark.parametrize("name", VENDORS)
async def test_a_request_that_finds_no_room_for_its_body_is_sent_once_there_is_room(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, body = Disk(), a_file(name, 20)
    monkeypatch.setattr(encoding, "tempfile", disk.files(tempfile.SpooledTemporaryFile))
    async with own(tmp_path, name, **pieces(name)) as gateway:

        async def fill() -> None:
            disk.full = True

        gateway.vendor.watched.before[3] = fill
        list_id, operation = await created(gateway, body)
        await gateway.has_paused(2)
        assert len(gateway.vendor.watched.starts) == 3
        disk.full = False
        assert await finished(gateway, list_id, operation, body) == {"accepted": 20}
