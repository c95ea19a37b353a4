"""Schemathesis against the running gateway: whatever it sends, the answers are as `/openapi.json` says."""

import os
import subprocess
import sys
from pathlib import Path

import anyio

from tests.gateway.conftest import OpenGateway, Tenant, Vendors, destination, key_of

EXAMPLES = 6
CONFIGURATION = """
[checks]
# What is well-formed may still be refused: an unknown destination, a list that is held by nobody.
positive_data_acceptance.enabled = false

[[operations]]
# A faulty contact rejects its row, never the request: what breaks the contact's schema is no 400.
include-path = ["/v1/contact-lists", "/v1/contact-lists/{list_id}/contacts", "/v1/preview", "/v1/routes/explain"]
checks.negative_data_rejection.enabled = false
"""
ONE_PASSTHROUGH_IS_ENOUGH = ("passthrough_post", "passthrough_put", "passthrough_delete", "passthrough_patch")


async def test_whatever_is_sent_the_answers_are_as_the_openapi_document_says(
    vendors: Vendors, open_gateway: OpenGateway, tmp_path: Path
) -> None:
    tenant = Tenant({name: destination(one) for name, one in vendors.items()}, [{"to": ["velip"]}])
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION, encoding="utf-8")
    async with open_gateway({"acme": tenant}) as gateway:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/openapi.json"]
        command += ["--header", f"Authorization: Bearer {key_of('acme')}", "--request-timeout", "20"]
        command += ["--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES), "--generation-deterministic"]
        command += ["--no-color", "--workers", "1", "--continue-on-failure"]
        command += [text for name in ONE_PASSTHROUGH_IS_ENOUGH for text in ("--exclude-operation-id", name)]
        done = await anyio.run_process(
            command, check=False, stderr=subprocess.STDOUT, cwd=tmp_path, env={**os.environ, "NO_PROXY": "127.0.0.1"}
        )
    assert done.returncode == 0, done.stdout.decode()[-20_000:]
