"""One number is erased wherever it stands. On both databases."""

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import retention
from gateway.canonical import Contact, Outcome
from gateway.store import chunks, suppressions
from gateway.store.chunks import Mark
from gateway.store.erasing import Number, Spot, apply
from tests.gateway.conftest import OpenGateway, Tenant, Vendors, destination
from tests.gateway.housing import ANA, EVA, RUI, House, house  # noqa: F401


async def erase(
    here: House, phone: str = ANA, *, dry: bool = False, tenants: tuple[str, ...] = ("acme", "other")
) -> Any:
    erased = await retention.erase(here.database, here.gateway.host.config, phone, tenants, dry=dry)
    return erased.model_dump()


SPELLINGS = [
    {"phone": ANA, "id": "B-1", "first_name": "Ana-Planted", "attributes": {"plan": "plus"}},
    {"phone": RUI, "id": "B-2", "attributes": {"other": "(11) 99999-0001", "kept": "K"}},
    {"phone": EVA, "id": "B-3"},
    {"phone": "11 99999-0001 / 12", "id": "B-4", "first_name": "Row-Planted"},
    {"phone": "13", "id": "B-5", "last_name": "5511999990001 is his brother"},
    {"phone": "14", "id": "B-6"},
    {"phone": "(11) 99999.0001", "id": "B-7"},
    {"phone": "\uff11\uff11\uff19\uff19\uff19\uff19\uff19\uff10\uff10\uff10\uff11", "email": "nope"},
]


async def test_a_number_is_erased_wherever_it_stands(house: Any) -> None:
    async with house(SPELLINGS) as here:
        await here.database.run(suppressions.add, "acme", [ANA])
        await here.say(
            "UPDATE attempts SET detail = 'no such number: +55 11 99999-0001', answer = :answer",
            answer=b'{"number": "5511999990001"}',
        )
        await here.say(
            "UPDATE idempotency SET body = :body", body=b'{"detail": "+5511999990001", "name": "Jo\xc3\xa3o"}'
        )
        before = (await here.get()).json()
        stored = await here.contents()
        seen = await erase(here, dry=True)
        assert await here.contents() == stored
        attempts = (await here.gateway.rows("attempts"))["attempts"]
        assert (seen["contacts"], seen["rows"], seen["mentions"]) == (2, 3, 2 + attempts)
        assert await erase(here) == {**seen, "cleaned": True}

        after = (await here.get()).json()
        assert {**after, "deliveries": None} == {**before, "deliveries": None}
        assert after["deliveries"][0]["counts"] == before["deliveries"][0]["counts"]
        assert {one["detail"] for one in after["deliveries"][0]["attempts"]} == {"no such number: ***"}
        items = (await here.get("/contacts")).json()["items"]
        told = f"erased on {datetime.now(UTC).date().isoformat()}"
        shown = [(one["row"], one["outcome"], one["id"], one["phone"], one["detail"]) for one in items]
        details = {one["row"]: one["detail"] for one in items}
        assert shown == [
            (1, "accepted", None, "", told),
            (2, "accepted", "B-2", RUI, details[2]),
            (3, "accepted", "B-3", EVA, details[3]),
            (4, "rejected", None, "", told),
            (5, "rejected", None, "", told),
            (6, "rejected", "B-6", "14", None),
            (7, "duplicate", None, "", told),
            (8, "rejected", None, "", told),
        ]
        assert items[1]["attributes"] == {"other": "***", "kept": "K"}
        assert [one["code"] for one in items[4]["faults"]] == ["phone.invalid"]
        (key,) = await here.gateway.table("idempotency")
        assert bytes(key["body"]) == b'{"detail": "***", "name": "Jo\xc3\xa3o"}'
        assert {one["answer"] for one in await here.gateway.table("attempts")} == {None}
        assert await here.database.run(suppressions.suppressed, "acme", {ANA}) == {ANA}
        rest = await here.dump()
        assert [
            word for word in ("11999990001", "99999-0001", "99999.0001", "\uff11\uff11", "Planted") if word in rest
        ] == []
        assert await erase(here) == {
            "contacts": 0,
            "rows": 0,
            "mentions": 0,
            "lists": [],
            "at_vendors": [],
            "waiting": [],
            "cleaned": True,
        }


async def test_what_is_at_a_vendor_is_named(house: Any) -> None:
    async with house() as here:
        chunk = await here.database.run(chunks.load, here.list_id, 1)
        assert [seq for seq, _ in chunk.items] == [1, 2, 5]
        chunk.marks[1] = Mark(Outcome.ACCEPTED, "v-77")
        await here.database.run(chunks.save, chunk)
        remote = (await here.get()).json()["deliveries"][0]["remote_lists"][0]["id"]
        assert (await erase(here))["at_vendors"] == [
            {
                "tenant": "acme",
                "list": here.list_id,
                "destination": "main",
                "remote_list": remote,
                "remote_id": "v-77",
                "outcome": "accepted",
            }
        ]
        assert remote is not None


async def test_the_fact_is_recorded_without_the_number(house: Any) -> None:
    async with house() as here:
        await erase(here)
        found = [
            (one["tenant"], one["method"], one["path"], one["digest"]) for one in await here.gateway.table("audit")
        ]
        assert sorted(found) == [
            ("acme", "ERASE", "lists=1 contacts=2", ""),
            ("other", "ERASE", "lists=0 contacts=0", ""),
        ]


