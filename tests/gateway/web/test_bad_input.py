"""Whatever is sent, the answer is a problem that says what to do; nothing is stored, sent or broken by it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination, key_of
from tests.gateway.web.shapes import LISTS, a_list, counts, people, pointers, problem, refusal

ROWS = "phone,first_name\n+5511999990001,Ana\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
SURROGATE = b"\xed\xa0\x80"


def typed(media_type: str, content: bytes | str, **query: Any) -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": media_type}, "params": {"name": "x"} | query}


def as_json(content: bytes | str) -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def csv(content: bytes | str, **query: Any) -> dict[str, Any]:
    return typed("text/csv", content, destination="velip", **query)


def form(*parts: bytes, boundary: str = "boundary=B") -> dict[str, Any]:
    content = b"".join(b"--B\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--B--\r\n"
    return {"content": content, "headers": {"Content-Type": f"multipart/form-data; {boundary}".strip("; ")}}


FILE = b'name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n' + ROWS.encode()
LIST = b'name="list"\r\n\r\n{"name":"x","destination":"velip"}'
INVALID, BROKEN = (400, "request.invalid"), (400, "request.broken_json")
UNUSABLE = (422, "source.unusable")
WHOLE = json.dumps(a_list("velip"))

REFUSED: dict[str, tuple[dict[str, Any], tuple[int, str], set[tuple[str, str]] | None]] = {
    "no body": ({}, BROKEN, {("", "request.broken_json")}),
    "broken JSON": (as_json('{"name": "x",'), BROKEN, {("", "request.broken_json")}),
    "JSON and more": (as_json(WHOLE + "}"), BROKEN, {("", "request.broken_json")}),
    "an array": (as_json("[]"), INVALID, {("", "field.wrong_type")}),
    "a number": (as_json("1"), INVALID, {("", "field.wrong_type")}),
    "null": (as_json("null"), INVALID, {("", "field.wrong_type")}),
    "an empty object": (as_json("{}"), INVALID, {("/name", "field.missing"), ("/contacts", "field.missing")}),
    "NaN": (as_json('{"name": NaN}'), BROKEN, None),
    "a raw NUL": (as_json(b'{"name": "a\x00b"}'), BROKEN, None),
    "a NUL in the name": (as_json(WHOLE.replace("Spring", "a\\u0000b")), INVALID, {("/name", "field.invalid")}),
    "an escaped lone surrogate": (as_json(WHOLE.replace("Spring", "\\ud800")), BROKEN, None),
    "a raw lone surrogate": (as_json(WHOLE.encode().replace(b"Spring", SURROGATE)), INVALID, None),
    "invalid UTF-8": (as_json(WHOLE.encode().replace(b"Spring", b"\xff\xfe")), INVALID, None),
    "an array nested 10 000 deep": (as_json("[" * 10_000 + "]" * 10_000), INVALID, {("", "field.wrong_type")}),
    "a field nested 10 000 deep": (
        as_json(WHOLE.replace('"Spring renewals"', "[" * 10_000 + "]" * 10_000)),
        BROKEN,
        None,
    ),
    "a number of 5 000 digits": (as_json(WHOLE.replace('"Spring renewals"', "9" * 5_000)), INVALID, None),
    "unknown keys and wrong types, all at once": (
        {
            "json": {
                "name": 7,
                "colour": "red",
                "duplicates": "some",
                "channel": "fax",
                "default_region": "Brazil",
                "activation": {"mode": "now", "when": 1},
                "schedule": {"start_at": "tomorrow", "daily_window": {"start": "25:00", "end": "18:00"}},
                "dialing": {"max_attempts": 0, "retry_interval": "P1Y", "max_concurrent": True},
                "vendor_options": [],
                "contacts": {},
                "a/b~c": 1,
            }
        },
        INVALID,
        {
            ("/name", "field.invalid"),
            ("/colour", "field.unknown"),
            ("/duplicates", "field.invalid"),
            ("/channel", "field.invalid"),
            ("/default_region", "field.invalid"),
            ("/activation/mode", "field.invalid"),
            ("/activation/when", "field.unknown"),
            ("/schedule/start_at", "field.invalid"),
            ("/schedule/daily_window/start", "field.invalid"),
            ("/schedule/daily_window/time_zone", "field.missing"),
            ("/dialing/max_attempts", "field.invalid"),
            ("/dialing/retry_interval", "field.invalid"),
            ("/dialing/max_concurrent", "field.invalid"),
            ("/vendor_options", "field.invalid"),
            ("/contacts", "field.wrong_type"),
            ("/a~1b~0c", "field.unknown"),
        },
    ),
    "vendor options of nobody and wrong ones": (
        {"json": a_list("velip", vendor_options={"acme": {}, "voximplant": {"rule_id": "x", "base_url": "y"}})},
        (422, "vendor_options.invalid"),
        {
            ("/vendor_options/acme", "field.unknown"),
            ("/vendor_options/voximplant/rule_id", "field.invalid"),
            ("/vendor_options/voximplant/base_url", "field.invalid"),
        },
    ),
    "a destination of nobody": ({"json": a_list("nobody")}, (422, "destination.unknown"), None),
    "no contacts": ({"json": a_list("velip", contacts=[])}, (422, "list.empty"), set()),
    "5001 contacts": ({"json": a_list("velip", number=5001)}, (413, "list.too_large"), set()),
    "query parameters beside JSON": (
        {"json": a_list("velip"), "params": {"name": "x", "limit": "1"}},
        INVALID,
        {("name", "field.unknown"), ("limit", "field.unknown")},
    ),
    "an unknown query parameter": (csv(ROWS, colour="red"), INVALID, {("colour", "field.unknown")}),
    "a query parameter twice": (
        typed("text/csv", ROWS) | {"params": [("name", "x"), ("name", "y")]},
        INVALID,
        {("name", "field.invalid")},
    ),
    "wrong query parameters": (
        csv(ROWS, duplicates="some", default_region="Brazil", activation="now"),
        INVALID,
        {("duplicates", "field.invalid"), ("default_region", "field.invalid"), ("activation", "field.invalid")},
    ),
    "no name": (typed("text/csv", ROWS) | {"params": {}}, INVALID, {("name", "field.missing")}),
    "a NUL in the query": (csv(ROWS, reference="a\x00b"), INVALID, {("reference", "field.invalid")}),
    "a mapping that is no JSON": (csv(ROWS, mapping="{"), INVALID, {("mapping", "field.invalid")}),
    "a mapping of numbers": (csv(ROWS, mapping='{"phone": 1}'), INVALID, {("mapping", "field.invalid")}),
    "a mapping to no column": (csv(ROWS, mapping='{"phone": "x"}'), (400, "source.unusable"), {("", "source.mapping")}),
    "a mapping of no field": (csv(ROWS, mapping='{"x": "phone"}'), (400, "source.unusable"), {("", "source.mapping")}),
    "a delimiter that is none": (csv(ROWS, delimiter="x"), (400, "source.unusable"), {("", "source.delimiter")}),
    "an encoding that is none": (csv(ROWS, encoding="klingon"), (400, "source.unusable"), {("", "source.encoding")}),
    "an encoding that is no text": (csv(ROWS, encoding="zip"), (400, "source.unusable"), {("", "source.encoding")}),
    "an empty file": (csv(b""), UNUSABLE, {("", "source.empty")}),
    "blank lines": (csv("\n \n"), UNUSABLE, {("", "source.empty")}),
    "a header only": (csv("phone,name\n"), UNUSABLE, {("", "source.header_only")}),
    "no phone column": (csv("name\nAna\n"), UNUSABLE, {("", "source.no_phone_column")}),
    "no header": (csv("+5511999990001\n+5511999990002\n"), UNUSABLE, {("", "source.no_header")}),
    "a column twice": (csv("phone,a,a\n1,2,3\n"), UNUSABLE, {("", "source.duplicate_column")}),
    "an open quote": (csv('phone,a\n1,"2\n'), UNUSABLE, {("", "source.unclosed_quote")}),
    "a picture": (csv(PNG), UNUSABLE, {("", "source.binary")}),
    "a page": (csv("<html></html>"), UNUSABLE, {("", "source.not_csv")}),
    "a NUL in a file": (csv("phone\n+55119\x00\n"), UNUSABLE, {("", "source.nul_byte")}),
    "10 000 columns": (
        csv("phone," + ",".join(f"c{number}" for number in range(10_000)) + "\n1\n"),
        (413, "body.too_large"),
        {("", "source.too_many_columns")},
    ),
    "a line without end": (csv("phone\n" + "1" * 2_000_000), (413, "body.too_large"), {("", "source.row_too_long")}),
    "an array as NDJSON": (typed("application/x-ndjson", "[]"), UNUSABLE, {("", "source.json_array")}),
    "an empty NDJSON": (typed("application/x-ndjson", "\n\n"), UNUSABLE, {("", "source.empty")}),
    "an unknown media type": (typed("application/xml", "<a/>"), (415, "body.wrong_type"), set()),
    "a form of a browser": (
        typed("application/x-www-form-urlencoded", "name=x"),
        (415, "body.wrong_type"),
        set(),
    ),
    "no boundary": (form(LIST, FILE, boundary=""), INVALID, set()),
    "another boundary": (form(LIST, FILE, boundary="boundary=C"), INVALID, None),
    "a form without a file": (form(LIST), INVALID, {("file", "field.missing")}),
    "a form with an unknown part": (form(LIST, FILE, b'name="x"\r\n\r\n1'), INVALID, {("x", "field.unknown")}),
    "a form without a list": (form(FILE), INVALID, {("list/name", "field.missing")}),
    "a form with a wrong list": (
        form(b'name="list"\r\n\r\n{"name": 1, "contacts": []}', FILE),
        INVALID,
        {("list/name", "field.invalid"), ("list/contacts", "field.unknown")},
    ),
    "a form with a broken list": (form(b'name="list"\r\n\r\n{', FILE), BROKEN, None),
    "a form with list fields in the query": (
        form(LIST, FILE) | {"params": {"reference": "r"}},
        INVALID,
        {("reference", "field.unknown")},
    ),
    "a form with a wrong mapping": (
        form(LIST, FILE, b'name="mapping"\r\n\r\n[]'),
        INVALID,
        {("mapping", "field.invalid")},
    ),
    "a form with two files": (form(LIST, FILE, FILE), INVALID, set()),
    "a key that is too long": (
        {"json": a_list("velip"), "headers": {"Idempotency-Key": "k" * 100_000}},
        INVALID,
        {("Idempotency-Key", "field.invalid")},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_taken_is_refused_by_name_and_leaves_no_trace(
    acme: httpx.AsyncClient, gateway: Gateway, vendors: Vendors, case: str
) -> None:
    sent, (status, code), faults = REFUSED[case]
    before = await gateway.rows()
    answer = await acme.post(LISTS, **sent)
    assert problem(answer) == refusal(status, code), answer.text
    if faults is not None:
        assert pointers(answer) == faults
    assert not re.search(r"Traceback|File \"|pydantic|msgspec|\+55119", answer.text)
    assert await gateway.rows() == before
    assert all(one.simulation.ledger.requests == [] for one in vendors.values())


DEEP = "[" * 10_000 + "]" * 10_000
BAD_ROWS = {
    "a NUL": ('{"phone": "+5511999990001", "first_name": "a\\u0000"}', "row.control_character"),
    "no object": ('"x"', "row.not_an_object"),
    "null": ("null", "row.not_an_object"),
    "an unknown key": ('{"phone": "+5511999990001", "colour": "red"}', "field.unknown"),
    "a number for a phone": ('{"phone": 5511999990001}', "field.wrong_type"),
}
BROKEN_LINES = {
    "half a character": ('{"phone": "+5511999990001", "first_name": "\\ud800"}', "row.bad_encoding"),
    "10 000 deep": (f'{{"phone": "+5511999990001", "x": {DEEP}}}', "row.broken_json"),
    "broken": ('{"phone": ', "row.broken_json"),
}
GOOD_ROW = json.dumps(people(1)[0])


@pytest.mark.parametrize(
    ("form", "row"),
    [("json", row) for row in BAD_ROWS] + [("ndjson", row) for row in (BAD_ROWS | BROKEN_LINES)],
)
async def test_a_row_that_cannot_be_taken_never_fails_the_list(acme: httpx.AsyncClient, form: str, row: str) -> None:
    """In one JSON document, half a character or a nesting without end breaks the whole of it: see above."""
    bad, code = (BAD_ROWS | BROKEN_LINES)[row]
    body = as_json(f'{{"name": "x", "destination": "velip", "contacts": [{bad}, {GOOD_ROW}]}}')
    if form == "ndjson":
        body = typed("application/x-ndjson", f"{bad}\n{GOOD_ROW}", destination="velip")
    answer = await acme.post(LISTS, **body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["counts"] == counts(accepted=1, rejected=1)
    path = f"{LISTS}/{answer.json()['id']}/rejections"
    found = (await acme.get(path)).json()["items"]
    assert [[fault["code"] for fault in one["faults"]] for one in found] == [[code]]
    file = await acme.get(path, headers={"Accept": "text/csv"})
    assert (file.status_code, file.content.count(b"\r\n"), code.encode() in file.content) == (200, 2, True)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1", 404, "not_found"),
        ("GET", f"{LISTS}/", 404, "not_found"),
        ("GET", "/v1/contact-lists/%00", 404, "not_found"),
        ("GET", "/v1/contact-lists/%ff%fe", 404, "not_found"),
        ("GET", f"/v1/contact-lists/{'x' * 10_000}", 404, "not_found"),
        ("PUT", LISTS, 405, "method_not_allowed"),
        ("OPTIONS", LISTS, 405, "method_not_allowed"),
        ("TRACE", LISTS, 405, "method_not_allowed"),
        ("PROPFIND", LISTS, 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
        ("POST", "/metrics", 405, "method_not_allowed"),
        ("GET", "/v1/preview", 405, "method_not_allowed"),
        ("DELETE", f"{LISTS}/cl_x?force=1", 400, "request.invalid"),
    ],
)
async def test_a_call_that_is_not_there_is_a_problem_too(
    acme: httpx.AsyncClient, gateway: Gateway, method: str, path: str, status: int, code: str
) -> None:
    url = httpx.URL(gateway.url).copy_with(raw_path=path.encode())
    answer = await acme.request(method, url)
    assert problem(answer) == refusal(status, code)
    if status == 405:
        assert answer.headers["allow"]


async def test_head_is_answered_as_get_without_a_body(acme: httpx.AsyncClient) -> None:
    answer = await acme.head(LISTS)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/json")


async def test_a_very_long_header_breaks_nothing(acme: httpx.AsyncClient) -> None:
    answer = await acme.get(LISTS, headers={"X-Long": "x" * 500_000}, params={"limit": 1})
    assert answer.status_code in (200, 400, 431)
    assert (await acme.get("/healthz")).status_code == 200


@pytest.fixture
async def strict(vendors: Vendors, open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    """A gateway with small limits."""
    tenants = {"acme": Tenant({"velip": destination(vendors["velip"])})}
    async with open_gateway(tenants, upload_timeout=0.3, max_body=1, max_upload=1, max_contacts=3) as gateway:
        yield gateway


async def raw(gateway: Gateway, request: bytes) -> bytes:
    """What a socket gets that stops sending after these bytes."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    try:
        async with asyncio.timeout(20):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
            return head + await reader.readexactly(length)
    finally:
        writer.close()


