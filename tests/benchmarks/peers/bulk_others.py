"""What others do with a file of contacts: `python bulk_others.py NAME FILE`, in an environment of their own.

Tells processor seconds, wall seconds and the peak of resident memory as one line of JSON. None of them judges a number.
"""

import csv
import json
import os
import resource
import sys
import tempfile
import time


def copy_by_csv(path: str, out: str) -> None:
    with open(path, newline="", encoding="utf-8") as source, open(out, "w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows(csv.reader(source))


def copy_by_petl(path: str, out: str) -> None:
    import petl

    petl.tocsv(petl.select(petl.fromcsv(path), lambda row: len(row["phone"]) > 8), out)


def validate_by_frictionless(path: str, _: str) -> None:
    from frictionless import Resource, system

    system.trusted = True
    Resource(path=path, format="csv").validate()


def load_by_dlt(path: str, out: str) -> None:
    import dlt

    def rows():
        with open(path, newline="", encoding="utf-8") as source:
            yield from csv.DictReader(source)

    os.environ["DLT_DATA_DIR"] = out + ".dlt"
    pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb(out + ".duckdb"), pipelines_dir=out + ".pipes")
    pipeline.run(dlt.resource(rows, name="contacts"))


def filter_by_polars(path: str, out: str) -> None:
    import polars

    table = polars.scan_csv(path, infer_schema=False)
    table.filter(polars.col("phone").str.contains(r"^\+[1-9]\d{7,14}$")).sink_csv(out)


def filter_by_duckdb(path: str, out: str) -> None:
    import duckdb

    duckdb.sql("SET threads TO 1")
    query = f"SELECT * FROM read_csv('{path}', all_varchar=true) WHERE regexp_matches(phone, '^\\+[1-9][0-9]{{7,14}}$')"
    duckdb.sql(f"COPY ({query}) TO '{out}' (HEADER)")


WAYS = {
    "csv module, a copy": copy_by_csv,
    "petl, a filter": copy_by_petl,
    "frictionless, validate": validate_by_frictionless,
    "dlt into DuckDB": load_by_dlt,
    "Polars, a filter": filter_by_polars,
    "DuckDB, a filter": filter_by_duckdb,
}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        begin, cpu = time.perf_counter(), time.process_time()
        WAYS[sys.argv[1]](sys.argv[2], os.path.join(folder, "out.csv"))
        spent = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu}
    spent["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps(spent))
