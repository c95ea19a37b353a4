"""Secret references of the configuration: `env:NAME` and `file:PATH`. Values never stand in the file."""

import hashlib
import os
from pathlib import Path


class SecretMissing(Exception):
    """A reference that leads nowhere; the message says which and why, never a value."""


def resolve(reference: str, folder: Path) -> str:
    """The secret behind a reference. Relative paths start at `folder`; one trailing line end is not part of it."""
    kind, _, name = reference.partition(":")
    if kind == "env" and name:
        value = os.environ.get(name)
        if not value:
            raise SecretMissing(f"the environment variable {name} is not set")
        return value
    if kind == "file" and name:
        try:
            value = (folder / name).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretMissing(f"the file {name} cannot be read ({type(error).__name__})") from None
        if not value:
            raise SecretMissing(f"the file {name} is empty")
        return value
    raise SecretMissing("secrets are references, env:NAME or file:PATH, never values")


def key_digest(reference: str, folder: Path) -> bytes:
    """The SHA-256 of an API key given as `sha256:<hex>`, `env:NAME` or `file:PATH`."""
    kind, _, rest = reference.partition(":")
    if kind == "sha256":
        try:
            digest = bytes.fromhex(rest)
        except ValueError:
            digest = b""
        if len(digest) != 32:
            raise SecretMissing("sha256: must be followed by the 64 hexadecimal digits of the key's SHA-256")
        return digest
    return hashlib.sha256(resolve(reference, folder).encode()).digest()
