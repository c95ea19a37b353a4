"""The circuit breaker: what opens it, what closes it, and that exactly one request tries."""

import asyncio
import socket

import pytest

from gateway.breaker import Breaker
from gateway.channel import CredentialLocked
from gateway.contract import NotAuthorised, NotSent, Refused, Request, Unclear, VendorError
from gateway.encoding import encode
from gateway.transport import Transport

REFUSED = NotSent("could not connect: ConnectionRefusedError")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("velip-main", threshold=5, pause=30.0, clock=clock)


async def lose(breaker: Breaker, number: int, error: VendorError = REFUSED) -> None:
    for _ in range(number):
        await breaker.admit()
        breaker.failed(error)


async def is_let_in(breaker: Breaker) -> bool:
    """Whether another task, which tells nothing of its end, is admitted."""

    async def one() -> bool:
        try:
            await breaker.admit()
        except NotSent:
            return False
        breaker.withdraw()
        return True

    return await asyncio.create_task(one())


async def test_failures_in_a_row_open_the_circuit_and_the_refusal_says_all_of_it(
    breaker: Breaker, clock: Clock
) -> None:
    await lose(breaker, 4)
    assert (breaker.state, breaker.detail) == ("closed", "")
    await lose(breaker, 1, Unclear("no whole answer within 30 s"))
    assert (breaker.state, breaker.detail) == ("open", "no whole answer within 30 s")
    clock.now += 17.5
    with pytest.raises(NotSent) as refused:
        await breaker.admit()
    assert refused.value.detail == (
        "the circuit to velip-main is open after 5 failures in a row (no whole answer within 30 s); "
        "next try in 13 s; run check"
    )
    assert (refused.value.retry_after, refused.value.code) == (12.5, "")


async def test_a_success_in_between_starts_the_count_anew(breaker: Breaker) -> None:
    await lose(breaker, 4)
    await breaker.admit()
    breaker.succeeded()
    await lose(breaker, 4)
    assert breaker.state == "closed"
    await lose(breaker, 1)
    assert breaker.state == "open"


TROUBLE = {
    "no connection": (NotSent("could not connect: gaierror"), None),
    "no answer in time": (Unclear("no whole answer within 30 s"), None),
    "a reset": (Unclear("the connection broke before a whole answer"), None),
    "a server error": (Unclear("the vendor answered HTTP 502", code="502"), 502),
    "a documented code in a server error": (Unclear("busy", code="E17"), 503),
    "garbage in a 200": (Unclear("something it does not document"), 200),
}
ALIVE = {
    "a refusal": (Refused("unknown campaign", code="17"), 400),
    "a refusal in a 200": (Refused("unknown campaign"), 200),
    "a refused credential": (NotAuthorised("unknown token"), 401),
    "a rate limit": (NotSent("the vendor's rate limit", code="429", retry_after=60.0), 429),
    "a rate limit without a time": (NotSent("the vendor's rate limit", code="429"), 429),
    "a rate limit whose status nobody tells": (NotSent("the vendor's rate limit", code="429"), None),
    "nothing done, and an answer": (NotSent("the list is not there yet"), 200),
    "a documented doubt": (Unclear("probable resend", code="484"), 200),
}


@pytest.mark.parametrize("name", TROUBLE)
async def test_trouble_counts(breaker: Breaker, name: str) -> None:
    error, status = TROUBLE[name]
    for _ in range(5):
        await breaker.admit()
        breaker.failed(error, status=status)
    assert (breaker.state, breaker.detail) == ("open", error.detail)


@pytest.mark.parametrize("name", ALIVE)
async def test_an_answer_that_shows_the_vendor_alive_never_opens_and_always_closes(
    breaker: Breaker, clock: Clock, name: str
) -> None:
    error, status = ALIVE[name]
    await lose(breaker, 4)
    breaker.failed(error, status=status)
    await lose(breaker, 4)
    assert breaker.state == "closed"
    await lose(breaker, 1)
    clock.now += 30
    await breaker.admit()
    breaker.failed(error, status=status)
    assert (breaker.state, breaker.detail) == ("closed", "")


async def test_a_locked_credential_tells_nothing_of_the_vendor(breaker: Breaker, clock: Clock) -> None:
    await lose(breaker, 4)
    breaker.failed(CredentialLocked("this credential was refused before"))
    await lose(breaker, 1)
    assert breaker.state == "open"
    clock.now += 30
    await breaker.admit()
    breaker.failed(CredentialLocked("this credential was refused before"))
    assert breaker.state == "half_open"
    assert await is_let_in(breaker)


async def test_after_the_pause_exactly_one_request_tries(breaker: Breaker, clock: Clock) -> None:
    await lose(breaker, 5)
    clock.now += 29.9
    assert (breaker.state, await is_let_in(breaker)) == ("open", False)
    clock.now += 0.1
    assert breaker.state == "half_open"
    others_refused, answered = asyncio.Event(), asyncio.Event()
    ends: list[str] = []

    async def one() -> None:
        try:
            await breaker.admit()
        except NotSent as error:
            ends.append(f"refused for {error.retry_after:g} s")
            if len(ends) == 19:
                others_refused.set()
            return
        await answered.wait()
        breaker.succeeded()
        ends.append("sent")

    tasks = [asyncio.create_task(one()) for _ in range(20)]
    await asyncio.wait_for(others_refused.wait(), 10)
    assert breaker.state == "half_open"
    answered.set()
    await asyncio.gather(*tasks)
    assert ends == ["refused for 5 s"] * 19 + ["sent"]
    assert (breaker.state, breaker.detail) == ("closed", "")
    assert await is_let_in(breaker)


