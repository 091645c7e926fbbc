"""The engine of the Spark job: JDBC into Parquet, and Iceberg's SQL.

Rows that replace others are merged (``MERGE INTO``) on a branch of the table, which becomes the table in
one step if nothing else did meanwhile.
"""

# ruff: noqa: S608 (names are quoted by quoted)

from __future__ import annotations

import functools
import operator
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from ingest.engines import COMPARED_ROWS, Change, Curated, Source, TableName, check_keys
from ingest.errors import IngestError
from ingest.evolution import Evolution
from ingest.iceberg import ROWS_DELETED, ROWS_INSERTED, ROWS_TOTAL, ROWS_UPDATED, IcebergTable
from ingest.manifest import RawFile
from ingest.secrets import Credentials
from ingest.spark_files import can_copy, copy_files
from ingest.spark_source import JdbcSession, SparkSource
from ingest.spark_tables import SparkTables, refusing_conflicts
from ingest.spark_types import OPEN_FILES, quoted, read_schema

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CATALOG = "glue_catalog"
"""Spark's name of the Glue catalog; the job's ``--conf`` defines it."""

_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # PostgreSQL pads a char(n) itself.
    "spark.sql.readSideCharPadding": "false",
    "spark.sql.maxConcurrentOutputFileWriters": str(OPEN_FILES),
}

_OPERATION = "__operation"
_INSERT, _UPDATE, _DELETE = "I", "U", "D"
_NEW, _OLD, _ROWS = "__new", "__old", "__rows"


@dataclass(frozen=True)
class _Counts:
    """What a change does."""

    inserted: int
    updated: int
    deleted: int
    total: int

    @property
    def properties(self) -> dict[str, str]:
        values = {
            ROWS_INSERTED: self.inserted,
            ROWS_UPDATED: self.updated,
            ROWS_DELETED: self.deleted,
            ROWS_TOTAL: self.total,
        }
        return {name: str(value) for name, value in values.items()}


