"""The transport against raw sockets: what left, and whether anybody can know what became of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.contract import Credential, File, Form, Json, Multipart, NotSent, Reply, Request, Unclear
from gateway.encoding import encode
from gateway.transport import Transport, default_transport, production_transport

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
POST = Request("POST", "/lists", body=Json({"name": "spring"}))


class Wire:
    """A server that keeps every byte it gets, and answers as the test says."""

    def __init__(self, answer: bytes | None, *, read: bool = True, reset: bool = False) -> None:
        self.answer, self.read, self.reset = answer, read, reset
        self.received = b""
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.read:
            self.received += await self._request(reader)
        if self.answer:
            writer.write(self.answer)
            await writer.drain()
        if self.reset:
            writer.transport.abort()
        writer.close()

    @staticmethod
    async def _request(reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return head + (await reader.readexactly(length) if length else b"")


@asynccontextmanager
async def listening(wire: Wire) -> AsyncIterator[str]:
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(params=[production_transport, default_transport], ids=["aiohttp", "httpx"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    transport = Transport(request.param)
    yield transport
    await transport.close()


async def send(transport: Transport, url: str, request: Request = POST, timeout: float = 5.0) -> Reply:
    encoded = encode(request)
    try:
        return await transport.send(url, encoded, [("Authorization", "Bearer t")], timeout)
    finally:
        encoded.close()


async def test_a_reply_comes_back_whole(transport: Transport) -> None:
    async with listening(Wire(OK)) as url:
        reply = await send(transport, url)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"{}", "application/json")


async def test_a_refused_connection_is_not_sent(transport: Transport) -> None:
    async with listening(Wire(OK)) as url:
        pass
    with pytest.raises(NotSent):
        await send(transport, url)


async def test_an_unknown_host_is_not_sent(transport: Transport) -> None:
    with pytest.raises(NotSent):
        await send(transport, "http://no-such-host.invalid")


async def test_a_failed_tls_handshake_is_not_sent(transport: Transport) -> None:
    async with listening(Wire(b"not tls at all\r\n\r\n", read=False)) as url:
        with pytest.raises(NotSent):
            await send(transport, url.replace("http://", "https://"))


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(lambda: Wire(None), id="closed after the request arrived"),
        pytest.param(lambda: Wire(None, reset=True), id="reset after the request arrived"),
        pytest.param(lambda: Wire(OK[:-1]), id="closed in the middle of the answer"),
        pytest.param(lambda: Wire(b"\x00\x01\x02 garbage\r\n\r\n"), id="not HTTP at all"),
    ],
)
async def test_a_connection_that_breaks_after_the_request_is_unclear(
    transport: Transport, wire: Callable[[], Wire]
) -> None:
    """httpx-aiohttp calls this ConnectTimeout. Taking that name at its word would call people twice."""
    server = wire()
    async with listening(server) as url:
        with pytest.raises(Unclear):
            await send(transport, url)
    assert server.received.endswith(b'{"name":"spring"}')
    assert server.connections == 1, "the library must not send it again by itself"


async def test_silence_after_the_request_is_unclear(transport: Transport) -> None:
    release = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"spring")
        await release.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unclear):
            await send(transport, f"http://127.0.0.1:{port}", timeout=0.2)
        release.set()


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
async def test_nothing_is_repeated_when_a_reused_connection_breaks(transport: Transport, method: str) -> None:
    """aiohttp would send a GET, PUT or DELETE again by itself, and nobody would know."""
    seen: list[bytes] = []

    async def once_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[0])
            if len(seen) == 1:
                writer.write(OK)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(once_only, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await send(transport, url, Request("GET", "/first"))
        with pytest.raises(Unclear):
            await send(transport, url, Request(method, "/second"))
    assert seen == [b"GET", method.encode()]


async def test_a_vendors_cookie_is_never_sent_back(transport: Transport) -> None:
    cookie = b"Connection: close\r\nSet-Cookie: session=of-another-tenant; Path=/\r\nContent-Length"
    wire = Wire(OK.replace(b"Content-Length", cookie))
    async with listening(wire) as url:
        await send(transport, url)
        await send(transport, url)
    assert b"cookie" not in wire.received.lower()


async def test_a_redirect_is_an_answer_and_is_not_followed(transport: Transport) -> None:
    wire = Wire(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n")
    async with listening(wire) as url:
        assert (await send(transport, url)).status == 302
    assert wire.connections == 1


@pytest.mark.parametrize(
    "request_",
    [
        Request("POST", "/a b/é", query=(("delimiter", ";"), ("name", "São Paulo/+&=%"), ("list_id", "10;11"))),
        Request("POST", "/x", body=Form((("tsid", "a&b"), ("datajson", '[{"name":"Jo\\u00e3o"}]')))),
        Request("POST", "/x", body=Json({"name": "São", "rows": [{"a": 1}]})),
        Request(
            "POST",
            "/x",
            body=Multipart("b1", (("list", "s"),), (File("f", 'a"b.csv', "text/csv", lambda: [b"1\r\n"]),)),
        ),
        Request("GET", "/lists", query=(("limit", "20"),)),
    ],
    ids=["query", "form", "json", "multipart", "get"],
)
async def test_what_is_previewed_is_what_arrives(transport: Transport, request_: Request) -> None:
    """Neither httpx nor aiohttp may rewrite an address or a body on the way."""
    wire = Wire(OK)
    async with listening(wire) as url:
        await send(transport, url, request_)
    encoded = encode(request_)
    body = b"".join(encoded.content.chunks()) if encoded.content else b""
    head, _, arrived = wire.received.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0].decode() == f"{encoded.method} {encoded.target} HTTP/1.1"
    assert arrived == body
    assert b"transfer-encoding" not in head.lower(), "the length is stated: old servers need it"
    encoded.close()


def test_a_secret_is_in_the_live_bytes_and_not_in_the_digest() -> None:
    request = Request("POST", "/x", body=Json({"tsid": Credential("tsid"), "name": "n"}))
    live, shown = encode(request, lambda *_: 'se"cret'), encode(request)
    assert live.content is not None
    assert shown.content is not None
    assert b"".join(live.content.chunks()) == b'{"tsid":"se\\"cret","name":"n"}'
    assert b"".join(shown.content.chunks()) == b'{"tsid":"***","name":"n"}'
    assert live.digest == shown.digest
    live.close()
    shown.close()


async def test_a_large_upload_is_sent_from_disk_with_its_length(transport: Transport) -> None:
    wire = Wire(OK)
    chunk = b"x" * 100_000
    upload = Multipart("b", (), (File("f", "f.csv", "text/csv", lambda: (chunk for _ in range(30))),))
    async with listening(wire) as url:
        await send(transport, url, Request("POST", "/x", body=upload))
    assert wire.received.partition(b"\r\n\r\n")[2].count(b"x") == 3_000_001  # one is in text/csv
