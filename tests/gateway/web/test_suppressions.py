"""`/v1/suppressions` over real sockets: numbers and files of numbers in, pages out, and never `all` by accident."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.gateway.web.shapes import masked, pointers, problem, refusal
from tests.gateway.web.suppressing import ANA, EVA, LINES, PATH, ROWS, RUI, Call, as_csv, put, stored, typed

pytestmark = pytest.mark.usefixtures("nobody_suppressed")


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
