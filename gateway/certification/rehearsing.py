"""What an adapter would send, without a network: the same input must always give the same bytes.

`python -m gateway.certification.rehearsing NAME ...` prints the digest of every request of the standing scenarios.
"""

import hashlib
import sys
from collections.abc import Generator, Iterator, Sequence
from datetime import datetime
from typing import Any

from gateway.canonical import Contact, ListHead
from gateway.certification import samples
from gateway.certification.bench import written
from gateway.contract import AnyAdapter, Batch, Job, Step, Style, Wait
from gateway.driver import careful
from gateway.planning import profile_of, remote_key
from gateway.registry import load


def steps(exchange: Any) -> Generator[Step[Any], None, Any]:
    """The steps of an exchange that is fed each step's own success; its result is the iterator's."""
    try:
        move = next(exchange)
        while True:
            if isinstance(move, Wait):
                move = exchange.send(None)
                continue
            yield move
            move = exchange.send(careful(move)(move.success()))
    except StopIteration as end:
        return end.value


def rehearsed(
    adapter: AnyAdapter, options: Any, head: ListHead, people: Sequence[Contact], now: datetime = samples.NOW
) -> list[bytes]:
    """Every request that delivers this list, in bytes. A vendor that dials is shown as if the list were started."""
    profile = profile_of(people)
    plan = adapter.how(head, profile, options, adapter.limits)
    parts = _cut(people, plan.contacts_per_list)
    jobs = [
        Job(
            head=head,
            profile=profile,
            options=options,
            key=remote_key("rehearsal", part),
            now=now,
            part=part,
            parts=len(parts),
            start=samples.dials(adapter),
        )
        for part in range(1, len(parts) + 1)
    ]
    return [written(step) for step in _all_steps(adapter, plan.style, plan.batch_size, jobs, parts)]


def _cut(people: Sequence[Contact], size: int) -> list[list[Contact]]:
    return [list(people[start : start + size]) for start in range(0, len(people), size)]


def _all_steps(
    adapter: AnyAdapter, style: Style, batch_size: int, jobs: list[Job[Any]], parts: list[list[Contact]]
) -> Iterator[Step[Any]]:
    remotes: Sequence[Any] = [None] * len(jobs)
    if style is Style.CREATE:
        assert adapter.create is not None
        remotes = yield from steps(adapter.create(tuple(jobs)))
    for job, remote, part in zip(jobs, remotes, parts, strict=True):
        for number, some in enumerate(_cut(part, batch_size), start=1):
            batch = Batch(number, f"{job.key}-{number}", some)
            if remote is None:
                assert adapter.deliver is not None
                remote = (yield from steps(adapter.deliver(job, batch))).remote
            else:
                assert adapter.append is not None
                yield from steps(adapter.append(job, remote, batch))


def digests(adapter: AnyAdapter, options: Any) -> list[str]:
    """The requests of the standing scenarios, as SHA-256, one line a scenario."""
    pattern = samples.country_of(adapter, options)
    lines = []
    for scenario in samples.SCENARIOS:
        head = samples.head(**scenario.head(samples.NOW))
        profile = profile_of(people := scenario.people(pattern))
        taken = [one for one in people if not adapter.examine(head, profile, options, one).faults]
        whole = hashlib.sha256(b"\0".join(rehearsed(adapter, options, head, taken))).hexdigest()
        lines.append(f"{adapter.name} {scenario.name} {whole}")
    return lines


def main(names: Sequence[str]) -> None:
    known = load()
    for name in names:
        adapter = known.adapters[name]
        options = adapter.options.model_validate(dict(known.simulators[name].create().options))
        print(*digests(adapter, options), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