SLOW: dict[str, Callable[[str], str]] = {
    "json": lambda path: f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n",
    "csv": lambda path: f"POST {path}?name=x HTTP/1.1\r\nContent-Type: text/csv\r\n",
    "multipart": lambda path: f"POST {path} HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=B\r\n",
}


@pytest.mark.parametrize("form", SLOW)
async def test_an_upload_that_does_not_go_on_is_a_408(strict: Gateway, form: str) -> None:
    before = await strict.rows()
    head = SLOW[form](LISTS) + f"Host: x\r\nAuthorization: Bearer {key_of('acme')}\r\nContent-Length: 100\r\n\r\n--B"
    head_bytes, _, body = (await raw(strict, head.encode())).partition(b"\r\n\r\n")
    assert head_bytes.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in head_bytes
    found = json.loads(body)
    assert (found["code"], found["retryable"], found["outcome"]) == ("upload.too_slow", True, "rejected")
    assert await strict.rows() == before


async def test_a_method_that_http_does_not_know_is_refused(strict: Gateway) -> None:
    assert (await raw_status(strict, b"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n")) in (400, 405)
    assert (await (await strict.client(None)).get("/healthz")).status_code == 200


async def raw_status(gateway: Gateway, request: bytes) -> int:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    try:
        async with asyncio.timeout(20):
            return int((await reader.readline()).split()[1])
    finally:
        writer.close()