async def test_a_failed_trial_opens_the_circuit_for_another_pause(breaker: Breaker, clock: Clock) -> None:
    await lose(breaker, 5)
    clock.now += 40
    await lose(breaker, 1, Unclear("the vendor answered HTTP 500", code="500"))
    assert (breaker.state, breaker.detail) == ("open", "the vendor answered HTTP 500")
    clock.now += 29
    with pytest.raises(NotSent, match=r"after 6 failures in a row .* next try in 1 s"):
        await breaker.admit()
    clock.now += 1
    assert await is_let_in(breaker)


async def test_a_check_is_always_let_in_and_decides(breaker: Breaker, clock: Clock) -> None:
    await lose(breaker, 5)
    clock.now += 10
    await breaker.admit(checking=True)
    assert breaker.state == "half_open"
    assert not await is_let_in(breaker)
    breaker.failed(REFUSED)
    assert breaker.state == "open"
    clock.now += 29
    assert not await is_let_in(breaker), "the failed check begins a new pause"
    await breaker.admit(checking=True)
    breaker.succeeded()
    assert (breaker.state, await is_let_in(breaker)) == ("closed", True)


async def test_a_check_passes_a_trial_that_hangs_and_the_older_one_has_no_say_any_more(
    breaker: Breaker, clock: Clock
) -> None:
    await lose(breaker, 5)
    clock.now += 30
    hanging = asyncio.Event()

    async def trial() -> None:
        await breaker.admit()
        await hanging.wait()
        breaker.failed(Unclear("no whole answer within 30 s"))

    task = asyncio.create_task(trial())
    await asyncio.sleep(0)
    await breaker.admit(checking=True)
    hanging.set()
    await task
    assert breaker.state == "half_open"
    breaker.succeeded()
    assert breaker.state == "closed"


async def test_failures_of_requests_that_left_before_it_opened_do_not_prolong_the_pause(
    breaker: Breaker, clock: Clock
) -> None:
    release = asyncio.Event()

    async def slow() -> None:
        await breaker.admit()
        await release.wait()
        breaker.failed(Unclear("late"))

    tasks = [asyncio.create_task(slow()) for _ in range(3)]
    await asyncio.sleep(0)
    await lose(breaker, 5)
    clock.now += 20
    release.set()
    await asyncio.gather(*tasks)
    assert breaker.detail == REFUSED.detail
    clock.now += 10
    assert await is_let_in(breaker)


async def test_a_late_answer_shows_the_vendor_alive_and_closes(breaker: Breaker) -> None:
    await breaker.admit()
    await asyncio.create_task(lose(breaker, 5))
    breaker.succeeded()
    assert breaker.state == "closed"


async def test_a_trial_that_ends_without_a_word_leaves_its_place_to_another(breaker: Breaker, clock: Clock) -> None:
    await lose(breaker, 5)
    clock.now += 30

    async def hang() -> None:
        await breaker.admit()
        await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.sleep(0)
    assert not await is_let_in(breaker)
    task.cancel()
    await asyncio.wait([task])
    assert await is_let_in(breaker)
    await breaker.admit()
    assert not await is_let_in(breaker)
    breaker.withdraw()
    assert await is_let_in(breaker)


async def test_a_request_that_is_no_trial_cannot_withdraw_it(breaker: Breaker, clock: Clock) -> None:
    await lose(breaker, 5)
    clock.now += 30
    await breaker.admit()

    async def other() -> None:
        breaker.withdraw()

    await asyncio.create_task(other())
    assert not await is_let_in(breaker)


async def test_asking_before_the_turn_takes_no_trial(breaker: Breaker, clock: Clock) -> None:
    breaker.refuse_if_open()
    await lose(breaker, 5)
    with pytest.raises(NotSent, match="next try in 30 s"):
        breaker.refuse_if_open()
    breaker.refuse_if_open(checking=True)
    assert breaker.state == "open"
    clock.now += 30
    breaker.refuse_if_open()
    assert await is_let_in(breaker)


async def test_the_trial_is_not_refused_by_itself(breaker: Breaker, clock: Clock) -> None:
    await lose(breaker, 5)
    clock.now += 30
    await breaker.admit()
    breaker.refuse_if_open()
    await breaker.admit()
    breaker.succeeded()


async def test_the_transports_own_errors_open_it() -> None:
    """A real socket that nobody listens on, with the transport of production."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    breaker = Breaker("velip-main", threshold=2)
    transport = Transport()
    try:
        for _ in range(2):
            await breaker.admit()
            with pytest.raises(NotSent) as refused:
                await transport.send(url, encode(Request("GET", "/"), lambda *_: ""), [], 5.0)
            breaker.failed(refused.value)
    finally:
        await transport.close()
    assert breaker.state == "open"
    assert breaker.detail.startswith("could not connect: ")
