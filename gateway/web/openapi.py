"""OpenAPI 3.1, made of the table of endpoints and the pydantic models."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway import __version__
from gateway.problem import KINDS, ProblemBody
from gateway.sources import XLSX, FileParameters
from gateway.web.call import PROBLEM
from gateway.web.system_api import HealthOut
from gateway.web.table import PASSTHROUGH, PASSTHROUGH_METHODS, TABLE, Endpoint

_REF = "#/components/schemas/{model}"
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "description": "`wait=N` seconds for the work to end; `respond-async`: 202 with its operation at once (RFC 7240)",
    "schema": {"type": "string"},
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "one key, one payload, one effect (draft-07)",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21\x23-\x5b\x5d-\x7e]+$"},
}
_LAST_EVENT = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "the id of the last event that was received; 204 when that one was the last",
    "schema": {"type": "string"},
}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "list": {"type": "string", "contentMediaType": "application/json", "description": "the list's own fields"},
        "file": {"type": "string", "contentMediaType": "text/csv", "description": "CSV, NDJSON or XLSX"},
        "mapping": {"type": "string", "contentMediaType": "application/json"},
        "delimiter": {"type": "string"},
        "encoding": {"type": "string"},
        "sheet": {"type": "string", "description": "of an XLSX file"},
    },
    "additionalProperties": False,
}


def document() -> dict[str, Any]:
    """The whole API as an OpenAPI document."""
    modes: list[tuple[type[BaseModel], Any]] = [(ProblemBody, "serialization"), (HealthOut, "serialization")]
    for one in TABLE:
        modes += [(model, "serialization") for model in one.answers.values() if model is not None]
        if one.body is not None:
            modes.append((one.body, "validation"))
    refs, schemas = models_json_schema(list(dict.fromkeys(modes)), ref_template=_REF)
    paths: dict[str, Any] = {}
    for one in TABLE:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, refs)
    paths.update(_open_paths(refs))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Contact-list gateway",
            "version": __version__,
            "description": "One canonical contact list, translated into each vendor's shape, behind one endpoint.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "an API key of the tenant"}},
        },
        "security": [{"key": []}],
    }


def _operation(one: Endpoint, refs: dict[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": one.summary,
        "operationId": one.handler.__name__,
        "parameters": _parameters(one),
        "responses": {str(status): _answer(one, model, refs) for status, model in one.answers.items()},
    }
    for status in sorted({401, 404, 500, 503, *one.problems}):
        operation["responses"][str(status)] = _problem(status, refs)
    if one.body is not None:
        content: dict[str, Any] = {"application/json": {"schema": refs[one.body, "validation"]}}
        if one.files:
            content |= {
                "text/csv": {"schema": {"type": "string"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
                **({XLSX: {"schema": {"type": "string", "format": "binary"}}} if one.query is FileParameters else {}),
                "multipart/form-data": {"schema": _FORM},
            }
        operation["requestBody"] = {"required": not one.body_optional, "content": content}
    return operation


def _parameters(one: Endpoint) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in one.path.split("/") if part.startswith("{")]
    path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    query = []
    if one.query is not None:
        for name, schema in one.query.model_json_schema()["properties"].items():
            required = name in one.query.model_json_schema().get("required", [])
            query.append({"name": name, "in": "query", "required": required, "schema": _inlined(one.query, schema)})
    headers = [_PREFER] * one.prefer + [_KEY] * one.idempotent + [_LAST_EVENT] * one.events
    return path + query + headers


def _inlined(model: type[BaseModel], schema: Any) -> Any:
    """A property's schema with its references written out, and without the null that a query cannot say."""
    definitions = model.model_json_schema().get("$defs", {})
    if "$ref" in schema:
        return definitions[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
        (given,) = [_inlined(model, one) for one in schema["anyOf"] if one.get("type") != "null"]
        return {**given, **rest}
    return schema


def _answer(one: Endpoint, model: type[BaseModel] | None, refs: dict[Any, Any]) -> dict[str, Any]:
    if model is None:
        return {"description": "done"}
    content: dict[str, Any] = {"application/json": {"schema": refs[model, "serialization"]}}
    if one.events:
        told = f"events named operation, with data as {model.__name__} says"
        content = {"text/event-stream": {"schema": {"type": "string", "description": told}}}
    if one.csv:
        content["text/csv"] = {"schema": {"type": "string"}}
    return {"description": (model.__doc__ or "").strip().split("\n")[0], "content": content}


def _problem(status: int, refs: dict[Any, Any]) -> dict[str, Any]:
    titles = [kind.title for kind in KINDS.values() if kind.status == status]
    return {
        "description": "; ".join(titles),
        "content": {PROBLEM: {"schema": refs[ProblemBody, "serialization"]}},
    }


def _open_paths(refs: dict[Any, Any]) -> dict[str, Any]:
    health = {"application/json": {"schema": refs[HealthOut, "serialization"]}}
    paths: dict[str, Any] = {
        "/healthz": _open("healthz", "The process is alive", health),
        "/readyz": _open("readyz", "The database answers", health),
        "/openapi.json": _open("openapi", "This document", {"application/json": {"schema": {"type": "object"}}}),
        "/docs": _open("docs", "This document for people", {"text/html": {"schema": {"type": "string"}}}),
        "/metrics": _open(
            "metrics", "Prometheus metrics, for the operator", {"text/plain": {"schema": {"type": "string"}}}
        ),
    }
    for status, path in ((503, "/readyz"), (404, "/metrics")):
        paths[path]["get"]["responses"][str(status)] = _problem(status, refs)
    path = PASSTHROUGH.replace("{path:path}", "{path}")
    paths[path] = {method.lower(): _passthrough(method, refs) for method in PASSTHROUGH_METHODS}
    return paths


def _open(name: str, summary: str, content: dict[str, Any]) -> dict[str, Any]:
    answers = {"200": {"description": summary, "content": content}}
    return {"get": {"summary": summary, "operationId": name, "security": [], "responses": answers}}


def _passthrough(method: str, refs: dict[Any, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in ("destination", "path")
    ]
    return {
        "summary": "A call of the vendor's own API, with the stored credentials; allow-listed and audited",
        "operationId": f"passthrough_{method.lower()}",
        "parameters": parameters,
        "responses": {
            "default": {"description": "the vendor's own answer", "content": {"*/*": {}}},
            **{str(status): _problem(status, refs) for status in (401, 403, 404, 408, 413, 502, 503, 504)},
        },
    }
