"""Database URLs of the configuration, as the parts of the engine need them."""

from pathlib import Path

from sqlalchemy import make_url

POSTGRESQL = ("postgresql", "postgresql+psycopg")


def database_file(url: str) -> Path | None:
    """The file of a SQLite URL, None for PostgreSQL. ValueError for a database that no other process can open."""
    parsed = make_url(url)
    if parsed.drivername in POSTGRESQL:
        return None
    if parsed.get_backend_name() != "sqlite":
        raise ValueError(
            f"[server] database: {parsed.drivername} is not supported, use sqlite:///PATH or postgresql://"
        )
    if parsed.database in (None, "", ":memory:"):
        raise ValueError("[server] database: SQLite in memory cannot outlive the process, use sqlite:///PATH")
    return Path(str(parsed.database))


def libpq_url(url: str) -> str:
    """A PostgreSQL URL without the driver's name, which libpq does not know."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
