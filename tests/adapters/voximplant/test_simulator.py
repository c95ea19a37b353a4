"""The simulator refuses what the vendor must refuse: parameters, files, tokens."""

import json
from typing import Any

import httpx
import jwt
import pytest

from adapters.voximplant.simulator_auth import key_file, token_error
from adapters.voximplant.simulator_csv import BadFile, Dialect, parse
from tests.harness import Bench

pytestmark = pytest.mark.anyio

GOOD = {"rule_id": "7", "priority": "1", "max_simultaneous": "2", "num_attempts": "3", "name": "spring-2031"}
FILE = "phone_number;__task_uuid\r\n+15550100001;c-1\r\n"


UPLOAD = {"files": {"file_content": ("f.csv", FILE.encode(), "text/csv")}}


async def post(vox: Bench, method: str, query: dict[str, str], **body: Any) -> httpx.Response:
    """A call past the adapter, with the adapter's token."""
    await vox.talk(vox.adapter.check(vox.options))
    token = vox.channel.account.token.value.get_secret_value()
    headers = {"Authorization": f"Bearer {token}", **body.pop("headers", {})}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{vox.channel.account.base_url}/{method}", params=query, headers=headers, **body)


async def call(vox: Bench, method: str, query: dict[str, str], **body: Any) -> Any:
    return (await post(vox, method, query, **body)).json()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rule_id": None}, 134),
        ({"name": None}, 134),
        ({"rule_id": "999"}, 147),
        ({"rule_id": "8"}, 375),
        ({"priority": "-1"}, 247),
        ({"max_simultaneous": "0"}, 248),
        ({"num_attempts": "6"}, 249),
        ({"name": "a/b"}, 253),
        ({"name": "a\\b"}, 253),
        ({"name": "n" * 256}, 253),
        ({"reference_ip": "nowhere"}, 257),
        ({"server_location": "moon"}, 496),
        ({"task_priority_strategy": "any"}, 496),
        ({"delimiter": ";;"}, 496),
        ({"colour": "red"}, 101),
    ],
)
async def test_bad_parameters_are_refused(vox: Bench, changes: dict, code: int) -> None:
    query = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    answer = await call(vox, "CreateCallList", query, **UPLOAD)
    assert answer["error"]["code"] == code
    assert vox.ledger.lists == {}


@pytest.mark.parametrize(
    "body",
    [UPLOAD, {"data": {"file_content": FILE}}, {"content": FILE.encode(), "headers": {"Content-Type": "text/csv"}}],
    ids=["multipart", "form", "raw"],
)
async def test_the_file_may_come_in_each_documented_layout(vox: Bench, body: dict) -> None:
    answer = await call(vox, "CreateCallList", GOOD, **body)
    assert {name: answer[name] for name in ("result", "count", "list_id")} == {
        "result": True,
        "count": 1,
        "list_id": 4711,
    }
    assert vox.ledger.calls == ["15550100001"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", 250),
        (b"phone_number;__task_uuid\r\n", 250),
        (b"\xef\xbb\xbfphone_number\r\n+1\r\n", 250),
        (b"phone_number;a\r\n+1\r\n", 250),
        (b"phone_number;phone_number\r\n+1;+2\r\n", 250),
        (b"phone_number;__zone\r\n+1;x\r\n", 250),
        (b'phone_number;a\r\n+1;"line\nbreak"\r\n', 250),
        (b"phone_number;a\r\n+1;\xff\r\n", 250),
        (b"phone_number;__start_execution_time\r\n+1;09:00:00\r\n", 250),
        (b"phone_number;__task_uuid\r\n+1;under_score\r\n", 496),
        (b"phone_number;__task_uuid\r\n+1;" + b"x" * 41 + b"\r\n", 496),
        (b"phone_number;__start_at\r\n+1;tomorrow\r\n", 496),
        (b"phone_number;__start_execution_time;__end_execution_time\r\n+1;9:00;18:00\r\n", 496),
        (b"phone_number;task_priority\r\n+1;\r\n", 496),
    ],
)
def test_bad_files_are_refused(content: bytes, code: int) -> None:
    with pytest.raises(BadFile) as raised:
        parse(content, Dialect("UTF-8", ";", ""))
    assert raised.value.code == code


def test_only_a_signed_fresh_token_of_the_account_passes() -> None:
    key = json.loads(key_file())["private_key"]

    def error(now: float = 1000.0, kid: str = "sim-key-1", signer: str = key, **changes: Any) -> int | None:
        claims = {"iss": "1234567", "iat": 995, "exp": 4595, **changes}
        return token_error("Bearer " + jwt.encode(claims, signer, "RS256", headers={"kid": kid}), now)

    assert error() is None
    assert error(iss="1") == 100
    assert error(aud="x") == 100
    assert error(kid="another") == 447
    assert error(iat="995") == 447
    assert error(iat=1001) == 455
    assert error(exp=4596) == 454
    assert error(now=4595.0) == 456
    assert token_error(None, 0) == 100
    assert token_error("Basic x", 0) == 100
    assert token_error("Bearer x.y.z", 0) == 447
    assert token_error("Bearer " + jwt.encode({}, "k" * 32, "HS256", headers={"kid": "sim-key-1"}), 0) == 447


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GetCallLists", {"count": "1001"}, 497),
        ("GetCallListDetails", {}, 134),
        ("GetCallListDetails", {"list_id": "999"}, 255),
        ("EditCallList", {"list_id": "999", "name": "x"}, 251),
        ("CancelCallListTask", {"list_id": "1", "account_id": "1"}, 115),
        ("DeleteCallList", {"list_id": "1"}, 134),
        ("NoSuchCommand", {}, 103),
    ],
)
async def test_other_methods_refuse_too(vox: Bench, method: str, query: dict, code: int) -> None:
    assert (await call(vox, method, query))["error"]["code"] == code


async def test_a_list_in_progress_is_not_deleted(vox: Bench) -> None:
    await call(vox, "CreateCallList", GOOD, **UPLOAD)
    answer = await call(vox, "DeleteCallList", {"account_id": "1234567", "list_id": "4711"})
    assert answer["error"]["code"] == 251
    assert "4711" in vox.simulation.held


async def test_details_are_a_file_unless_json_is_asked_for(vox: Bench) -> None:
    await call(vox, "CreateCallList", GOOD, **UPLOAD)
    reply = await post(vox, "GetCallListDetails", {"list_id": "4711"})
    assert reply.headers["content-type"] == "application/octet-stream"


async def test_reset_forgets_everything(vox: Bench) -> None:
    await call(vox, "CreateCallList", GOOD, **UPLOAD)
    vox.simulation.reset()
    assert (vox.ledger.lists, vox.ledger.calls, vox.simulation.held) == ({}, [], {})
