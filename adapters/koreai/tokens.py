"""The token in the header `auth`: a JWT of its own for each request, because a `jti` may not be used twice."""

import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from pydantic import SecretStr

from adapters.koreai.settings import Credentials
from gateway.contract import Auth, Token

ALGORITHM: Final = "HS256"
LIFE: Final = timedelta(minutes=10)
"""At most an hour is allowed with a `jti` (SDK security page); a token here serves one request."""


@cache
def _signer() -> Any:
    """HMAC without PyJWT's warning about short keys: the length of the client secret is the vendor's choice."""
    import jwt  # with its cryptography 10 MiB: only where tokens are made
    from jwt.algorithms import HMACAlgorithm

    class SecretOfAnyLength(HMACAlgorithm):
        def check_key_length(self, key: Any) -> None:
            return None

    signer = jwt.PyJWS(algorithms=[])
    signer.register_algorithm(ALGORITHM, SecretOfAnyLength(HMACAlgorithm.SHA256))
    return signer


def token(credentials: Credentials, now: datetime, nonce: str) -> Token:
    """A signed token that is good for one request; `nonce` becomes its `jti`."""
    expires_at = now + LIFE
    claims = {
        "appId": credentials.client_id,
        "sub": credentials.subject,
        "iat": int(now.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": nonce,
    }
    payload = json.dumps(claims, separators=(",", ":")).encode()
    signed: str = _signer().encode(payload, credentials.client_secret.get_secret_value(), algorithm=ALGORITHM)
    return Token(SecretStr(signed), expires_at, reusable=False)


AUTH: Final = Auth(header="auth", scheme="", token=token)
