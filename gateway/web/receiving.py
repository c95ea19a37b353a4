"""Receiving a body: in memory while short, into the database piece by piece when it is a long file.

A body may take `upload_timeout` seconds, and longer as long as it comes at a fair rate.
"""

import asyncio
import hashlib
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO

from gateway.store import uploads
from gateway.store.database import Database, new_id
from gateway.store.uploads import PIECE, open_upload

MEMORY = 1 << 20
"""Bytes up to which a file is answered at once; a longer one is stored first, and read by an operation."""
FAIR_RATE = 64 << 10
"""Bytes a second that a body must have on average beyond its first seconds."""


@dataclass(frozen=True, slots=True)
class Received:
    """A whole body. `file` is for threads other than the database's; `upload` is where a long one is stored."""

    file: IO[bytes]
    digest: str
    upload: str = ""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Receives one body. `spill`: what is long goes into the database."""

    database: Database
    owner: str
    seconds: float
    spill: bool

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[Callable[[AsyncGenerator[bytes, None]], AsyncGenerator[bytes, None]]]:
        """Raises TimeoutError when what goes through is too slow."""
        start = asyncio.get_running_loop().time() + self.seconds
        async with asyncio.timeout_at(start) as deadline:

            async def through(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
                size = 0
                async for chunk in chunks:
                    size += len(chunk)
                    deadline.reschedule(start + size / FAIR_RATE)
                    yield chunk

            yield through

    async def receive(self, chunks: AsyncGenerator[bytes, None]) -> Received:
        """The whole body; nothing of it is kept when it breaks off."""
        digest, held = hashlib.sha256(), bytearray()
        upload, no = "", 0
        try:
            async with self.in_time() as through:
                async for chunk in through(chunks):
                    digest.update(chunk)
                    held += chunk
                    if self.spill and (len(held) >= PIECE or (not upload and len(held) > MEMORY)):
                        upload = upload or new_id("up")
                        while len(held) >= PIECE:
                            await self._keep(upload, no, bytes(held[:PIECE]))
                            del held[:PIECE]
                            no += 1
            if not upload:
                return Received(io.BytesIO(held), digest.hexdigest())
            await self._keep(upload, no, bytes(held))
            file = await asyncio.to_thread(open_upload, self.database, upload)
            return Received(file, digest.hexdigest(), upload)
        except BaseException:
            if upload:
                await self.database.run(uploads.discard, upload)
            raise

    async def _keep(self, upload: str, no: int, piece: bytes) -> None:
        await self.database.run(uploads.add_piece, upload, no, self.owner, piece)


async def discard(database: Database, received: Received) -> None:
    """Throw an upload away that nobody will read."""
    if received.upload:
        await database.run(uploads.discard, received.upload)
