"""Schemathesis against the running gateway: whatever it sends, the answers are as `/openapi.json` says."""

import os
import subprocess
import sys
from pathlib import Path

import anyio

from tests.gateway.conftest import OpenGateway, Tenant, Vendors, destination, key_of

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)
EXAMPLES = 8


async def test_whatever_is_sent_the_answers_are_as_the_openapi_document_says(
    vendors: Vendors, open_gateway: OpenGateway, tmp_path: Path
) -> None:
    tenant = Tenant({name: destination(one) for name, one in vendors.items()}, [{"to": ["velip"]}])
    async with open_gateway({"acme": tenant}) as gateway:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/openapi.json"]
        command += ["--header", f"Authorization: Bearer {key_of('acme')}", "--checks", ",".join(CHECKS)]
        command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "118"]
        command += ["--generation-deterministic", "--no-color", "--workers", "2"]
        command += ["--request-timeout", "20", "--continue-on-failure"]
        done = await anyio.run_process(
            command, check=False, stderr=subprocess.STDOUT, cwd=tmp_path, env={**os.environ, "NO_PROXY": "127.0.0.1"}
        )
    assert done.returncode == 0, done.stdout.decode()[-20_000:]
