"""The signature of a certificate: made once, and checked so that every changed byte shows.

    {"certificate": {...}, "signature": {"algorithm": "Ed25519", "public_key": BASE64, "value": BASE64} | null}

The text has one canonical form: JSON with sorted keys, an indentation of two, characters as they are, one line end at
the end. What is signed is the same form of the "certificate" member alone, which is what `jq -S .certificate` prints.
cryptography takes 8 MiB: it is imported where something is signed or checked, and nowhere else.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError

from gateway.migrating.documents import Certificate
from gateway.migrating.keys import seed_of
from gateway.settings import explain

ALGORITHM: Final = "Ed25519"
_SIZES: Final = {"public_key": 32, "value": 64}


@unique
class Signature(StrEnum):
    """What can be said of the signature of a text."""

    VALID = "valid"
    UNSIGNED = "unsigned"
    TAMPERED = "tampered"
    OTHER_KEY = "other_key"  # a good signature, and not by the key that is trusted


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` is a sentence for people. `fingerprint`: of the key in the text, wherever there is one; see `fingerprint`.

    `certificate` is what the text says; None where it cannot be read at all.
    """

    state: Signature
    why: str
    fingerprint: str | None = None
    certificate: Certificate | None = None


class _Wrong(Exception):
    """The text is not what was sealed; the message is a sentence that says why."""


def canonical(value: object) -> str:
    """The one form of a JSON value. ValueError where it has none (NaN, infinity)."""
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def fingerprint(public: bytes) -> str:
    """What people compare: the first 16 hexadecimal digits of the SHA-256 of the raw public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def public_key(key: SecretStr) -> bytes:
    """The 32 bytes of the public key that belongs to a private one."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed_of(key.get_secret_value())).public_key().public_bytes_raw()


def sealed(certificate: Certificate, key: SecretStr | None) -> str:
    """The text that is stored and served, byte by byte; without a key it is unsigned."""
    body = certificate.model_dump(mode="json")
    signature = None if key is None else _signature(canonical(body), key)
    return canonical({"certificate": body, "signature": signature})


def _signature(text: str, key: SecretStr) -> dict[str, str]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(seed_of(key.get_secret_value()))
    return {
        "algorithm": ALGORITHM,
        "public_key": base64.b64encode(private.public_key().public_bytes_raw()).decode(),
        "value": base64.b64encode(private.sign(text.encode())).decode(),
    }


def check(text: str | bytes, trusted: bytes | None) -> Verdict:
    """What the signature of a text is worth. `trusted`: the raw public key of the operator, where it is known."""
    certificate, public = None, None
    try:
        document = _document(text)
        certificate = _certificate(document["certificate"])
        signature = _members(document["signature"])
        if signature is None:
            _no_stranger(document["certificate"], certificate)
            return Verdict(Signature.UNSIGNED, _unsigned(trusted), None, certificate)
        public = signature["public_key"]
        _verify(document["certificate"], certificate, signature)
    except _Wrong as wrong:
        return Verdict(Signature.TAMPERED, str(wrong), fingerprint(public) if public else None, certificate)
    state, why = _by_whom(public, trusted)
    return Verdict(state, why, fingerprint(public), certificate)


def _unsigned(trusted: bytes | None) -> str:
    if trusted is None:
        return "It carries no signature: nothing shows whether it was changed."
    return "It carries no signature, so nothing shows whether it was changed; a signature can also have been taken off."


def _by_whom(public: bytes, trusted: bytes | None) -> tuple[Signature, str]:
    mine = fingerprint(public)
    if trusted is None:
        why = f"Nothing was changed since the key {mine} signed it. Whose key that is must be known from elsewhere."
        return Signature.VALID, why
    if public != trusted:
        why = f"It was signed by the key {mine}, and the key that is trusted here is {fingerprint(trusted)}."
        return Signature.OTHER_KEY, why
    return Signature.VALID, f"Nothing was changed since the trusted key {mine} signed it."


