"""A long list through the gateway's stages, one after the other, in this process: `python -m ... VENDOR FILE SINK`.

SINK is the address of a server that reads what it is sent and says how many bytes it was.

Tells the seconds of each stage and the peak of resident memory as one line of JSON.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from gateway import bookkeeping as books
from gateway import memory
from gateway.bookkeeping import Filling
from gateway.canonical import Contact, ListHead, Outcome
from gateway.encoding import encode
from gateway.ingest import Normaliser, collect, open_csv
from gateway.planning import Draft, draft
from gateway.previewing import rehearsed
from gateway.registry import load
from gateway.settings import Destination
from gateway.store import chunk_writing, chunks, lists, schema
from gateway.store.chunks import Mark, Place
from gateway.store.database import Database
from gateway.transport import Transport

LIST, DELIVERY = "cl_bench", "dl_bench"
REGIONS = {"exotel": "IN"}
REJECTED = Place(rest=Mark(Outcome.REJECTED), is_row=True)


class Clock:
    """Processor seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        begin = time.process_time()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - begin


def destination_of(vendor: str) -> Destination:
    """The vendor as its simulator is set up."""
    known = load(entry_points=False)
    adapter = known.adapters[vendor]
    options = adapter.options.model_validate(known.simulators[vendor].create().options)
    return Destination("bench", vendor, adapter, "http://127.0.0.1", None, options, adapter.limits)


def run(vendor: str, path: Path, sink: str) -> dict[str, object]:
    memory.share()
    memory.settle()
    clock, destination = Clock(), destination_of(vendor)
    with clock.of("decode and parse"), path.open("rb") as file:
        rows = sum(map(len, open_csv(file).blocks()))
    with clock.of("validate and normalise"), path.open("rb") as file:
        intake = collect(open_csv(file), Normaliser(REGIONS.get(vendor, "BR")), ListHead(name="x").duplicates)
    clock.seconds["validate and normalise"] -= clock.seconds["decode and parse"]
    head = ListHead(name="Benchmark", destination=vendor)
    with clock.of("plan"):
        planned = draft(destination, (), head, intake.profile(), datetime.now(UTC))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        database.call(schema.metadata.create_all)
        database.call(lists.add_list, LIST, "bench", head, planned.profile, None, staged=False)
        writer = chunk_writing.Writer(LIST, "op_bench", 1, 1)
        filling = Filling(writer, planned, DELIVERY)
        with clock.of("examine and lay out"):
            for outcome, items in intake.runs():
                if outcome is Outcome.PENDING:
                    filling.put_all(cast("Sequence[Contact]", items))
                else:
                    writer.add_all(REJECTED, items)
                if len(writer.rows) >= books.BLOCK:
                    _write(clock, database, writer)
            writer.finish()
            _write(clock, database, writer)
        clock.seconds["examine and lay out"] -= clock.seconds["store"]
        with clock.of("read back"):
            for _, _, people in _batches(database):
                for _ in people:
                    pass
        with clock.of("translate"):
            size = asyncio.run(_translate(clock, database, planned, head, sink))
        clock.seconds["translate"] -= clock.seconds["read back"] + clock.seconds["send"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"rows": rows, "stages": clock.seconds, "peak": peak, "bytes": size}


def _write(clock: Clock, database: Database, writer: chunk_writing.Writer) -> None:
    with clock.of("store"):
        database.call(lambda connection: chunk_writing.add(connection, writer.take()))


def _batches(database: Database) -> Iterator[tuple[int, int, books.StoredContacts]]:
    for part, batch, _ in database.call(chunks.batches_of, DELIVERY):
        numbers, length, _ = database.call(books.batch_of, DELIVERY, part, batch)
        yield part, batch, books.StoredContacts(database, LIST, numbers, length)


async def _translate(clock: Clock, database: Database, planned: Draft, head: ListHead, sink: str) -> int:
    """The bytes of all requests, each sent as soon as it is made."""
    size, transport = 0, Transport()
    for _, request in rehearsed(planned, head, _batches(database)):
        encoded = encode(request)
        length = encoded.content.length if encoded.content is not None else 0
        with clock.of("send"):
            reply = await transport.send(sink, encoded, [], 60.0)
        assert json.loads(reply.body) == {"bytes": length}, "the vendor read something else"
        size += length
        encoded.close()
    await transport.close()
    return size


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], Path(sys.argv[2]), sys.argv[3])))
