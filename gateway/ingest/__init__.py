"""Intake of contact lists: CSV, XLSX, NDJSON and JSON rows to canonical contacts, every row accounted for."""

from gateway.ingest.calling_codes import Phone
from gateway.ingest.csv_source import open_csv
from gateway.ingest.intake import Earlier, Intake, ProfileBuilder, Suppressed, Taken, collect
from gateway.ingest.json_source import open_items, open_ndjson
from gateway.ingest.keys import derive_key, first_key
from gateway.ingest.normaliser import Normaliser
from gateway.ingest.phones import normalise_phone
from gateway.ingest.problems import PROBLEMS, SourceError
from gateway.ingest.rejections import rejections_csv
from gateway.ingest.source import CsvRow, JsonRow, RawRow, Rejected, Source, SourceInfo, SourceLimits
from gateway.ingest.xlsx_source import open_xlsx

__all__ = [
    "PROBLEMS",
    "CsvRow",
    "Earlier",
    "Intake",
    "JsonRow",
    "Normaliser",
    "Phone",
    "ProfileBuilder",
    "RawRow",
    "Rejected",
    "Source",
    "SourceError",
    "SourceInfo",
    "SourceLimits",
    "Suppressed",
    "Taken",
    "collect",
    "derive_key",
    "first_key",
    "normalise_phone",
    "open_csv",
    "open_items",
    "open_ndjson",
    "open_xlsx",
    "rejections_csv",
]
