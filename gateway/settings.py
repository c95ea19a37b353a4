"""The configuration file: read, checked against the adapters, every fault named by file, key and reason."""

import ipaddress
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from gateway import secret_refs
from gateway.canonical.lists import Region
from gateway.contract import AnyAdapter, Limits, Settings
from gateway.migrating.keys import seed_of

DEFAULT_PATH = "config/gateway.toml"
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Server(_Section):
    """`[server]`. Sizes in MiB, times in seconds."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535)
    database: str = Field("sqlite:///gateway.db", description="`sqlite:///PATH` or `postgresql://USER@HOST/NAME`")
    operator_key: str | None = Field(None, description="reference to the key that opens /metrics from elsewhere")
    signing_key: str | None = Field(None, description="reference to the Ed25519 key (PEM) that signs certificates")
    max_contacts: int = Field(5_000, ge=1, le=100_000, description="contacts in one request")
    max_body: int = Field(32, ge=1, le=4_096, description="MiB of one request body")
    max_upload: int = Field(4_096, ge=1, le=1_048_576, description="MiB of one CSV, NDJSON or XLSX upload")
    upload_timeout: float = Field(60.0, gt=0, description="how long a body may take to arrive")
    wait: float = Field(5.0, ge=0, le=300, description="how long a call waits for its work before it answers 202")
    budget: float = Field(120.0, gt=0, description="how long one batch may go on being tried")
    settle: float = Field(900.0, gt=0, description="how long queued contacts are watched until they are unknown")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="logs are JSON lines on stderr")


class Retention(_Section):
    """`[retention]`. Days that each kind of data is kept after its last change; absent: for ever."""

    contacts: int | None = Field(None, ge=1, description="names, numbers and cells of settled lists; counts stay")
    lists: int | None = Field(None, ge=1, description="whole settled or deleted lists, counts and all")
    attempts: int | None = Field(None, ge=1, description="vendor requests of settled lists, with replies and details")
    operations: int | None = Field(None, ge=1, description="operations that ended; a list keeps the last of each kind")
    idempotency: int = Field(30, ge=1, description="idempotency keys: a key that comes later is a new one")
    audit: int | None = Field(None, ge=1, description="audited calls and erasures")


class LimitsIn(_Section):
    """`limits` of a destination; what is absent comes from the adapter's data."""

    requests_per_minute: int | None = Field(None, ge=1, description="in any sixty seconds")
    concurrency: int | None = Field(None, ge=1, le=1_000, description="requests at once")
    page_size: int | None = Field(None, ge=1, description="rows asked for when reading back")
    batch_size: int | None = Field(None, ge=1, description="contacts of one vendor request")
    contacts_per_list: int | None = Field(None, ge=1, description="contacts of one remote list")
    visibility_delay: float | None = Field(None, ge=0, description="how long a new list may stay hidden from look-ups")
    timeout: float | None = Field(None, gt=0, description="for one request, whole")


class DestinationIn(_Section):
    adapter: str = Field(description="name of the adapter; `gateway vendors` lists them")
    base_url: str = Field(description="the vendor's address for this account")
    credentials: dict[str, str] = Field(default_factory=dict, description="references to secrets")
    options: dict[str, Any] = Field(default_factory=dict, description="the adapter's own options")
    limits: LimitsIn = Field(LimitsIn(), description="overrides of the adapter's limits")
    allow_insecure: bool = Field(False, description="let `http://` leave this machine")


class When(_Section):
    """The condition of a route; all that is given must hold."""

    channel: str | list[str] | None = Field(None, description="of the list")
    country: list[Region] | None = Field(None, description="of the contact's number, ISO 3166")
    tag: str | list[str] | None = Field(None, description="of the contact")
    reference: str | None = Field(None, description="of the list; a glob, such as `crm-*`")
    min_contacts: int | None = Field(None, ge=0, description="of the list")
    max_contacts: int | None = Field(None, ge=0, description="of the list")
    percent: float | None = Field(None, ge=0, le=100, description="of all numbers, always the same ones")


class RouteIn(_Section):
    when: When = Field(When(), description="the condition; absent: every contact")
    to: list[str] = Field(min_length=1, description="a destination and its fallbacks")


