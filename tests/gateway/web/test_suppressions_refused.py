"""Suppressions that cannot be taken, are too large, too slow or break off: a problem is told and nothing changes."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination, key_of
from tests.gateway.web.shapes import pointers, problem, refusal, until
from tests.gateway.web.suppressing import ANA, LINES, PATH, ROWS, Call, as_csv, as_json, put, stored, typed

pytestmark = pytest.mark.usefixtures("nobody_suppressed")

INVALID, BROKEN, UNUSABLE = (400, "request.invalid"), (400, "request.broken_json"), (422, "source.unusable")
DEEP = "[" * 10_000 + "]" * 10_000
BAD: dict[str, tuple[Call, tuple[int, str], set[tuple[str, str]] | None]] = {
    "no body": ({}, BROKEN, {("", "request.broken_json")}),
    "broken JSON": (as_json('{"phones": ['), BROKEN, None),
    "a raw NUL": (as_json(b'{"phones": ["\x00"]}'), BROKEN, None),
    "an array": (as_json("[]"), INVALID, {("", "field.wrong_type")}),
    "an empty object": (as_json("{}"), INVALID, {("/phones", "field.missing")}),
    "no number": (as_json('{"phones": []}'), INVALID, {("/phones", "field.invalid")}),
    "a number for a text": (
        as_json(f'{{"phones": ["{ANA}", 5511999990001]}}'),
        INVALID,
        {("/phones/1", "field.invalid")},
    ),
    "many wrong items, one answer": (
        as_json(json.dumps({"phones": [1] * 50_000})),
        INVALID,
        {("/phones/0", "field.invalid")},
    ),
    "an unknown key": (as_json(f'{{"phones": ["{ANA}"], "all": true}}'), INVALID, {("/all", "field.unknown")}),
    "half a character": (as_json('{"phones": ["\\ud800"]}'), BROKEN, None),
    "10 000 deep": (as_json(f'{{"phones": {DEEP}}}'), BROKEN, None),
    "a mapping of JSON": (as_json(f'{{"phones": ["{ANA}"]}}', mapping="{}"), INVALID, {("mapping", "field.unknown")}),
    "an unknown parameter": (as_csv(ROWS, name="x"), INVALID, {("name", "field.unknown")}),
    "a parameter twice": (
        {"content": ROWS, "headers": {"Content-Type": "text/csv"}, "params": [("encoding", "a"), ("encoding", "b")]},
        INVALID,
        {("encoding", "field.invalid")},
    ),
    "a country that is none": (as_csv(ROWS, default_region="Brazil"), INVALID, {("default_region", "field.invalid")}),
    "a mapping that is no JSON": (as_csv(ROWS, mapping="{"), INVALID, {("mapping", "field.invalid")}),
    "a mapping without end": (as_csv(ROWS, mapping="[" * 5_000), INVALID, {("mapping", "field.invalid")}),
    "a mapping to no column": (
        as_csv(ROWS, mapping='{"phone": "x"}'),
        (400, "source.unusable"),
        {("", "source.mapping")},
    ),
    "an encoding that is none": (as_csv(ROWS, encoding="klingon"), (400, "source.unusable"), {("", "source.encoding")}),
    "a delimiter of two": (as_csv(ROWS, delimiter=";;"), INVALID, {("delimiter", "field.invalid")}),
    "a delimiter for NDJSON": (
        typed("application/x-ndjson", LINES, delimiter=";"),
        INVALID,
        {("delimiter", "field.unknown")},
    ),
    "an empty file": (as_csv(""), UNUSABLE, {("", "source.empty")}),
    "a header only": (as_csv("phone\n"), UNUSABLE, {("", "source.header_only")}),
    "no header, two columns": (as_csv(f"{ANA};x\n"), UNUSABLE, {("", "source.no_header")}),
    "a NUL in a file": (as_csv(b"phone\n+55\x00\n"), UNUSABLE, {("", "source.nul_byte")}),
    "a picture": (as_csv(b"\x89PNG\r\n\x1a\n" + bytes(9)), UNUSABLE, {("", "source.binary")}),
    "a quote without end": (as_csv(f'phone\n{ANA}\n"1\n'), UNUSABLE, {("", "source.unclosed_quote")}),
    "a row without end": (as_csv("phone\n" + "1" * 1_100_000), (413, "body.too_large"), {("", "source.row_too_long")}),
    "an array for NDJSON": (typed("application/x-ndjson", "[1]"), UNUSABLE, {("", "source.json_array")}),
    "plain text": (typed("text/plain", ANA), (415, "body.wrong_type"), set()),
    "a workbook": (typed("application/vnd.ms-excel", "x"), (415, "body.wrong_type"), set()),
    "a form without a boundary": (typed("multipart/form-data", "x"), INVALID, None),
    "a form without a file": ({"files": {"list": "x"}}, INVALID, None),
    "a form with a list": (
        {"files": {"file": ("a.csv", ROWS)}, "data": {"list": "{}"}},
        INVALID,
        {("list", "field.unknown")},
    ),
}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("name", list(BAD))
async def test_what_cannot_be_taken_is_a_problem_and_changes_nothing(
    acme: httpx.AsyncClient, method: str, name: str
) -> None:
    call, (status, code), faults = BAD[name]
    await put(acme, ANA)
    if method == "DELETE" and not call.get("content", call):  # of a DELETE no body is no empty body
        (status, code), faults = INVALID, set()
    answer = await acme.request(method, PATH, **call)
    assert problem(answer) == refusal(status, code)
    if faults is not None:
        assert pointers(answer) == faults
    assert await stored(acme) == [ANA]


@pytest.fixture
async def strict(vendors: Vendors, open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    """A gateway with small limits."""
    tenants = {"acme": Tenant({"velip": destination(vendors["velip"])})}
    async with open_gateway(tenants, upload_timeout=0.5, max_body=1, max_upload=2) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("media_type", "mebibytes"),
    [("application/json", 1), ("text/csv", 2), ("application/x-ndjson", 2), ("multipart/form-data; boundary=B", 2)],
)
async def test_the_configured_limits_hold(strict: Gateway, media_type: str, mebibytes: int) -> None:
    client = await strict.client("acme")
    content = (FORM_HEAD if "boundary" in media_type else b"") + b"x" * (mebibytes << 20) + b"y"
    answer = await client.put(PATH, content=content, headers={"Content-Type": media_type})
    assert problem(answer) == refusal(413, "body.too_large")
    assert f"{mebibytes} MiB" in answer.json()["detail"]


async def test_a_file_may_be_larger_than_a_json_body(strict: Gateway) -> None:
    client = await strict.client("acme")
    content = "phone,padding\n" + f"{ANA},{'x' * 1_000}\n" * 1_500
    answer = await client.put(PATH, content=content, headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json()["added"], answer.json()["already"]) == (200, 1, 1_499)


FORM_HEAD = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'


def started(gateway: Gateway, media_type: str) -> socket.socket:
    """A connection on which half an upload was sent."""
    host, port = gateway.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    head = f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key_of('acme')}\r\n"
    connection.sendall(f"{head}Content-Type: {media_type}\r\nContent-Length: 1000\r\n\r\n".encode())
    connection.sendall((FORM_HEAD if "boundary" in media_type else b"") + f"{ANA}\n".encode())
    return connection


BODIES = ["application/json", "text/csv", "application/x-ndjson", "multipart/form-data; boundary=B"]


@pytest.mark.parametrize("media_type", BODIES)
async def test_an_upload_that_does_not_go_on_is_a_408(strict: Gateway, media_type: str) -> None:
    connection = await asyncio.to_thread(started, strict, media_type)
    answer = b""
    with connection:
        while more := await asyncio.to_thread(connection.recv, 65_536):
            answer += more
            if answer.endswith(b"}"):
                break
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"upload.too_slow"' in answer
    assert await stored(await strict.client("acme")) == []


@pytest.mark.parametrize("media_type", BODIES)
async def test_a_client_that_goes_away_in_the_middle_leaves_nothing_behind(
    acme: httpx.AsyncClient, gateway: Gateway, media_type: str
) -> None:
    async def calls() -> dict[str, float]:
        text = (await acme.get("/metrics")).text
        lines = [
            line for line in text.splitlines() if f'"{PATH}"' in line and 'method="PUT"' in line and "_total" in line
        ]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    before = await calls()
    (await asyncio.to_thread(started, gateway, media_type)).close()

    async def one_more() -> dict[str, float]:
        return {name: number for name, number in (await calls()).items() if number != before.get(name, 0)}

    (told,) = await until(one_more)
    assert 'status="408"' in told
    assert await stored(acme) == []
