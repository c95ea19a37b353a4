"""The same input gives the same bytes: again, in another process, in the preview and on the wire."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from gateway.certification import samples
from gateway.certification.bench import Bench, Tape, now, opening, written
from gateway.certification.rehearsing import digests, steps
from gateway.contract import AnyAdapter, Batch, Job, Receipt, RemoteList, Wait
from gateway.contract.simulation import Simulation
from gateway.driver import careful
from gateway.registry import Registry

pytestmark = pytest.mark.anyio
LISTS = (samples.PLAIN, samples.RICH_LIST, samples.EVERYTHING)


@pytest.fixture
def simulation(registry: Registry, name: str) -> Simulation:
    return registry.simulators[name].create()


def test_two_rehearsals_give_the_same_bytes(adapter: AnyAdapter, simulation: Simulation) -> None:
    options = adapter.options.model_validate(dict(simulation.options))
    assert digests(adapter, options) == digests(adapter, options)


@pytest.fixture(scope="session")
def under_hash_seeds(registry: Registry) -> list[str]:
    """The digests of all adapters in processes with different hash seeds."""
    command = [sys.executable, "-m", "gateway.certification.rehearsing", *registry.adapters]
    started = [
        subprocess.Popen(  # noqa: S603 - our own module
            command,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    return [process.communicate(timeout=120)[0] for process in started]


def test_hash_seeds_do_not_change_the_bytes(name: str, under_hash_seeds: list[str]) -> None:
    first, second = ([line for line in text.splitlines() if line.startswith(f"{name} ")] for text in under_hash_seeds)
    assert len(first) == len(samples.SCENARIOS)
    assert first == second


async def talked(bench: Bench, scenario: samples.Scenario) -> tuple[Job[Any], Batch, Tape, RemoteList, Receipt]:
    people = bench.people(scenario)
    at = now()
    job = bench.job(people, head=scenario.head(at), now=at, start=samples.dials(bench.adapter))
    tape = Tape()
    remote, receipt = await bench.deliver(job, samples.batch(people), recorder=tape)
    return job, samples.batch(people), tape, remote, receipt


@pytest.mark.parametrize("scenario", LISTS, ids=lambda scenario: scenario.name)
async def test_recorded_replies_lead_to_the_same_requests(bench: Bench, scenario: samples.Scenario) -> None:
    """What recovery after a crash relies on."""
    job, batch, tape, remote, receipt = await talked(bench, scenario)
    exchange = opening(bench.adapter, job, batch)
    turns = iter(tape.turns)
    said = []
    try:
        move = next(exchange)
        while True:
            if isinstance(move, Wait):
                move = exchange.send(None)
                continue
            said.append(written(move))
            reply = next(turns).reply
            assert reply is not None
            move = exchange.send(careful(move)(reply))
    except StopIteration as end:
        result = end.value
    assert result == (remote, receipt)
    assert said == [turn.request for turn in tape.turns]


@pytest.mark.parametrize("scenario", LISTS, ids=lambda scenario: scenario.name)
async def test_the_preview_shows_the_bytes_that_leave(bench: Bench, scenario: samples.Scenario) -> None:
    """Step by step; how often the vendor is asked how far it is, and its own ids, nobody knows beforehand."""
    job, batch, tape, remote, receipt = await talked(bench, scenario)
    previewed: list[tuple[str, bytes]] = []
    exchange = steps(opening(bench.adapter, job, batch))
    try:
        while True:
            step = next(exchange)
            previewed.append((step.name, written(step)))
    except StopIteration as end:
        shown_remote, shown_receipt = end.value
    known = ids_of(remote, receipt, batch), ids_of(shown_remote, shown_receipt, batch)
    live = [(turn.step, with_ids(turn.request, *known)) for turn in tape.turns]
    assert once_each(live) == once_each(previewed)


def ids_of(remote: RemoteList, receipt: Receipt, batch: Batch) -> list[str]:
    """The vendor's ids in a talk, always in the same order: "" where there is none."""
    extra = [remote.extra[name] for name in sorted(remote.extra)]
    return [remote.id, *extra, *(receipt.of(one).remote_id or "" for one in batch.contacts)]


def with_ids(request: bytes, live: list[str], shown: list[str]) -> bytes:
    """The request with the ids of the preview in the places of the vendor's."""
    names = {theirs.encode(): ours.encode() for theirs, ours in zip(live, shown, strict=True) if theirs and ours}
    either = b"|".join(map(re.escape, names))
    whole_word = rb"(?<![A-Za-z0-9])(?:" + either + rb")(?![A-Za-z0-9])"
    return re.sub(whole_word, lambda match: names[match[0]], request)


def once_each(turns: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """The turns, equal neighbours as one."""
    return [turn for turn, _ in itertools.groupby(turns)]
