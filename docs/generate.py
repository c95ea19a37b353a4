"""Writes what is made from data: the README's vendor matrix, the faults page, the configuration page.

`make docs` runs it; `tests/architecture/test_docs.py` compares. Between `<!-- name -->` and `<!-- /name -->` of a page
stands what this file makes.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.canonical.faults import CATALOGUE
from gateway.contract import ActivationKind, AnyAdapter, Fidelity, Support, Verb
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


def sources(adapters: Mapping[str, AnyAdapter]) -> str:
    """What each vendor gives as the source of a migration."""
    return table(
        ["vendor", "who calls", "contacts are", "it is stopped", "and looked at", "columns of its export"],
        (
            [
                name,
                "the list, by itself" if adapter.activation is ActivationKind.DIALS else "campaigns over the list",
                _can(adapter, Verb.READ),
                _can(adapter, Verb.STOP),
                _can(adapter, Verb.STATUS),
                ", ".join(f"`{column}`" for column in adapter.export.values()),
            ]
            for name, adapter in adapters.items()
        ),
    )


def _can(adapter: AnyAdapter, verb: Verb) -> str:
    capability = adapter.capability(verb)
    sign = "no" if capability.support is Support.NONE else "yes"
    return f"{sign}: {capability.note}" if capability.note else sign


def directions(adapters: Mapping[str, AnyAdapter]) -> str:
    """Who moves from each vendor to each, and how it is checked that they arrived."""
    rows = (
        [
            f"from {name}",
            *("" if source is target else f"{_who(source)}; {_check(target)}" for target in adapters.values()),
        ]
        for name, source in adapters.items()
    )
    return table(["", *(f"to {name}" for name in adapters)], rows)


def _who(source: AnyAdapter) -> str:
    if source.activation is not ActivationKind.DIALS:
        return "all"
    return "unreached" if source.read is not None else "nobody"


def _check(target: AnyAdapter) -> str:
    if target.read is not None:
        return "read back"
    return "counted" if target.status is not None else "answered"


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
        "migration sources": sources(adapters),
        "migration directions": directions(adapters),
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


PAGES = ("README.md", "docs/migration.md", "docs/faults.md", "docs/configuration.md", "docs/errors.md")


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
