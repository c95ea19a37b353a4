"""A certificate is signed once; whatever is done to its text afterwards shows, and is named."""

import base64
import json
import random
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from gateway.migrating import signing
from gateway.migrating.keys import WRONG, seed_of
from gateway.migrating.signing import Signature, Verdict, canonical, check, sealed
from tests.gateway.migrating.samples import CERTIFICATE

# the private key of RFC 8410, section 10.3, and the public key that section 10.1 gives for it
KEY = SecretStr(
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    "-----END PRIVATE KEY-----"
)
PUBLIC = bytes.fromhex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1")
OTHER = SecretStr(
    "-----BEGIN PRIVATE KEY-----\n"
    + base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + bytes(range(32))).decode()
    + "\n-----END PRIVATE KEY-----\n"
)
MINE, OTHERS = signing.fingerprint(PUBLIC), signing.fingerprint(signing.public_key(OTHER))
TEXT = sealed(CERTIFICATE, KEY)


def changed(change: Callable[[dict[str, Any]], Any]) -> str:
    """The signed text after a change to its data, in canonical form again."""
    document = json.loads(TEXT)
    change(document)
    return canonical(document)


def signed_anyway(body: object, key: SecretStr = KEY) -> str:
    """A text with a signature that fits, whatever it signs."""
    return canonical({"certificate": body, "signature": signing._signature(canonical(body), key)})


def test_a_signed_certificate_is_valid() -> None:
    assert signing.public_key(KEY) == PUBLIC
    why = f"Nothing was changed since the trusted key {MINE} signed it."
    assert check(TEXT, PUBLIC) == Verdict(Signature.VALID, why, MINE, CERTIFICATE)
    assert check(TEXT.encode(), PUBLIC) == check(TEXT, PUBLIC)


def test_the_same_certificate_gives_the_same_bytes() -> None:
    assert sealed(CERTIFICATE.model_copy(deep=True), KEY) == TEXT
    document = json.loads(TEXT)
    assert document["certificate"] == CERTIFICATE.model_dump(mode="json")
    assert list(document["signature"]) == ["algorithm", "public_key", "value"]
    assert base64.b64decode(document["signature"]["public_key"]) == PUBLIC


def test_without_a_trusted_key_it_is_said_that_the_signer_is_not_known() -> None:
    found = check(TEXT, None)
    assert (found.state, found.fingerprint) == (Signature.VALID, MINE)
    assert "must be known from elsewhere" in found.why


def test_unsigned() -> None:
    text = sealed(CERTIFICATE, None)
    assert json.loads(text)["signature"] is None
    for trusted in (None, PUBLIC):
        found = check(text, trusted)
        assert (found.state, found.fingerprint, found.certificate) == (Signature.UNSIGNED, None, CERTIFICATE)
    assert "taken off" in check(text, PUBLIC).why


def test_a_signature_that_was_taken_off_is_not_valid() -> None:
    text = changed(lambda document: document.update(signature=None))
    assert check(text, PUBLIC).state == Signature.UNSIGNED
    assert check(changed(lambda document: document.pop("signature")), PUBLIC).state == Signature.TAMPERED


def test_another_key() -> None:
    found = check(sealed(CERTIFICATE, OTHER), PUBLIC)
    assert (found.state, found.fingerprint) == (Signature.OTHER_KEY, OTHERS)
    assert MINE in found.why


def test_another_key_s_name_on_our_signature() -> None:
    theirs = json.loads(sealed(CERTIFICATE, OTHER))["signature"]
    for member in ("public_key", "value"):
        swapped = json.loads(TEXT)
        swapped["signature"][member] = theirs[member]
        assert check(canonical(swapped), PUBLIC).state == Signature.TAMPERED
    assert check(changed(lambda document: document.update(signature=theirs)), PUBLIC).state == Signature.OTHER_KEY


@pytest.mark.parametrize("bit", [0, 5])
def test_a_flipped_bit_shows_wherever_it_is(bit: int) -> None:
    """Every byte of the text, one bit of it a run (bit 5 makes capitals of letters); with a trusted key and without."""
    whole = TEXT.encode()
    for place in range(len(whole)):
        text = bytearray(whole)
        text[place] ^= 1 << bit
        found = check(bytes(text), PUBLIC if place % 2 else None)
        assert found.state == Signature.TAMPERED, (place, whole[max(0, place - 20) : place + 20])
        assert found.why.endswith("."), found.why


