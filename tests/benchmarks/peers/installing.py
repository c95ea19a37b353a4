"""Peers, installed into folders of their own under `.bench/`: never into ours, nor into the system."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[3] / ".bench"
PORTKEY, LITELLM = "@portkey-ai/gateway@1.15.2", "litellm[proxy]==1.106.2"


class Missing(Exception):
    """A peer that cannot be installed here, and why."""


def _run(command: list[str], cwd: Path) -> None:
    try:
        subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=900)
    except FileNotFoundError:
        raise Missing(f"{command[0]} is not on this machine") from None
    except subprocess.CalledProcessError as error:
        raise Missing(f"{' '.join(command[:3])}: {(error.stderr or error.stdout).strip()[-300:]}") from None
    except subprocess.TimeoutExpired:
        raise Missing(f"{' '.join(command[:3])} took more than 15 minutes") from None


def nginx() -> Path:
    """Debian's nginx, unpacked."""
    folder = FOLDER / "nginx"
    binary = folder / "usr/sbin/nginx"
    if not binary.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run(["apt-get", "download", "nginx"], folder)
        for package in folder.glob("*.deb"):
            _run(["dpkg-deb", "-x", str(package), "."], folder)
    return binary


def portkey() -> Path:
    """Portkey's gateway, by npm."""
    folder = FOLDER / "portkey"
    script = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
    if not script.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run(["npm", "install", "--prefix", str(folder), PORTKEY, "--no-audit", "--no-fund"], folder)
    if not script.exists():
        raise Missing(f"{PORTKEY} has no {script.name}")
    return script


def environment(name: str, requirements: list[str]) -> Path:
    """Python packages in an environment of their own; the folder of its commands."""
    folder = FOLDER / name
    ready = folder / ".ready"
    if not ready.exists():
        FOLDER.mkdir(exist_ok=True)
        _run([sys.executable, "-m", "venv", str(folder)], FOLDER)
        _run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", *requirements], FOLDER)
        ready.touch()
    return folder / "bin"
