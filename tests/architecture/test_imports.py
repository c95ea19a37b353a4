"""Who imports whom, who is named where, how large things are: read off the source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.registry import built_in_modules, load

ROOT = Path(__file__).parents[2]
OURS = sorted(path for folder in ("gateway", "adapters") for path in (ROOT / folder).rglob("*.py"))
VENDORS = [name.rpartition(".")[2] for name in built_in_modules()]
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60
VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "common", "misc"}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, by their whole names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)} line {node.lineno}: a relative import"
            assert node.module is not None
            yield node.module


def below(module: str, *allowed: str) -> bool:
    return any(module == one or module.startswith(f"{one}.") for one in allowed)


def files_of(vendor: str) -> list[Path]:
    return sorted((ROOT / "adapters" / vendor).rglob("*.py"))


@pytest.mark.parametrize("vendor", [*VENDORS, "toolkit"])
def test_an_adapter_imports_the_canonical_list_the_contract_and_its_own(vendor: str) -> None:
    own = {"gateway.canonical", "gateway.contract", "adapters.toolkit", f"adapters.{vendor}", "jwt", "pydantic"}
    found = {
        f"{named(path)}: {module}"
        for path in files_of(vendor)
        if not path.name.startswith("simulator")
        for module in imports(path)
        if not below(module, *own) and module.partition(".")[0] not in sys.stdlib_module_names
    }
    assert found == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_simulator_knows_nothing_of_the_adapter(vendor: str) -> None:
    own = {"gateway.contract.simulation", "starlette", "jwt", "cryptography"}
    found = {
        f"{named(path)}: {module}"
        for path in files_of(vendor)
        if path.name.startswith("simulator")
        for module in imports(path)
        if not below(module, *own)
        and not module.startswith(f"adapters.{vendor}.simulator")
        and module != f"adapters.{vendor}"
        and module.partition(".")[0] not in sys.stdlib_module_names
    }
    assert found == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_simulator_takes_only_simulator_modules_from_its_package(vendor: str) -> None:
    for path in files_of(vendor):
        if not path.name.startswith("simulator"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == f"adapters.{vendor}":
                assert [one.name for one in node.names if not one.name.startswith("simulator")] == [], named(path)


def test_the_gateway_imports_no_adapter() -> None:
    found = [named(path) for path in OURS if path.is_relative_to(ROOT / "gateway") and "adapters" in tops(path)]
    assert found == []


def tops(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in imports(path)}


def test_canonical_and_contract_do_not_reach_up() -> None:
    layers = {"canonical": ("gateway.canonical",), "contract": ("gateway.canonical", "gateway.contract")}
    found = {
        f"{named(path)}: {module}"
        for layer, allowed in layers.items()
        for path in (ROOT / "gateway" / layer).rglob("*.py")
        for module in imports(path)
        if below(module, "gateway") and not below(module, *allowed)
    }
    assert found == set()


def test_one_module_sends() -> None:
    senders = [named(path) for path in OURS if tops(path) & {"httpx", "httpx_aiohttp", "aiohttp"}]
    assert senders == ["gateway/transport.py"]


def test_no_vendor_is_named_in_the_gateway() -> None:
    titles = {adapter.title.split()[0].casefold() for adapter in load(entry_points=False).adapters.values()}
    words = titles | set(VENDORS)
    files = [path for path in (ROOT / "gateway").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(words) > len(VENDORS) - 1
    found = {
        f"{named(path)}: {word}"
        for path in files
        for word in words
        if word in path.read_text(encoding="utf-8", errors="replace").casefold()
    }
    assert found == set()


def test_files_are_not_long() -> None:
    lengths = {named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in OURS}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_functions_fit_on_a_screen() -> None:
    found = {
        f"{named(path)}: {node.name}": length
        for path in OURS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert found == {}


def test_modules_have_names_that_say_something() -> None:
    found = [named(path) for path in OURS if {path.stem, path.parent.name} & VAGUE]
    assert found == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        named(path)
        for path in OURS
        if (text := path.read_text(encoding="utf-8")).strip() and ast.get_docstring(ast.parse(text)) is None
    ]
    assert silent == []
