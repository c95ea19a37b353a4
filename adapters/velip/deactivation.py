"""Velip's nearest thing to deleting a list: switching it off, with proof that nothing else was switched off.

`setactive` writes to every list that matches (portal, GetDestinationsList, read 2026-10), so it is sent with one list
id and nothing else, between two looks at what is active.
"""

from typing import Final

from adapters.velip.bodies import question
from adapters.velip.codes import succeeded
from adapters.velip.exchanges import id_of, lists_reply, look, look_at, rows_of
from adapters.velip.settings import Options
from adapters.velip.wire import Deactivation, Endpoint, ListRow, Lookup
from gateway.contract import Done, Exchange, RemoteList, Reply, Step, Unclear, ask

_WINDOW: Final = 500
"""How many active lists the comparison looks at: the cap of the MCP form, since the API documents none."""

_REMAINS: Final = (
    "the list stays at Velip, inactive, so that no campaign can use it, until Velip's own retention purges it"
)


def delete(remote: RemoteList, options: Options) -> Exchange[Done]:
    """Deactivate the list and prove by reading that it, and only it, was switched off.

    Raises `Refused` without an id, and `Unclear` when the list is not seen, stays active, or others went with it.
    """
    before = yield from look_at(remote, options)
    if before.purged:
        return Done("nothing but the list's name: Velip has purged its contacts")
    if not before.cdlc_active:
        return Done(_REMAINS)
    neighbours = yield from _active(options, (remote,))
    yield from _switch_off(remote, options)
    after = yield from look_at(remote, options, active=False)
    if after.cdlc_active:
        raise Unclear(f"list {remote.id} is still active at Velip")
    vanished = _vanished(neighbours, (yield from _active(options, ())), before.cdlc_id)
    if vanished:
        raise Unclear(f"list {remote.id} is inactive, but others became so too: {', '.join(map(str, vanished))}")
    return Done(_REMAINS)


def _active(options: Options, seen: tuple[RemoteList, ...]) -> Exchange[frozenset[int]]:
    rows = yield from look(options, Lookup(list="1", maxreg=_WINDOW), seen)
    return frozenset(row.cdlc_id for row in rows)


def _switch_off(remote: RemoteList, options: Options) -> Exchange[None]:
    """The write. An unclear answer to it is settled by the looks that follow, never by writing again."""

    def read(reply: Reply) -> tuple[ListRow, ...]:
        return rows_of(succeeded(Endpoint.LISTS, reply))

    step = Step(
        name="deactivate",
        request=question(Endpoint.LISTS, options, Deactivation(cdlc_id=id_of(remote))),
        read=read,
        success=lambda: lists_reply((RemoteList(remote.id, remote.name, extra={"active": "0"}),)),
    )
    try:
        yield from ask(step)
    except Unclear:
        return


def _vanished(before: frozenset[int], after: frozenset[int], target: int) -> list[int]:
    """Lists that were active and no longer are. New lists push the oldest out of a full window: those do not count."""
    oldest = min(after) if len(after) >= _WINDOW else 0
    return sorted(one for one in before - after - {target} if one > oldest)