class TenantIn(_Section):
    api_keys: list[str] = Field(default_factory=list, description="references, or `sha256:<hex of the key>`")
    default_region: Region | None = Field(None, description="country of national numbers, ISO 3166")
    destinations: dict[Name, DestinationIn] = Field(default_factory=dict)
    routes: list[RouteIn] = Field(default_factory=list)


class _File(_Section):
    server: Server = Server()
    retention: Retention = Retention()
    tenants: dict[Name, TenantIn] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Destination:
    """One configured account of a tenant at a vendor. `credentials` is None when loaded without secrets."""

    tenant: str
    name: str
    adapter: AnyAdapter
    base_url: str
    credentials: Settings | None
    options: Settings
    limits: Limits


@dataclass(frozen=True, slots=True)
class Tenant:
    name: str
    default_region: str | None
    destinations: Mapping[str, Destination]
    routes: tuple[RouteIn, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration. `keys` maps the SHA-256 of an API key to its tenant's name; `signing_key` is PEM."""

    path: Path
    server: Server
    tenants: Mapping[str, Tenant]
    keys: Mapping[bytes, str]
    operator_key: bytes | None
    retention: Retention = field(default_factory=Retention)
    signing_key: SecretStr | None = None

    @property
    def database(self) -> str:
        """The database URL, with a relative SQLite path starting at the file's folder."""
        prefix = "sqlite:///"
        url = self.server.database
        if url.startswith(prefix) and not url.startswith(prefix + "/") and ":memory:" not in url:
            return prefix + str((self.path.parent / url[len(prefix) :]).resolve())
        return url


@dataclass(frozen=True, slots=True)
class ConfigFault:
    """One thing wrong with the file: where and why."""

    file: str
    key: str
    why: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.why}" if self.key else f"{self.file}: {self.why}"


