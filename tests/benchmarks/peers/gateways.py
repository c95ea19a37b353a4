"""The peers of small calls. Each answers from what it was asked: the name, and the number of contacts taken."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.loading import Make, post
from tests.benchmarks.machine import Running, start
from tests.benchmarks.peers import installing

JSON = {"content-type": "application/json"}
KEY = "benchmark-key"
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def contacts(number: int, first: int) -> list[dict[str, Any]]:
    """People of ten fields, no two of one run with the same number."""
    return [
        {
            "phone": f"+55119{place:08d}",
            "id": f"ID-{place}",
            "first_name": "Ana",
            "last_name": "Silva",
            "company": "Acme SA",
            "email": f"ana{place}@example.com",
            "attributes": {"city": "Santos", "plan": "gold", "amount": "97", "note": "hello there"},
        }
        for place in range(first, first + number)
    ]


def canonical(port: int, number: int, headers: Callable[[int], Mapping[str, str]] = lambda _: {}) -> Make:
    """`POST /v1/contact-lists`, and the list with its counts as the answer."""

    def make(no: int) -> tuple[bytes, Callable[[int, bytes], bool]]:
        name = f"list-{no}"
        said = {"name": name, "destination": "velip", "contacts": contacts(number, no * number % 90_000_000)}

        def judge(status: int, body: bytes) -> bool:
            if status != 201:
                return False
            answer = _decode(body)
            return bool(answer["name"] == name and answer["counts"]["accepted"] == number)

        return post(port, "/v1/contact-lists", {**JSON, **headers(no)}, _encode(said)), judge

    return make


def velip(port: int, number: int) -> Make:
    """The vendor's own request, as the gateway would send it."""

    def make(no: int) -> tuple[bytes, Callable[[int, bytes], bool]]:
        records = [
            {"phone": one["phone"][1:], "name": "Ana Silva", "cod_cli": one["id"], "extra1": "Santos", "extra2": "gold"}
            for one in contacts(number, no * number % 90_000_000)
        ]
        body = _encode({"tsid": "token", "name": f"list-{no}", "ctid": f"k{no}", "datajson": records})

        def judge(status: int, answer: bytes) -> bool:
            return status == 200 and bool(_decode(answer)["return"]["num_dest"] == str(number))

        return post(port, "/CreateDestinationBase.php", JSON, body), judge

    return make


def chat(port: int, path: str, headers: Mapping[str, str], model: str) -> Callable[[int], Make]:
    """A chat in OpenAI's shape, which the peer translates to Anthropic's and back; as long as a list would be."""

    def of_size(number: int) -> Make:
        def make(no: int) -> tuple[bytes, Callable[[int, bytes], bool]]:
            word = f"word-{no}"
            text = word + " " + _encode(contacts(number, no * number % 90_000_000)).decode()
            said = {"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": text}]}

            def judge(status: int, body: bytes) -> bool:
                return status == 200 and bool(_decode(body)["choices"][0]["message"]["content"] == word)

            return post(port, path, {**JSON, **headers}, _encode(said)), judge

        return make

    return of_size


@dataclass(frozen=True, slots=True)
class Started:
    running: Running
    make: Callable[[int], Make]


@dataclass(frozen=True, slots=True)
class Peer:
    """`start(folder, port, upstream, cores)` brings it up; `installing.Missing` when it cannot be had here."""

    name: str
    what: str
    start: Callable[[Path, int, int, Sequence[int]], Any]


async def _bare(client: str, folder: Path, port: int, upstream: int, cores: Sequence[int]) -> Started:
    command = [sys.executable, "-m", "tests.benchmarks.peers.bare", client, str(port), str(upstream)]
    running = await start(command, port, cores, folder / f"bare-{client}.log")
    return Started(running, lambda number: canonical(port, number))


async def bare_aiohttp(folder: Path, port: int, upstream: int, cores: Sequence[int]) -> Started:
    return await _bare("aiohttp", folder, port, upstream, cores)


async def bare_httpx(folder: Path, port: int, upstream: int, cores: Sequence[int]) -> Started:
    return await _bare("httpx", folder, port, upstream, cores)


NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; client_body_buffer_size 256k; keepalive_requests 1000000;
  upstream there {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://there; proxy_http_version 1.1; proxy_set_header Connection ""; {more} }}
  }}
}}
"""


async def nginx(folder: Path, port: int, upstream: int, cores: Sequence[int]) -> Started:
    binary = installing.nginx()
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, upstream=upstream, port=port, more=""))
    command = [str(binary), "-c", str(path), "-e", str(folder / "nginx-error.log")]
    return Started(await start(command, port, cores, folder / "nginx.log"), lambda number: velip(port, number))


async def portkey(folder: Path, port: int, upstream: int, cores: Sequence[int], *, patient: bool = False) -> Started:
    script = installing.portkey()
    command = ["node", str(script), f"--port={port}", "--headless"]
    running = await start(command, port, cores, folder / "portkey.log", {"NODE_ENV": "production"})
    headers = {
        "x-portkey-provider": "anthropic",
        "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1",
        "authorization": "Bearer key",
    }
    if patient:
        headers["x-portkey-config"] = '{"retry": {"attempts": 3}, "request_timeout": 1000}'
    return Started(running, chat(port, "/v1/chat/completions", headers, "claude-3-5-haiku-latest"))


LITELLM = """
model_list:
  - model_name: measured
    litellm_params: {{model: anthropic/claude-3-5-haiku-latest, api_base: "http://127.0.0.1:{upstream}", api_key: key}}
litellm_settings: {{num_retries: {retries}, telemetry: false, request_timeout: {timeout}}}
"""


async def litellm(folder: Path, port: int, upstream: int, cores: Sequence[int], *, patient: bool = False) -> Started:
    commands = installing.environment("litellm", [installing.LITELLM])
    path = folder / "litellm.yaml"
    path.write_text(LITELLM.format(upstream=upstream, retries=3 if patient else 0, timeout=1 if patient else 600))
    command = [str(commands / "litellm"), "--config", str(path), "--port", str(port), "--host", "127.0.0.1"]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": f"sk-{KEY}"}
    running = await start(command, port, cores, folder / "litellm.log", env)
    return Started(running, chat(port, "/v1/chat/completions", {"authorization": f"Bearer sk-{KEY}"}, "measured"))


GATEWAY = """
[server]
port = {port}
database = "{database}"
log_level = "error"

[tenants.bench]
api_keys = ["file:api_key"]
default_region = "BR"

[tenants.bench.destinations.velip]
adapter = "velip"
base_url = "http://127.0.0.1:{upstream}"
credentials = {{ tsid = "file:tsid" }}
limits = {{ requests_per_minute = 10000000, concurrency = 1000, visibility_delay = {delay}, timeout = {timeout} }}
"""


async def gateway(folder: Path, port: int, upstream: int, cores: Sequence[int], *, patient: bool = False) -> Started:
    delay, timeout = (0.2, 1.0) if patient else (1.0, 30.0)
    home = folder / f"gateway-{port}"
    home.mkdir()
    for name, text in (("api_key", KEY), ("tsid", "sandbox-token-0001")):
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    path = home / "gateway.toml"
    path.write_text(
        GATEWAY.format(port=port, database="sqlite:///gateway.db", upstream=upstream, delay=delay, timeout=timeout)
    )
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(path)]
    running = await start(command, port, cores, folder / "gateway.log")

    def headers(no: int) -> Mapping[str, str]:
        return {"authorization": f"Bearer {KEY}", "idempotency-key": f'"{port}-{no}"', "prefer": "wait=30"}

    return Started(running, lambda number: canonical(port, number, headers))


PEERS = (
    Peer("gateway", "this project: validated, stored, keyed, every attempt recorded before and after", gateway),
    Peer("bare aiohttp", "starlette + aiohttp, translate and forward: the floor", bare_aiohttp),
    Peer("bare httpx", "starlette + httpx, translate and forward", bare_httpx),
    Peer("nginx", "a plain proxy of the vendor's own request", nginx),
    Peer("Portkey", f"{installing.PORTKEY}: a chat from OpenAI's shape to Anthropic's", portkey),
    Peer("LiteLLM", f"{installing.LITELLM}: a chat from OpenAI's shape to Anthropic's", litellm),
)
