"""`/v1/suppressions` over real sockets: numbers and files of numbers in, pages out, and never `all` by accident."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination, key_of
from tests.gateway.web.shapes import masked, pointers, problem, refusal, until

PATH = "/v1/suppressions"
ANA, EVA, RUI = "+5511999990001", "+5511999990002", "+5521988880003"
ROWS = f"nome;telefone\nAna;{ANA}\nEva;12\nEva;11 99999-0002\n"
Call = dict[str, Any]


def typed(media_type: str, content: bytes | str, **query: Any) -> Call:
    return {"content": content, "headers": {"Content-Type": media_type}, "params": query}


def as_csv(content: bytes | str, **query: Any) -> Call:
    return typed("text/csv", content, **query)


@pytest.fixture(autouse=True)
async def _nobody_is_suppressed(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    for client in (acme, globex):
        answer = await client.delete(PATH, params={"all": "true"})
        assert (answer.status_code, answer.json()["total"]) == (200, 0)


async def put(client: httpx.AsyncClient, *phones: str) -> dict[str, Any]:
    answer = await client.put(PATH, json={"phones": phones})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stored(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """Every number, page by page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(PATH, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        found += [one["phone"] for one in answer.json()["items"]]
        if answer.json()["next_cursor"] is None:
            return found
        assert {"cursor": answer.json()["next_cursor"]} != cursor
        cursor = {"cursor": answer.json()["next_cursor"]}


def counted(**changes: Any) -> dict[str, Any]:
    return {"received": 0, "rejected": 0, "total": 0, "rejections": []} | changes


async def test_numbers_are_normalised_counted_and_added_once(acme: httpx.AsyncClient) -> None:
    first = await put(acme, ANA, "11 99999-0002", "11999990002", "12")
    assert first == counted(
        received=4,
        added=2,
        already=1,
        rejected=1,
        total=2,
        source=None,
        rejections=[
            {
                "row": 4,
                "code": "phone.invalid",
                "column": None,
                "detail": "the phone number is not a valid number",
                "phone": "12",
            }
        ],
    )
    assert await put(acme, EVA, ANA) == counted(received=2, added=0, already=2, total=2, source=None)
    page = await acme.get(PATH)
    assert masked(page.json()) == {
        "items": [{"phone": ANA, "added_at": "<time>"}, {"phone": EVA, "added_at": "<time>"}],
        "next_cursor": None,
    }


SOURCE = {"format": "csv", "charset": "utf-8", "delimiter": ";", "columns": ["nome", "telefone"]} | {
    "mapping": {"phone": "telefone", "first_name": "nome"}, "ignored": {}, "corrections": False, "adopted": False,
    "rows": 3
}  # fmt: skip
BARE = {"delimiter": ",", "columns": [], "mapping": {}, "rows": 2}
NDJSON = {"format": "ndjson", "charset": "utf-8", "delimiter": None, "columns": [], "mapping": {}, "rows": 3}
EVA_S_ROW = {"row": 3, "code": "phone.invalid", "column": "telefone", "phone": "12"}
ITS_LINE = EVA_S_ROW | {"row": 2, "column": "phone"}
LINES = json.dumps({"phone": ANA}) + '\n{"phone": "12"}\n"11 99999-0002"\n'
FILES: dict[str, tuple[Call, dict[str, Any], list[dict[str, Any]]]] = {
    "CSV": (as_csv(ROWS), SOURCE, [EVA_S_ROW]),
    "CSV with a mapping and a charset": (
        as_csv(ROWS.replace("telefone", "número").encode("latin-1"), mapping='{"phone": "número"}', encoding="latin-1"),
        SOURCE
        | {"charset": "iso8859-1", "columns": ["nome", "número"], "mapping": SOURCE["mapping"] | {"phone": "número"}},  # type: ignore[operator]
        [EVA_S_ROW | {"column": "número"}],
    ),
    "CSV without a header": (as_csv(f"{ANA}\n11999990002\n"), SOURCE | BARE, []),
    "NDJSON": (typed("application/x-ndjson", LINES), SOURCE | NDJSON, [ITS_LINE]),
    "CSV in a form, with a mapping and a charset": (
        {
            "files": {"file": ("a.csv", ROWS.replace("telefone", "número").encode("latin-1"), "text/csv")},
            "data": {"mapping": '{"phone": "número"}', "encoding": "latin-1", "delimiter": ";"},
        },
        SOURCE
        | {"charset": "iso8859-1", "columns": ["nome", "número"], "mapping": SOURCE["mapping"] | {"phone": "número"}},  # type: ignore[operator]
        [EVA_S_ROW | {"column": "número"}],
    ),
    "NDJSON in a form": ({"files": {"file": ("a.jsonl", LINES)}}, SOURCE | NDJSON, [ITS_LINE]),
}


@pytest.mark.parametrize("name", FILES)
async def test_a_file_of_numbers_is_taken_and_described(acme: httpx.AsyncClient, name: str) -> None:
    call, source, rejections = FILES[name]
    answer = await acme.put(PATH, **call)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for one in found["rejections"]:
        assert one.pop("detail") == "the phone number is not a valid number"
    rejected = len(rejections)
    counts = counted(received=2 + rejected, added=2, already=0, rejected=rejected, total=2)
    assert found == counts | {"rejections": rejections, "source": source}
    assert await stored(acme) == [ANA, EVA]
    removed = (await acme.request("DELETE", PATH, **call)).json()
    assert [removed[name] for name in ("received", "removed", "absent", "rejected", "total")] == [
        2 + rejected, 2, 0, rejected, 0
    ]  # fmt: skip


async def test_national_numbers_are_of_the_country_that_is_named_else_of_the_tenant_s(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient
) -> None:
    body = {"phones": ["9812345670"]}
    assert (await acme.put(PATH, json=body, params={"default_region": "IN"})).json()["added"] == 1
    assert await stored(acme) == ["+919812345670"]
    refused = (await globex.put(PATH, json=body)).json()
    assert (refused["added"], [one["code"] for one in refused["rejections"]]) == (0, ["phone.no_region"])


async def test_when_every_row_is_bad_the_call_succeeds_and_says_so(acme: httpx.AsyncClient) -> None:
    answer = await acme.put(PATH, json={"phones": ["", "hello", "+", "1\u0000"] + ["x"] * 200})
    assert answer.status_code == 200
    found = answer.json()
    assert (found["received"], found["added"], found["rejected"], found["total"]) == (204, 0, 204, 0)
    assert [one["row"] for one in found["rejections"]] == list(range(1, 101))


async def test_a_large_file_arrives_whole_while_other_calls_are_answered(acme: httpx.AsyncClient) -> None:
    number = 60_000

    async def lines() -> AsyncIterator[bytes]:
        for first in range(0, number, 1_000):
            yield b"".join(b"+55119%08d\n" % (90_000_000 + place) for place in range(first, first + 1_000))

    upload = asyncio.create_task(acme.put(PATH, content=lines(), headers={"Content-Type": "text/csv"}))
    seen = []
    while not upload.done():
        page = await acme.get(PATH, params={"limit": 1})
        seen.append(len(page.json()["items"]))
    answer = await upload
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["received"], found["added"], found["total"]) == (number, number, number)
    assert seen
    assert await stored(acme, limit=1_000) == [f"+55119{90_000_000 + place}" for place in range(number)]