class SparkEngine:
    """Reads through Spark's JDBC source, writes with Iceberg.

    Parameters
    ----------
    spark : SparkSession
        Its SQL settings are made exact: UTC, errors instead of NULL, microseconds.
    s3 : boto3 client
        To see what was written.
    """

    name = "spark"

    def __init__(self, spark: SparkSession, s3: S3Client) -> None:
        self._spark = spark
        self._s3 = s3
        self._tables = SparkTables(spark, CATALOG)
        for name, value in _SESSION.items():
            spark.conf.set(name, value)

    @contextmanager
    def connect(self, credentials: Credentials, session: Mapping[str, str]) -> Iterator[SparkSource]:
        """Connect and export a snapshot; see :class:`ingest.engines.Engine`."""
        own = JdbcSession(self._spark, credentials, session)
        try:
            yield SparkSource(self._spark, self._s3, CATALOG, own, credentials, session)
        finally:
            own.close()

    def open_file(self, location: str, masking_key: bytes | None) -> Source:  # noqa: ARG002
        """Refuse: files that land are the shell engine's; see :class:`ingest.engines.Engine`."""
        raise IngestError(f"{location}: the Spark engine does not ingest files; use the shell engine.")

    def prepare(self, name: TableName, found: IcebergTable | None, evolution: Evolution) -> None:
        """Make or change the table; see :class:`ingest.engines.Engine`."""
        if found is None:
            self._tables.create(name, evolution)
        else:
            self._tables.evolve(name, found.schema_id, evolution)

    def count_rows(self, table: IcebergTable) -> int:
        """Count; see :class:`ingest.engines.Engine`."""
        return 0 if table.snapshot_id is None else self._rows_of(table).count()

    def curate(self, change: Change) -> Curated:
        """Apply a change; see :class:`ingest.engines.Engine`."""
        if change.action == "overwrite":
            return self._overwrite(change)
        if change.action == "diff" and change.table.snapshot_id is not None:
            return self._apply_differences(change)
        if not change.files.data and (not change.files.deletes or change.table.snapshot_id is None):
            return self._unchanged(change.table)
        if change.action == "append" or change.table.snapshot_id is None:
            return self._append(change)
        return self._upsert(change)

    def _overwrite(self, change: Change) -> Curated:
        before, after = self.count_rows(change.table), change.files.rows_landed
        counts = _Counts(inserted=after, updated=0, deleted=before, total=after)
        if can_copy(change.table):
            return _curated(self._replace(change, counts), counts)
        return _curated(self._write(change, self._landed(change), counts, replaces_all=True), counts)

    def _append(self, change: Change) -> Curated:
        rows, added = self._landed(change), change.files.rows_landed
        if change.key_columns:
            self._check_keys(change, rows)
        counts = _Counts(inserted=added, updated=0, deleted=0, total=self.count_rows(change.table) + added)
        return _curated(self._write(change, rows, counts), counts)

    def _upsert(self, change: Change) -> Curated:
        table, keys = change.table, [*change.key_columns]
        if self._is_there(change):
            return self._unchanged(table)
        gone = self._read(table, change.files.deletes)
        batch = self._landed(change).withColumn(_OPERATION, f.lit(_UPDATE))
        batch = batch.unionByName(gone.withColumn(_OPERATION, f.lit(_DELETE)))
        self._check_keys(change, batch)
        deleted = 0
        if change.files.deletes:
            deleted = self._rows_of(table).join(gone.select(*map(quoted, keys)), keys, "left_semi").count()
        snapshot = self._merge(change, batch, change.properties)
        if snapshot is None:
            return self._unchanged(table)
        # Each updated row is a removed one and an added one; a merge removes by position.
        added = _number(snapshot, "added-records")
        updated = _number(snapshot, "added-position-deletes") - deleted
        total = self._rows_of(table, snapshot.snapshotId()).count()
        return _curated(snapshot, _Counts(added - updated, updated, deleted, total))

    def _is_there(self, change: Change) -> bool:
        """Whether a small batch, such as the rows at the old watermark alone, brings nothing new."""
        if change.files.deletes or change.files.rows_landed > COMPARED_ROWS:
            return False
        landed, keys = self._landed(change), [*change.key_columns]
        names = [quoted(field.name) for field in change.table.fields]
        there = self._rows_of(change.table).join(
            f.broadcast(landed.select(*map(quoted, keys))), keys, "left_semi"
        )
        return bool(landed.select(*names).exceptAll(there.select(*names)).isEmpty())

    def _apply_differences(self, change: Change) -> Curated:
        landed = self._landed(change)
        self._check_keys(change, landed)
        differences = self._differences(change, landed).persist(StorageLevel.DISK_ONLY)
        try:
            found = {
                row[_OPERATION]: row["count"] for row in differences.groupBy(_OPERATION).count().collect()
            }
            if not found:
                return self._unchanged(change.table)
            inserted, updated, deleted = (found.get(kind, 0) for kind in (_INSERT, _UPDATE, _DELETE))
            counts = _Counts(inserted, updated, deleted, total=change.files.rows_landed)
            return _curated(
                self._merge(change, differences, {**change.properties, **counts.properties}), counts
            )
        finally:
            differences.unpersist()

    def _differences(self, change: Change, landed: DataFrame) -> DataFrame:
        keys = [*change.key_columns]
        names = [field.name for field in change.table.fields]
        columns = [f.col(quoted(name)) for name in names]
        new = landed.select(*map(quoted, keys), f.struct(*columns).alias(_NEW))
        old = self._rows_of(change.table).select(*map(quoted, keys), f.struct(*columns).alias(_OLD))
        operation = (
            f.when(f.col(_NEW).isNull(), _DELETE)
            .when(f.col(_OLD).isNull(), _INSERT)
            .when(~f.col(_NEW).eqNullSafe(f.col(_OLD)), _UPDATE)
        )
        joined = new.join(old, keys, "full_outer").withColumn(_OPERATION, operation)
        values = [
            f.col(quoted(name)) if name in keys else f.col(_NEW).getField(name).alias(name) for name in names
        ]
        return joined.where(f.col(_OPERATION).isNotNull()).select(*values, _OPERATION)

    def _write(self, change: Change, rows: DataFrame, counts: _Counts, *, replaces_all: bool = False) -> Any:
        """Replace or add rows; the snapshot."""
        table = change.table
        properties = {**change.properties, **counts.properties}
        options = {f"snapshot-property.{name}": value for name, value in properties.items()}
        if table.snapshot_id is None:
            # There is nothing yet for a branch to begin with. Whatever was committed meanwhile is a conflict.
            identifier = self._tables.identifier(table.database, table.name)
            with refusing_conflicts(table.database, table.name):
                self._tables.load(table.database, table.name)
                writer = rows.writeTo(identifier).options(**{**options, "isolation-level": "serializable"})
                writer.overwrite(f.lit(True))
            return self._tables.load(table.database, table.name).currentSnapshot()
        with self._tables.staged(table.database, table.name, table.snapshot_id) as stage:
            identifier = self._tables.identifier(table.database, table.name, stage.branch)
            writer = rows.writeTo(identifier).options(**options)
            if replaces_all:
                writer.overwrite(f.lit(True))
            else:
                writer.append()
        return stage.snapshot

    def _replace(self, change: Change, counts: _Counts) -> Any:
        """Replace all rows by the landed files themselves; the snapshot."""
        table, properties = change.table, {**change.properties, **counts.properties}
        copies = copy_files(self._s3, change.files.data, table.location)
        if table.snapshot_id is None:
            loaded = self._tables.load(table.database, table.name)
            with refusing_conflicts(table.database, table.name):
                self._tables.replace(loaded, table, copies, properties)
            return loaded.currentSnapshot()
        with self._tables.staged(table.database, table.name, table.snapshot_id) as stage:
            loaded = self._tables.load(table.database, table.name)
            self._tables.replace(loaded, table, copies, properties, stage.branch)
        return stage.snapshot

    def _merge(self, change: Change, batch: DataFrame, properties: Mapping[str, str]) -> Any:
        """Merge rows that say what to do with them; the snapshot, or None when nothing changed."""
        table = change.table
        view = f"batch_{uuid.uuid4().hex}"
        batch.createOrReplaceTempView(view)
        names = [quoted(field.name) for field in table.fields]
        matches = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in change.key_columns)
        try:
            with self._tables.staged(table.database, table.name, int(str(table.snapshot_id))) as stage:
                identifier = self._tables.identifier(table.database, table.name, stage.branch)
                self._tables.execute(
                    f"MERGE INTO {identifier} AS t USING {view} AS s ON {matches} "
                    f"WHEN MATCHED AND s.{_OPERATION} = '{_DELETE}' THEN DELETE "
                    f"WHEN MATCHED THEN UPDATE SET {', '.join(f't.{name} = s.{name}' for name in names)} "
                    f"WHEN NOT MATCHED AND s.{_OPERATION} <> '{_DELETE}' THEN INSERT ({', '.join(names)}) "
                    f"VALUES ({', '.join(f's.{name}' for name in names)})",
                    properties,
                )
        finally:
            self._spark.catalog.dropTempView(view)
        return stage.snapshot

    def _unchanged(self, table: IcebergTable) -> Curated:
        return Curated(table.snapshot_id, 0, 0, 0, self.count_rows(table), 0)

    def _landed(self, change: Change) -> DataFrame:
        return self._read(change.table, change.files.data)

    def _read(self, table: IcebergTable, files: Sequence[RawFile]) -> DataFrame:
        schema = read_schema(table.fields)
        if not files:
            return self._spark.createDataFrame([], schema)
        return self._spark.read.schema(schema).parquet(*(file.path for file in files))

    def _rows_of(self, table: IcebergTable, snapshot_id: int | None = None) -> DataFrame:
        identifier = self._tables.identifier(table.database, table.name)
        self._tables.refresh(table.database, table.name)
        return self._spark.read.option("snapshot-id", str(snapshot_id or table.snapshot_id)).table(identifier)

    def _check_keys(self, change: Change, batch: DataFrame) -> None:
        keys = [f.col(quoted(name)) for name in change.key_columns]
        missing = functools.reduce(operator.or_, (key.isNull() for key in keys))
        found = (
            batch.groupBy(*keys)
            .agg(f.count(f.lit(1)).alias(_ROWS))
            .where(missing | (f.col(_ROWS) > 1))
            .agg(f.count_if(missing).alias("nulls"), f.count_if(~missing).alias("duplicates"))
        )
        row = found.collect()[0]
        table_id = f"{change.table.database}.{change.table.name}"
        check_keys(table_id, change.key_columns, nulls=row["nulls"], duplicates=row["duplicates"])


def _number(snapshot: Any, name: str) -> int:
    return int(snapshot.summary().get(name) or 0)


def _curated(snapshot: Any, counts: _Counts) -> Curated:
    return Curated(
        snapshot_id=snapshot.snapshotId(),
        rows_inserted=counts.inserted,
        rows_updated=counts.updated,
        rows_deleted=counts.deleted,
        rows_total=counts.total,
        bytes_written=_number(snapshot, "added-files-size"),
    )
