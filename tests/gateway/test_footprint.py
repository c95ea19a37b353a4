"""What a server does not import before it is needed, and what it does not hold on to."""

import asyncio
import gc
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.contract import Exchange, File, Multipart, Reply, Request, Step, json_reply
from gateway.driver import Patience, run
from gateway.encoding import encode
from gateway.late_transport import LateTransport

ROOT = Path(__file__).parents[2]
LATER = (
    *("aiohttp", "alembic", "cryptography", "dbos", "greenlet", "httpx", "jwt", "openpyxl", "psycopg", "rich"),
    *("sqlalchemy.dialects.postgresql", "sqlalchemy.orm", "stamina", "watchfiles"),
)


def test_a_server_that_has_nothing_to_do_imports_nothing_large() -> None:
    code = (
        "import sys\n"
        "from gateway.cli.main import lean_server\n"
        "lean_server()\n"
        "from gateway.registry import load\n"
        "load(simulators=False)\n"
        f"print(sorted(set({LATER}) & set(sys.modules)))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


class Rows:
    """The contacts of a batch."""


class Accepting:
    """A sender that is answered what the step calls a success."""

    risked = False

    async def send(self, step: Step[Any], read: Any) -> Any:
        return read(step.success())


def upload(rows: Rows) -> Exchange[int]:
    file = File("file", "rows.csv", "text/csv", lambda: iter([repr(rows).encode()]))
    request = Request("POST", "/upload", body=Multipart("b", (), (file,)))
    answered: int = yield Step(
        name="upload", request=request, read=lambda reply: reply.status, success=lambda: json_reply({})
    )
    return answered


async def test_a_batch_that_was_sent_is_let_go_without_the_collector() -> None:
    """Or a dozen batches would wait for it in memory."""
    rows = Rows()
    held = weakref.ref(rows)
    gc.disable()
    try:
        assert await run(upload(rows), Accepting(), Patience.of(10.0)) == 200
        del rows
        assert held() is None
    finally:
        gc.enable()


async def ask(transport: LateTransport) -> Reply:
    return await transport.send("http://vendor.test", encode(Request("GET", "/")), [], 5.0)


@pytest.mark.parametrize("requests", [0, 1, 3])
async def test_the_transport_is_made_once_with_the_first_request(requests: int) -> None:
    made = []

    def make() -> httpx.MockTransport:
        made.append(httpx.MockTransport(lambda _: httpx.Response(204)))
        return made[-1]

    transport = LateTransport(make)
    replies = await asyncio.gather(*(ask(transport) for _ in range(requests)))
    await transport.close()
    assert ([one.status for one in replies], len(made)) == ([204] * requests, min(requests, 1))