async def test_one_number_is_asked_for_as_it_is_written(acme: httpx.AsyncClient, globex: httpx.AsyncClient) -> None:
    await put(acme, ANA, EVA)
    await put(globex, ANA)
    for written in (ANA, "11 99999-0001", "(11) 99999.0001"):
        assert await stored(acme, phone=written) == [ANA]
    assert await stored(acme, phone=RUI) == []
    assert await stored(acme, phone="21 98888-0003", default_region="BR") == []
    raw = await globex.get(f"{PATH}?phone={ANA}")  # its plus sign is a blank by the rules of a query
    assert [one["phone"] for one in raw.json()["items"]] == [ANA]
    for written in ("12", "", "hello", "0" * 5_000, f"{ANA} / {EVA}"):
        answer = await acme.get(PATH, params={"phone": written})
        assert problem(answer) == refusal(400, "request.invalid")
        assert [one["pointer"] for one in answer.json()["errors"]] == ["phone"]


async def test_pages_neither_repeat_nor_leave_out_while_numbers_come_and_go(acme: httpx.AsyncClient) -> None:
    every = [f"+55119{90_000_000 + place}" for place in range(30)]
    await put(acme, *every[::2])
    first = (await acme.get(PATH, params={"limit": 5})).json()
    await acme.request("DELETE", PATH, json={"phones": [*every[:10], every[12]]})
    await put(acme, every[1], every[21])
    seen = [one["phone"] for one in first["items"]]
    cursor = first["next_cursor"]
    while cursor:
        page = (await acme.get(PATH, params={"limit": 5, "cursor": cursor})).json()
        seen += [one["phone"] for one in page["items"]]
        assert page["next_cursor"] != cursor
        cursor = page["next_cursor"]
    assert seen == sorted({*every[::2], every[21]} - {every[12]})


@pytest.mark.parametrize("cursor", ["", "x", "é", "KzU1MTE5OTk5OTAwMDEgT1IgMT0x", "NQ", "K" * 200, "KzU1\n"])
async def test_a_cursor_of_something_else_is_refused(acme: httpx.AsyncClient, cursor: str) -> None:
    answer = await acme.get(PATH, params={"cursor": cursor})
    assert (problem(answer), pointers(answer)) == (refusal(400, "request.invalid"), {("cursor", "field.invalid")})


