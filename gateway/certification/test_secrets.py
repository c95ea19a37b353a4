"""Secrets are in the authorisation header, and nowhere else: not in URLs, stored attempts, logs, previews or texts."""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from pydantic import BaseModel, SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.certification import samples
from gateway.certification.bench import Bench, now, opening, written
from gateway.certification.rehearsing import steps
from gateway.certification.stage import WHOLE, Stage
from gateway.contract.simulation import Simulation

pytestmark = pytest.mark.anyio


def planted(credentials: BaseModel) -> list[str]:
    """Every secret of the credentials, in each of the forms in which it could leak."""
    return [form for secret in secrets_of(credentials) for form in forms_of(secret)]


def secrets_of(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secrets_of(getattr(value, name))


def forms_of(secret: str) -> set[str]:
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode()}


def leaked(text: str, secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if secret in text]


class Wiretap:
    """Keeps what arrives at the simulator; with `echoes` it answers with that instead, as careless vendors do."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.targets, self.tokens, self.echoes = app, list[str](), list[str](), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.targets.append((scope["raw_path"] + b"?" + scope["query_string"]).decode())
        request = Request(scope, receive)
        headers = {name: value for name, value in request.headers.items()}
        self.tokens += [value.rpartition(" ")[2] for name, value in headers.items() if name not in USUAL]
        if not self.echoes:
            await self.app(scope, receive, send)
            return
        said = {"message": f"cannot {headers}", "status": "failure", "body": (await request.body()).decode("latin-1")}
        await JSONResponse({**said, "return": said, "error": {"code": 1, "msg": str(headers)}}, 400)(scope, receive, send)


USUAL = {"host", "accept", "accept-encoding", "user-agent", "content-length", "content-type", "connection"}


@pytest.fixture
def wiretap(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Wiretap:
    """Between the stage's gateway and its simulator."""
    tap = Wiretap(stage.simulation.app)

    async def tapped(scope: Scope, receive: Receive, send: Send) -> None:
        await tap(scope, receive, send)

    inner: Any = stage.simulation.app
    monkeypatch.setattr(inner, "app", Wiretapped(inner.app, tap))
    tap.app = inner.app.inner
    return tap


class Wiretapped:
    def __init__(self, inner: ASGIApp, tap: Wiretap) -> None:
        self.inner, self.tap = inner, tap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.tap(scope, receive, send)
