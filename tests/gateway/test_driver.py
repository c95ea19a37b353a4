"""The driver: what is repeated and what is not, waits and deadlines, garbage."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.contract import (
    DeadlinePassed,
    Exchange,
    NotAuthorised,
    NotSent,
    Refused,
    Reply,
    Request,
    Step,
    Unclear,
    VendorError,
    Wait,
    ask,
    json_reply,
)
from gateway.driver import Patience, rehearse, run


class Scripted:
    """A sender whose answers are written down: a reply, or an error."""

    def __init__(self, *answers: Reply | VendorError) -> None:
        self.answers = list(answers)
        self.sent = 0
        self.risked = False

    async def send(self, step: Step[Any], read: Callable[[Reply], Any]) -> Any:
        self.sent += 1
        answer = self.answers.pop(0)
        if isinstance(answer, VendorError):
            raise answer
        return read(answer)


def step(repeatable: bool) -> Step[int]:
    return Step(
        name="create",
        request=Request("POST", "/lists"),
        read=lambda reply: int(reply.json()["id"]),
        success=lambda: json_reply({"id": 1}),
        repeatable=repeatable,
    )


def create(repeatable: bool = False) -> Exchange[int]:
    return (yield from ask(step(repeatable)))


def patience(seconds: float = 60.0) -> Patience:
    return Patience(time.monotonic() + seconds, attempts=3, first_wait=0.0, longest_wait=0.0)


GOOD = json_reply({"id": 7})


@pytest.mark.parametrize(
    ("answers", "repeatable", "sent"),
    [
        pytest.param([GOOD], False, 1, id="a success is sent once"),
        pytest.param([NotSent("refused"), GOOD], False, 2, id="proven not sent is sent again"),
        pytest.param([NotSent("429", retry_after=0.0), GOOD], False, 2, id="retry-after is honoured"),
        pytest.param([Unclear("reset"), GOOD], True, 2, id="a repeatable step is repeated when unclear"),
    ],
)
async def test_what_ends_well(answers: list[Any], repeatable: bool, sent: int) -> None:
    sender = Scripted(*answers)
    assert await run(create(repeatable), sender, patience()) == 7
    assert sender.sent == sent


@pytest.mark.parametrize(
    ("answers", "repeatable", "error", "sent"),
    [
        pytest.param([Unclear("reset"), GOOD], False, Unclear, 1, id="an unclear step is never repeated blindly"),
        pytest.param([Refused("400"), GOOD], True, Refused, 1, id="a refusal is final"),
        pytest.param([NotAuthorised("401"), GOOD], True, NotAuthorised, 1, id="credentials are never tried twice"),
        pytest.param([NotSent("503")] * 9, False, NotSent, 3, id="the number of attempts is bounded"),
        pytest.param([NotSent("429", retry_after=3600.0), GOOD], False, NotSent, 1, id="no wait beyond the deadline"),
        pytest.param([Reply(200, b"<html>"), GOOD], False, Unclear, 1, id="garbage is unclear"),
        pytest.param([Reply(200, b'{"id": null}'), GOOD], False, Unclear, 1, id="a missing id is unclear"),
    ],
)
async def test_what_ends_badly(answers: list[Any], repeatable: bool, error: type[Exception], sent: int) -> None:
    sender = Scripted(*answers)
    with pytest.raises(error):
        await run(create(repeatable), sender, patience())
    assert sender.sent == sent


async def test_an_unclear_look_before_anything_was_sent_is_not_sent() -> None:
    """A reading step that fails for good leaves nothing in doubt: the list was not touched yet."""
    sender = Scripted(Unclear("reset"), Unclear("reset"), Unclear("reset"))
    with pytest.raises(NotSent):
        await run(create(repeatable=True), sender, patience())

    def look_then_create() -> Exchange[int]:
        yield from ask(step(True))
        return (yield from ask(step(False)))

    with pytest.raises(Unclear):
        await run(look_then_create(), Scripted(GOOD, Unclear("reset")), patience())


async def test_an_exchange_may_handle_a_refusal() -> None:
    def exchange() -> Exchange[str]:
        try:
            yield from ask(step(False))
        except Refused as error:
            return f"handled {error.code}"
        return "not reached"

    assert await run(exchange(), Scripted(Refused("taken", code="409")), patience()) == "handled 409"


async def test_a_wait_sleeps_and_a_wait_beyond_the_deadline_is_refused() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    def polling() -> Exchange[str]:
        yield Wait(2.0, "first look")
        try:
            yield Wait(1_000.0, "second look")
        except DeadlinePassed:
            return "pending"
        return "done"

    assert await run(polling(), Scripted(), patience(), sleep) == "pending"
    assert slept == [2.0]


def test_a_rehearsal_sends_nothing_and_feeds_the_success() -> None:
    rehearsal = rehearse(create())
    assert rehearsal.requests == [("create", Request("POST", "/lists"))]
    assert rehearsal.result == 1
