"""The operator's Ed25519 private key: PEM, PKCS#8, as `openssl genpkey -algorithm ed25519` writes it.

RFC 8410 leaves one form for it: sixteen bytes that are always the same, and the key's thirty-two. So a key is checked
without the 8 MiB that cryptography takes; every process reads the configuration, few ever sign.
"""

import base64
import re
from typing import Final

_BEFORE: Final = bytes.fromhex("302e020100300506032b657004220420")
_PEM: Final = re.compile(r"-----BEGIN PRIVATE KEY-----\s+(.*?)-----END PRIVATE KEY-----", re.DOTALL)
WRONG: Final = "is not an Ed25519 private key in PEM form (PKCS#8, not encrypted); openssl genpkey -algorithm ed25519"


def seed_of(pem: str) -> bytes:
    """The 32 bytes of a private key; ValueError, without a word of the text, where it is none."""
    found = _PEM.search(pem)
    try:
        der = base64.b64decode("".join(found[1].split()), validate=True) if found else b""
    except ValueError:  # binascii.Error is one, and so is a digit that is not even ASCII
        der = b""
    if len(der) != len(_BEFORE) + 32 or not der.startswith(_BEFORE):
        raise ValueError(WRONG)
    return der[len(_BEFORE) :]
