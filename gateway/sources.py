"""A file and how it is to be read, as a source of contacts; what is wrong with it as a problem for the caller."""

from collections.abc import Mapping
from typing import IO

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from gateway.ingest import Source, SourceError, open_csv, open_ndjson, open_xlsx
from gateway.problem import ErrorItem, Problem

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
FILES = ("text/csv", *NDJSON, XLSX)


class FileParameters(BaseModel):
    """Query parameters of a file (and, but for the list's own fields, of a multipart one)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = None
    reference: str | None = None
    destination: str | None = None
    channel: str | None = None
    default_region: str | None = None
    duplicates: str | None = None
    on_loss: str | None = None
    activation: str | None = Field(None, description="hold or start")
    mapping: str | None = Field(None, description='JSON: {"canonical field": "column"}')
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None
    sheet: str | None = Field(None, description="of an XLSX file with several")


def open_file(
    media_type: str, file: IO[bytes], parameters: FileParameters, usual: Mapping[str, str] | None = None
) -> Source:
    """The source in a file; what is wrong with it, and an unknown media type, are problems.

    `usual`: canonical fields and the columns of a CSV file where they usually stand.
    """
    try:
        if media_type == "text/csv":
            mapping = _mapping(parameters.mapping)
            return open_csv(
                file,  # type: ignore[arg-type]
                delimiter=parameters.delimiter,
                encoding=parameters.encoding,
                mapping=mapping,
                usual=usual,
            )
        if media_type == XLSX:
            return open_xlsx(file, mapping=_mapping(parameters.mapping), sheet=parameters.sheet)  # type: ignore[arg-type]
        if media_type in NDJSON:
            return open_ndjson(file, encoding=parameters.encoding)  # type: ignore[arg-type]
    except SourceError as error:
        raise source_problem(error) from None
    raise Problem(
        "body.wrong_type",
        f"send application/json, multipart/form-data or one of {', '.join(FILES)}; not {media_type}",
    )


def source_problem(error: SourceError) -> Problem:
    code = "body.too_large" if error.status == 413 else "source.unusable"
    return Problem(
        code, error.detail, [ErrorItem(pointer="", code=error.code, detail=error.detail)], status=error.status
    )


def _mapping(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text.encode("utf-8", "replace"), type=dict[str, str])
    except msgspec.DecodeError:
        detail = 'must be a JSON object {"canonical field": "column"}'
        raise Problem(
            "request.invalid", f"mapping {detail}", [ErrorItem(pointer="mapping", code="field.invalid", detail=detail)]
        ) from None
