"""A database as the release before left it: its tables, and rows of every kind in them."""

import json
from pathlib import Path
from typing import Any

import msgspec
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from gateway.store.database import Database
from gateway.store.schema import metadata

ROOT = Path(__file__).parents[2]


def migrate(connection: Connection, version: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(ROOT / "gateway" / "store" / "migrations"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, version)


def make_old(connection: Connection, rows: dict[str, list[dict[str, Any]]]) -> None:
    """The tables of the release before, which wrote no version down, and these rows."""
    migrate(connection, "0001")
    connection.execute(text("DROP TABLE alembic_version"))
    for table in ("lists", "deliveries", *(name for name in rows if name not in ("lists", "deliveries"))):
        for row in rows.get(table, ()):
            names = ", ".join(row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES (:{', :'.join(row)})"), row)


def differences(connection: Connection) -> list[Any]:
    return compare_metadata(MigrationContext.configure(connection), metadata)


def version(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


HEAD = {"name": "Spring", "reference": "r-1"}
AT = "2026-01-02T03:04:05.000000Z"
PROFILE = '[5,["phone"],[]]'


def contact_row(seq: int, phone: str, outcome: str, **values: Any) -> dict[str, Any]:
    body = {
        "row": seq,
        "key": f"k-{seq}",
        "phone": phone,
        "region": "BR",
        "phone_text": phone,
        "id": f"k-{seq}",
        **dict.fromkeys(("first_name", "last_name", "company", "email", "language", "time_zone", "priority", "tag")),
        "attributes": {"plan": "plus"},
    }
    empty = dict.fromkeys(("delivery_id", "part", "batch", "remote_id", "faults", "detail"))
    row = {"list_id": "cl_1", "seq": seq, "row": seq, "key": f"k-{seq}", "phone": phone, "outcome": outcome}
    return {**row, "by_vendor": False, **empty, "body": msgspec.msgpack.encode(body), **values}


def old_rows() -> dict[str, list[dict[str, Any]]]:
    """A list of which one batch is settled, one contact refused by the vendor, one batch pending, one row rejected."""
    fault = [{"code": "phone.invalid", "column": "phone", "detail": "too short"}]
    rejected = {"row": 6, "faults": fault, "phone_text": "12", "id": None, "cells": {"phone": "12", "name": "Eva"}}
    refused = [{"code": "vendor.refused", "column": None, "detail": "no"}]
    place = {"delivery_id": "dl_1", "part": 1}
    moments = {"created_at": AT, "updated_at": AT}
    return {
        "lists": [
            {
                "id": "cl_1",
                "tenant": "acme",
                "name": "Spring",
                "reference": "r-1",
                "head": json.dumps(HEAD),
                "profile": PROFILE,
                "source": None,
                "staged": False,
                "next_seq": 7,
                "deleted_at": None,
                "remains": None,
                **moments,
            }
        ],
        "deliveries": [
            {
                "id": "dl_1",
                "list_id": "cl_1",
                "destination": "main",
                "fallbacks": "[]",
                "adapter": "any",
                "activation": "passive",
                "style": "create",
                "profile": PROFILE,
                "options": "{}",
                "losses": "[]",
                **moments,
            }
        ],
        "remote_lists": [
            {
                "delivery_id": "dl_1",
                "part": 1,
                "key": "g1",
                "remote_id": "7",
                "name": "Spring",
                "count": 2,
                "extra": "{}",
                "deleted": False,
            }
        ],
        "contacts": [
            contact_row(1, "+5511999990001", "accepted", **place, batch=1, remote_id="v-1", detail="stored"),
            contact_row(
                2,
                "+5511999990002",
                "rejected",
                **place,
                batch=1,
                by_vendor=True,
                detail="stored",
                faults=json.dumps(refused),
            ),
            contact_row(3, "+5511999990003", "pending", **place, batch=2),
            contact_row(4, "+5511999990004", "pending", **place, batch=2),
            contact_row(5, "+5511999990001", "duplicate"),
            {
                **contact_row(6, "", "rejected", faults=json.dumps(fault)),
                "key": None,
                "phone": None,
                "body": msgspec.msgpack.encode(rejected),
            },
        ],
        "attempts": [
            attempt("at_1", None, "create list", "accepted", "2026-01-02T03:04:05.1Z", part=None),
            attempt("at_2", 1, "add", "accepted", "2026-01-02T03:04:05.2Z"),
            # the clock was set back meanwhile
            attempt("at_4", 2, "add", None, "2026-01-02T03:04:05.3Z"),
        ],
        "operations": [operation("op_2", "append", "running"), operation("op_1", "create", "succeeded")],
        "idempotency": [
            {
                "tenant": "acme",
                "key": "k",
                "digest": "d",
                "operation_id": "op_1",
                "status": 201,
                "headers": "{}",
                "body": b"{}",
                "created_at": AT,
            }
        ],
        "credential_locks": [{"owner": "host", "reason": "refused", "since": AT, "checked_at": None}],
        "audit": [
            {
                "id": "au_1",
                "tenant": "acme",
                "destination": "main",
                "method": "GET",
                "path": "/x",
                "digest": "d",
                "status": 200,
                "at": AT,
            }
        ],
    }


def attempt(name: str, batch: int | None, step: str, verdict: str | None, at: str, part: int | None = 1) -> Any:
    told = {"status": 200 if verdict else None, "reply": "{}" if verdict else None, "detail": None}
    return {
        "id": name,
        "delivery_id": "dl_1",
        "part": part,
        "batch": batch,
        "step": step,
        "method": "POST",
        "target": "/lists",
        "digest": f"of {name}",
        "verdict": verdict,
        **told,
        "started_at": at,
        "finished_at": at if verdict else None,
    }


def operation(name: str, kind: str, state: str) -> dict[str, Any]:
    return {
        "id": name,
        "tenant": "acme",
        "list_id": "cl_1",
        "kind": kind,
        "state": state,
        "stage": "delivering",
        "error": None,
        "created_at": f"2026-01-02T03:0{3 + int(name[-1])}:00.000000Z",
        "updated_at": AT,
    }


async def rows_of(database: Database, table: str) -> list[dict[str, Any]]:
    return await database.run(
        lambda connection: [dict(row) for row in connection.execute(metadata.tables[table].select()).mappings()]
    )


async def upgraded(url: str, rows: dict[str, list[dict[str, Any]]]) -> Database:
    database = Database(url)
    await database.run(make_old, rows)
    await database.prepare()
    return database
