"""`python -m gateway.certification [NAME] [pytest's own options]`."""

import sys
from pathlib import Path

import pytest


def main(arguments: list[str]) -> int:
    """Certify one adapter, or all; pytest's exit code."""
    name = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    options = ["-q", "-p", "no:cacheprovider", *(["--adapter", *name] if name else []), *arguments[len(name) :]]
    return int(pytest.main([str(Path(__file__).parent), *options]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
