"""Who stands in for whom, contact by contact; what the database keeps of it; and changes while a list comes in."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway import creating, rerouting
from gateway.canonical import LossEntry, LossKind
from gateway.contract.simulation import Ledger
from gateway.migrating.shadowing import added_up
from gateway.rerouting import ReroutingIn
from gateway.routing import Asked, Considered, destinations_for, explain, percentile
from gateway.settings import RouteIn, Tenant
from gateway.store import reroutings as store
from gateway.store.database import Database
from gateway.store.reroutings import Mode, Rerouting
from tests.gateway.conftest import OpenGateway, Vendors, destination
from tests.gateway.conftest import Tenant as Given
from tests.gateway.web.long_files import accepted, as_csv, people, send
from tests.gateway.web.shapes import LISTS, finished
from tests.gateway.web.shapes import people as contacts
from tests.harness import contact, head

AT = "2026-01-31T08:00:00.000000Z"
ONE = contact()


def rule(source: str, target: str, mode: Mode = "full", percent: float | None = None) -> Rerouting:
    return Rerouting(1, "acme", source, target, mode, percent, None, "cli ana", AT)


def rules(*given: Rerouting) -> dict[str, Rerouting]:
    return {one.source: one for one in given}


def tenant(*chains: list[str]) -> Tenant:
    return Tenant("acme", None, {}, tuple(RouteIn.model_validate({"to": chain}) for chain in chains))


def asked(**fields: Any) -> Asked:
    return Asked("acme", head(), 1, contact(**fields))


@pytest.mark.parametrize(
    ("chain", "in_force", "expected"),
    [
        (["a", "b"], [], ("a", "b")),
        (["a", "b"], [rule("a", "x")], ("x", "b")),
        (["a", "b"], [rule("b", "x")], ("a", "x")),
        (["a", "b"], [rule("c", "x")], ("a", "b")),
        (["a", "b"], [rule("a", "x", "shadow")], ("a", "b")),
        (["a"], [rule("a", "b"), rule("b", "c")], ("b",)),
        (["a", "b"], [rule("a", "b"), rule("b", "a")], ("b", "a")),
        (["a", "b"], [rule("a", "b")], ("b",)),
        (["a", "b", "c"], [rule("b", "a")], ("a", "c")),
        (["a", "b"], [rule("a", "x"), rule("b", "x")], ("x",)),
        (["a"], [rule("a", "x", "percent", 99.999999)], ("x",)),
        (["a"], [rule("a", "x", "percent", 0.000001)], ("a",)),
    ],
)
def test_a_chain_with_those_that_stand_in(chain: list[str], in_force: list[Rerouting], expected: tuple[str]) -> None:
    assert destinations_for(tenant(chain), asked(), rules(*in_force)) == expected


def test_a_request_s_own_destination_is_rerouted_as_a_route_s_is() -> None:
    named = Asked("acme", head(destination="a"), 1, ONE)
    assert destinations_for(tenant(["z"]), named, rules(rule("a", "x"))) == ("x",)


def test_a_share_takes_the_numbers_below_it_as_a_route_s_does() -> None:
    ten = rules(rule("a", "x", "percent", 10))
    crowd = [asked(row=row) for row in range(1, 2_001)]
    moved = [one.contact.phone for one in crowd if destinations_for(tenant(["a"]), one, ten) == ("x",)]
    assert moved == [one.contact.phone for one in crowd if percentile("acme", one.contact.phone) < 10]
    assert 140 <= len(moved) <= 260


def test_explain_says_who_stands_in_since_when_and_for_whom() -> None:
    chain = tenant(["a", "b"], ["c"])
    every = "every condition holds"
    gone = "which is not configured: the list is refused"
    for in_force, told in (
        ([rule("c", "x")], every),
        ([rule("a", "x")], f"{every}; full since {AT}: x instead of a, {gone}"),
        ([rule("a", "x", "percent", 99.999999)], f"{every}; 100 % since {AT}: x instead of a, {gone}"),
        (
            [rule("b", "x", "percent", 0.5)],
            f"{every}; 0.5 % since {AT}: b, the contact is not among those that go to x",
        ),
        ([rule("a", "x", "shadow")], f"{every}; shadow since {AT}: a, and x is only rehearsed"),
        (
            [rule("a", "x", "shadow"), rule("b", "y", "shadow")],
            f"{every}; shadow since {AT}: a, and x is only rehearsed; shadow since {AT}: b, and y is only rehearsed",
        ),
    ):
        assert explain(chain, asked(), rules(*in_force)) == [
            Considered(0, ("a", "b"), True, told),
            Considered(1, ("c",), False, "an earlier route takes the contact"),
        ]


def test_losses_of_lists_add_up() -> None:
    def loss(contacts: int | None, why: str = "none there") -> LossEntry:
        return LossEntry(field="id", kind=LossKind.DROPPED, contacts=contacts, why=why)

    assert added_up([loss(2), loss(None, "of the list"), loss(3), loss(1, "other"), loss(None, "of the list")]) == [
        loss(5), loss(None, "of the list"), loss(1, "other")
    ]  # fmt: skip


async def test_the_newest_change_of_each_source_is_in_force_and_the_others_are_its_past(url: str) -> None:
    database = Database(url)
    try:
        await database.prepare()

        async def add(*given: Any, to: str = "acme") -> Rerouting:
            return await database.run(store.add, to, *given)

        first = await add("a", "x", "shadow", None, "key 1")
        second = await add("a", "x", "percent", 12.5, "key 1")
        other = await add("b", "y", "full", None, "cli ana", "mg_1")
        ended = await add("c", "y", "off", None, "key 2")
        await add("a", "z", "full", None, "key 9", to="globex")
        for to_act in (False, True):
            found = await database.run(store.in_force, "acme", to_act=to_act)
            assert found == {"a": second, "b": other}
        assert await database.run(store.history, "acme") == [ended, other, second, first]
        assert await database.run(store.history, "acme", "a") == [second, first]
        assert await database.run(store.history, "acme", None, 2, ended.no) == [other, second]
        assert await database.run(store.newest, "acme", "a") == second
        assert await database.run(store.newest, "acme", "a", "shadow") == first
        assert await database.run(store.newest, "acme", "d") is None
        assert (second.percent, second.migration_id, other.migration_id) == (12.5, None, "mg_1")
        for report in ({"contacts": 1}, {"contacts": 2}):
            await database.run(store.add_shadow, first.no, "op_1", "cl_1", report)
        await database.run(store.add_shadow, first.no, "op_2", "cl_2", {"contacts": 3})
        kept = await database.run(lambda connection: list(store.shadows_of(connection, first.no)))
        assert kept == [("cl_1", {"contacts": 1}), ("cl_2", {"contacts": 3})]
        assert await database.run(lambda connection: list(store.shadows_of(connection, second.no))) == []
    finally:
        await database.close()


@pytest.mark.parametrize("append", [False, True], ids=["create", "append"])
async def test_a_long_file_that_was_planned_before_a_change_goes_by_the_change(
    open_gateway: OpenGateway,
    vendors: Vendors,
    ledger: Callable[[str], Ledger],
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    append: bool,
) -> None:
    """The switch is answered between planning and storing: nothing may go to the old destination any more."""
    plan, planned = creating.plan, []
    both = {"main": destination(vendors["velip"]), "next": destination(vendors["exotel"])}
    rows = people(first=1_000_001)

    async with open_gateway({"acme": Given(both)}, database=url) as gateway:
        client, host = await gateway.client("acme"), gateway.host

        def plan_and_switch(*arguments: Any) -> Any:
            planned.append(plan(*arguments))
            if len(planned) == 1:
                wish = ReroutingIn(target="next", mode="full")
                host.database.call(rerouting._switch, host.tenant("acme"), "main", wish, "key 1", None, True)
            return planned[-1]

        path = LISTS
        if append:
            body = {"name": "Renewals", "destination": "main", "contacts": contacts(1)}
            path = f"{LISTS}/{(await client.post(LISTS, json=body)).json()['id']}/contacts"
        vendors["velip"].simulation.reset()
        monkeypatch.setattr(creating, "plan", plan_and_switch)
        fields = {} if append else {"destination": "main"}
        begun = await send(client, as_csv(rows), path, headers={"Prefer": "respond-async"}, **fields)
        ended = await finished(client, begun.headers["location"])
        assert (ended["state"], len(planned)) == ("succeeded", 2)
        assert ledger("velip").requests == []
        (there,) = ledger("exotel").lists.values()
        assert [phone.lstrip("+") for phone in there.phones] == accepted(rows)
        found = (await client.get(ended["result"]["href"])).json()["counts"]
        assert found["received"] == len(rows) + append
