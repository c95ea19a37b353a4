"""The configuration file: every fault with file, key and reason."""

from pathlib import Path

import pytest

from gateway import settings
from gateway.registry import load
from gateway.settings import ConfigError

ADAPTERS = load(entry_points=False).adapters
GOOD = """
[tenants.acme]
api_keys = ["env:ACME_KEY", "sha256:{digest}"]
default_region = "BR"
[tenants.acme.destinations.velip-main]
adapter = "velip"
base_url = "https://vox.velip.example/api/v2/"
credentials = {{ tsid = "env:TSID" }}
limits = {{ requests_per_minute = 7, visibility_delay = 0.5 }}
[[tenants.acme.routes]]
when = {{ country = ["BR"], percent = 10 }}
to = ["velip-main"]
"""


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "key-of-acme")
    monkeypatch.setenv("TSID", "EXAMPLETOKEN30CHARS00000000000")
    monkeypatch.delenv("ABSENT", raising=False)


def write(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(ConfigError) as error:
        settings.load(path, ADAPTERS)
    return [str(fault).removeprefix(f"{path}: ") for fault in error.value.faults]


def test_a_good_file(tmp_path: Path) -> None:
    config = settings.load(write(tmp_path, GOOD.format(digest="ab" * 32)), ADAPTERS)
    destination = config.tenants["acme"].destinations["velip-main"]
    assert destination.base_url == "https://vox.velip.example/api/v2"
    assert (destination.limits.requests_per_minute, destination.limits.visibility_delay) == (7, 0.5)
    assert destination.limits.contacts_per_list == ADAPTERS["velip"].limits.contacts_per_list
    assert set(config.keys.values()) == {"acme"}
    assert len(config.keys) == 2
    assert "EXAMPLETOKEN" not in repr(config)
    assert config.database == f"sqlite:///{tmp_path.resolve() / 'gateway.db'}"


@pytest.mark.parametrize(("options", "size"), [("", 400), ("page_size = 50, ", 50)])
def test_an_option_of_a_limit_s_name_follows_the_limit(tmp_path: Path, options: str, size: int) -> None:
    text = f"""
    [tenants.acme.destinations.in]
    adapter = "exotel"
    base_url = "https://api.in.exotel.example"
    options = {{ {options}account_sid = "acme1" }}
    limits = {{ page_size = 400 }}
    """
    destination = settings.load(write(tmp_path, text), ADAPTERS, secrets=False).tenants["acme"].destinations["in"]
    assert (destination.limits.page_size, destination.options.page_size) == (400, size)  # type: ignore[attr-defined]


def test_without_secrets_nothing_is_resolved(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.format(digest="ab" * 32).replace("TSID", "ABSENT"))
    config = settings.load(path, ADAPTERS, secrets=False)
    assert config.tenants["acme"].destinations["velip-main"].credentials is None


def test_a_file_of_secrets_starts_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("FROMAFILE30CHARS00000000000000\n")
    path = write(tmp_path, GOOD.format(digest="ab" * 32).replace("env:TSID", "file:token"))
    credentials = settings.load(path, ADAPTERS).tenants["acme"].destinations["velip-main"].credentials
    assert credentials is not None
    assert credentials.tsid.get_secret_value() == "FROMAFILE30CHARS00000000000000"  # type: ignore[attr-defined]


PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    "-----END PRIVATE KEY-----\n"
)
"""The private key of RFC 8410, section 10.3."""