def _document(text: str | bytes) -> dict[str, Any]:
    """The two members of the text, which must be in its canonical form."""
    try:
        given = text.decode() if isinstance(text, bytes) else text
        given.encode()
        found = json.loads(given, object_pairs_hook=_object, parse_constant=_constant)
        same = canonical(found) == given
    except UnicodeError:
        raise _Wrong("The text is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise _Wrong(f"The text is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from None
    except (ValueError, RecursionError):  # numbers without end, objects in objects in objects
        raise _Wrong("The text holds what no certificate holds: too long a number, or too deep a nesting.") from None
    if not isinstance(found, dict) or found.keys() != {"certificate", "signature"}:
        raise _Wrong('The text must be an object with the members "certificate" and "signature", and no other.')
    if not same:
        raise _Wrong(f"The text is not in its canonical form, first in line {_first_other_line(given, found)}.")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Wrong(f"The text has the member {json.dumps(twice)} twice in one object.")
    return found


def _constant(name: str) -> None:
    raise _Wrong(f"The text holds {name}, which is not JSON.")


def _first_other_line(given: str, found: object) -> int:
    ours, theirs = canonical(found).split("\n"), given.split("\n")
    return 1 + next(
        (no for no, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other),
        min(len(ours), len(theirs)),
    )


def _certificate(body: object) -> Certificate:
    try:
        return Certificate.model_validate(body)
    except ValidationError as error:
        key, why = next(explain(error))
        raise _Wrong(f"It is not a certificate: {key or 'the whole'}: {why}.") from None


def _members(signature: object) -> dict[str, bytes] | None:
    """The bytes of the key and of the signature; None where there is no signature."""
    if signature is None:
        return None
    if not isinstance(signature, dict) or signature.keys() != {"algorithm", *_SIZES}:
        raise _Wrong('The signature must have the members "algorithm", "public_key" and "value", and no other.')
    if signature["algorithm"] != ALGORITHM:
        raise _Wrong(f"The signature's algorithm is not {ALGORITHM}.")
    return {name: _decoded(name, signature[name], size) for name, size in _SIZES.items()}


def _decoded(name: str, value: object, size: int) -> bytes:
    try:
        found = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:
        found = b""
    # the last digit has bits that say nothing: they must be zero, or a changed byte would not show
    if len(found) != size or base64.b64encode(found).decode() != value:
        raise _Wrong(f'The signature\'s "{name}" is not {size} bytes in base64.')
    return found


def _verify(body: Mapping[str, Any], certificate: Certificate, signature: Mapping[str, bytes]) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(signature["public_key"])
        public.verify(signature["value"], canonical(body).encode())
    except (InvalidSignature, ValueError):
        _no_stranger(body, certificate)
        raise _Wrong("The signature does not fit: the certificate, the key or the signature was changed.") from None


def _no_stranger(body: Mapping[str, Any], certificate: Certificate) -> None:
    """No member that this release does not know, and no value that it only understands by bending it.

    Where the signature holds nothing of this is asked: a later release may say more.
    """
    where = _stranger(body, certificate.model_dump(mode="json"), "certificate")
    if where:
        raise _Wrong(f"It is not a certificate: {where} is not what a certificate says there.")


def _stranger(given: object, known: object, at: str) -> str | None:
    """Where `given` says more or other than `known`; members that are absent are defaults."""
    if isinstance(given, dict) and isinstance(known, dict):
        inner = ((f"{at}.{name}", one, known.get(name, ...)) for name, one in given.items())
    elif isinstance(given, list) and isinstance(known, list) and len(given) == len(known):
        inner = ((f"{at}[{no}]", one, known[no]) for no, one in enumerate(given))
    else:
        return None if type(given) is type(known) and given == known else at
    return next((found for name, one, other in inner if (found := _stranger(one, other, name))), None)


def new_key(path: Path) -> str:
    """Write a new private key to a file that only its owner reads; its fingerprint. FileExistsError where one is."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    return fingerprint(private.public_key().public_bytes_raw())
