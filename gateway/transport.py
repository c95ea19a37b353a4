"""The only module that sends anything to a vendor, and the only one that imports httpx.

What matters here is to know whether a request may have been acted on. httpx-aiohttp reports a connection that broke
*after* the request left as `ConnectTimeout` (it maps aiohttp's `ClientConnectionError` to it), so the exception's own
name is not believed: its cause is looked at.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from gateway.contract import NotSent, Reply, Unclear
from gateway.encoding import Content, Encoded

MAX_REPLY_BYTES = 64 << 20
_WHOLE = 64 << 10
"""Bytes up to which a body is given in one piece."""
_KEEPALIVE_SECONDS = 4.0
"""Shorter than the idle time-outs of common servers: a request is not sent into a connection about to close."""


def production_transport(concurrency: int = 100) -> httpx.AsyncBaseTransport:
    """aiohttp under httpx: TLS verified, no proxies from the environment, no cookies, nothing repeated by itself."""

    def session() -> aiohttp.ClientSession:
        context = httpx.create_ssl_context(trust_env=False)
        connector = aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=_KEEPALIVE_SECONDS, ssl=context)
        made = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        # aiohttp sends a GET, PUT or DELETE again when a reused connection breaks, behind the attempt record. It has
        # no public switch for that (3.14); a test sees whether this one still works.
        made._retry_connection = False
        return made

    return AiohttpTransport(client=session)


def default_transport() -> httpx.AsyncBaseTransport:
    """httpx's own transport, the one that respx sees."""
    return httpx.AsyncHTTPTransport(trust_env=False)


@dataclass(slots=True)
class _Upload(httpx.AsyncByteStream):
    content: Content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.content.chunks():
            yield chunk


class Transport:
    """Sends encoded requests. One per process; connections are shared by all destinations.

    httpx's client is left out: it would follow redirects, keep cookies and read the environment, and takes longer for
    not doing so than the request itself does.
    """

    def __init__(self, make: Callable[[], httpx.AsyncBaseTransport] = production_transport) -> None:
        self._transport = make()

    async def send(
        self, base_url: str, encoded: Encoded, authorisation: Sequence[tuple[str, str]], timeout: float
    ) -> Reply:
        """The vendor's reply, whatever its status. `NotSent`: it never left. `Unclear`: no whole reply came back."""
        headers = [("Accept", "application/json"), ("User-Agent", "contact-list-gateway")]
        headers += [*encoded.headers, *authorisation]
        content: bytes | _Upload | None = None
        if encoded.content is not None:
            headers.append(("Content-Length", str(encoded.content.length)))
            whole = encoded.content.length <= _WHOLE
            content = b"".join(encoded.content.chunks()) if whole else _Upload(encoded.content)
        try:
            request = httpx.Request(
                encoded.method,
                _url(base_url.rstrip("/") + encoded.target),
                headers=headers,
                content=content,
                extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout)},
            )
            async with asyncio.timeout(timeout):
                return await self._exchange(request)
        except TimeoutError:
            raise Unclear(f"no whole answer within {timeout:g} s") from None
        except httpx.HTTPError as error:
            if _never_left(error):
                raise NotSent(f"could not connect: {_reason(error)}") from error
            raise Unclear(f"the connection broke before a whole answer: {_reason(error)}") from error
        except httpx.InvalidURL as error:
            raise NotSent(f"not a usable address: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            # What httpx-aiohttp has no translation for, such as a reply that is not HTTP at all.
            raise Unclear(f"the connection broke before a whole answer: {_reason(error)}") from error

    async def _exchange(self, request: httpx.Request) -> Reply:
        response = await self._transport.handle_async_request(request)
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_REPLY_BYTES:
                    raise Unclear(f"the answer is larger than {MAX_REPLY_BYTES >> 20} MiB")
        finally:
            with contextlib.suppress(httpx.HTTPError, aiohttp.ClientError):
                await response.aclose()
        return Reply(
            response.status_code, bytes(body), {name.lower(): value for name, value in response.headers.items()}
        )

    async def close(self) -> None:
        await self._transport.aclose()


@lru_cache(256)
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def _never_left(error: httpx.HTTPError) -> bool:
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientError | TimeoutError):
        return isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol)


def _reason(error: Exception) -> str:
    """The kind of error, without its text: the text can hold a URL."""
    return type(error.__cause__ or error).__name__
