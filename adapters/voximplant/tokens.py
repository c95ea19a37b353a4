"""The signed token of every call (https://docs.voximplant.ai/platform/management-api/authorization)."""

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from adapters.voximplant.settings import Credentials, rsa_private_key
from gateway.contract import Token

BACKDATED = timedelta(seconds=5)
"""A token "issued in the future" is refused (error 455); the vendor's own clients set `iat` back by as much."""
LIFETIME = timedelta(minutes=59)
"""`exp` may be at most an hour after `iat`."""


def token(credentials: Credentials, now: datetime, _nonce: str) -> Token:
    """A JWT, RS256, for the service account. `iss` is text, as the vendor's Python, Java and .NET clients send it."""
    import jwt  # with its cryptography 10 MiB: only where tokens are made

    account = credentials.service_account
    issued = now.replace(microsecond=0) - BACKDATED
    expires = issued + LIFETIME
    claims = {"iss": account.account_id, "iat": int(issued.timestamp()), "exp": int(expires.timestamp())}
    headers = {"kid": account.key_id, "typ": "JWT"}
    key = rsa_private_key(account.private_key.get_secret_value())
    signed = jwt.encode(claims, key, algorithm="RS256", headers=headers)
    return Token(SecretStr(signed), expires.astimezone(UTC))
