"""The least that anybody could write: a handler that translates a contact list for Velip and sends it on.

`python -m tests.benchmarks.peers.bare aiohttp|httpx PORT UPSTREAM`. Nothing is validated, stored or repeated.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Post = Callable[[str, dict[str, Any]], Awaitable[Any]]
_posts: list[Post] = []


async def handle(request: Request) -> JSONResponse:
    """`POST /v1/contact-lists`, as the gateway takes it."""
    said = await request.json()
    records = [
        {"phone": one["phone"], "name": f"{one['first_name']} {one['last_name']}", "cod_cli": one["id"]}
        for one in said["contacts"]
    ]
    body = {"tsid": "token", "name": said["name"], "ctid": "key", "datajson": records}
    answer = (await _posts[0]("/CreateDestinationBase.php", body))["return"]
    return JSONResponse(
        {"id": answer["cdlc_id"], "name": said["name"], "counts": {"accepted": int(answer["num_dest"])}}, 201
    )


@asynccontextmanager
async def _aiohttp(upstream: str) -> AsyncIterator[Post]:
    import aiohttp

    async with aiohttp.ClientSession(upstream) as session:

        async def post(path: str, body: dict[str, Any]) -> Any:
            async with session.post(path, json=body) as answer:
                return await answer.json()

        yield post


@asynccontextmanager
async def _httpx(upstream: str) -> AsyncIterator[Post]:
    import httpx

    async with httpx.AsyncClient(base_url=upstream, trust_env=False, limits=httpx.Limits(max_connections=64)) as client:

        async def post(path: str, body: dict[str, Any]) -> Any:
            return (await client.post(path, json=body)).json()

        yield post


def main(client: str, port: int, upstream: int) -> None:
    opened = {"aiohttp": _aiohttp, "httpx": _httpx}[client]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with opened(f"http://127.0.0.1:{upstream}") as post:
            _posts.append(post)
            yield

    app = Starlette(routes=[Route("/v1/contact-lists", handle, methods=["POST"])], lifespan=lifespan)
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="error")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