def test_the_key_that_signs_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "certificates.pem").write_text(PEM)
    monkeypatch.setenv("SIGNING", PEM)
    for reference in ("file:certificates.pem", "env:SIGNING"):
        path = write(tmp_path, f'[server]\nsigning_key = "{reference}"')
        config = settings.load(path, ADAPTERS)
        assert config.signing_key is not None
        assert config.signing_key.get_secret_value().strip() == PEM.strip()
        assert "MC4CAQ" not in f"{config!r} {config.signing_key}"
        assert settings.load(path, ADAPTERS, secrets=False).signing_key is None
    assert settings.load(write(tmp_path, ""), ADAPTERS).signing_key is None


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("file:absent.pem", "server.signing_key: the file absent.pem cannot be read (FileNotFoundError)"),
        ("env:ABSENT", "server.signing_key: the environment variable ABSENT is not set"),
        (PEM.replace("\n", ""), "server.signing_key: secrets are references, env:NAME or file:PATH, never values"),
        (
            "env:ACME_KEY",
            "server.signing_key: is not an Ed25519 private key in PEM form (PKCS#8, not encrypted); "
            "openssl genpkey -algorithm ed25519",
        ),
    ],
)
def test_a_signing_key_that_is_none(tmp_path: Path, reference: str, told: str) -> None:
    assert faults(tmp_path, f'[server]\nsigning_key = "{reference}"') == [told]


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = """
    [tenants.acme]
    api_keys = ["plain-text", "env:ABSENT", "sha256:zz"]
    [tenants.acme.destinations.one]
    adapter = "nobody"
    base_url = "http://vendor.example"
    [tenants.acme.destinations.two]
    adapter = "velip"
    base_url = "https://user:pass@vendor.example"
    credentials = { tsid = "file:absent", other = "env:TSID" }
    options = { mode = "fax" }
    [[tenants.acme.routes]]
    to = ["three"]
    """
    told = faults(tmp_path, text)
    starts = [
        "tenants.acme.api_keys[0]: secrets are references",
        "tenants.acme.api_keys[1]: the environment variable ABSENT is not set",
        "tenants.acme.api_keys[2]: sha256: must be followed by",
        "tenants.acme.destinations.one.base_url: must be https://",
        "tenants.acme.destinations.one.adapter: no adapter nobody; there are exotel, indigitall",
        "tenants.acme.destinations.two.base_url: must hold neither credentials",
        "tenants.acme.destinations.two.options.mode: ",
        "tenants.acme.destinations.two.credentials.other: velip has no such credential",
        "tenants.acme.destinations.two.credentials.tsid: the file absent cannot be read",
        "tenants.acme.routes[0].to: three is not a destination",
    ]
    assert [one for one in starts if not any(line.startswith(one) for line in told)] == []
    assert len(told) == len(starts), told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tenants", "is not valid TOML"),
        ("[server]\nprot = 1", "server.prot: is not a known key"),
        ("[server]\nport = 'x'", "server.port: "),
        ("[server]\nport = 99999", "server.port: "),
        ('[server]\ndatabase = "mysql://x"', "server.database: must be sqlite:///"),
        ("[[tenants.a.routes]]\nto = []", "tenants.a.routes[0].to: "),
        ('[[tenants.a.routes]]\nwhen = { country = ["Brazil"] }\nto = ["x"]', "tenants.a.routes[0].when.country[0]: "),
        (
            '[tenants.a]\napi_keys = ["env:ACME_KEY"]\n[tenants.b]\napi_keys = ["env:ACME_KEY"]',
            "tenants.b.api_keys[0]: is",
        ),
    ],
)
def test_a_single_fault(tmp_path: Path, text: str, told: str) -> None:
    (fault,) = [one for one in faults(tmp_path, text) if told in one] or [""]
    assert fault.startswith(told)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file; copy config"):
        settings.load(tmp_path / "absent.toml", ADAPTERS)


@pytest.mark.parametrize(
    ("url", "insecure", "good"),
    [
        ("https://api.example/v2", False, True),
        ("http://127.0.0.1:9000", False, True),
        ("http://[::1]:9000/x", False, True),
        ("http://localhost", False, True),
        ("http://api.example", False, False),
        ("http://api.example", True, True),
        ("http://127.0.0.1.example.com", False, False),
        ("ftp://api.example", True, False),
        ("https://api.example?x=1", False, False),
        ("https://", False, False),
        ("https://api.example:port", False, False),
    ],
)
def test_base_urls(url: str, insecure: bool, good: bool) -> None:
    assert (settings.url_fault(url, insecure) is None) is good
