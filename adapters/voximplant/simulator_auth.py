"""The simulator's service account, and how it judges a token (fact sheet 2.3 and 6)."""

import json
from functools import cache

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ACCOUNT_ID = 1234567
KEY_ID = "sim-key-1"
LONGEST_TOKEN = 3600


@cache
def _key() -> rsa.RSAPrivateKey:
    """Made once per process: no private key stands in the source."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def key_file() -> str:
    """The text of a key file that this simulator accepts."""
    pem = _key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "account_email": "owner@example.com",
            "account_id": ACCOUNT_ID,
            "key_id": KEY_ID,
            "private_key": pem.decode(),
        }
    )


def token_error(authorization: str | None, now: float) -> int | None:
    """The error code for this Authorization header; None when it is good."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme != "Bearer" or not token:
        return 100
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        return 447
    if header.get("kid") != KEY_ID or header.get("alg") != "RS256" or header.get("typ", "JWT") != "JWT":
        return 447
    try:
        jwt.decode(
            token,
            _key().public_key(),
            algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "verify_iss": False},
        )
    except jwt.PyJWTError:
        return 100
    return _claims_error(claims, now)


def _claims_error(claims: dict[str, object], now: float) -> int | None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if str(claims.get("iss")) != str(ACCOUNT_ID) or set(claims) != {"iss", "iat", "exp"}:
        return 100
    if not isinstance(issued, int) or not isinstance(expires, int):
        return 447
    if issued > now:
        return 455
    if expires - issued > LONGEST_TOKEN:
        return 454
    return 456 if expires <= now else None
