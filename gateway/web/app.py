"""The ASGI application: routes from the table, one place for errors, logs without personal data, metrics."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.host import Host
from gateway.operations import FULL
from gateway.problem import Problem
from gateway.web import system_api, vendors_api
from gateway.web.bodies import NoParameters
from gateway.web.call import Answer, Call, problem_response, tenant_of
from gateway.web.metrics import Metrics
from gateway.web.table import PASSTHROUGH, PASSTHROUGH_METHODS, TABLE, Handler

log = structlog.get_logger("gateway.http")

_STATUS_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body.too_large", 415: "body.wrong_type"}


def create_app(open_host: Callable[[], AbstractAsyncContextManager[Host]]) -> Starlette:
    """The application over a host that opens with it and closes with it."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_host() as host:
            app.state.host = host
            host.accounts.observe = app.state.metrics.attempted
            yield

    app = Starlette(
        routes=_routes(),
        lifespan=lifespan,
        exception_handlers={
            Problem: _problem,
            HTTPException: _http_problem,
            OperationalError: _storage,
            OSError: _disk,
            Exception: _unexpected,
        },
    )
    app.router.redirect_slashes = False  # a redirect would repeat the Host header, and is no problem+json
    app.state.metrics = Metrics()
    app.add_middleware(Observer, metrics=app.state.metrics)
    return app


def _routes() -> list[Route]:
    by_path: dict[str, dict[str, Handler]] = {}
    for one in TABLE:
        by_path.setdefault(one.path, {})[one.method] = one.handler if one.query else _without_query(one.handler)
    by_path[PASSTHROUGH] = dict.fromkeys(PASSTHROUGH_METHODS, vendors_api.passthrough)
    routes = [Route(path, _dispatch(handlers), methods=list(handlers)) for path, handlers in by_path.items()]
    open_pages = {
        "/healthz": system_api.healthz,
        "/readyz": system_api.readyz,
        "/metrics": system_api.metrics,
        "/openapi.json": system_api.openapi,
        "/docs": system_api.docs,
    }
    return routes + [Route(path, handler) for path, handler in open_pages.items()]


def _without_query(handler: Handler) -> Handler:
    """The handler of a call that has no query parameters: one that is given is refused, not ignored."""

    async def handle(call: Call) -> Answer:
        call.query(NoParameters)
        return await handler(call)

    return handle


def _dispatch(handlers: dict[str, Handler]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        host: Host = request.app.state.host
        call = Call(host, request, tenant_of(host, request))
        handler = handlers.get(request.method) or handlers["GET"]  # HEAD is answered as GET
        return (await handler(call)).response()

    return endpoint


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error)


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _STATUS_CODES.get(error.status_code, "request.invalid")
    return problem_response(Problem(code, error.detail, status=error.status_code, headers=error.headers))


async def _storage(request: Request, error: Exception) -> Response:
    log.error("the database does not take this down", route=_route(request.scope), exc_info=error)
    why = "the database is locked, full or away; send this again later, with its Idempotency-Key if it has one"
    return problem_response(Problem("storage.unavailable", why, outcome="unknown"))


async def _disk(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    return await (_storage if error.errno in FULL else _unexpected)(request, error)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error", route=_route(request.scope), exc_info=error)
    return problem_response(Problem("internal", "an unexpected error; the log has its trace", outcome="unknown"))


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return route.path if isinstance(route, Route) else "none"


class Observer:
    """Logs and counts every call: method, route pattern, status, time. Nothing of path, query or body."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - started
            route = _route(scope)
            self.metrics.answered(scope["method"], route, status, seconds)
            log.info("call", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 2))
