"""What Velip's replies mean, as tables keyed by (endpoint, code): a code means different things per endpoint.

Sources: https://developers.velip.com.br/api/v2/errors/ and the endpoint pages, read 2026-10.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from adapters.velip.wire import Endpoint
from gateway.contract import NotAuthorised, Refused, Reply, Unclear, VendorError, expect_success

AUTHENTICATION: Final[Mapping[int, str]] = MappingProxyType(
    {
        100: "authentication failed: the token is invalid or missing",
        101: "the token has expired",
        102: "unknown token; 15 of these within 10 minutes ban this address for ever",
        105: "the call came from an address that is not registered",
        110: "the account is inactive",
        114: "this token was made for the MCP server, not for the API",
        120: "this address is not authorised",
        121: "the account does not exist",
        122: "the user is inactive",
        123: "permission denied",
        130: "no user or password",
        131: "too many attempts from this address: wait 30 minutes",
        132: "too many attempts of this user: wait 10 minutes",
        140: "invalid user or password",
        142: "this address is not on the account's allowlist",
        198: "all tokens of the account are blocked",
        199: "this address is banned for ever; only Velip's administrators can lift that",
    }
)
"""Codes 100 to 199 on any endpoint. Those without a line here are authentication failures too."""

WINDOWS: Final[Mapping[int, float]] = MappingProxyType({131: 1_800.0, 132: 600.0})
"""Seconds until a temporary block ends; for 131 the longer of the two periods that Velip's pages give."""

CODES: Final[Mapping[tuple[Endpoint, int], tuple[type[VendorError], str]]] = MappingProxyType(
    {
        (Endpoint.CREATE, 205): (Refused, "Velip does not take this kind of file"),
        (Endpoint.CREATE, 210): (NotAuthorised, "authentication failed"),
        (Endpoint.CREATE, 230): (
            Unclear,
            "Velip's upload service failed, or found no valid number; if it comes again, key_set may be wrong",
        ),
        (Endpoint.LISTS, 500): (Unclear, "Velip's database failed"),
    }
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A reply's JSON: `fields` is what stands inside `return`, `body` all of it. `code` None: not a whole number."""

    code: int | None
    fields: Mapping[str, Any]
    body: Mapping[str, Any]


def envelope_of(reply: Reply) -> Envelope | None:
    """The reply's envelope; None when it is not Velip's."""
    try:
        body = json.loads(text_of(reply))
    except ValueError:
        return None
    fields = body.get("return") if isinstance(body, dict) else None
    return Envelope(whole_number(fields.get("status_code")), fields, body) if isinstance(fields, dict) else None


def text_of(reply: Reply) -> str:
    """The body as text. Older endpoints send ISO-8859-1 bytes in some fields (portal, overview, read 2026-10)."""
    try:
        return reply.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return reply.body.decode("iso-8859-1")


def whole_number(value: object) -> int | None:
    """Velip writes numbers as text, and has been met writing them as numbers: take both, nothing else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def succeeded(endpoint: Endpoint, reply: Reply) -> Envelope:
    """The envelope of an explicit success: HTTP 2xx, `status` OK and `status_code` 0. Anything else raises.

    The body decides before the HTTP status does, because errors may come in a 200 and 210 in any of 200, 400 and 401.
    A 400 without a code that the table knows proves nothing, since the ambiguous 230 comes in one as well.
    """
    envelope = envelope_of(reply)
    code = envelope.code if envelope else None
    if code is not None and 100 <= code <= 199:
        detail = AUTHENTICATION.get(code, "authentication failed")
        raise NotAuthorised(f"Velip {code}: {detail}", code=str(code), retry_after=WINDOWS.get(code))
    if reply.status in (401, 403, 408, 425, 429) or not (200 <= reply.status < 300 or 400 <= reply.status < 500):
        expect_success(reply)
    if code:
        error, detail = CODES.get((endpoint, code), (Unclear, "a code that Velip does not document here"))
        raise error(f"Velip {code}: {detail}", code=str(code))
    if reply.status == 400:
        raise Unclear("Velip answered HTTP 400 without a code", code="400")
    expect_success(reply)
    if envelope is None or code is None or envelope.fields.get("status") != "OK":
        raise Unclear("Velip answered without an explicit success")
    return envelope
