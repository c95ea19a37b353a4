"""Intake of contact lists: CSV, NDJSON and JSON rows to canonical contacts, every row accounted for."""

from gateway.ingest.calling_codes import Phone
from gateway.ingest.csv_source import open_csv
from gateway.ingest.intake import Intake, ProfileBuilder, collect, part_duplicates
from gateway.ingest.json_source import open_items, open_ndjson
from gateway.ingest.keys import Keys, derive_key, first_key
from gateway.ingest.normaliser import Normaliser
from gateway.ingest.phones import normalise_phone
from gateway.ingest.problems import PROBLEMS, SourceError
from gateway.ingest.rejections import rejections_csv
from gateway.ingest.source import CsvRow, JsonRow, RawRow, Rejected, Source, SourceInfo, SourceLimits

__all__ = [
    "PROBLEMS",
    "CsvRow",
    "Intake",
    "JsonRow",
    "Keys",
    "Normaliser",
    "Phone",
    "ProfileBuilder",
    "RawRow",
    "Rejected",
    "Source",
    "SourceError",
    "SourceInfo",
    "SourceLimits",
    "collect",
    "derive_key",
    "first_key",
    "normalise_phone",
    "open_csv",
    "open_items",
    "open_ndjson",
    "part_duplicates",
    "rejections_csv",
]
