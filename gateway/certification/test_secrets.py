"""Secrets are in the authorisation header, and nowhere else: not in URLs, stored attempts, logs, previews or texts."""

import base64
import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog.testing
from pydantic import BaseModel, SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.certification import samples
from gateway.certification.bench import now, opening, written
from gateway.certification.rehearsing import steps
from gateway.certification.stage import WHOLE, Stage

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
    """Keeps what arrives at the simulator; with `echoes` it answers with just that, as careless vendors do."""

    def __init__(self, app: ASGIApp, auth_header: str) -> None:
        self.app, self.auth_header, self.echoes = app, auth_header.lower(), False
        self.targets: list[str] = []
        self.tokens: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.targets.append(f"{scope['path']}?{scope['query_string'].decode()}")
        request = Request(scope, receive)
        self.tokens.add(request.headers[self.auth_header].rpartition(" ")[2])
        if not self.echoes:
            await self.app(scope, receive, send)
            return
        words = f"cannot {dict(request.headers)} {(await request.body()).decode('latin-1')}"
        said = {"status": "failure", "message": words, "description": words, "code": 1, "msg": words}
        answer = {**said, "return": said, "error": said, "response": {"code": 400, "error_data": said}}
        await JSONResponse(answer, 400)(scope, receive, send)


@pytest.fixture
def wiretap(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Wiretap:
    """Between the stage's gateway and its simulator."""
    switches: Any = stage.simulation.app
    tap = Wiretap(switches.app, stage.adapter.auth.header)
    monkeypatch.setattr(switches, "app", tap)
    return tap


@pytest.mark.parametrize("echoes", [False, True], ids=["a vendor that works", "a vendor that echoes what it was sent"])
async def test_secrets_are_in_no_address_attempt_log_or_answer(
    stage: Stage, wiretap: Wiretap, caplog: pytest.LogCaptureFixture, echoes: bool
) -> None:
    credentials = stage.tenant.destinations[WHOLE].credentials
    assert credentials is not None
    assert list(secrets_of(credentials)), "no credential is a SecretStr"
    wiretap.echoes = echoes
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        sent = await stage.send(samples.RICH_LIST)
    attempts = await stage.attempts(sent.resource.id)
    assert attempts, "no attempt was stored"
    assert wiretap.tokens, "no request was authorised"
    secrets = [*planted(credentials), *wiretap.tokens]
    assert leaked(" ".join(wiretap.targets), secrets) == []
    assert leaked(repr(attempts), secrets) == [], "in a stored attempt"
    assert leaked(sent.resource.model_dump_json() + repr(sent.details), secrets) == [], "in an answer"
    assert leaked(repr(logs) + caplog.text, secrets) == [], "in a log"
    assert leaked(repr(stage.host.config) + repr(credentials), secrets) == [], "in a repr"


async def test_people_are_in_no_log(stage: Stage, wiretap: Wiretap, caplog: pytest.LogCaptureFixture) -> None:
    wiretap.echoes = True
    with caplog.at_level(logging.DEBUG, logger="gateway"), structlog.testing.capture_logs() as logs:
        await stage.send(samples.RICH_LIST)
    people = stage.people(samples.RICH_LIST)
    personal = [text for one in people for text in (one.phone.lstrip("+"), one.email, one.last_name) if text]
    assert leaked(repr(logs), personal) == []


def test_a_preview_holds_no_secret(stage: Stage) -> None:
    """It cannot: it is made without credentials. What stands in their places is ***."""
    people, head = stage.people(samples.RICH_LIST), samples.head(activation={"mode": "start"})
    destination = stage.tenant.destinations[WHOLE]
    job = samples.job(stage.adapter, people, stage.simulation.options, head=head, start=True, now=now())
    shown = b"".join(written(step) for step in steps(opening(stage.adapter, job, samples.batch(people))))
    assert destination.credentials is not None
    assert leaked(shown.decode(), planted(destination.credentials)) == []


def test_secrets_in_the_body_are_declared_with_a_reason(stage: Stage) -> None:
    adapter = stage.adapter
    assert bool(adapter.secrets_in_body) is bool(adapter.secrets_why)