async def test_numbers_are_removed_by_name_by_body_or_all_at_once(acme: httpx.AsyncClient) -> None:
    others = [f"+55119{90_000_000 + place}" for place in range(7)]
    await put(acme, ANA, EVA, RUI, *others)
    one = await acme.delete(PATH, params={"phone": "11 99999-0001"})
    assert (one.status_code, one.json()) == (200, counted(received=1, removed=1, absent=0, total=9))
    again = await acme.delete(PATH, params={"phone": ANA})
    assert (again.status_code, again.json()) == (200, counted(received=1, removed=0, absent=1, total=9))
    some = await acme.request("DELETE", PATH, json={"phones": [EVA, EVA, "12"]})
    shown = [{"row": 3, "code": "phone.invalid", "column": None, "phone": "12"}]
    found = some.json()
    assert [one.pop("detail") for one in found["rejections"]] == ["the phone number is not a valid number"]
    assert found == counted(received=3, removed=1, absent=1, rejected=1, total=8, rejections=shown)
    every = await acme.delete(PATH, params={"all": "true"})
    assert (every.status_code, every.json()) == (200, counted(received=8, removed=8, absent=0))
    assert await stored(acme) == []


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"params": {"default_region": "BR"}},
        {"params": {"all": "false"}},
        {"params": {"all": ""}},
        {"params": {"all": "1"}},
        {"params": {"phone": ""}},
        {"params": {"phone": "12"}},
        {"params": {"phone": ANA, "all": "true"}},
        {"params": {"all": "true", "encoding": "utf-8"}},
        {"params": {"phone": ANA, "colour": "red"}},
        {"params": {"phone": ANA}, "json": {"phones": [EVA]}},
        {"params": {"all": "true"}, "json": {"phones": [EVA]}},
        {"json": {}},
        {"json": {"phones": []}},
        {"json": {"phones": "all"}},
        {"content": b"", "headers": {"Content-Type": "application/json"}},
    ],
    ids=str,
)
async def test_what_does_not_clearly_say_which_numbers_removes_none(acme: httpx.AsyncClient, call: Call) -> None:
    await put(acme, ANA, EVA)
    answer = await acme.request("DELETE", PATH, **call)
    assert problem(answer) == refusal(400, "request.invalid")
    assert await stored(acme) == [ANA, EVA]


async def test_a_delete_that_says_nothing_is_told_what_to_say(acme: httpx.AsyncClient) -> None:
    detail = (await acme.delete(PATH)).json()["detail"]
    assert detail == (
        "nothing says what to remove; say which numbers: ?phone=%2B<country><number>, or a body as of PUT, "
        "or ?all=true to remove every one"
    )


async def test_tenants_neither_see_nor_touch_each_other_s_numbers(
    acme: httpx.AsyncClient, globex: httpx.AsyncClient
) -> None:
    await put(acme, ANA, EVA)
    assert await put(globex, EVA, RUI) == counted(received=2, added=2, already=0, total=2, source=None)
    assert (await stored(acme), await stored(globex)) == ([ANA, EVA], [EVA, RUI])
    assert await stored(globex, phone=ANA) == []
    gone = (await globex.request("DELETE", PATH, json={"phones": [ANA, EVA]})).json()
    assert (gone["removed"], gone["absent"], gone["total"]) == (1, 1, 1)
    assert (await globex.delete(PATH, params={"all": "true"})).json()["removed"] == 1
    assert await stored(acme) == [ANA, EVA]


INVALID, BROKEN, UNUSABLE = (400, "request.invalid"), (400, "request.broken_json"), (422, "source.unusable")
DEEP = "[" * 10_000 + "]" * 10_000


def as_json(content: bytes | str, **query: Any) -> Call:
    return typed("application/json", content, **query)


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


async def test_the_document_says_what_is_taken_and_given(acme: httpx.AsyncClient) -> None:
    calls = (await acme.get("/openapi.json")).json()["paths"][PATH]
    assert set(calls) == {"get", "put", "delete"}
    assert [one["name"] for one in calls["delete"]["parameters"]] == [
        "default_region", "mapping", "delimiter", "encoding", "phone", "all"
    ]  # fmt: skip
    for method in ("put", "delete"):
        content = calls[method]["requestBody"]["content"]
        assert set(content) == {"application/json", "text/csv", "application/x-ndjson", "multipart/form-data"}
    ids = [calls[method]["operationId"] for method in ("put", "get", "delete")]
    assert ids == ["suppress", "suppressions", "unsuppress"]
