"""`gateway route`: real processes before a real database; what they switch holds for the server that runs there."""

import getpass
import json
from collections.abc import Callable
from pathlib import Path

from gateway.contract.simulation import Ledger
from tests.gateway.cli.test_commands import in_order, run
from tests.gateway.conftest import OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.shapes import create, masked


async def test_a_change_is_listed_logged_and_taken_back(
    open_gateway: OpenGateway, vendors: Vendors, ledger: Callable[[str], Ledger]
) -> None:
    both = {"main": destination(vendors["velip"]), "next": destination(vendors["exotel"])}
    async with open_gateway({"acme": Tenant(both, [{"to": ["main"]}])}) as gateway:
        client, config = await gateway.client("acme"), gateway.config
        for secret in config.parent.glob("acme.*"):
            secret.unlink()  # none is needed
        nothing = in_order(await run("route", "list", config=config), 0)
        assert nothing.stdout == "every list goes where its route says\n"
        done = in_order(await run("route", "set", "main", "next", "--mode", "shadow", "--json", config=config), 0)
        by = f"cli {getpass.getuser()}"
        shadow = {
            "source": "main", "target": "next", "mode": "shadow", "percent": None,
            "in_force": True, "migration": None, "by": by, "at": "<time>",
        }  # fmt: skip
        assert masked(json.loads(done.stdout)) == shadow
        (line,) = [json.loads(one) for one in done.stderr.splitlines()]
        assert {name: line[name] for name in line if name not in ("timestamp", "level")} == {
            "event": "rerouted", "tenant": "acme", "source": "main", "target": "next", "mode": "shadow",
            "percent": None, "before": "off", "by": by, "migration": None,
        }  # fmt: skip
        await create(client, None)
        state = json.loads(in_order(await run("route", "list", "main", "--json", config=config), 0).stdout)
        assert (state["shadow"]["lists"], state["shadow"]["contacts"]) == (1, 2)
        told = in_order(await run("route", "list", "main", config=config), 0).stdout
        assert ("shadow" in told, '"contacts": 2' in told) == (True, True)
        assert ledger("exotel").requests == []
        in_order(
            await run("route", "set", "main", "next", "--mode", "percent", "--percent", "99.999999", config=config), 0
        )
        one = await create(client, None)
        assert [each["destination"] for each in one["deliveries"]] == ["next"]
        in_order(await run("route", "off", "main", config=config), 0)
        one = await create(client, None)
        assert [each["destination"] for each in one["deliveries"]] == ["main"]
        listed = json.loads(in_order(await run("route", "list", "--json", config=config), 0).stdout)
        assert [(each["mode"], each["percent"], each["in_force"]) for each in listed["items"]] == [
            ("off", None, False), ("percent", 99.999999, False), ("shadow", None, False)
        ]  # fmt: skip


async def test_what_makes_no_sense_is_told_in_a_sentence(vendors: Vendors, open_gateway: OpenGateway) -> None:
    async with open_gateway({"acme": Tenant({"main": destination(vendors["velip"])})}) as gateway:
        for words, told in (
            (("set", "main", "next"), "There is no such destination: next is not a destination; there are: main"),
            (("set", "main", "main"), "This destination cannot stand in for that one: a destination cannot stand in"),
            (("set", "main", "next", "--mode", "half"), "--mode: "),
            (("set", "main", "next", "--mode", "percent", "--percent", "100"), "--percent: "),
            (("set", "main", "next", "--percent", "5"), "percent: belongs to the mode percent, not to full"),
            (("off", "main"), "There is no such thing: nothing stands in for main"),
            (("off", "nowhere"), "There is no such thing: nowhere is not a destination; there are: main"),
            (("list", "nowhere"), "There is no such thing: nowhere is not a destination; there are: main"),
        ):
            refused = in_order(await run("route", *words, config=Path(gateway.config)), 2)
            assert told in refused.stderr
