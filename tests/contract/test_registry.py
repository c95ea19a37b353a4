"""The registry refuses what it cannot use, in a sentence that names the package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.registry import RegistryError, load

ROOT = Path(__file__).parents[2]
START = (
    "from dataclasses import replace\nfrom gateway.contract import Verb, hookimpl\nfrom adapters.velip import ADAPTER\n"
)
SIMULATOR = (
    "import adapters.velip\n@hookimpl\ndef provide_simulator():\n    return adapters.velip.provide_simulator()\n"
)


def provides(value: str) -> str:
    return f"{START}@hookimpl\ndef provide_adapter():\n    return {value}\n"


BROKEN = {
    "a misspelt hook": (
        f"{START}@hookimpl\ndef provide_adaptr():\n    return ADAPTER\n",
        "the adapter package {} implements a hook that does not exist; the hooks are provide_adapter and "
        "provide_simulator",
    ),
    "a name that is taken": (
        provides("ADAPTER"),
        "the adapter of {} cannot be used: adapters.velip has registered velip already",
    ),
    "a simulator whose name is taken": (
        START + SIMULATOR,
        "the simulator of {} cannot be used: adapters.velip has registered velip already",
    ),
    "an import that fails": (
        "import no_such_module_of_anyone\n",
        "the adapter package {} cannot be loaded: ModuleNotFoundError: No module named 'no_such_module_of_anyone'; "
        "repair or uninstall it",
    ),
    "a syntax error": (
        "def\n",
        r"re:the adapter package {} cannot be loaded: SyntaxError: invalid syntax .*; repair or uninstall it",
    ),
    "a hook that raises": (
        f"{START}@hookimpl\ndef provide_adapter():\n    raise KeyError('region')\n",
        "provide_adapter of {} failed: KeyError: 'region'",
    ),
    "a hook that gives nonsense": (provides("'velip'"), "provide_adapter of {} gave no Adapter"),
    "a hook that gives nothing": (provides("None"), "provide_adapter of {} gave no Adapter"),
    "a name that is no text": (
        provides("replace(ADAPTER, name=7)"),
        "the adapter of {} cannot be used: its name 7 is no text",
    ),
    "a name that is no identifier": (
        provides("replace(ADAPTER, name='Acme Dialer')"),
        "the adapter of {} cannot be used: its name 'Acme Dialer' is not a lower-case identifier",
    ),
    "a verb without its function": (
        provides("replace(ADAPTER, name='acme', find=None)"),
        "the adapter of {} cannot be used: it claims find but has no such function",
    ),
    "a function without its verb": (
        provides("replace(ADAPTER, name='acme', capabilities={})"),
        "the adapter of {} cannot be used: it has deliver but its capabilities do not say so",
    ),
    "a verb that is no generator": (
        provides("replace(ADAPTER, name='acme', find=lambda *given: None)"),
        "the adapter of {} cannot be used: its find is not a generator function",
    ),
    "capabilities that are none": (
        provides("replace(ADAPTER, name='acme', capabilities=None)"),
        "the adapter of {} cannot be used: it is not made as an adapter is "
        "(AttributeError: 'NoneType' object has no attribute 'get')",
    ),
}


def written(folder: Path, source: str) -> Path:
    """An installed distribution whose entry point registers this module."""
    (folder / "foreign_adapter.py").write_text(source, encoding="utf-8")
    info = folder / "foreign_adapter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-adapter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[contact_list_gateway]\nforeign = foreign_adapter\n")
    return folder


def matches(told: str, expected: str) -> bool:
    whole = expected.removeprefix("re:").replace("{}", "foreign (foreign_adapter)")
    if expected.startswith("re:"):
        return re.fullmatch(whole.replace("(foreign_adapter)", r"\(foreign_adapter\)"), told) is not None
    return told == whole


@pytest.mark.parametrize("case", BROKEN)
def test_a_foreign_adapter_that_cannot_be_used_is_named(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, expected = BROKEN[case]
    monkeypatch.syspath_prepend(str(written(tmp_path, source)))
    monkeypatch.delitem(sys.modules, "foreign_adapter", raising=False)
    with pytest.raises(RegistryError) as caught:
        load()
    assert matches(str(caught.value), expected), str(caught.value)


def test_a_good_foreign_adapter_stands_beside_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = load(entry_points=False)
    monkeypatch.syspath_prepend(str(written(tmp_path, provides("replace(ADAPTER, name='acme')"))))
    monkeypatch.delitem(sys.modules, "foreign_adapter", raising=False)
    found = load()
    assert list(found.adapters) == sorted([*own.adapters, "acme"])
    assert found.modules["acme"] == "foreign_adapter"
    assert dict(found.simulators) == dict(own.simulators)
    assert load(entry_points=False) == own


@pytest.mark.parametrize("command", [["serve", "--config", "gateway.toml"], ["vendors"]])
def test_a_command_says_it_in_a_sentence_and_ends_with_2(tmp_path: Path, command: list[str]) -> None:
    source, expected = BROKEN["a misspelt hook"]
    path = os.pathsep.join([str(written(tmp_path, source)), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert matches(done.stderr.removesuffix("\n"), expected), done.stderr
    assert done.stdout == ""
