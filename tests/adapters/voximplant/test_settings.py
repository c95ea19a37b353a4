"""Credentials, tokens and options: what is taken, and what is refused in which words."""

import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from pydantic import ValidationError

from adapters.voximplant.settings import Credentials, ListOptions, Options
from adapters.voximplant.simulator_auth import key_file
from adapters.voximplant.tokens import token
from tests.harness import NOW

KEY_FILE = json.loads(key_file())


def messages(model, value) -> list[str]:
    with pytest.raises(ValidationError) as raised:
        model.model_validate(value)
    return [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in raised.value.errors()]


@pytest.mark.parametrize("account_id", [1234567, "1234567"])
def test_a_key_file_is_read_from_its_text(account_id: object) -> None:
    text = json.dumps({**KEY_FILE, "account_id": account_id, "new_key_of_the_vendor": 1})
    account = Credentials.model_validate({"service_account": text}).service_account
    assert (account.account_id, account.key_id, account.account_email) == ("1234567", "sim-key-1", "owner@example.com")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "service_account: Value error, is not JSON; give the text of the service-account key file"),
        ("[]", "service_account: Value error, is not a JSON object with account_id, key_id and private_key"),
        ({**KEY_FILE, "private_key": None}, "service_account.private_key: Input should be a valid string"),
        (
            {**KEY_FILE, "private_key": "-----BEGIN"},
            "service_account.private_key: Value error, is not an RSA private key in PEM form; "
            "it begins with -----BEGIN PRIVATE KEY-----",
        ),
        ({**KEY_FILE, "account_id": True}, "service_account.account_id: Input should be a valid string"),
        ({**KEY_FILE, "key_id": ""}, "service_account.key_id: String should have at least 1 character"),
        ({"account_id": 1, "private_key": KEY_FILE["private_key"]}, "service_account.key_id: Field required"),
    ],
)
def test_a_bad_key_file_is_refused_by_name(text: object, said: str) -> None:
    given = text if isinstance(text, str) else json.dumps(text)
    assert messages(Credentials, {"service_account": given}) == [said]


def test_no_secret_is_shown() -> None:
    credentials = Credentials.model_validate({"service_account": key_file()})
    assert "BEGIN" not in repr(credentials) + credentials.model_dump_json()
    with pytest.raises(ValidationError) as raised:
        Credentials.model_validate({"service_account": json.dumps({"private_key": "PLANTED"})})
    assert "PLANTED" not in str(raised.value)


def test_a_token_is_signed_for_the_account_and_lives_less_than_an_hour() -> None:
    credentials = Credentials.model_validate({"service_account": key_file()})
    made = token(credentials, NOW.replace(microsecond=7), "nonce")
    text = made.value.get_secret_value()
    now = int(NOW.timestamp())
    assert jwt.get_unverified_header(text) == {"alg": "RS256", "typ": "JWT", "kid": "sim-key-1"}
    claims = jwt.decode(text, options={"verify_signature": False})
    assert claims == {"iss": "1234567", "iat": now - 5, "exp": now - 5 + 3540}
    assert made.expires_at == datetime.fromtimestamp(now, UTC) + timedelta(seconds=3535)
    assert made.reusable
    assert token(credentials, NOW, "other nonce").value.get_secret_value() == text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rule_id", 0),
        ("priority", -1),
        ("priority", 2**31),
        ("max_simultaneous", 0),
        ("num_attempts", 0),
        ("num_attempts", 6),
        ("interval_seconds", -1),
        ("encoding", "UTF-16"),
        ("encoding", "base64"),
        ("encoding", "windows-1299"),
        ("delimiter", ""),
        ("delimiter", ";;"),
        ("delimiter", '"'),
        ("delimiter", "a"),
        ("delimiter", "+"),
        ("delimiter", "\n"),
        ("escape", ";"),
        ("escape", "\\\\"),
        ("reference_ip", "nowhere"),
        ("server_location", ""),
        ("task_priority_strategy", "second_attempts"),
        ("phone_column", "first_name"),
        ("phone_column", "__phone"),
        ("phone_column", "a phone"),
        ("unheard_of", 1),
    ],
)
def test_an_option_out_of_range_is_refused_for_destination_and_list(field: str, value: object) -> None:
    assert [one.split(":")[0] for one in messages(Options, {"rule_id": 7, field: value})] == [field]
    assert [one.split(":")[0] for one in messages(ListOptions, {field: value})] == [field]


def test_a_destination_needs_a_rule_and_takes_the_careful_values_for_the_rest() -> None:
    assert messages(Options, {}) == ["rule_id: Field required"]
    assert Options(rule_id=7).model_dump(exclude_none=True) == {
        "rule_id": 7,
        "priority": 1,
        "max_simultaneous": 1,
        "num_attempts": 1,
        "encoding": "UTF-8",
        "delimiter": ";",
        "phone_column": "phone_number",
        "carry_priority": False,
    }


def test_a_null_in_a_list_s_options_says_nothing() -> None:
    assert ListOptions.model_validate({"encoding": None, "rule_id": 8}).model_dump(exclude_unset=True) == {"rule_id": 8}


def test_list_options_are_the_destination_s() -> None:
    assert set(ListOptions.model_fields) == set(Options.model_fields)