@pytest.mark.parametrize("media_type", ["application/json", "text/csv", "multipart/form-data; boundary=B"])
async def test_200_megabytes_are_refused(acme: httpx.AsyncClient, gateway: Gateway, media_type: str) -> None:
    """JSON may have 32 MiB; the rest is read and thrown away, so that the answer arrives. A file may have it."""
    block = b"x" * (1 << 20)

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield block

    before = await gateway.rows()
    answer = await acme.post(LISTS, content=stream(), headers={"Content-Type": media_type})
    assert problem(answer)["status"] == (413 if media_type == "application/json" else 400)
    assert await gateway.rows() == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"json": a_list("velip", number=4)}, "list.too_large"),
        (as_json(b'{"name": "' + b"x" * (1 << 20) + b'"}'), "body.too_large"),
        (csv(ROWS + "x" * (1 << 20)), "body.too_large"),
        (form(LIST, FILE + b"x" * (1 << 20)), "body.too_large"),
    ],
    ids=["contacts", "json", "csv", "multipart"],
)
async def test_the_configured_limits_hold(strict: Gateway, body: dict[str, Any], code: str) -> None:
    before = await strict.rows()
    client = await strict.client("acme")
    assert problem(await client.post(LISTS, **body)) == refusal(413, code)
    assert await strict.rows() == before
    one = (await client.post(LISTS, json=a_list("velip", number=3))).json()
    assert one["counts"] == counts(accepted=3)
    append = await client.post(f"{LISTS}/{one['id']}/contacts", json={"contacts": people(4, first=9)})
    assert problem(append) == refusal(413, "list.too_large")
