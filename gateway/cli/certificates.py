"""`gateway migrate certificate`, `verify` and `key`: what proves a migration, and what proves the proof."""

import asyncio
import base64
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from gateway import settings
from gateway.cli import context
from gateway.cli.context import Usage
from gateway.migrating import requesting
from gateway.migrating.files import readable
from gateway.migrating.signing import Signature, check, new_key, public_key
from gateway.problem import Problem
from gateway.registry import load

EXITS: Final = {Signature.VALID: 0, Signature.UNSIGNED: 3, Signature.TAMPERED: 1, Signature.OTHER_KEY: 1}
_SPKI: Final = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 public key (RFC 8410)."""


def certificate(path: Path, tenant_name: str | None, move_id: str, html: Path | None, output: Path | None) -> int:
    """Write the signed bytes, or the page, or both."""

    async def work() -> int:
        async with context.opened(path, secrets=html is not None) as host:
            move = await requesting.get(host, context.pick_tenant(host.config, tenant_name), move_id)
            if move.certificate is None:
                raise Problem("not_found", f"the migration is {move.state}: it has no certificate")
            if html is not None:
                shown = await asyncio.to_thread(readable, host.database, move, host.config.signing_key)
                write(html, [shown.encode()])
        if output is not None:
            write(output, [move.certificate.encode()])
        elif html is None:
            sys.stdout.buffer.write(move.certificate.encode())
        return 0

    return context.run(work())


def write(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file, and say so on standard error."""
    try:
        with path.open("wb") as file:
            file.writelines(pieces)
    except OSError as error:
        raise Usage(f"{path}: {error.strerror}") from None
    print(f"written: {path}", file=sys.stderr)


def verify(file: Path, key: str | None, config: Path | None, as_json: bool) -> int:
    """Check the text in a file, or on standard input. The exit code says what its signature is worth."""
    trusted = _configured(config) if config is not None else _public(key) if key is not None else None
    verdict = check(sys.stdin.buffer.read() if str(file) == "-" else _read(file), trusted)
    if as_json:
        move = verdict.certificate.migration if verdict.certificate is not None else None
        told = {"state": verdict.state, "why": verdict.why, "fingerprint": verdict.fingerprint, "migration": move}
        context.print_json(told)
    else:
        print(f"{verdict.state.replace('_', ' ')}: {verdict.why}")
    return EXITS[verdict.state]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Usage(f"{file}: {error.strerror}") from None


def _configured(config: Path) -> bytes:
    key = settings.load(config, load(simulators=False).adapters).signing_key
    if key is None:
        raise Usage(f"{config}: [server] has no signing_key; name the public key with --key")
    return public_key(key)


def _public(given: str) -> bytes:
    """The 32 bytes of a public key: base64, or a file with that or with PEM as openssl writes it."""
    text = Path(given).read_text(encoding="utf-8", errors="replace") if Path(given).is_file() else given
    body = text.replace("-----BEGIN PUBLIC KEY-----", "").replace("-----END PUBLIC KEY-----", "")
    try:
        found = base64.b64decode("".join(body.split()), validate=True)
    except ValueError:
        found = b""
    raw = found.removeprefix(_SPKI)
    if len(raw) != 32:
        raise Usage("--key: is neither an Ed25519 public key in base64 nor a PEM file with one")
    return raw


def make_key(file: Path, as_json: bool) -> int:
    """A new private key in a file that only its owner reads."""
    try:
        fingerprint = new_key(file)
    except FileExistsError:
        raise Usage(f"{file}: is there already; a key is never written over") from None
    except OSError as error:
        raise Usage(f"{file}: {error.strerror}") from None
    public = base64.b64encode(public_key(SecretStr(file.read_text(encoding="ascii")))).decode()
    reference = f"file:{os.path.abspath(file)}"
    if as_json:
        told = {"file": str(file), "fingerprint": fingerprint, "public_key": public, "signing_key": reference}
        context.print_json(told)
        return 0
    print(f"private key: {file} (fingerprint {fingerprint})")
    print(f"public key, for those who check: {public}")
    print("in [server] of the configuration:")
    print(f'signing_key = "{reference}"')
    return 0
