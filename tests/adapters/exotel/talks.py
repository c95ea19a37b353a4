"""Talks that several tests of Exotel need: a list delivered by JSON, and what became of its contacts."""

from typing import Any

from gateway.canonical import Contact
from gateway.contract import Receipt, RemoteList
from tests.harness import Bench, batch


async def delivered(there: Bench, people: list[Contact], **given: Any) -> tuple[Any, RemoteList, Receipt]:
    """A list of these people by JSON: its job, the list and the receipt."""
    work = there.job(people, given)
    (remote,) = await there.talk(there.adapter.create((work,)))
    return work, remote, await there.talk(there.adapter.append(work, remote, batch(people)))


def outcomes(receipt: Receipt, people: list[Contact]) -> list[str]:
    return [receipt.of(one).outcome.value for one in people]
