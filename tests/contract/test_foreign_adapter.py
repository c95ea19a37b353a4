"""An adapter from outside: installed from its package, certified by the shipped suite, and caught when it is broken."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "acme-adapter"
QUICK = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "anyio.pytest_plugin"}
"""pytest without the plug-ins that happen to be installed here: they take longer to load than the suite to run."""


def python(arguments: Sequence[str], site: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python away from this repository, with the packages of `site` installed."""
    path = os.pathsep.join([str(site), str(ROOT)])
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PIP_NO_INDEX": "1", **QUICK},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example installed in it by pip, from a copy and without a network."""
    source, site = tmp_path_factory.mktemp("source") / "acme", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    done = python(["-m", "pip", "install", *options, "--target", str(site), str(source)], site, source)
    assert done.returncode == 0, done.stderr
    return site


def test_the_example_is_found_by_its_entry_point(installed: Path, tmp_path: Path) -> None:
    done = python(["-m", "gateway", "vendors", "acme", "--json"], installed, tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"name": "acme"' in done.stdout


def test_the_example_passes_the_certification(installed: Path, tmp_path: Path) -> None:
    done = python(["-m", "gateway.certification", "acme", "-x"], installed, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


def test_an_adapter_that_is_not_there_is_a_usage_error(installed: Path, tmp_path: Path) -> None:
    done = python(["-m", "gateway.certification", "acne"], installed, tmp_path)
    assert done.returncode == 4
    assert "no adapter acne is registered; there are: acme, " in done.stdout + done.stderr


Break = Callable[[str], str]


def change(before: str, after: str) -> Break:
    def changed(source: str) -> str:
        assert source.count(before) == 1, f"the example has not once: {before}"
        return source.replace(before, after)

    return changed


BREAKAGES = {
    "a row is dropped in silence": (
        change("for contact in batch.contacts]", "for contact in batch.contacts if not contact.attributes]"),
        "test_a_plain_and_a_rich_list_are_delivered_whole",
    ),
    "the count is not looked at": (
        change("Outcome.ACCEPTED if stored == sent else Outcome.UNKNOWN", "Outcome.ACCEPTED"),
        "test_a_row_that_the_vendor_forgets_is_not_accepted",
    ),
    "garbage is a success": (
        change("Created.model_validate(answer(reply))", 'Created(id="al-1", stored=sent)'),
        "test_a_fault_at_any_step_makes_no_false_outcome and plain and (ok_with_error or redirect)",
    ),
    "an unclear create is called a refusal": (
        change("    expect_success(reply)\n", '    if reply.status != 200:\n        raise Refused("no")\n'),
        "test_a_fault_at_any_step_makes_no_false_outcome and plain and error_after",
    ),
    "a list that is not visible counts as not there": (
        change("if one.name.endswith(job.key)]", "if one.id == job.key]"),
        "test_a_fault_at_any_step_makes_no_false_outcome and plain and drop_after",
    ),
    "a loss is not reported": (
        change("return Examination(dropped_fields(contact, FIELDS.uncarried()))", "return Examination()"),
        "test_table_losses_and_wire_agree",
    ),
    "the table promises what is not sent": (
        lambda source: source.replace('("company", "email", ', '("email", ').replace(
            'for field in ("phone", ', 'for field in ("company", "phone", '
        ),
        "test_table_losses_and_wire_agree and company",
    ),
    "a set decides the order": (
        change(
            '"vars": contact.attributes}',
            '"vars": {name: contact.attributes[name] for name in set(contact.attributes)}}',
        ),
        "test_hash_seeds_do_not_change_the_bytes",
    ),
    "the clock is read": (
        change('"ok": True, "id": "1"', '"ok": True, "id": str(datetime.now().year)'),
        "test_the_adapter_does_no_io",
    ),
    "the key stands in the address": (
        change('/lists", body=body)', '/lists", (("key", Credential("api_key")),), body=body)'),
        "test_a_plain_and_a_rich_list_are_delivered_whole",
    ),
    "a verb is not spoken of": (
        change("dict.fromkeys(Verb, USE_CONSOLE) | {", "{"),
        "test_every_verb_is_spoken_of",
    ),
    "the simulator is missing": (
        change("@hookimpl\ndef provide_simulator", "def provide_simulator"),
        "test_it_has_a_simulator",
    ),
}


CERTIFY_EACH = """
import contextlib, importlib, io, json, sys
from pathlib import Path
from gateway.certification.__main__ import main

module, told = Path(sys.argv[1]), {}
for name, (source, test) in json.loads(Path(sys.argv[2]).read_text()).items():
    module.write_text(source)
    for loaded in [loaded for loaded in sys.modules if loaded.startswith("acme_adapter")]:
        del sys.modules[loaded]
    importlib.invalidate_caches()
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = main(["acme", "-x", "--tb=line", "-k", test])
    told[name] = [code, output.getvalue()]
Path(sys.argv[2]).write_text(json.dumps(told))
"""
"""One process for all of them: most of a certification's time is its start."""


def test_every_broken_adapter_fails_the_test_that_is_meant_for_it(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed, tmp_path / "site", ignore=shutil.ignore_patterns("__pycache__"))
    module, told = tmp_path / "site" / "acme_adapter" / "__init__.py", tmp_path / "told.json"
    good = module.read_text(encoding="utf-8").replace(
        "    Capability,\n", "    Capability,\n    Credential,\n    Refused,\n"
    )
    told.write_text(json.dumps({name: (broken(good), test) for name, (broken, test) in BREAKAGES.items()}))
    done = python(["-B", "-c", CERTIFY_EACH, str(module), str(told)], tmp_path / "site", tmp_path)
    assert done.returncode == 0, done.stderr
    failed = {
        name: (code, re.findall(r"^FAILED .*::(test_\w+)", words, flags=re.MULTILINE))
        for name, (code, words) in json.loads(told.read_text()).items()
    }
    assert failed == {name: (1, [test.partition(" ")[0]]) for name, (_, test) in BREAKAGES.items()}
