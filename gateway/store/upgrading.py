"""The version of the tables: a new database is made as it is now, an older one is brought up to date, step by step.

What is up to date is recognised by one question. Alembic takes a second to import, so only an older database does it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from gateway.settings import ConfigError, ConfigFault
from gateway.store import retention, schema

VERSION: Final = "0003"
"""What this release works with."""
_FIRST: Final = "0001"
_PATIENCE: Final = 3_600_000
"""Milliseconds for another process to finish an upgrade on SQLite."""
_ORDINARY: Final = 10_000
_LOCK: Final = "contact-list-gateway upgrade"


class DatabaseTooNew(ConfigError):
    """A later release has changed the tables: this one could only damage them."""

    def __init__(self, found: str) -> None:
        self.found = found
        why = (
            f"its tables have the version {found}, this release works with {VERSION}: "
            "run the release that upgraded it, or restore the backup from before"
        )
        super().__init__([ConfigFault("the database", "", why)])


@dataclass(frozen=True, slots=True)
class Standing:
    """The version of the tables that are there; None: there are none yet."""

    version: str | None

    @property
    def up_to_date(self) -> bool:
        return self.version == VERSION


def prepare(engine: Engine) -> Standing:
    """Make the tables, or bring older ones up to date, all or nothing; how they stood before. Raises DatabaseTooNew.

    Of processes that start together one does it, and the others wait.
    """
    with engine.connect() as connection:
        _wait_at_most(connection, _PATIENCE)
        try:
            with connection.begin():
                return _prepare(connection)
        finally:
            _wait_at_most(connection, _ORDINARY)


def _wait_at_most(connection: Connection, milliseconds: int) -> None:
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.dbapi_connection
        driver.execute(f"PRAGMA busy_timeout = {milliseconds}")


def _prepare(connection: Connection) -> Standing:
    version = _stamped(connection)
    if version == VERSION:
        return Standing(version)
    if connection.dialect.name == "postgresql":  # SQLite's transactions begin with the write lock
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": _LOCK})
    before = standing(connection)
    if before.version is None:
        _make(connection)
    elif not before.up_to_date:
        _upgrade(connection, before.version)
    return before


def standing(connection: Connection) -> Standing:
    """Which version the tables have. Raises DatabaseTooNew."""
    version = _stamped(connection)
    if version is None:
        tables = inspect(connection).get_table_names()
        # the release before wrote no version down
        return Standing(_FIRST if "contacts" in tables and "lists" in tables else None)
    if version not in (_FIRST, "0002", VERSION):
        raise DatabaseTooNew(version)
    return Standing(version)


def _stamped(connection: Connection) -> str | None:
    try:
        with connection.begin_nested():
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except (OperationalError, ProgrammingError):  # no such table
        return None
    return None if found is None else str(found)


def _make(connection: Connection) -> None:
    schema.metadata.create_all(connection)
    for index in retention.INDEXES:
        index.create(connection, checkfirst=True)
    _stamp(connection, VERSION)


def _stamp(connection: Connection, version: str) -> None:
    connection.execute(
        text(
            "CREATE TABLE IF NOT EXISTS alembic_version"
            " (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:version)"), {"version": version})


def _upgrade(connection: Connection, version: str) -> None:
    from alembic import command
    from alembic.config import Config

    if _stamped(connection) is None:
        _stamp(connection, version)
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    command.upgrade(config, VERSION)
