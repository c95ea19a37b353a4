"""A process with an engine: `python -m tests.gateway.engine.peer URL KIND [operation ...]`.

It owns and submits the operations, says `ready EXECUTOR` and every `began`/`ended`, and closes when its standard input
does. KIND: `hold` never ends what it works on, `quick` ends at once, `bare` has a liveness but no engine, `forking` is
bare and has a forked child, which sleeps.
"""

import asyncio
import os
import sys
import time

from gateway.engine.liveness import open_liveness
from tests.gateway.engine.rows import Rows


def say(*words: str) -> None:
    print(*words, flush=True)


def fork_a_sleeper() -> None:
    child = os.fork()
    if child == 0:
        os.closerange(0, 3)  # or its parent's pipes would not end with the parent
        time.sleep(60)
        os._exit(0)
    say("child", str(child))


async def peer(url: str, kind: str, names: list[str]) -> None:
    rows = Rows(url)
    liveness = open_liveness(url, lambda: say("lost"))
    await liveness.start()
    for name in names:
        rows.add(name, "lane", liveness.executor)

    async def work(operation: str) -> None:
        if rows.done(operation):
            return
        rows.write(operation, liveness.executor, "began")
        say("began", operation)
        if kind == "hold":
            await asyncio.get_running_loop().create_future()
        await asyncio.sleep(0.02)
        rows.write(operation, liveness.executor, "ended")
        say("ended", operation)

    if kind == "forking":
        fork_a_sleeper()
    if kind in ("bare", "forking"):
        say("ready", liveness.executor)
        await asyncio.to_thread(sys.stdin.read)
        return
    from gateway.engine.dbos_engine import DbosEngine

    engine = DbosEngine(url, liveness, rows, work, poll=0.05, look=0.1)
    await engine.start()
    for name in names:
        await engine.submit(name, "lane")
    say("ready", liveness.executor)
    await asyncio.to_thread(sys.stdin.read)
    await engine.close(0.1)
    await liveness.close()


if __name__ == "__main__":
    asyncio.run(peer(sys.argv[1], sys.argv[2], sys.argv[3:]))
