"""The wall clock jumps while lists are delivered: limits hold in true time, order is kept, tokens are made anew."""

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from gateway import accounts
from gateway.channel import Gate
from gateway.store import attempts
from tests.faults.clocks import Clock, movable
from tests.faults.lane import ended
from tests.faults.own_side import Own, a_file, own
from tests.faults.processes import pair
from tests.faults.scenarios import Body
from tests.faults.test_two_processes import send, told
from tests.faults.vendor_side import vendor

HOUR = 3_600.0
WINDOW, PER_WINDOW = 2, 6
"""Seconds of a minute here, and the requests that it takes."""
JITTER = WINDOW / 2
"""Seconds that one request may need longer than another from our gate to the vendor, on a busy machine."""


@pytest.fixture
def clock() -> Iterator[Clock]:
    with movable() as one:
        yield one


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A minute of the gates passes in WINDOW seconds. In seconds of that minute: when each request passed."""
    times: list[float] = []

    class Watched(Gate):
        async def _wait_for_rate(self) -> None:
            await super()._wait_for_rate()
            times.append(self._starts[-1])

    speed = 60 / WINDOW
    fast = partial(
        Watched, clock=lambda: time.monotonic() * speed, sleep=lambda seconds: asyncio.sleep(seconds / speed)
    )
    monkeypatch.setattr(accounts, "Gate", fast)
    monkeypatch.setattr(attempts, "WINDOW", WINDOW)
    return times


async def deliver(gateway: Own, body: Body) -> str:
    """A list that was delivered exactly; its id."""
    answer = await gateway.send(body)
    assert answer.status_code == 202, answer.text
    assert (await ended(gateway.client, answer.headers["location"]))["state"] == "succeeded"
    list_id: str = answer.json()["id"]
    return list_id


@pytest.mark.parametrize("jumps", [(HOUR, -2 * HOUR), (-24 * HOUR, 48 * HOUR)], ids=["forward first", "back first"])
async def test_a_rate_holds_in_true_time(
    tmp_path: Path, clock: Clock, passed: list[float], jumps: tuple[float, float]
) -> None:
    async with own(tmp_path, "velip", requests_per_minute=PER_WINDOW, contacts_per_list=1) as gateway:
        for number, offset in zip((5, 9), jumps, strict=True):

            async def jump(offset: float = offset) -> None:
                clock.offset = offset

            gateway.vendor.watched.after[number] = jump
        body = a_file("velip", 14)
        list_id = await deliver(gateway, body)
        assert clock.offset == jumps[-1]
        assert len(gateway.vendor.watched.starts) == 14
        assert len(passed) == 14
        assert all(later - one >= 60 for one, later in zip(passed, passed[PER_WINDOW:], strict=False)), passed
        true_time = WINDOW - JITTER
        assert gateway.vendor.most_within(true_time) <= PER_WINDOW, gateway.vendor.watched.starts
        assert gateway.broken(await gateway.told(list_id, body)) == []


async def test_the_order_of_work_and_of_attempts_is_kept(tmp_path: Path, clock: Clock) -> None:
    """Create, append with the clock a day back, append with it a day ahead: each waits for the one before."""
    bodies = [a_file("voximplant", 6), a_file("voximplant", 6, 10), a_file("voximplant", 6, 20)]
    async with own(tmp_path, "voximplant", 0.05, batch_size=2) as gateway:
        created = await gateway.send(bodies[0])
        path = f"/v1/contact-lists/{created.json()['id']}"
        operations = [created.headers["location"]]
        for body, offset in zip(bodies[1:], (-300.0, 300.0), strict=True):
            clock.offset = offset
            plain = Body(body.content, body.media_type, {"delimiter": ","}, body.good, body.rows)
            answer = await gateway.send(plain, f"{path}/contacts")
            assert answer.status_code == 202, answer.text
            operations.append(answer.headers["location"])
        states = [(await ended(gateway.client, one))["state"] for one in operations]
        assert states == ["succeeded"] * 3
        one = await gateway.told(created.json()["id"], *bodies)
        assert gateway.broken(one) == []
        wanted = [number for body in bodies for number in body.good]
        assert [each["phone"] for each in one.contacts] == wanted
        (remote,) = gateway.vendor.ledger.lists.values()
        assert [number.lstrip("+") for number in remote.phones] == [number.lstrip("+") for number in wanted]
        shown = one.shown["deliveries"][0]["attempts"]
        assert [each["step"] for each in shown] == ["create", *["append"] * 8]
        assert [each["step"] for each in shown] == [each["step"] for each in one.attempts]


@pytest.mark.parametrize("name", ["voximplant", "koreai"])
async def test_a_token_is_made_anew_when_the_clock_has_jumped(name: str, tmp_path: Path, clock: Clock) -> None:
    """The vendor goes by the same clock, as it does where both are right again."""
    sent: list[str] = []
    async with own(tmp_path, name) as gateway:
        for place, offset in enumerate((0.0, 3 * HOUR, 3.5 * HOUR, 0.0, -24 * HOUR, 0.0)):
            clock.offset = offset
            body = a_file(name, 3, place * 10)
            sent += body.good
            one = await gateway.told(await deliver(gateway, body), body)
            assert (one.shown["state"], dict(one.tally)) == ("delivered", {"accepted": 3}), one.shown
        held = [number.lstrip("+") for each in gateway.vendor.ledger.lists.values() for number in each.phones]
        assert sorted(held) == sorted(number.lstrip("+") for number in sent)


@pytest.mark.parametrize("moved", [-3 * HOUR, 3 * HOUR], ids=["back", "forward"])
async def test_after_a_crash_with_the_clock_moved_nothing_is_sent_twice(tmp_path: Path, moved: float) -> None:
    """One request at a time: the one that was under way at the crash must not count as under way for hours."""
    body = a_file("velip", 40)
    limits = {"requests_per_minute": 100_000, "concurrency": 1, "visibility_delay": 0.3, "timeout": 2.0}
    async with vendor("velip") as there:
        limits |= {"contacts_per_list": 5}
        database = f"sqlite:///{tmp_path / 'gateway.db'}"
        async with pair(tmp_path, database, {"velip": there}, {"velip": limits}) as processes:
            first = await processes.start()
            await first.answers()

            async def kill() -> None:
                first.process.kill()
                await first.process.wait()

            there.watched.after[4] = kill
            path, operation = await send(first, body)
            await first.process.wait()
            second = await processes.start("--clock", str(moved))
            await second.answers()
            assert (await ended(second.client, operation, 30))["state"] == "succeeded"
            one = await told(processes, second, path, body)
    assert (one.shown["state"], dict(one.tally)) == ("delivered", {"accepted": 40})
    held = [number for each in there.ledger.lists.values() for number in each.phones]
    assert sorted(held) == sorted(number.lstrip("+") for number in body.good)
