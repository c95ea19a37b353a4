"""Reading back what a vendor holds: what became of a request that nobody knows of, and of contacts that are queued."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.canonical import Outcome, Verdict
from gateway.contract import Finding, Receipt, RemoteList
from gateway.driver import Patience

LOOKS = (0.1, 0.2, 0.3, 0.4)
"""When an unclear request is looked up: shares of the vendor's visibility delay, one after the other."""

Find = Callable[[], Awaitable[Finding]]
Sleep = Callable[[float], Awaitable[None]]


async def look_up(find: Find, delay: float, sleep: Sleep, *, known: RemoteList | None, detail: str) -> Finding:
    """Look several times over the visibility delay (seconds). `known` is the list that was there before the request.

    A success is believed at once; an absence only at the end, and only when no look saw anything.
    """
    finding, seen = Finding(Verdict.UNKNOWN), None
    for share in LOOKS:
        await sleep(delay * share)
        finding = await find()
        if finding.verdict is Verdict.ACCEPTED:
            return finding
        seen = finding.remote or seen
    if finding.verdict is Verdict.NOT_SENT and known is None and finding.remote is None and seen is not None:
        return Finding(Verdict.UNKNOWN, seen, detail="the list was seen once, and not again")
    return finding if finding.detail else replace(finding, detail=detail)


async def watch(find: Find, pause: float, sleep: Sleep, patience: Patience, receipt: Receipt) -> Receipt:
    """Look until queued contacts are settled; those that are not when the time is up are unknown."""
    detail, items = receipt.detail, dict(receipt.items)
    while patience.left > 0:
        await sleep(pause)
        finding = await find()
        found = finding.receipt
        if found is not None:
            items.update(found.items)
            if finding.verdict is Verdict.ACCEPTED and found.rest is not Outcome.PENDING:
                return found
        detail = finding.detail or detail
    settled = {key: item for key, item in items.items() if item.outcome is not Outcome.PENDING}
    return Receipt(settled, Outcome.UNKNOWN, detail or "the vendor did not show these contacts in time")
