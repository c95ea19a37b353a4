"""Golden examples: canonical list in, exact vendor requests out, vendor replies in, result out. One file an example.

`tests/adapters/<vendor>/examples/<outcome>/<name>.json` holds `about`, `verb` (`deliver`, `create+append`, or another
verb with its `arguments`), `canonical` (list fields and `contacts`), `options`, `start`, `talk` (`[{request, reply}]`)
and `result`. A request body stands as `json` when it is JSON, else as `text`, exact to the byte.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from gateway.contract import CannotDo, Reply, VendorError, Wait
from gateway.driver import careful
from gateway.encoding import encode
from gateway.registry import load
from tests.harness import batch, contact, head, job

EXAMPLES = sorted(Path("tests/adapters").glob("*/examples/*/*.json"))
REGISTRY = load(entry_points=False)


def exchange_of(adapter: Any, example: dict[str, Any]) -> Iterator[Any]:
    canonical = dict(example["canonical"])
    people = [contact(row, **fields) for row, fields in enumerate(canonical.pop("contacts"), start=1)]
    work = job(
        adapter,
        people,
        example["options"],
        head=head(**canonical),
        start=example.get("start", False),
        key=example.get("key", "gw7f3a"),
    )
    if example["verb"] == "deliver":
        return adapter.deliver(work, batch(people))
    assert example["verb"] == "create+append"

    def both() -> Iterator[Any]:
        remotes = yield from adapter.create((work,))
        receipt = yield from adapter.append(work, remotes[0], batch(people))
        return {"remote": remotes[0], "receipt": receipt}

    return both()


def plain(value: Any) -> Any:
    """A result as JSON values, empty and None left out."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(name): plain(member) for name, member in value.items() if member not in (None, "", {}, ())}
    if isinstance(value, list | tuple):
        return [plain(member) for member in value]
    if hasattr(value, "__struct_fields__"):
        return plain({name: getattr(value, name) for name in value.__struct_fields__})
    return value


def shown(request: Any) -> dict[str, Any]:
    encoded = encode(request)
    shown = {"method": encoded.method, "target": encoded.target, "headers": dict(encoded.headers)}
    if encoded.content is not None:
        text = b"".join(encoded.content.chunks()).decode()
        if dict(encoded.headers)["Content-Type"] == "application/json":
            shown["json"] = json.loads(text)
        else:
            shown["text"] = text
    encoded.close()
    return shown


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: "/".join(path.parts[2:]))
def test_example(path: Path) -> None:
    example = json.loads(path.read_text(encoding="utf-8"))
    exchange = exchange_of(REGISTRY.adapters[path.parts[2]], example)
    said = []
    replies = iter(example["talk"])
    try:
        move = next(exchange)
        while True:
            if isinstance(move, Wait):
                move = exchange.send(None)
                continue
            said.append(shown(move.request))
            reply = next(replies)["reply"]
            body = json.dumps(reply["json"]).encode() if "json" in reply else reply.get("text", "").encode()
            try:
                value = careful(move)(Reply(reply["status"], body, reply.get("headers", {})))
            except VendorError as error:
                move = exchange.throw(error)
            else:
                move = exchange.send(value)
    except StopIteration as end:
        result = plain(end.value)
    except VendorError as error:
        result = {"error": type(error).__name__, "code": error.code, "detail": error.detail}
    except CannotDo as error:
        result = {"error": "CannotDo", "verb": error.verb, "why": error.why}
    assert said == [turn["request"] for turn in example["talk"]]
    assert result == example["result"]


@pytest.mark.parametrize("name", REGISTRY.adapters)
def test_every_adapter_has_examples_of_success_and_of_failure(name: str) -> None:
    outcomes = {path.parts[4] for path in EXAMPLES if path.parts[2] == name}
    assert "accepted" in outcomes
    assert len(outcomes) > 1