def test_a_byte_more_or_less_shows_wherever_it_is() -> None:
    whole, dice = TEXT.encode(), random.Random(5)
    for place in range(len(whole) + 1):
        added = dice.choice([b" ", b"\n", b"0", b"\\", bytes([dice.randrange(256)])])
        assert check(whole[:place] + added + whole[place:], PUBLIC).state == Signature.TAMPERED, (place, added)
        if place < len(whole):
            assert check(whole[:place] + whole[place + 1 :], PUBLIC).state == Signature.TAMPERED, place


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TEXT + "\n", "The text is not in its canonical form, first in line"),
        (TEXT.rstrip("\n"), "The text is not in its canonical form, first in line"),
        (TEXT.replace("\n", "\r\n"), "The text is not in its canonical form, first in line 1."),
        (json.dumps(json.loads(TEXT)), "The text is not in its canonical form, first in line 1."),
        (TEXT.replace("õ", "\\u00f5"), "The text is not in its canonical form, first in line"),
        ("\ufeff" + TEXT, "The text is not JSON: "),
        (TEXT.encode("utf-16"), "The text is not UTF-8."),
        (TEXT.replace("õ", "\ud800"), "The text is not UTF-8."),
        (TEXT.replace("õ", "\\ud800"), "The text is not in its canonical form"),
        (TEXT.replace('"by":', '"by": "eve",\n    "by":', 1), 'The text has the member "by" twice'),
        (TEXT.replace(": 12345,", ": NaN,"), "The text holds NaN, which is not JSON."),
        (TEXT.replace(": 12345,", ": -Infinity,"), "The text holds -Infinity, which is not JSON."),
        (TEXT.replace(": 12345,", ": 1e999,"), "The text holds what no certificate holds"),
        (TEXT.replace(": 12345,", f": {'9' * 5000},"), "The text holds what no certificate holds"),
        (TEXT.replace(": 12345,", f": {'[' * 99999}{']' * 99999},"), "The text holds what no certificate holds"),
        ("", "The text is not JSON: "),
        ("[]", "The text must be an object with the members"),
        ("null\n", "The text must be an object with the members"),
        (changed(lambda one: one.update(more=1)), "The text must be an object with the members"),
        (changed(lambda one: one.update(certificate=None)), "It is not a certificate: the whole: "),
        (changed(lambda one: one["certificate"].pop("by")), "It is not a certificate: by: is required."),
        (changed(lambda one: one["certificate"].update(more=1)), "It is not a certificate: certificate.more is not"),
        (changed(lambda one: one["certificate"]["rows"].update(count=1235)), "The signature does not fit: "),
        (
            changed(lambda one: one["certificate"]["rows"].update(count="1234")),
            "It is not a certificate: certificate.rows.count is not",
        ),
        (
            changed(lambda one: one["certificate"]["lists"][0]["counts"].update(moves=11_961)),
            "It is not a certificate: lists[0].counts: received is 12352 but the fates add up to 12353.",
        ),
        (changed(lambda one: one["certificate"]["lists"].reverse()), "The signature does not fit: "),
        (changed(lambda one: one.update(signature=[])), "The signature must have the members"),
        (changed(lambda one: one["signature"].update(key_id=1)), "The signature must have the members"),
        (changed(lambda one: one["signature"].update(algorithm="none")), "The signature's algorithm is not Ed25519."),
        (changed(lambda one: one["signature"].update(value="")), 'The signature\'s "value" is not 64 bytes in base64.'),
        (changed(lambda one: one["signature"].update(value=7)), 'The signature\'s "value" is not 64 bytes in base64.'),
        (
            changed(lambda one: one["signature"].update(public_key="é" * 44)),
            'The signature\'s "public_key" is not 32 bytes in base64.',
        ),
        (
            changed(lambda one: one["signature"].update(public_key=base64.b64encode(bytes(31)).decode())),
            'The signature\'s "public_key" is not 32 bytes in base64.',
        ),
    ],
)
def test_what_was_done_is_named(text: str | bytes, why: str) -> None:
    found = check(text, PUBLIC)
    assert found.state == Signature.TAMPERED
    assert found.why.startswith(why)
    assert "\n" not in found.why


