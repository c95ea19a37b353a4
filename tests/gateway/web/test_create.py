"""`POST /v1/contact-lists`: every form of body gives the same list; inline, waited for, or in the background."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.contract.simulation import Ledger
from tests.gateway.conftest import Gateway, OpenGateway, Tenant, Vendors, destination
from tests.gateway.web.shapes import LISTS, a_list, counts, create, finished, masked, pointers, problem, refusal

HEAD = {"name": "Spring renewals", "reference": None, "destination": "velip"}
ROWS = [
    {"id": "A-1", "phone": "+5511999990001", "first_name": "Ana", "last_name": "Lima", "email": "ana@example.org"},
    {"id": "A-2", "phone": "11 99999-0002", "first_name": "Bruno"},
    {"id": "A-3", "phone": "+5511999990001", "first_name": "Ana again"},
    {"id": "A-4", "phone": "+5511999990004"},
    {"id": "A-5", "phone": "12"},
]
COLUMNS = ["id", "phone", "first_name", "last_name", "email"]
NDJSON = "\n".join(json.dumps(row) for row in ROWS)
CSV = "\r\n".join(",".join(row) for row in [COLUMNS, *([row.get(name, "") for name in COLUMNS] for row in ROWS)])


def as_json(reference: str) -> dict[str, Any]:
    return {"json": HEAD | {"reference": reference, "contacts": ROWS}}


def as_csv(reference: str) -> dict[str, Any]:
    return {"params": HEAD | {"reference": reference}, "content": CSV, "headers": {"Content-Type": "text/csv"}}


def as_ndjson(reference: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-ndjson"}
    return {"params": HEAD | {"reference": reference}, "content": NDJSON, "headers": headers}


def as_form(content: str, filename: str) -> Callable[[str], dict[str, Any]]:
    media_type = "text/csv" if filename.endswith("csv") else "application/x-ndjson"
    return lambda reference: {
        "data": {"list": json.dumps(HEAD | {"reference": reference})},
        "files": {"file": (filename, content.encode(), media_type)},
    }


MAPPING = {name: name for name in COLUMNS}
CSV_SOURCE = {
    "format": "csv",
    "charset": "utf-8",
    "delimiter": ",",
    "columns": COLUMNS,
    "mapping": MAPPING,
    "ignored": {},
    "corrections": False,
    "rows": 5,
}
PLAIN_SOURCE = {"columns": [], "mapping": {}, "ignored": {}, "corrections": False, "rows": 5, "delimiter": None}
NDJSON_SOURCE = PLAIN_SOURCE | {"format": "ndjson", "charset": "utf-8"}
FORMS = {
    "json": (as_json, PLAIN_SOURCE | {"format": "json", "charset": None}),
    "csv": (as_csv, CSV_SOURCE),
    "ndjson": (as_ndjson, NDJSON_SOURCE),
    "multipart csv": (as_form(CSV, "contacts.csv"), CSV_SOURCE),
    "multipart ndjson": (as_form(NDJSON, "contacts.ndjson"), NDJSON_SOURCE),
}


@pytest.mark.parametrize("form", FORMS)
async def test_the_same_contacts_give_the_same_list_in_every_form(
    acme: httpx.AsyncClient, ledger: Callable[[str], Ledger], form: str
) -> None:
    body, source = FORMS[form]
    answer = await acme.post(LISTS, **body(f"crm-{form}"))
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert answer.headers["location"] == f"{LISTS}/{found['id']}"
    attempts = found["deliveries"][0].pop("attempts")
    assert masked(found) == {
        "id": "<cl>",
        "name": "Spring renewals",
        "reference": f"crm-{form}",
        "description": None,
        "channel": "voice",
        "state": "delivered",
        "counts": counts(accepted=3, rejected=1, duplicate=1),
        "deliveries": [
            {
                "id": "<dl>",
                "destination": "velip",
                "adapter": "velip",
                "state": "delivered",
                "activation": "passive",
                "remote_lists": [
                    {"id": "70123", "name": f"Spring renewals crm-{form}", "count": 3, "deleted": False},
                ],
                "counts": counts(accepted=3),
                "losses": [
                    {
                        "field": "first_name",
                        "kind": "merged",
                        "contacts": 1,
                        "why": "velip lists have one column for the name",
                    },
                    {
                        "field": "last_name",
                        "kind": "merged",
                        "contacts": 1,
                        "why": "velip lists have one column for the name",
                    },
                    {
                        "field": "email",
                        "kind": "dropped",
                        "contacts": 1,
                        "why": "velip lists have no e-mail column",
                    },
                ],
                "detail": None,
                "superseded_by": None,
            }
        ],
        "source": source,
        "created_at": "<time>",
        "updated_at": "<time>",
        "operation": None,
        "remains": None,
    }
    assert [(one["step"], one["verdict"], one["status"]) for one in attempts] == [("create", "accepted", 200)]
    (there,) = ledger("velip").lists.values()
    assert there.phones == ["5511999990001", "5511999990002", "5511999990004"]
    assert masked((await acme.get(answer.headers["location"])).json()) == masked(answer.json())
