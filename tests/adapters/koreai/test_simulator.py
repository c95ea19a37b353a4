"""The simulator refuses what it must: it is spoken to without the adapter."""

import asyncio
from typing import Any

import httpx
import jwt
import pytest

from adapters.koreai.simulator import ACCOUNT, CLIENT_ID, CLIENT_SECRET, STREAM, KoreaiSimulation

LISTS = f"/campaign/api/v2/public/{STREAM}/campaign/contactList"
ADD = f"/api/1.1/public/{STREAM}/campaign/contactList/addContacts"
LIST = {"name": "Renewals", "description": "May", "source": "passiveApi", "allowDuplicates": False}
CLAIMS = {"appId": CLIENT_ID, "sub": "tests", "iat": 4_000_000_000, "exp": 4_000_000_600}


class Caller:
    """Speaks to the simulator with a token of its own for each call."""

    def __init__(self, simulation: KoreaiSimulation) -> None:
        self.simulation, self.calls = simulation, 0

    def token(self, secret: str = CLIENT_SECRET, algorithm: str = "HS256", **claims: Any) -> str:
        self.calls += 1
        values = {**CLAIMS, "jti": f"jti-{self.calls}", **claims}
        return jwt.encode({name: value for name, value in values.items() if value is not None}, secret, algorithm)

    def call(self, method: str, path: str, body: Any = None, **changed: Any) -> tuple[int, Any]:
        headers = {"auth": changed.pop("auth", None) or self.token(), "iid": STREAM, "accountId": ACCOUNT}
        query = {"accountId": changed.pop("query_account", ACCOUNT), **changed.pop("query", {})}
        reply = asyncio.run(self._send(method, path, json=body, headers={**headers, **changed}, params=query))
        return reply.status_code, reply.json()

    async def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.simulation.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://koreai") as client:
            return await client.request(method, path, **parts)

    def make(self, **changed: Any) -> tuple[int, Any]:
        return self.call("POST", f"{LISTS}/createContactList", {**LIST, **changed})

    def add(self, *numbers: Any, name: str = "Renewals") -> tuple[int, Any]:
        return self.call("POST", ADD, {"contact_list_name": name, "data": [{"phoneNumber": one} for one in numbers]})


@pytest.fixture
def caller() -> Caller:
    return Caller(KoreaiSimulation())


@pytest.mark.parametrize(
    "claims",
    [
        {"secret": "another-secret-of-at-least-32-bytes"},
        {"algorithm": "HS512", "secret": CLIENT_SECRET * 2},
        {"appId": "cs-other"},
        {"jti": None},
        {"exp": 1},
        {"exp": 4_000_003_601},
        {"sub": None},
    ],
)
def test_a_bad_token_is_refused(caller: Caller, claims: dict[str, Any]) -> None:
    status, answer = caller.call("POST", f"{LISTS}/getAllListDetails", {}, auth=caller.token(**claims))
    assert (status, answer["status"]) == (401, "failure")


def test_a_bearer_prefix_and_a_used_jti_are_refused(caller: Caller) -> None:
    everything = f"{LISTS}/getAllListDetails"
    assert caller.call("POST", everything, {}, auth=f"Bearer {caller.token()}")[0] == 401
    token = caller.token()
    assert caller.call("POST", everything, {}, auth=token)[0] == 200
    assert caller.call("POST", everything, {}, auth=token)[0] == 401


@pytest.mark.parametrize("changed", [{"iid": "st-other"}, {"accountId": "other"}, {"query_account": "other"}])
def test_application_and_account_must_agree(caller: Caller, changed: dict[str, str]) -> None:
    assert caller.call("POST", f"{LISTS}/getAllListDetails", {}, **changed)[0] == 400


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "n" * 49},
        {"name": ""},
        {"description": "d" * 257},
        {"description": " "},
        {"source": "passiveApiIntegration"},
        {"allowDuplicates": "true"},
        {"name1": "Renewals"},
    ],
)
def test_a_bad_list_is_refused(caller: Caller, changed: dict[str, Any]) -> None:
    assert caller.make(**changed)[0] == 400
    assert caller.simulation.ledger.lists == {}


def test_a_name_is_taken_without_regard_to_case(caller: Caller) -> None:
    assert caller.make()[0] == 200
    assert caller.make(name="RENEWALS")[0] == 400


def test_contacts_appear_after_the_given_looks_and_only_usable_ones(caller: Caller) -> None:
    list_id = caller.make()[1]["data"]["_id"]
    answer = caller.add("5511999990001", "5511999990001", "not a number", 5, "+5511999990002", name="renewals")
    assert answer == (200, {"message": "Adding contacts to public list is in progress"})
    counts = [caller.call("GET", f"{LISTS}/{list_id}")[1]["data"]["totalRecordCount"] for _ in range(2)]
    assert counts == [0, 2]
    assert caller.simulation.ledger.lists[list_id].phones == ["5511999990001", "5511999990002"]


def test_contacts_appear_after_the_given_time(caller: Caller) -> None:
    now = 1000.0
    caller.simulation.clock = lambda: now
    caller.simulation.looks_until_added, caller.simulation.seconds_until_added = 0, 5.0
    list_id = caller.make()[1]["data"]["_id"]
    caller.add("5511999990001")
    for passed, count in ((0.0, 0), (4.0, 0), (1.5, 1)):
        now += passed
        assert caller.call("GET", f"{LISTS}/{list_id}")[1]["data"]["totalRecordCount"] == count


def test_an_unknown_name_is_acknowledged_and_forgotten(caller: Caller) -> None:
    caller.make()
    assert caller.add("5511999990001", name="Renewal")[0] == 200
    assert [one.phones for one in caller.simulation.ledger.lists.values()] == [[]]


@pytest.mark.parametrize("body", [{}, {"contact_list_name": "Renewals"}, {"contact_list_name": "Renewals", "data": []}])
def test_a_bad_add_is_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert caller.call("POST", ADD, body)[0] == 400


def test_sixty_calls_in_any_sixty_seconds(caller: Caller) -> None:
    now = 1000.0
    caller.simulation.clock = lambda: now
    everything = f"{LISTS}/getAllListDetails"
    assert {caller.call("POST", everything, {})[0] for _ in range(60)} == {200}
    now += 59.9
    status, answer = caller.call("POST", everything, {})
    assert (status, "per-minute rate limit" in answer["message"]) == (429, True)
    now += 0.2
    assert caller.call("POST", everything, {})[0] == 200


def test_what_is_not_there_is_refused(caller: Caller) -> None:
    for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/getAllContacts")):
        assert caller.call(method, f"{LISTS}/cl-none{path}", {} if method == "PUT" else None)[0] == 404


def test_reset_forgets_lists_tokens_and_the_rate(caller: Caller) -> None:
    caller.simulation.requests_per_minute = 1
    token = caller.token()
    everything = f"{LISTS}/getAllListDetails"
    for _ in range(2):
        assert caller.call("POST", everything, {}, auth=token) == (
            200,
            {"status": "success", "message": "", "data": []},
        )
        caller.simulation.reset()
