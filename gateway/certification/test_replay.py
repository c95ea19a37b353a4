"""After a crash nothing is asked twice: recorded replies are fed back, and only what has none goes out."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.canonical import Verdict
from gateway.certification import samples
from gateway.certification.bench import Bench, opening
from gateway.contract import Batch, Limits, Reply, Step, Unclear
from gateway.driver import Patience, Sender, run
from gateway.encoding import Encoded
from gateway.replaying import Replayed
from gateway.store.attempts import Record

pytestmark = pytest.mark.anyio


class Killed(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class Book:
    """Keeps what a database would. The process is killed before the intent of request `last` or before its verdict."""

    last: int | None = None
    before_intent: bool = True
    records: list[Record] = field(default_factory=list)
    steps: list[Step[Any]] = field(default_factory=list)

    async def intend(self, step: Step[Any], encoded: Encoded, account: str, limits: Limits) -> int:
        if self.before_intent and len(self.records) == self.last:
            raise Killed
        self.records.append(Record(1, step.name, encoded.digest, None, "", None))
        self.steps.append(step)
        return len(self.records) - 1

    async def conclude(self, attempt: int, verdict: Verdict, reply: Reply | None, detail: str) -> None:
        if attempt == self.last:
            raise Killed
        self.records[attempt] = replace(self.records[attempt], verdict=verdict, detail=detail, answer=reply)


async def drive(bench: Bench, sender: Sender) -> Any:
    """Make a remote list with its contacts, always with the same bytes."""
    people = bench.people(samples.RICH_LIST)
    job = bench.job(people, start=True)
    return await run(opening(bench.adapter, job, Batch(1, f"{job.key}-1", people)), sender, Patience.of(10.0))


def live(bench: Bench, book: Book) -> Sender:
    return replace(bench.channel, recorder=book)


def resumed(bench: Bench, first: Book, second: Book) -> Sender:
    return Replayed(live(bench, second), bench.channel.account.resolve, first.records)


async def undisturbed(bench: Bench) -> tuple[Any, Book]:
    book = Book()
    result = await drive(bench, live(bench, book))
    return result, book


async def test_a_run_killed_between_two_requests_goes_on_with_the_second(bench: Bench) -> None:
    expected, whole = await undisturbed(bench)
    for place in range(1, len(whole.records)):
        bench.simulation.reset()
        first, second = Book(last=place), Book()
        with pytest.raises(Killed):
            await drive(bench, live(bench, first))
        assert await drive(bench, resumed(bench, first, second)) == expected
        sent = [record.step for record in (*first.records, *second.records)]
        assert sent == [record.step for record in whole.records], f"killed before request {place + 1}"


async def test_a_request_whose_reply_was_lost_is_not_sent_again(bench: Bench) -> None:
    """But for one that is marked repeatable: then the run goes on."""
    expected, whole = await undisturbed(bench)
    for place, step in enumerate(whole.steps):
        bench.simulation.reset()
        first, second = Book(last=place, before_intent=False), Book()
        with pytest.raises(Killed):
            await drive(bench, live(bench, first))
        if step.repeatable:
            assert await drive(bench, resumed(bench, first, second)) == expected
        else:
            with pytest.raises(Unclear):
                await drive(bench, resumed(bench, first, second))
        sent = Counter(one.name for one in (*first.steps, *second.steps) if not one.repeatable)
        once = Counter(one.name for one in whole.steps if not one.repeatable)
        assert sent <= once, f"the reply to request {place + 1} was lost"
