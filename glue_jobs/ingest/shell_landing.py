"""Landing: each row to the data, to the deletes, or to quarantine."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import date, datetime
from typing import TYPE_CHECKING, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from ingest import quarantine
from ingest.engines import Landing
from ingest.manifest import LandedFiles
from ingest.shell_arrow import arrow_schema, data_schema
from ingest.shell_partition import Partitioner
from ingest.shell_sink import ParquetSink
from ingest.source_sql import DELETED, QUARANTINE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def land(s3: S3Client, landing: Landing, tables: Iterable[pa.Table]) -> LandedFiles:
    """Write what was read.

    Parameters
    ----------
    s3 : boto3 client
    landing : Landing
        Where to.
    tables : iterable of pyarrow.Table
        Rows: the landed columns, and the marks that the query has.
    """
    names = {column.name for column in landing.structure.columns}
    fields = [field for field in landing.table.fields if field.name in names]
    keys = landing.structure.catalog_names(landing.settings.key_columns, "a key")
    key_fields = [field for field in fields if field.name in keys]
    with ExitStack() as stack:

        def sink(directory: str, stem: str, schema: pa.Schema, partitioner: Partitioner) -> ParquetSink:
            made = ParquetSink(s3, landing.location + directory, stem, schema, partitioner)
            return stack.enter_context(made)

        data = sink("", "part", data_schema(fields, keys), Partitioner(landing.table))
        deletes = sink("deletes/", "delete", arrow_schema(key_fields), Partitioner())
        rejected = sink("quarantine/", "quarantine", arrow_schema(quarantine.FIELDS), Partitioner())
        for table in tables:
            rows = table
            if QUARANTINE in rows.column_names:
                is_bad = pc.is_valid(rows[QUARANTINE])
                if pc.any(is_bad).as_py():
                    rejected.write(_quarantined(landing, rows.filter(is_bad)[QUARANTINE]))
                    rows = rows.filter(pc.invert(is_bad))
            if DELETED in rows.column_names:
                is_deleted = rows[DELETED]
                if pc.any(is_deleted).as_py():
                    deletes.write(rows.filter(is_deleted))
                    rows = rows.filter(pc.invert(is_deleted))
            data.write(rows)
    return LandedFiles(data.files, deletes.files, rejected.files)


def _quarantined(landing: Landing, marks: pa.ChunkedArray) -> pa.Table:
    """Rows of ``operations.quarantine`` from the query's marks."""
    found = [json.loads(mark) for mark in marks.to_pylist()]
    constant = {
        "table_id": landing.settings.table_id,
        "run_id": landing.run_id,
        "ingest_date": date.fromisoformat(landing.ingest_date),
        "quarantined_at": datetime.fromisoformat(landing.read_at),
    }
    rows = [
        {**constant, "rules": mark["rules"], "row": json.dumps(mark["row"], ensure_ascii=False)}
        for mark in found
    ]
    return pa.Table.from_pylist(rows, arrow_schema(quarantine.FIELDS))
