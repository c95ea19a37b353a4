"""The four input modes of CreateDestinationBase as request bodies. Files are made chunk by chunk."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from adapters.toolkit.csv_rows import csv_chunks
from adapters.velip.fidelity import list_name
from adapters.velip.mapping import Column, columns, to_records, to_rows
from adapters.velip.settings import Mode, Options
from adapters.velip.wire import Endpoint, ListFields, Record
from gateway.contract import Batch, Body, Contacts, Credential, File, Form, Job, Json, Multipart, Request, WireOut
from gateway.contract.requests import Pairs

_TSID: Final = Credential("tsid")
_CHUNK_ROWS: Final = 1_000
_BETWEEN: Final = re.compile(r'"},{"(?=[a-z])')
"""Stands between two records of text and nowhere inside: a letter follows on no quote that ends a text."""
_ascii: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def call(endpoint: Endpoint, options: Options, body: Body) -> Request:
    """A request to an endpoint. The token goes in header and body, and never into the address, where it would win."""
    return Request("POST", f"/{endpoint.value}{options.suffix}", body=body)


def question(endpoint: Endpoint, options: Options, said: WireOut | None = None) -> Request:
    """A small JSON request."""
    fields = said.model_dump(exclude_none=True) if said else {}
    return call(endpoint, options, Json({"tsid": _TSID, **fields}))


def creation(job: Job[Options], batch: Batch) -> tuple[ListFields, Request]:
    """The request that makes the list with all its contacts, and the name and key that it gives the list."""
    options, people = job.options, batch.contacts
    mode = options.mode_for(max(len(people), job.profile.count))
    name, _ = list_name(job.head, options, mode)
    fields = ListFields(name=name + (f" {job.part}/{job.parts}" if job.parts > 1 else ""), ctid=job.key)
    upload = _Upload(fields, people, columns(options, job.profile.attributes), batch.boundary, options.csv_encoding)
    return fields, call(Endpoint.CREATE, options, _BODIES[mode](upload))


@dataclass(frozen=True, slots=True)
class _Upload:
    """A list on its way into a body. `charset` is that of CSV files."""

    fields: ListFields
    people: Contacts
    table: tuple[Column, ...]
    boundary: str
    charset: str

    def records(self) -> Iterator[Record]:
        return to_records(self.people, self.table)

    def json(self) -> Body:
        return Json({"tsid": _TSID, **self.fields.model_dump(), "datajson": list(self.records())})

    def form(self) -> Body:
        """`datajson` as one string with `\\u` escapes: the same bytes in ISO-8859-1, as Velip reads it, and UTF-8."""
        return Form((*self._pairs(), ("datajson", _ascii(list(self.records())))))

    def csv_file(self) -> Body:
        def chunks() -> Iterator[bytes]:
            rows = to_rows(self.people, self.table)
            return csv_chunks([column.key for column in self.table], rows, encoding=self.charset)

        return self._file("csv", "text/csv", chunks)

    def json_file(self) -> Body:
        """The records as a `.json` file with `\\u` escapes, since Velip does not document the charset of files."""
        return self._file("json", "application/json", lambda: _array(self.records()))

    def _file(self, extension: str, content_type: str, chunks: Callable[[], Iterable[bytes]]) -> Body:
        file = File("file", f"{self.fields.ctid}.{extension}", content_type, chunks)
        return Multipart(self.boundary, self._pairs(), (file,))

    def _pairs(self) -> Pairs:
        return (("tsid", _TSID), ("name", self.fields.name), ("ctid", self.fields.ctid))


_BODIES: Final[dict[Mode, Callable[[_Upload], Body]]] = {
    Mode.JSON: _Upload.json,
    Mode.FORM: _Upload.form,
    Mode.CSV: _Upload.csv_file,
    Mode.JSON_FILE: _Upload.json_file,
}


def _array(records: Iterable[Record]) -> Iterator[bytes]:
    """A JSON array in ASCII, one record a line, a thousand records a chunk."""
    remaining = iter(records)
    yield b"["
    lead = "\n"
    while some := list(islice(remaining, _CHUNK_ROWS)):
        lines = _BETWEEN.sub('"},\n{"', _ascii(some)[1:-1])
        yield (lead + lines).encode("ascii")
        lead = ",\n"
    yield b"\n]"
