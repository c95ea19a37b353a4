"""What a killed process worked on is finished by another, by one other, and by nobody twice at the same time."""

import asyncio

from tests.gateway.engine.conftest import OpenEngine, StartPeer, until
from tests.gateway.engine.rows import Rows


async def test_the_work_of_a_killed_process_is_finished_by_a_living_one(start_peer: StartPeer, rows: Rows) -> None:
    dying = await start_peer("hold", "op_1")
    await dying.says("began", "op_1")
    living = await start_peer("quick")
    assert rows.unfinished() == ["op_1"]
    await dying.kill()
    await until(lambda: not rows.unfinished())
    assert rows.entries() == [
        ("op_1", dying.executor, "began"),
        (dying.executor, living.executor, "took over"),
        ("op_1", living.executor, "began"),
        ("op_1", living.executor, "ended"),
    ]


async def test_a_process_that_starts_later_finishes_the_work_of_a_killed_one(start_peer: StartPeer, rows: Rows) -> None:
    first = await start_peer("hold", "op_1", "op_2", "op_3")
    await first.says("began")
    await first.says("began")
    await first.kill()
    assert {who for _, who, _ in rows.entries("began")} == {first.executor}
    second = await start_peer("quick")
    await until(lambda: not rows.unfinished())
    assert sorted(rows.entries("ended")) == [(f"op_{n}", second.executor, "ended") for n in (1, 2, 3)]
    assert rows.entries("took over") == [(first.executor, second.executor, "took over")]
    assert await second.end() == 0


async def test_work_that_kills_process_after_process_is_carried_on(start_peer: StartPeer, rows: Rows) -> None:
    first = await start_peer("hold", "op_1")
    await first.says("began", "op_1")
    await first.kill()
    second = await start_peer("hold")
    await second.says("began", "op_1")
    await second.kill()
    third = await start_peer("quick")
    await third.says("ended", "op_1")
    assert [who for _, who, _ in rows.entries("began")] == [first.executor, second.executor, third.executor]


async def test_one_of_several_peers_takes_over_and_nothing_is_worked_on_twice(
    start_peer: StartPeer, rows: Rows
) -> None:
    names = [f"op_{n}" for n in range(12)]
    dying = await start_peer("hold", *names)
    await dying.says("began")
    peers = await asyncio.gather(*(start_peer("quick") for _ in range(3)))
    await dying.kill()
    await until(lambda: not rows.unfinished())
    takers = [by for who, by, _ in rows.entries("took over") if who == dying.executor]
    assert len(takers) == 1
    assert takers[0] in {peer.executor for peer in peers}
    ended = [name for name, _, _ in rows.entries("ended")]
    assert sorted(ended) == sorted(names)
    for name in names:
        lives = [what for operation, who, what in rows.entries() if operation == name and who != dying.executor]
        assert lives == ["began", "ended"]


async def test_a_peer_that_took_the_work_of_a_living_one_and_died_is_noticed(start_peer: StartPeer, rows: Rows) -> None:
    """It died before it made itself the owner: only the engine's tables know that it had the work."""
    dying = await start_peer("hold", "op_1")
    await dying.says("began", "op_1")
    living = await start_peer("quick")
    with rows.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE operations SET owner = '{living.executor}'")
    await dying.kill()
    await until(lambda: not rows.unfinished())
    assert rows.entries("ended") == [("op_1", living.executor, "ended")]


async def test_a_process_without_an_engine_leaves_its_work_to_one_that_has(start_peer: StartPeer, rows: Rows) -> None:
    bare, living = await asyncio.gather(start_peer("bare", "op_1"), start_peer("quick"))
    await asyncio.sleep(0.5)
    assert rows.entries() == []  # it lives
    await bare.kill()
    await until(lambda: not rows.unfinished())
    assert rows.entries() == [
        (bare.executor, living.executor, "took over"),
        ("op_1", living.executor, "began"),
        ("op_1", living.executor, "ended"),
    ]


async def test_a_closed_process_leaves_what_it_could_not_end(start_peer: StartPeer, rows: Rows) -> None:
    first = await start_peer("hold", "op_1")
    await first.says("began", "op_1")
    assert await first.end() == 0
    assert rows.unfinished() == ["op_1"]
    second = await start_peer("quick")
    await second.says("ended", "op_1")


async def test_an_operation_that_was_owned_but_never_submitted_is_found(open_engine: OpenEngine, rows: Rows) -> None:
    rows.add("op_1", "lane", "ex_long_gone")
    async with open_engine() as running:
        await until(lambda: not rows.unfinished())
    assert rows.entries("ended") == [("op_1", running.engine.executor, "ended")]
