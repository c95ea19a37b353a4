"""Writes what is made from data: the README's vendor matrix, the faults page, the configuration page.

`make docs` runs it; `tests/architecture/test_docs.py` compares. Between `<!-- name -->` and `<!-- /name -->` of a page
stands what this file makes.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.canonical.faults import CATALOGUE
from gateway.contract import AnyAdapter, Fidelity, Support, Verb
from gateway.problem import KINDS
from gateway.registry import load
from gateway.settings import DestinationIn, LimitsIn, Retention, RouteIn, Server, TenantIn, When

ROOT = Path(__file__).parent.parent
_SUPPORT = {Support.NATIVE: "yes", Support.EMULATED: "emulated", Support.NONE: "–"}
_FIDELITY = {Fidelity.FULL: "yes", Fidelity.PARTIAL: "partly", Fidelity.OPTION: "by option", Fidelity.NONE: "–"}


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(header)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def verbs(adapters: Mapping[str, AnyAdapter]) -> str:
    """What can be asked of each vendor."""
    rows = [
        ["activation", *(adapter.activation.value for adapter in adapters.values())],
        *(
            [verb.value, *(_SUPPORT[adapter.capability(verb).support] for adapter in adapters.values())]
            for verb in Verb
        ),
        ["contacts per list", *(f"{adapter.limits.contacts_per_list:,}" for adapter in adapters.values())],
        ["contacts per request", *(f"{adapter.limits.batch_size:,}" for adapter in adapters.values())],
        ["requests a minute", *(str(adapter.limits.requests_per_minute) for adapter in adapters.values())],
    ]
    return table(["", *adapters], rows)


def fields(adapters: Mapping[str, AnyAdapter]) -> str:
    """What each vendor carries of the canonical list."""
    names = [rule.field for rule in next(iter(adapters.values())).fields.rules]
    rows = (
        [f"`{name}`", *(_FIDELITY[adapter.fields[name].fidelity] for adapter in adapters.values())]
        for name in sorted(names, key=list(names).index)
    )
    return table(["field", *adapters], rows)


def faults() -> str:
    return table(
        ["code", "what is wrong", "what to do"],
        ([f"`{code}`", wrong, advice] for code, (wrong, advice) in CATALOGUE.items()),
    )


def problems() -> str:
    return table(
        ["code", "HTTP", "meaning", "may succeed later"],
        ([f"`{code}`", str(kind.status), kind.title, "yes" if kind.retryable else ""] for code, kind in KINDS.items()),
    )


def keys(model: Any) -> str:
    """The keys of one section of the configuration file."""
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        about = field.description or schema["properties"][name].get("description", "")
        rows.append([f"`{name}`", default, about])
    return table(["key", "default", ""], rows)


def _default(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str | int | float | bool) else ""


def sections() -> dict[str, str]:
    """Everything that is made, by its name in the pages."""
    adapters = load(entry_points=False).adapters
    return {
        "vendor verbs": verbs(adapters),
        "vendor fields": fields(adapters),
        "faults": faults(),
        "problems": problems(),
        "server keys": keys(Server),
        "retention keys": keys(Retention),
        "tenant keys": keys(TenantIn),
        "destination keys": keys(DestinationIn),
        "limits keys": keys(LimitsIn),
        "route keys": keys(RouteIn),
        "when keys": keys(When),
    }


PAGES = ("README.md", "docs/faults.md", "docs/configuration.md", "docs/errors.md")


def filled(text: str, made: Mapping[str, str]) -> str:
    """The page with its made sections as they should be."""

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- {name} -->\n{made[name]}\n<!-- /{name} -->"

    return re.sub(r"<!-- (?P<name>[a-z ]+) -->\n.*?<!-- /(?P=name) -->", fill, text, flags=re.DOTALL)


def main() -> None:
    made = sections()
    for page in PAGES:
        path = ROOT / page
        path.write_text(filled(path.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    main()
