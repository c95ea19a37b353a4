"""Do-not-contact numbers: counted exactly on both databases, and read from whatever people export."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from gateway import suppressing
from gateway.ingest import JsonRow, Source, SourceInfo, open_items
from gateway.store import suppressions as store
from gateway.store.database import Database
from gateway.suppressing import CHUNK, BrokenOff

ANA, EVA, RUI = "+5511999990001", "+5511999990002", "+5521988880003"


def numbers(count: int, first: int = 0) -> list[str]:
    return [f"+55119{90_000_000 + place}" for place in range(first, first + count)]


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """Either database, without any suppressed number."""
    sqlite = request.param == "sqlite"
    opened = Database(f"sqlite:///{tmp_path / 'numbers.db'}" if sqlite else request.getfixturevalue("postgresql"))
    await opened.prepare()
    for tenant in ("acme", "globex"):
        await suppressing.remove_all(opened, tenant)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'numbers.db'}")
    await opened.prepare()
    yield opened
    await opened.close()


async def stored(database: Database, tenant: str = "acme") -> list[str]:
    return [one.phone for one in await database.run(store.page, tenant, "", 100_000)]


async def test_only_what_is_new_is_counted_as_added(database: Database) -> None:
    assert await database.run(store.add, "acme", [RUI, ANA, RUI]) == 2
    assert await database.run(store.add, "acme", [ANA, EVA]) == 1
    assert await database.run(store.add, "acme", [ANA, EVA, RUI]) == 0
    assert await database.run(store.add, "acme", []) == 0
    assert await stored(database) == [ANA, EVA, RUI]
    assert await database.run(store.total, "acme") == 3


async def test_a_number_keeps_the_time_since_when_it_is_suppressed(database: Database) -> None:
    await database.run(store.add, "acme", [ANA])
    before = await database.run(store.page, "acme", "", 10)
    await database.run(store.add, "acme", [ANA, EVA])
    after = await database.run(store.page, "acme", "", 10)
    assert after[:1] == before
    assert after[1].added_at > after[0].added_at


async def test_only_what_was_there_is_counted_as_removed(database: Database) -> None:
    await database.run(store.add, "acme", numbers(1_203))
    gone = numbers(700, first=600)
    assert await database.run(store.remove, "acme", [*gone, *gone]) == 603
    assert await database.run(store.remove, "acme", gone) == 0
    assert await database.run(store.remove, "acme", []) == 0
    assert await stored(database) == numbers(600)


async def test_a_tenant_s_numbers_are_nobody_else_s(database: Database) -> None:
    await database.run(store.add, "acme", [ANA, EVA])
    assert await database.run(store.add, "globex", [EVA, RUI]) == 2
    assert await database.run(store.suppressed, "acme", [ANA, EVA, RUI]) == {ANA, EVA}
    assert await database.run(store.suppressed, "globex", [ANA, EVA, RUI]) == {EVA, RUI}
    assert await database.run(store.remove, "globex", [ANA, EVA]) == 1
    assert (await suppressing.remove_all(database, "globex")).removed == 1
    assert await stored(database) == [ANA, EVA]
    assert [await database.run(store.total, name) for name in ("acme", "globex", "nobody")] == [2, 0, 0]


async def test_the_suppressed_ones_of_a_batch_are_found(database: Database) -> None:
    every = numbers(1_203)
    await database.run(store.add, "acme", every[::3])
    assert await database.run(store.suppressed, "acme", every) == set(every[::3])
    assert await database.run(store.suppressed, "acme", set(every)) == set(every[::3])
    assert await database.run(store.suppressed, "acme", [every[0], every[0], every[1]]) == {every[0]}
    assert await database.run(store.suppressed, "acme", every[1::3]) == set()
    assert await database.run(store.suppressed, "acme", []) == set()


async def test_a_batch_costs_one_question_without_suppressions_and_few_small_ones_with_them(database: Database) -> None:
    asked: list[int] = []

    def listen(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if not statement.startswith("BEGIN"):
            asked.append(len(parameters))

    event.listen(database.engine, "before_cursor_execute", listen)
    await database.run(store.suppressed, "acme", numbers(1_203))
    assert asked == [], "whether there are any at all is asked past the listener, once"
    await database.run(store.add, "acme", [ANA])
    asked.clear()
    await database.run(store.suppressed, "acme", numbers(1_203))
    assert (len(asked), max(asked)) == (3, 501)


async def test_writers_of_the_same_numbers_wait_for_each_other(database: Database) -> None:
    """In opposite orders, each holds what the other one wants."""
    for turn in range(3):
        mine = numbers(2_000, first=turn * 2_000)
        added = await asyncio.gather(
            *(database.run(store.add, "acme", some) for some in (mine, mine[::-1], mine, mine[::-1]))
        )
        assert sum(added) == 2_000
    every = numbers(6_000)
    removed = await asyncio.gather(*(database.run(store.remove, "acme", some) for some in (every, every[::-1])))
    assert sum(removed) == 6_000


async def test_pages_neither_repeat_nor_leave_out_while_numbers_come_and_go(database: Database) -> None:
    every = numbers(30)
    await database.run(store.add, "acme", every[::2])
    seen = await database.run(store.page, "acme", "", 5)
    await database.run(store.remove, "acme", [*every[:6], every[12]])
    await database.run(store.add, "acme", [every[1], every[21]])
    while found := await database.run(store.page, "acme", seen[-1].phone, 5):
        seen += found
    assert [one.phone for one in seen] == sorted({*every[::2], every[21]} - {every[12]})


async def test_to_remove_all_is_many_small_transactions_and_leaves_what_came_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suppressing, "CHUNK", 10)
    await database.run(store.add, "acme", numbers(25))
    remove_next = store.remove_next

    def while_others_add(connection: Any, *arguments: Any) -> tuple[int, str | None]:
        store.add(connection, "acme", [RUI])
        return remove_next(connection, *arguments)

    monkeypatch.setattr(store, "remove_next", while_others_add)
    done = await suppressing.remove_all(database, "acme")
    assert done.model_dump() == {
        "received": 25, "removed": 25, "absent": 0, "rejected": 0, "total": 1, "rejections": []
    }  # fmt: skip
    assert await stored(database) == [RUI]


def rejection(row: int, code: str, column: str | None, phone: str) -> tuple[Any, ...]:
    return row, code, column, phone


FILES: dict[str, tuple[bytes, dict[str, Any], list[str], list[tuple[Any, ...]]]] = {
    "a synonym and other columns": (
        b"nome;Celular\nAna;+5511999990001\nEva;(11) 99999-0002",
        {},
        [ANA, EVA],
        [],
    ),
    "a bad e-mail address is no reason to contact somebody": (
        b"phone,email,priority\n+5511999990001,nonsense,x\n",
        {},
        [ANA],
        [],
    ),
    "a mapping": (b"a,b\n1,+5511999990001\n", {"mapping": {"phone": "b"}}, [ANA], []),
    "a stated delimiter": (b"phone#x\n+5511999990001#1\n", {"delimiter": "#"}, [ANA], []),
    "no header": (b"+5511999990001\r\n11999990002\r\n", {}, [ANA, EVA], []),
    "no header, one number": (b"5511999990001", {}, [ANA], []),
    "no header, blanks and a bad line": (
        b"\n+5511999990001\n\n12\n+5511999990002,\n+5511999990002,x\n",
        {},
        [ANA, EVA],
        [rejection(4, "phone.invalid", None, "12"), rejection(6, "row.too_many_cells", None, EVA)],
    ),
    "no header, with a BOM": ("\ufeff+5511999990001\n+5511999990002\n".encode(), {}, [ANA, EVA], []),
    "no header, UTF-16": ("\ufeff+5511999990001\n+5511999990002\n".encode("utf-16-le"), {}, [ANA, EVA], []),
    "no header, quoted, a stated charset": (b'"(11) 99999-0001"\n', {"encoding": "latin-1"}, [ANA], []),
    "a spreadsheet's damage": (
        b"name,phone\na,5.51199E+12\nb,'+5511999990001\nc,\nd,+5511999990001 / +5511999990002\ne\n",
        {},
        [ANA],
        [
            rejection(2, "phone.spreadsheet_damage", "phone", "5.51199E+12"),
            rejection(4, "phone.missing", "phone", ""),
            rejection(5, "phone.several", "phone", "+5511999990001 / +5511999990002"),
            rejection(6, "row.too_few_cells", "phone", ""),
        ],
    ),
    "letters and controls": (
        b"phone\nhello\n+55\x0111999990001\n" + b"9" * 100 + b"\n",
        {},
        [],
        [
            rejection(2, "phone.invalid", "phone", "hello"),
            rejection(3, "phone.invalid", "phone", "+55\x0111999990001"),
            rejection(4, "field.too_long", "phone", "9" * 64),
        ],
    ),
}


@pytest.mark.parametrize("name", FILES)
async def test_a_csv_file_is_read_as_people_write_it(sqlite: Database, name: str) -> None:
    content, given, phones, rejections = FILES[name]
    source = suppressing.open_numbers(io.BytesIO(content), "csv", **given)
    done = await suppressing.add(sqlite, "acme", source, "BR")
    assert await stored(sqlite) == phones
    assert [(one.row, one.code, one.column, one.phone) for one in done.rejections] == rejections
    assert (done.received, done.added, done.already, done.rejected, done.total) == (
        len(phones) + len(rejections), len(phones), 0, len(rejections), len(phones)
    )  # fmt: skip
    assert done.source is not None
    assert done.source.rows == done.received


async def test_a_file_without_a_header_says_so_in_its_source(sqlite: Database) -> None:
    source = suppressing.open_numbers(io.BytesIO(b"+5511999990001\n"), "csv")
    found = (await suppressing.add(sqlite, "acme", source, None)).source
    assert found == SourceInfo(format="csv", charset="utf-8", delimiter=",", rows=1)


@pytest.mark.parametrize(
    ("content", "given", "code"),
    [
        (b"", {}, "source.empty"),
        (b"phone\n", {}, "source.header_only"),
        (b"+5511999990001,Ana\n", {}, "source.no_header"),
        (b"+5511999990001\n", {"mapping": {"phone": "x"}}, "source.mapping"),
        (b"+5511999990001\n", {"delimiter": "ab"}, "source.delimiter"),
        (b"name\nAna\n", {}, "source.no_phone_column"),
        (b"phone\n+55\0\n", {}, "source.nul_byte"),
        (b"\x89PNG\r\n\x1a\n", {}, "source.binary"),
        (b'{"phones": []}', {}, "source.not_csv"),
    ],
)
def test_a_file_that_holds_no_numbers_is_refused(content: bytes, given: dict[str, Any], code: str) -> None:
    with pytest.raises(suppressing.SourceError) as refused:
        suppressing.open_numbers(io.BytesIO(content), "csv", **given)
    assert refused.value.code == code


async def test_a_line_of_ndjson_is_a_number_or_an_object_with_one(sqlite: Database) -> None:
    lines = [
        '"+5511999990001"',
        '{"phone": "11 99999-0002", "reason": "asked"}',
        '{"phone": 5511999990001}',
        '{"phone": null}',
        "7",
        '{"phone"',
        '"\\ud800"',
        '{"phone": ' + "9" * 5_000 + "}",
        '{"phone": {"a": 1}}',
    ]
    source = suppressing.open_numbers(io.BytesIO("\n".join(lines).encode()), "ndjson")
    done = await suppressing.add(sqlite, "acme", source, "BR")
    assert await stored(sqlite) == [ANA, EVA]
    assert [(one.row, one.code, one.column, one.phone) for one in done.rejections] == [
        (3, "field.wrong_type", "phone", "5511999990001"),
        (4, "phone.missing", "phone", ""),
        (5, "row.not_an_object", None, ""),
        (6, "row.broken_json", None, ""),
        (7, "row.bad_encoding", None, ""),
        (8, "row.broken_json", None, ""),
        (9, "field.wrong_type", "phone", "{'a': 1}"),
    ]


async def test_of_many_bad_rows_the_first_hundred_are_shown_and_all_are_counted(sqlite: Database) -> None:
    done = await suppressing.add(sqlite, "acme", open_items(["x"] * 6_000 + [ANA]), "BR")
    assert (done.received, done.added, done.rejected) == (6_001, 1, 6_000)
    assert [one.row for one in done.rejections] == list(range(1, 101))


async def test_no_more_than_a_chunk_of_a_file_is_ever_ahead_of_the_database(sqlite: Database) -> None:
    done: list[int] = [0]
    ahead: list[int] = []

    def rows() -> Iterator[Any]:
        for place, phone in enumerate(numbers(3 * CHUNK + 7), 1):
            ahead.append(place - done[-1])
            yield JsonRow(place, phone)

    source = Source.of_rows(SourceInfo(format="ndjson"), rows())
    added = await suppressing.add(sqlite, "acme", source, None, done.append)
    assert (added.added, max(ahead)) == (3 * CHUNK + 7, CHUNK)
    assert done == [0, CHUNK, 2 * CHUNK, 3 * CHUNK, 3 * CHUNK + 7]


async def test_of_a_file_that_breaks_off_what_was_taken_stays_and_a_repeat_completes_it(sqlite: Database) -> None:
    good = "\n".join(["phone", *numbers(2 * CHUNK)])
    broken = suppressing.open_numbers(io.BytesIO(f'{good}\n"{ANA}\n'.encode()), "csv")
    with pytest.raises(BrokenOff) as stopped:
        await suppressing.add(sqlite, "acme", broken, None)
    assert (stopped.value.error.code, stopped.value.done) == ("source.unclosed_quote", 2 * CHUNK)
    assert await stored(sqlite) == numbers(2 * CHUNK)
    again = suppressing.open_numbers(io.BytesIO(f"{good}\n{RUI}\n".encode()), "csv")
    done = await suppressing.add(sqlite, "acme", again, None)
    assert (done.received, done.added, done.already) == (2 * CHUNK + 1, 1, 2 * CHUNK)
