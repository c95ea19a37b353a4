"""Handlers of `/healthz`, `/readyz`, `/metrics`, `/openapi.json` and `/docs`."""

from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, text
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.host import Host
from gateway.problem import Problem
from gateway.resources import Resource
from gateway.web.call import operator_allowed, plain
from gateway.web.docs_page import docs_page
from gateway.web.metrics import Metrics


class HealthOut(Resource):
    status: str


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return Response(plain(value).model_dump_json(), status, media_type="application/json")


async def healthz(_: Request) -> Response:
    return _json({"status": "alive"})


async def readyz(request: Request) -> Response:
    host: Host = request.app.state.host
    try:
        await host.database.run(_ping)
    except Exception:
        raise Problem("internal", "the database does not answer", status=503) from None
    if host.operations.stopped:
        raise Problem("internal", "this process sends nothing any more: restart it", status=503)
    if not host.operations.working:
        raise Problem("internal", "this process has lost its lock, and leaves its work to others", status=503)
    return _json({"status": "ready"})


def _ping(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))


async def metrics(request: Request) -> Response:
    host: Host = request.app.state.host
    if not operator_allowed(host, request):
        raise Problem("not_found", "there is no such page")
    found: Metrics = request.app.state.metrics
    body, media_type = found.render()
    return Response(body, media_type=media_type)


async def openapi(_: Request) -> Response:
    return Response(openapi_bytes(), media_type="application/json")


@cache
def openapi_bytes() -> bytes:
    from gateway.web.openapi import document

    return msgspec.json.encode(document())


async def docs(_: Request) -> Response:
    return HTMLResponse(_docs(), headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})


@cache
def _docs() -> str:
    return docs_page(msgspec.json.decode(openapi_bytes()))
