"""What the simulated Kore.ai refuses: tokens, bodies and records, as strictly as its pages allow to think."""

import json
import re
from typing import Any

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

HOUR = 3600
MAX_RECORDS = 1000
NUMBER = re.compile(r"\+?[1-9][0-9]{6,14}")


class Denied(Exception):
    """The request is refused with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def failure(message: str, status: int) -> Response:
    return JSONResponse({"status": "failure", "message": message}, status)


def check_token(text: str | None, client_id: str, secret: str, *, enforces_jti: bool) -> str | None:
    """The token's `jti`; refuses whatever is not a signed, current HS256 token of our JWT app."""
    try:
        claims = jwt.decode(
            text or "",
            secret,
            algorithms=["HS256"],
            options={"require": ["sub", "exp", "iat"], "verify_iat": False},
        )
    except jwt.PyJWTError as error:
        raise Denied(failure(f"invalid token ({type(error).__name__})", 401)) from None
    jti = claims.get("jti")
    if claims.get("appId") != client_id:
        raise Denied(failure("unknown appId", 401))
    if enforces_jti and not jti:
        raise Denied(failure("jti is missing", 401))
    if jti and claims["exp"] - claims["iat"] > HOUR:
        raise Denied(failure("exp may be at most one hour ahead", 401))
    return jti


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of the request."""
    if request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise Denied(failure("Content-Type must be application/json", 400))
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise Denied(failure("invalid JSON", 400)) from None
    if not isinstance(body, dict):
        raise Denied(failure("the body must be an object", 400))
    return body


def checked_list(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a create call (3.1)."""
    _only(body, {"name", "description", "source", "allowDuplicates"})
    if body.get("source") != "passiveApi":
        raise Denied(failure("source must be passiveApi", 400))
    if not isinstance(body.setdefault("allowDuplicates", False), bool):
        raise Denied(failure("allowDuplicates must be a boolean", 400))
    _text(body, "name", 48)
    _text(body, "description", 256)
    return body


def checked_change(body: dict[str, Any]) -> dict[str, Any]:
    """The body of an update call (3.7, v2)."""
    _only(body, {"name", "description"})
    for name, longest in (("name", 48), ("description", 256)):
        if name in body:
            _text(body, name, longest)
    return body


def checked_records(body: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The body of an add call (3.3): list name and records. What the records hold is judged later, in silence."""
    _only(body, {"contact_list_name", "data"})
    name, records = body.get("contact_list_name"), body.get("data")
    if not isinstance(name, str) or not name:
        raise Denied(failure("contact_list_name is required", 400))
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise Denied(failure("data must be an array of objects", 400))
    if not 1 <= len(records) <= MAX_RECORDS:
        raise Denied(failure(f"data must hold 1 to {MAX_RECORDS} records", 400))
    return name, records


def digits_of(number: Any) -> str | None:
    """The digits of a usable number, else None."""
    return number.lstrip("+") if isinstance(number, str) and NUMBER.fullmatch(number) else None


def _only(body: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(body) - known)
    if unknown:
        raise Denied(failure(f"unknown field {', '.join(unknown)}", 400))


def _text(body: dict[str, Any], name: str, longest: int) -> None:
    """A text with something in it, counted as JavaScript counts: in UTF-16 units."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Denied(failure(f"{name} is required", 400))
    if len(value.encode("utf-16-le")) // 2 > longest:
        raise Denied(failure(f"{name} is longer than {longest} characters", 400))
