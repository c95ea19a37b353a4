"""Talks that several tests of Kore.ai need: a list that is there, and how often a call was made."""

from typing import Any

from adapters.koreai import ADAPTER
from gateway.contract import RemoteList
from tests.harness import Bench


async def made(kore: Bench, work: Any) -> RemoteList:
    (remote,) = await kore.talk(ADAPTER.create((work,)))
    return remote


def sent(kore: Bench, path: str) -> int:
    return sum(path in request for request in kore.ledger.requests)
