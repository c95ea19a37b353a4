"""The pages say what the data says, and every adapter has its page."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.canonical.faults import CATALOGUE
from gateway.registry import built_in_modules, load

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
VENDORS = [name.rpartition(".")[2] for name in built_in_modules()]
HEADINGS = {
    "what it carries": r"What is carried",
    "its options": r"Options",
    "its limits": r"Limits",
    "its quirks": r"Quirks.*",
    "what was decided where nothing is documented": r"(Judgements.*|.* and judgements.*)",
    "how to get an account": r"Getting an account",
}


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = generator()


@pytest.mark.parametrize("page", GENERATE.PAGES)
def test_a_made_page_is_up_to_date(page: str) -> None:
    """`make docs` writes them anew."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert GENERATE.filled(text, GENERATE.sections()) == text


def test_every_made_section_stands_on_a_page() -> None:
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in GENERATE.PAGES)
    assert [name for name in GENERATE.sections() if f"<!-- {name} -->\n" not in text] == []


def test_every_fault_code_is_documented() -> None:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z_.]+)` \|", text, flags=re.MULTILINE) == list(CATALOGUE)


def headings(readme: str) -> list[str]:
    return re.findall(r"^##+ (.+)$", readme, flags=re.MULTILINE)


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_an_adapter_s_page_says(vendor: str, heading: str) -> None:
    found = headings((ROOT / "adapters" / vendor / "README.md").read_text(encoding="utf-8"))
    assert [one for one in found if re.fullmatch(HEADINGS[heading], one)], found


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_option_stands_on_the_adapter_s_page(vendor: str) -> None:
    readme = (ROOT / "adapters" / vendor / "README.md").read_text(encoding="utf-8")
    options = load(entry_points=False).adapters[vendor].options.model_fields
    assert [name for name in options if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", *(f"docs/{one.name}" for one in DOCS)])
def test_a_page_names_only_files_that_are_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = re.findall(r"`((?:adapters|config|docs|gateway|tests)/[\w./-]+)`", text)
    linked = [str((ROOT / page).parent / one) for one in re.findall(r"\]\(([\w./-]+)\)", text)]
    assert [path for path in [*named, *linked] if not (ROOT / path).exists()] == []


def test_the_guide_names_what_is_there() -> None:
    guide = (ROOT / "docs" / "ADDING_AN_ADAPTER.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:adapters|docs|tests)/[\w./-]+)`", guide)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
    suite = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway" / "certification").glob("test_*.py"))
    tests = re.findall(r"`(test_\w+)`", guide)
    assert [test for test in tests if f"def {test}(" not in suite] == []
    assert {f"adapters/{vendor}" for vendor in VENDORS} <= set(named)