class ConfigError(Exception):
    """The file cannot be used; every fault that was found."""

    def __init__(self, faults: Iterable[ConfigFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def find(path: str | None) -> Path:
    """The configuration file: the given path, else `GATEWAY_CONFIG`, else `config/gateway.toml`."""
    return Path(path or os.environ.get("GATEWAY_CONFIG") or DEFAULT_PATH)


def load(path: Path, adapters: Mapping[str, AnyAdapter], *, secrets: bool = True) -> Config:
    """Read and check the file. With `secrets=False` no reference is followed: enough for a preview."""
    return _Checker(path, adapters, secrets).check()


class _Checker:
    def __init__(self, path: Path, adapters: Mapping[str, AnyAdapter], secrets: bool) -> None:
        self.path, self.adapters, self.secrets = path, adapters, secrets
        self.faults: list[ConfigFault] = []

    def fault(self, key: str, why: str) -> None:
        self.faults.append(ConfigFault(str(self.path), key, why))

    def check(self) -> Config:
        file = self._read()
        keys: dict[bytes, str] = {}
        tenants = {name: self._tenant(name, tenant, keys) for name, tenant in file.tenants.items()}
        operator_key = None
        if file.server.operator_key is not None and self.secrets:
            operator_key = self._digest("server.operator_key", file.server.operator_key)
        signing_key = self._signing_key(file.server.signing_key)
        if not file.server.database.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            self.fault("server.database", "must be sqlite:///PATH or postgresql://USER@HOST/NAME")
        if self.faults:
            raise ConfigError(self.faults)
        return Config(self.path, file.server, tenants, keys, operator_key, file.retention, signing_key)

    def _read(self) -> _File:
        try:
            data = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self.fault("", "no such file; copy config/gateway.toml or name one with --config")
        except (OSError, UnicodeDecodeError) as error:
            self.fault("", f"cannot be read ({type(error).__name__})")
        except tomllib.TOMLDecodeError as error:
            self.fault("", f"is not valid TOML: {error}")
        else:
            try:
                return _File.model_validate(data)
            except ValidationError as error:
                self._add(error, "")
        raise ConfigError(self.faults)

    def _add(self, error: ValidationError, prefix: str) -> None:
        for key, why in explain(error):
            self.fault(".".join(filter(None, (prefix, key))), why)

    def _tenant(self, name: str, given: TenantIn, keys: dict[bytes, str]) -> Tenant:
        at = f"tenants.{name}"
        if self.secrets:
            for place, reference in enumerate(given.api_keys):
                digest = self._digest(f"{at}.api_keys[{place}]", reference)
                if digest is not None and keys.setdefault(digest, name) != name:
                    self.fault(f"{at}.api_keys[{place}]", f"is also a key of the tenant {keys[digest]}")
        destinations = {}
        for label, one in given.destinations.items():
            destination = self._destination(name, label, one)
            if destination is not None:
                destinations[label] = destination
        for place, route in enumerate(given.routes):
            for target in route.to:
                if target not in given.destinations:
                    self.fault(f"{at}.routes[{place}].to", f"{target} is not a destination of this tenant")
        return Tenant(name, given.default_region, destinations, tuple(given.routes))

    def _digest(self, key: str, reference: str) -> bytes | None:
        try:
            return secret_refs.key_digest(reference, self.path.parent)
        except secret_refs.SecretMissing as error:
            self.fault(key, str(error))
            return None

    def _signing_key(self, reference: str | None) -> SecretStr | None:
        if reference is None or not self.secrets:
            return None
        try:
            pem = secret_refs.resolve(reference, self.path.parent)
            seed_of(pem)
        except (secret_refs.SecretMissing, ValueError) as error:
            self.fault("server.signing_key", str(error))
            return None
        return SecretStr(pem)

    def _destination(self, tenant: str, name: str, given: DestinationIn) -> Destination | None:
        at = f"tenants.{tenant}.destinations.{name}"
        adapter = self.adapters.get(given.adapter)
        why = url_fault(given.base_url, given.allow_insecure)
        if why:
            self.fault(f"{at}.base_url", why)
        if adapter is None:
            self.fault(f"{at}.adapter", f"no adapter {given.adapter}; there are {', '.join(self.adapters)}")
            return None
        overrides = given.limits.model_dump(exclude_none=True)
        # An option with the name of a limit (a page size that the adapter itself reads by) follows the limit.
        shared = {name: value for name, value in overrides.items() if name in adapter.options.model_fields}
        options = self._model(f"{at}.options", adapter.options, {**shared, **given.options})
        credentials = self._credentials(f"{at}.credentials", adapter, given.credentials)
        if options is None:
            return None
        return Destination(
            tenant,
            name,
            adapter,
            given.base_url.rstrip("/"),
            credentials,
            options,
            replace(adapter.limits, **overrides),
        )

    def _credentials(self, at: str, adapter: AnyAdapter, given: Mapping[str, str]) -> Settings | None:
        values: dict[str, str] = {}
        for name in given.keys() - adapter.credentials.model_fields.keys():
            known = ", ".join(adapter.credentials.model_fields)
            self.fault(f"{at}.{name}", f"{adapter.name} has no such credential; it takes {known}")
        for name in given.keys() & adapter.credentials.model_fields.keys():
            if not self.secrets:
                continue
            try:
                values[name] = secret_refs.resolve(given[name], self.path.parent)
            except secret_refs.SecretMissing as error:
                self.fault(f"{at}.{name}", str(error))
        if not self.secrets or values.keys() != given.keys():
            return None
        return self._model(at, adapter.credentials, values)

    def _model(self, at: str, model: type[Settings], values: Mapping[str, Any]) -> Settings | None:
        try:
            return model.model_validate(values)
        except ValidationError as error:
            self._add(error, at)
            return None


def url_fault(url: str, allow_insecure: bool) -> str | None:
    """Why this cannot be a base URL; None when it can."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be https://HOST[/PATH]"
    if parts.username or parts.password or parts.query or parts.fragment:
        return "must hold neither credentials nor a query nor a fragment"
    if parts.scheme == "http" and not allow_insecure and not _loopback(host):
        return "must be https:// (http:// only to loopback, or with allow_insecure = true)"
    return None


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def explain(error: ValidationError) -> Iterator[tuple[str, str]]:
    """The faults of a pydantic error as (dotted key, reason), without the values that were given."""
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        key = ""
        for part in one["loc"]:
            key += f"[{part}]" if isinstance(part, int) else ("." if key else "") + str(part)
        yield key, REASONS.get(one["type"], one["msg"].removeprefix("Value error, "))


REASONS: Mapping[str, str] = {"extra_forbidden": "is not a known key", "missing": "is required"}
