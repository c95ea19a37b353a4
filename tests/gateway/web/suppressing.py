"""Numbers that are suppressed over the API, and how calls that do it look."""

import json
from typing import Any

import httpx

PATH = "/v1/suppressions"
ANA, EVA, RUI = "+5511999990001", "+5511999990002", "+5521988880003"
ROWS = f"nome;telefone\nAna;{ANA}\nEva;12\nEva;11 99999-0002\n"
LINES = json.dumps({"phone": ANA}) + '\n{"phone": "12"}\n"11 99999-0002"\n'
Call = dict[str, Any]


def typed(media_type: str, content: bytes | str, **query: Any) -> Call:
    return {"content": content, "headers": {"Content-Type": media_type}, "params": query}


def as_json(content: bytes | str, **query: Any) -> Call:
    return typed("application/json", content, **query)


def as_csv(content: bytes | str, **query: Any) -> Call:
    return typed("text/csv", content, **query)


async def put(client: httpx.AsyncClient, *phones: str) -> dict[str, Any]:
    answer = await client.put(PATH, json={"phones": phones})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stored(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """Every number, page by page."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get(PATH, params={**query, **cursor})
        assert answer.status_code == 200, answer.text
        found += [one["phone"] for one in answer.json()["items"]]
        if answer.json()["next_cursor"] is None:
            return found
        assert {"cursor": answer.json()["next_cursor"]} != cursor
        cursor = {"cursor": answer.json()["next_cursor"]}
