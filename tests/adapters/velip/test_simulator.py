"""The simulated Velip refuses what Velip refuses. It is talked to in its own words, not through the adapter."""

from typing import Any

import httpx
import pytest

from tests.harness import Bench

TOKEN = "EXAMPLETOKEN30CHARS00000000000"
PERSON = {"phone": "5511900000001", "name": "Ana"}


async def post(velip: Bench, endpoint: str, **request: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{velip.channel.account.base_url}/{endpoint}.php", **request)


async def create(velip: Bench, *records: Any, **fields: Any) -> dict[str, Any]:
    reply = await post(velip, "CreateDestinationBase", json={"tsid": TOKEN, "datajson": list(records)} | fields)
    answer: dict[str, Any] = reply.json()["return"]
    return answer


async def test_fifteen_unknown_tokens_ban_the_address_for_ever(velip: Bench) -> None:
    velip.simulation.create_auth = None
    codes = []
    for _ in range(16):
        reply = await post(velip, "GetUserID", json={"tsid": "WRONGTOKEN"})
        codes.append(reply.json()["return"]["status_code"])
    assert codes == ["102"] * 15 + ["199"]
    velip.simulation.clock = lambda: 1e12
    assert (await create(velip, PERSON))["status_code"] == "199"


async def test_twenty_failures_block_the_address_for_ten_minutes(velip: Bench) -> None:
    now = [0.0]
    velip.simulation.clock = lambda: now[0]
    velip.simulation.access.tokens["MCPTOKEN01"] = "114"
    codes = [
        (await post(velip, "GetUserID", json={"tsid": "MCPTOKEN01"})).json()["return"]["status_code"] for _ in range(21)
    ]
    assert codes == ["114"] * 20 + ["131"]
    now[0] = 601.0
    assert (await create(velip, PERSON))["status_code"] == "0"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"json": {"tsid": TOKEN, "datajson": []}}, "230"),
        ({"json": {"tsid": TOKEN, "datajson": [{"number": "5511900000001"}]}}, "230"),
        ({"json": {"tsid": TOKEN, "datajson": [{"phone": "+5511900000001"}]}}, "230"),
        ({"json": {"tsid": TOKEN, "datajson": [{"phone": "12125550123456"}]}}, "230"),
        ({"json": {"tsid": TOKEN, "datajson": [{"phone": 5511900000001}]}}, "230"),
        ({"json": {"tsid": TOKEN, "datajson": [PERSON], "ctid": "sixteen-or-more-x"}}, "230"),
        ({"data": {"tsid": TOKEN, "datajson": "not json"}}, "230"),
        ({"data": {"tsid": TOKEN}, "files": {"file": ("list.txt", b"phone\n5511900000001")}}, "205"),
        ({"data": {"tsid": TOKEN}, "files": {"file": ("list.csv", b"fone\n5511900000001")}}, "230"),
        ({"json": {"datajson": [PERSON]}}, "210"),
        ({"json": {"tsid": TOKEN, "datajson": [PERSON]}, "headers": {"Authorization": "Bearer OTHERTOKEN"}}, "210"),
        ({"json": {"tsid": TOKEN, "datajson": [PERSON]}, "params": {"tsid": "OTHERTOKEN"}}, "210"),
    ],
)
async def test_what_velip_refuses_is_refused(velip: Bench, request_: dict[str, Any], code: str) -> None:
    reply = await post(velip, "CreateDestinationBase", **request_)
    assert reply.json()["return"]["status_code"] == code
    assert velip.ledger.lists == {}


async def test_forms_are_read_as_latin_1(velip: Bench) -> None:
    await post(
        velip, "CreateDestinationBase", data={"tsid": TOKEN, "name": "São", "datajson": '[{"phone":"11900000001"}]'}
    )
    assert (velip.ledger.lists["70123"].name, velip.ledger.lists["70123"].phones) == ("SÃ£o", ["5511900000001"])


async def test_rows_without_a_usable_number_are_left_out_of_the_count(velip: Bench) -> None:
    answer = await create(velip, PERSON, {"phone": "1"}, {"name": "nobody"})
    assert (answer["num_dest"], len(velip.ledger.lists["70123"].rows)) == ("1", 1)


async def test_setactive_without_a_filter_hits_every_list(velip: Bench) -> None:
    await create(velip, PERSON)
    await create(velip, PERSON)
    await post(velip, "GetDestinationsList", json={"tsid": TOKEN, "setactive": 0})
    assert [one.facts["active"] for one in velip.ledger.lists.values()] == [0, 0]


async def test_only_an_active_campaign_on_an_active_list_calls_anybody(velip: Bench) -> None:
    await create(velip, PERSON)

    async def ask(endpoint: str, **fields: Any) -> Any:
        return (await post(velip, endpoint, json={"tsid": TOKEN} | fields)).json()

    campaign = int((await ask("CreateCampaign", cdlc_id=70123, cp_ativo="0"))["return"]["cp_id"])
    assert velip.ledger.calls == []
    assert (await ask("ChangeCampaign", cp_id=campaign, active=1))["campaigns"][0]["cp_active "] == "1"
    assert velip.ledger.calls == ["5511900000001"]
    assert (await ask("GetCallStatus", cp_id=campaign))["calls"][0]["dest"] == "5511900000001"
    assert (await ask("GetCampaignsList"))["campaigns"][0]["cp_id"] == campaign
    velip.ledger.lists["70123"].facts["active"] = 0
    assert (await ask("CreateCampaign", cdlc_id=70123))["return"]["status_code"] == "251"


async def test_reset_lifts_bans_and_forgets_lists(velip: Bench) -> None:
    await create(velip, PERSON)
    velip.simulation.access.banned = True
    velip.simulation.reset()
    assert velip.ledger.lists == {}
    assert (await create(velip, PERSON))["cdlc_id"] == "70123"