async def test_only_the_named_tenant_is_touched(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE attempts SET detail = :words", words=f"no such number: {ANA}")
        await here.say("UPDATE idempotency SET body = :body", body=ANA.encode())
        stored = await here.contents()
        erased = await erase(here, tenants=("other",))
        assert (erased["contacts"], erased["lists"]) == (0, [])
        assert {**await here.contents(), "audit": []} == stored


async def test_a_number_that_is_about_to_be_sent_waits(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE operations SET state = 'running'")
        await here.say("UPDATE chunks SET pending = pending + 1, accepted = accepted - 1 WHERE accepted > 0")
        stored = await here.contents()
        erased = await erase(here)
        (operation,) = await here.gateway.table("operations")
        why = "it is about to be sent: wait for the operation, or cancel it"
        waiting = {"tenant": "acme", "list": here.list_id, "operation": operation["id"], "why": why}
        assert erased["waiting"] == [waiting]
        assert await here.contents() == stored


async def test_a_batch_that_begins_meanwhile_is_not_changed(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE operations SET state = 'running'")
        await here.say("UPDATE chunks SET pending = pending + 1, accepted = accepted - 1 WHERE accepted > 0")
        stored = await here.contents()
        spot = Spot("acme", here.list_id, 1)
        assert (await here.database.run(apply, spot, Number(ANA), "BR", "erased")).waiting is not None
        assert await here.contents() == stored


async def test_a_file_that_is_just_being_read_is_waited_for(house: Any) -> None:
    async with house() as here:
        await here.say("UPDATE operations SET state = 'running', input = '{}'")
        assert [one["list"] for one in (await erase(here))["waiting"]] == [here.list_id]
        await here.say("UPDATE operations SET state = 'succeeded', input = NULL")
        await here.say(
            "INSERT INTO uploads (id, no, owner, body) VALUES ('up_1', 0, 'o', :body)", body=b"x;+55 11999990001\n"
        )
        assert [one["list"] for one in (await erase(here))["waiting"]] == [""]


async def test_a_number_that_was_held_back_is_never_sent(
    open_gateway: OpenGateway,
    vendors: Vendors,
    url: str,
) -> None:
    tenants = {"acme": Tenant({"main": destination(vendors["voximplant"])})}
    async with open_gateway(tenants, database=url) as gateway:
        client = await gateway.client("acme")
        body = {"name": "Held", "destination": "main", "contacts": [{"phone": one} for one in (ANA, RUI, EVA)]}
        created = (await client.post("/v1/contact-lists", json=body)).json()
        assert (created["state"], created["counts"]["pending"]) == ("staged", 3)
        here = House(gateway, created["id"])
        assert (await erase(here))["contacts"] == 1
        counts = (await here.get()).json()["counts"]
        assert (counts["received"], counts["rejected"], counts["pending"]) == (3, 1, 2)
        answer = await client.post(f"/v1/contact-lists/{here.list_id}/activate")
        assert (answer.status_code, answer.json()["counts"]["accepted"]) == (200, 2)
        assert sorted(vendors["voximplant"].simulation.ledger.calls) == [RUI[1:], EVA[1:]]


async def test_of_a_long_chunk_only_the_number_is_taken_out(house: Any) -> None:
    people = [{"phone": f"+55119{90_000_000 + place}", "id": f"C-{place}"} for place in range(1, 1_205)]
    async with house(people) as here:
        before = (await here.get()).json()["counts"]
        assert (await erase(here, "+5511990000700"))["contacts"] == 1
        assert (await here.get()).json()["counts"] == before
        page = await here.database.run(chunks.page, here.list_id, None, 0, 2_000)
        assert [one.seq for one in page] == list(range(1, 1_205))
        assert [one.seq for one in page if not isinstance(one.item, Contact)] == [700]
        known = {one.seq: one.contact().phone for one in page if one.seq != 700}
        assert known == {place: f"+55119{90_000_000 + place}" for place in range(1, 1_205) if place != 700}


async def test_no_byte_of_it_stays_in_the_files_of_sqlite(
    open_gateway: OpenGateway, vendors: Vendors, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.db"
    tenants = {"acme": Tenant({"main": destination(vendors["exotel"])})}
    async with open_gateway(tenants, database=f"sqlite:///{file}") as gateway:
        client = await gateway.client("acme")
        body = {"name": "Renewals", "destination": "main", "contacts": SPELLINGS}
        created = (await client.post("/v1/contact-lists", json=body)).json()
        here = House(gateway, created["id"])
        # a copy that was removed before in the ordinary way, and stands in free pages
        body = b"Ghost-Planted;+5511999990001\n" * 10_000
        await here.say("INSERT INTO uploads (id, no, owner, body) VALUES ('up_1', 0, 'o', :body)", body=body)
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA secure_delete = OFF")  # some builds of SQLite begin with it
            connection.execute("DELETE FROM uploads")
            connection.commit()
        planted = [b"11999990001", b"99999-0001", b"99999.0001", b"Ana-Planted", b"Row-Planted", b"Ghost-Planted"]
        assert held(tmp_path, planted) == planted
        assert (await erase(here))["cleaned"]
        assert held(tmp_path, planted) == []
        assert held(tmp_path, [RUI.encode()]) == [RUI.encode()]


def held(folder: Path, words: list[bytes]) -> list[bytes]:
    """The words that stand in any file of the folder."""
    whole = b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return [word for word in words if word in whole]


# command line