@pytest.mark.parametrize("depth", [50, 200, 400, 900, 5_000])
@pytest.mark.parametrize("brackets", ["[]", '{"a": }'])
def test_a_nest_is_refused_and_breaks_nothing(depth: int, brackets: str) -> None:
    document = json.loads(sealed(CERTIFICATE, None))
    document["certificate"]["source"] = "HERE"
    nest = brackets[:-1] * depth + "0" + brackets[-1] * depth
    found = check(json.dumps(document).replace('"HERE"', nest), None)
    assert found.state == Signature.TAMPERED


def test_bits_that_base64_ignores_are_not_free() -> None:
    value = json.loads(TEXT)["signature"]["value"]
    assert value.endswith("==")
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    twin = value[:-3] + digits[digits.index(value[-3]) + 1] + "=="
    assert base64.b64decode(twin) == base64.b64decode(value)
    assert check(TEXT.replace(value, twin), PUBLIC).state == Signature.TAMPERED


def test_an_unsigned_text_has_no_strangers_either() -> None:
    body = CERTIFICATE.model_dump(mode="json")
    text = canonical({"certificate": {**body, "more": 1}, "signature": None})
    assert check(text, None).why.startswith("It is not a certificate: certificate.more is not")


def test_a_certificate_of_another_release_stays_valid() -> None:
    """One that says more than we know, and one that lacks what came later and has a default."""
    body = CERTIFICATE.model_dump(mode="json")
    assert check(signed_anyway({**body, "more": 1}), PUBLIC).state == Signature.VALID
    del body["lists"][0]["source"]["unmanaged"]
    assert check(signed_anyway(body), PUBLIC).state == Signature.VALID
    assert check(canonical({"certificate": body, "signature": None}), None).state == Signature.UNSIGNED


def test_what_is_signed_and_no_certificate_is_none() -> None:
    assert check(signed_anyway({"migration": "mg_1"}), PUBLIC).state == Signature.TAMPERED


@given(name=st.text(st.characters(exclude_categories=["Cs"])), value=st.floats(allow_nan=False, allow_infinity=False))
def test_whatever_a_list_is_called(name: str, value: float) -> None:
    first, *others = CERTIFICATE.lists
    lists = [first.model_copy(update={"name": name}), *others]
    one = CERTIFICATE.model_copy(update={"lists": lists, "source": {name: value}})
    found = check(sealed(one, KEY).encode(), PUBLIC)
    assert (found.state, found.certificate) == (Signature.VALID, one)


def test_others_can_check_it() -> None:
    """What is signed is what the description says, and not only what we ourselves make of it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    document = json.loads(TEXT)
    theirs = json.dumps(document["certificate"], sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    value = base64.b64decode(document["signature"]["value"])
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(value, theirs.encode())


def test_a_new_key(tmp_path: Path) -> None:
    path = tmp_path / "certificates.pem"
    told = signing.new_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = SecretStr(path.read_text(encoding="utf-8"))
    assert signing.fingerprint(signing.public_key(key)) == told
    assert check(sealed(CERTIFICATE, key), signing.public_key(key)).state == Signature.VALID


def test_a_new_key_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "certificates.pem"
    path.write_text("precious")
    link = tmp_path / "link.pem"
    link.symlink_to(tmp_path / "absent")
    for taken in (path, link):
        with pytest.raises(FileExistsError):
            signing.new_key(taken)
    assert (path.read_text(), (tmp_path / "absent").exists()) == ("precious", False)


def pem(der: bytes, label: str = "PRIVATE KEY") -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


DER = bytes.fromhex("302e020100300506032b657004220420") + bytes(range(32))


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "",
        pem(DER, "PUBLIC KEY"),
        pem(DER, "ENCRYPTED PRIVATE KEY"),
        pem(DER[:-1]),
        pem(DER + b"\0"),
        pem(DER.replace(bytes.fromhex("2b6570"), bytes.fromhex("2b656e"))),  # X25519
        pem(DER).replace("MC4C", "MC4*"),
        pem(DER).replace("MC4C", "MC4é"),
    ],
)
def test_what_is_not_a_key(text: str) -> None:
    with pytest.raises(ValueError, match="is not an Ed25519 private key") as error:
        seed_of(text)
    assert str(error.value) == WRONG


@pytest.mark.parametrize("text", [pem(DER), pem(DER).replace("\n", "\r\n"), pem(DER).rstrip(), f"a note\n{pem(DER)}"])
def test_what_is_a_key(text: str) -> None:
    assert seed_of(text) == bytes(range(32))


def test_cryptography_is_not_imported_before_it_is_needed() -> None:
    told = "import sys, gateway.settings, gateway.migrating.signing; print('cryptography' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
