"""Handlers of `/v1/reroutings`: which destination stands in for which, switched while the gateway runs."""

import hashlib

from gateway import rerouting
from gateway.rerouting import ReroutingIn, ReroutingOut
from gateway.resources import PageOf
from gateway.store import reroutings as store
from gateway.web.bodies import read_model
from gateway.web.call import Answer, Call
from gateway.web.paging import PageQuery, cut, decode


async def reroutings(call: Call) -> Answer:
    query = call.query(PageQuery)
    after = int(decode(query.cursor, 0))
    found = await call.host.database.run(store.history, call.tenant.name, None, query.limit + 1, after)
    items, cursor = cut(found, query.limit, lambda last: last.no)
    shown = await call.host.database.run(rerouting.shown, items)
    return Answer(200, PageOf[ReroutingOut](items=shown, next_cursor=cursor))


async def rerouted(call: Call) -> Answer:
    return Answer(200, await call.host.database.run(rerouting.state, call.tenant, call.path("name")))


async def reroute(call: Call) -> Answer:
    source, database = call.path("name"), call.host.database
    if source not in call.tenant.destinations:
        await database.run(rerouting.state, call.tenant, source)  # a 404, whatever the body says
    wish: ReroutingIn = await read_model(call, ReroutingIn)
    changed = await rerouting.switch(database, call.tenant, source, wish, asker(call))
    (shown,) = await database.run(rerouting.shown, [changed])
    return Answer(200, shown)


def asker(call: Call) -> str:
    """Who asks: the beginning of the SHA-256 of the API key, as the configuration may hold it."""
    _, _, key = call.request.headers.get("authorization", "").partition(" ")
    return f"key {hashlib.sha256(key.strip().encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
