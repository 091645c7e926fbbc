"""Landed files as data files: copied within S3 and described by their footers, not decoded.

They are what Iceberg would write: they carry its field ids, and each holds rows of one partition. Spark
has no ids for the elements of lists, so a table with a list is written by Spark instead.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ingest import layout
from ingest.iceberg import IcebergTable, PartitionField
from ingest.manifest import RawFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_AT_ONCE = 8
_EPOCH = date(1970, 1, 1)
# Iceberg reads a partition's value from text ("withPartitionValues"), but not of every type.
_AS_TEXT = ("boolean", "int", "long", "string", "date", "decimal")
_NULL = "__HIVE_DEFAULT_PARTITION__"


def can_copy(table: IcebergTable) -> bool:
    """Whether the table's landed files can be its data files."""
    if any(field.type.startswith("list<") for field in table.fields):
        return False
    return all(
        _result_type(table, field).startswith(_AS_TEXT) for field in table.partition if _is_live(field)
    )


def copy_files(s3: S3Client, files: Sequence[RawFile], location: str) -> list[RawFile]:
    """Copy files within S3 (CopyObject, or UploadPartCopy for large ones) under new names.

    Returns
    -------
    list of RawFile
        The copies, in the same order.
    """
    name = uuid.uuid4().hex
    bucket, prefix = layout.split_location(location)

    def copy(numbered: tuple[int, RawFile]) -> RawFile:
        number, file = numbered
        source_bucket, source = layout.split_location(file.path)
        key = f"{prefix}/data/{name}-{number:05d}.parquet"
        s3.copy({"Bucket": source_bucket, "Key": source}, bucket, key)
        return RawFile(f"s3://{bucket}/{key}", file.rows, file.bytes, file.partition)

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(copy, enumerate(files)))


def data_files(jvm: Any, loaded: Any, table: IcebergTable, files: Sequence[RawFile]) -> list[Any]:
    """Iceberg's ``DataFile`` for each of the files.

    Parameters
    ----------
    jvm : py4j's view of the JVM
    loaded : Java Table
    table : IcebergTable
        The same.
    files : sequence of RawFile
    """
    iceberg = jvm.org.apache.iceberg
    config = iceberg.MetricsConfig.forTable(loaded)
    spec, io = loaded.spec(), loaded.io()

    def describe(file: RawFile) -> Any:
        source = io.newInputFile(file.path, file.bytes)
        builder = (
            iceberg.DataFiles.builder(spec)
            .withPath(file.path)
            .withFormat("parquet")
            .withFileSizeInBytes(file.bytes)
            .withMetrics(iceberg.parquet.ParquetUtil.fileMetrics(source, config))
        )
        values = jvm.java.util.ArrayList()
        for field in table.partition:
            values.add(_text(table, field, file.partition))
        return (builder.withPartitionValues(values) if table.partition else builder).build()

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(describe, files))


def _is_live(field: PartitionField) -> bool:
    return field.transform != "void"


def _result_type(table: IcebergTable, field: PartitionField) -> str:
    if field.transform == "day":
        return "date"
    if field.transform == "identity" or field.transform.startswith("truncate"):
        return table.field(field.source).type
    return "int"


def _text(table: IcebergTable, field: PartitionField, values: Mapping[str, Any]) -> str:
    value = values.get(field.name) if _is_live(field) else None
    if value is None:
        return _NULL
    if _result_type(table, field) == "date":
        return (_EPOCH + timedelta(days=value)).isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)
