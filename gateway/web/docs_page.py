"""The API for people: one HTML page made of the OpenAPI document, with nothing loaded from elsewhere."""

import json
from html import escape
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1b1f24}
code,pre{font:14px/1.45 ui-monospace,monospace;background:#f4f5f7;border-radius:4px}
code{padding:.1em .3em} pre{padding:.8rem;overflow:auto;max-height:24rem}
details{border:1px solid #d9dde3;border-radius:6px;margin:.5rem 0;padding:.5rem .8rem}
summary{cursor:pointer} .method{display:inline-block;min-width:4.5rem;font-weight:600}
table{border-collapse:collapse;margin:.4rem 0} td,th{text-align:left;padding:.2rem .8rem .2rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#14171b;color:#e4e7eb}code,pre{background:#1f242a}
details{border-color:#333a42}a{color:#8ab4f8}}
"""


def docs_page(document: dict[str, Any]) -> str:
    """The whole page."""
    info = document["info"]
    calls = "".join(
        _call(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        f"<details id='{escape(name)}'><summary><code>{escape(name)}</code> {_text(schema)}</summary>"
        f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    title = escape(info["title"])
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head><body>"
        f"<h1>{title} <small>{escape(info['version'])}</small></h1><p>{escape(info['description'])}</p>"
        "<p>Every call needs <code>Authorization: Bearer &lt;api key&gt;</code> unless it says open. "
        "Errors are <code>application/problem+json</code>. As data: <a href='/openapi.json'>openapi.json</a>.</p>"
        f"<h2>Calls</h2>{calls}<h2>Shapes</h2>{schemas}</body></html>"
    )


def _text(schema: dict[str, Any]) -> str:
    return escape(schema.get("description", "").split("\n")[0])


def _call(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{one['in']}</td>"
        f"<td>{escape(one.get('description') or one['schema'].get('description', ''))}</td></tr>"
        for one in operation.get("parameters", [])
    )
    bodies = _content("Body", operation.get("requestBody", {}).get("content", {}))
    answers = "".join(
        f"<tr><td><code>{status}</code></td><td>{escape(answer['description'])}</td>"
        f"<td>{_shapes(answer.get('content', {}))}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    is_open = " <small>open</small>" if operation.get("security") == [] else ""
    return (
        f"<details><summary><span class='method'>{method.upper()}</span><code>{escape(path)}</code>{is_open} "
        f"{escape(operation['summary'])}</summary>"
        + (f"<h4>Parameters</h4><table>{rows}</table>" if rows else "")
        + bodies
        + f"<h4>Answers</h4><table>{answers}</table></details>"
    )


def _content(title: str, content: dict[str, Any]) -> str:
    return f"<h4>{title}</h4><p>{_shapes(content)}</p>" if content else ""


def _shapes(content: dict[str, Any]) -> str:
    return ", ".join(
        f"<code>{escape(media_type)}</code>{_ref(one.get('schema', {}))}" for media_type, one in content.items()
    )


def _ref(schema: dict[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f" <a href='#{escape(name)}'>{escape(name)}</a>" if name else ""
