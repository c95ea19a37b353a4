"""Requests as bytes. Where a credential belongs the live bytes hold it, the preview and the digest hold `***`."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol
from urllib.parse import quote, urlencode

import msgspec

from gateway.contract import Credential, File, Form, Json, Multipart, Raw, Request
from gateway.contract.requests import Value

REDACTED = "***"
_PATH_SAFE = "/%:@-._~!$&'()*+,;="
_QUERY_SAFE = "/?:@!$'()*,"
"""What RFC 3986 lets stand. aiohttp would write it out again, and the wire would differ from the preview."""
_IN_MEMORY = 1 << 20
_READ = 1 << 16


class Resolve(Protocol):
    """Gives a credential's text; `in_address` when it would stand in the URL, where no secret may."""

    def __call__(self, credential: Credential, in_address: bool = False, /) -> str: ...


def redact(_: Credential, __: bool = False) -> str:
    """The resolver of previews and digests."""
    return REDACTED


@dataclass(frozen=True, slots=True)
class _Slot:
    """The place of a credential among the bytes of a body, and how its text is escaped there."""

    credential: Credential
    escape: Callable[[str], bytes]


_Segment = bytes | _Slot


@dataclass(frozen=True, slots=True)
class Content:
    """A body that is ready to be sent: its bytes (on disk beyond 1 MiB), length, and the digest without secrets."""

    file: IO[bytes]
    length: int
    digest: str

    def chunks(self) -> Iterator[bytes]:
        self.file.seek(0)
        while chunk := self.file.read(_READ):
            yield chunk

    def close(self) -> None:
        self.file.close()


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request in the form in which it leaves. `target` is path and query, relative to the base URL."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    content: Content | None

    @property
    def digest(self) -> str:
        """SHA-256 over method, target and body, secrets left out: two equal requests have equal digests."""
        body = self.content.digest if self.content else ""
        return hashlib.sha256(f"{self.method} {self.target}\n{body}".encode()).hexdigest()

    def close(self) -> None:
        if self.content:
            self.content.close()


def encode(request: Request, resolve: Resolve = redact) -> Encoded:
    """The bytes of a request. Large bodies are spooled to disk: the caller closes the result."""
    target = quote(request.path, safe=_PATH_SAFE)
    if request.query:
        pairs = [(name, value if isinstance(value, str) else resolve(value, True)) for name, value in request.query]
        target += "?" + urlencode(pairs, quote_via=quote, safe=_QUERY_SAFE)
    headers = [(name, value if isinstance(value, str) else resolve(value)) for name, value in request.headers]
    content = None
    if request.body is not None:
        content_type, segments = _segments(request.body)
        headers.append(("Content-Type", content_type))
        content = _write(segments, resolve)
    return Encoded(request.method, target, tuple(headers), content)


def _segments(body: Json | Form | Multipart | Raw) -> tuple[str, Iterable[_Segment]]:
    match body:
        case Json(value):
            return "application/json", _json(value)
        case Form(fields):
            return "application/x-www-form-urlencoded", _form(fields)
        case Multipart(boundary, fields, files):
            return f"multipart/form-data; boundary={boundary}", _multipart(boundary, fields, files)
        case Raw(content_type, chunks):
            return content_type, chunks()


def _json(value: object) -> Iterator[_Segment]:
    if not isinstance(value, dict):
        yield msgspec.json.encode(value)
        return
    yield b"{"
    for place, (name, member) in enumerate(value.items()):
        yield (b"," if place else b"") + msgspec.json.encode(name) + b":"
        yield _Slot(member, msgspec.json.encode) if isinstance(member, Credential) else msgspec.json.encode(member)
    yield b"}"


def _percent(text: str) -> bytes:
    return quote(text, safe="").encode()


def _form(fields: Iterable[tuple[str, Value]]) -> Iterator[_Segment]:
    for place, (name, value) in enumerate(fields):
        yield (b"&" if place else b"") + _percent(name) + b"="
        yield _Slot(value, _percent) if isinstance(value, Credential) else _percent(value)


def _multipart(boundary: str, fields: Iterable[tuple[str, Value]], files: Iterable[File]) -> Iterator[_Segment]:
    for name, value in fields:
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{_part_name(name)}"\r\n\r\n'.encode()
        yield _Slot(value, str.encode) if isinstance(value, Credential) else value.encode()
        yield b"\r\n"
    for file in files:
        disposition = f'form-data; name="{_part_name(file.field)}"; filename="{_part_name(file.filename)}"'
        yield (
            f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {file.content_type}\r\n\r\n"
        ).encode()
        yield from file.chunks()
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _part_name(text: str) -> str:
    """A name inside a Content-Disposition header, escaped as browsers do (HTML standard, multipart/form-data)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _write(segments: Iterable[_Segment], resolve: Resolve) -> Content:
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by Content.close
    digest = hashlib.sha256()
    length = 0
    for segment in segments:
        if isinstance(segment, _Slot):
            digest.update(segment.escape(REDACTED))
            segment = segment.escape(resolve(segment.credential))
        else:
            digest.update(segment)
        file.write(segment)
        length += len(segment)
    return Content(file, length, digest.hexdigest())
