"""A configuration file that points at running simulators: secrets in files beside it, as references want it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.sandbox import RunningSimulation

FIRST_PORT = 9101
API_KEY = "demo-key-for-the-sandbox-only"


def write_config(
    folder: Path, running: Mapping[str, RunningSimulation], port: int, limits: str = "", extra: str = ""
) -> Path:
    """Write `gateway.toml` and its secrets into the folder; its one tenant is `demo`, a destination for each vendor."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_secret(folder / "api_key", API_KEY)
    lines = [
        "[server]",
        f"port = {port}",
        'database = "sqlite:///gateway.db"',
        "",
        "[tenants.demo]",
        'api_keys = ["file:api_key"]',
        'default_region = "BR"',
    ]
    for name, one in running.items():
        lines += ["", f"[tenants.demo.destinations.{name}]", f"adapter = {_toml(name)}"]
        lines += [f"base_url = {_toml(one.base_url)}", f"credentials = {_toml(_references(folder, one))}"]
        lines += [f"options = {_toml(dict(one.simulation.options))}", *([f"limits = {limits}"] if limits else [])]
    path = folder / "gateway.toml"
    path.write_text("\n".join(lines) + "\n" + extra, encoding="utf-8")
    return path


def _references(folder: Path, one: RunningSimulation) -> dict[str, str]:
    references = {}
    for name, value in one.simulation.credentials.items():
        text = value if isinstance(value, str) else json.dumps(value)
        _write_secret(folder / f"{one.name}-{name}", text)
        references[name] = f"file:{one.name}-{name}"
    return references


def _write_secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _toml(value: Any) -> str:
    """A value of TOML: what options and references are made of."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(member)}" for key, member in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
