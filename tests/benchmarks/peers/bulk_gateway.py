"""A long list through the gateway's stages, one after the other, in this process: `python -m ... VENDOR FILE`.

Tells the seconds of each stage and the peak of resident memory as one line of JSON.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway import bookkeeping as books
from gateway.bookkeeping import Filling
from gateway.canonical import ListHead
from gateway.encoding import encode
from gateway.ingest import Normaliser, ProfileBuilder, collect, open_csv
from gateway.planning import Draft, draft
from gateway.previewing import rehearsed
from gateway.registry import load
from gateway.settings import Destination
from gateway.store import chunk_writing, chunks, lists, schema
from gateway.store.database import Database

LIST, DELIVERY = "cl_bench", "dl_bench"
REGIONS = {"exotel": "IN"}


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


def run(vendor: str, path: Path) -> dict[str, object]:
    clock, destination = Clock(), destination_of(vendor)
    with clock.of("decode and parse"), path.open("rb") as file:
        rows = sum(1 for _ in open_csv(file))
    with clock.of("validate and normalise"), path.open("rb") as file:
        intake = collect(open_csv(file), Normaliser(REGIONS.get(vendor, "BR")), ListHead(name="x").duplicates)
    clock.seconds["validate and normalise"] -= clock.seconds["decode and parse"]
    head = ListHead(name="Benchmark", destination=vendor)
    with clock.of("plan"):
        builder = ProfileBuilder()
        for contact in intake.contacts():
            builder.add(contact)
        planned = draft(destination, (), head, builder.profile(), datetime.now(UTC))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        database.call(schema.metadata.create_all)
        database.call(lists.add_list, LIST, "bench", head, planned.profile, None, staged=False)
        writer = chunk_writing.Writer(LIST, "op_bench", 1, 1)
        filling = Filling(writer, planned, DELIVERY)
        with clock.of("examine and lay out"):
            for contact in intake.contacts():
                filling.put(contact)
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
            size = _translate(database, planned, head)
        clock.seconds["translate"] -= clock.seconds["read back"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"rows": rows, "stages": clock.seconds, "peak": peak, "bytes": size}


def _write(clock: Clock, database: Database, writer: chunk_writing.Writer) -> None:
    with clock.of("store"):
        database.call(lambda connection: chunk_writing.add(connection, writer.take()))


def _batches(database: Database) -> Iterator[tuple[int, int, books.StoredContacts]]:
    for part, batch, _ in database.call(chunks.batches_of, DELIVERY):
        found = database.call(chunks.numbers_of, chunks.place_in(DELIVERY, part, batch))
        numbers = [no for _, no in found]
        yield part, batch, books.StoredContacts(database, LIST, numbers, _length(database, numbers))


def _length(database: Database, numbers: list[int]) -> int:
    return sum(len(database.call(chunks.load, LIST, no).items) for no in (numbers[-1:])) + chunks.SIZE * (
        len(numbers) - 1
    )


def _translate(database: Database, planned: Draft, head: ListHead) -> int:
    size = 0
    for _, request in rehearsed(planned, head, _batches(database)):
        encoded = encode(request)
        if encoded.content is not None:
            size += sum(map(len, encoded.content.chunks()))
        encoded.close()
    return size


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], Path(sys.argv[2]))))
