"""The source as Spark reads it, and the rows in raw.

Every partition of a read sees one snapshot: a connection that stays open exports it
(``Dialect.export_snapshot``), and each reading connection imports it before its first query. So a split read
is as consistent as a single one. Where the database cannot export one, a read is one query of one
connection, which sees the snapshot of its own beginning: rows that changed since the watermark was asked for
lie above it, and are the next run's too.
"""

# ruff: noqa: S608 (names and literals are quoted)

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from ingest import layout, quarantine, source_sql
from ingest.engines import Landing, Row, single_row
from ingest.fetching import fetching
from ingest.iceberg import Field, PartitionField
from ingest.manifest import LandedFiles, RawFile
from ingest.secrets import Credentials
from ingest.spark_types import from_wire, has_few_values, partition_value, quoted, with_field_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PARQUET = {
    "compression": "zstd",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # Each task moves its files to their place: nobody looks at them before the manifest names them.
    "mapreduce.fileoutputcommitter.algorithm.version": "2",
    # What the files that a worker writes at once may hold in memory; Parquet makes row groups smaller for it.
    "parquet.memory.pool.ratio": "0.25",
    # Parquet looks at the size of what it holds only after so many rows, by default a hundred.
    "parquet.page.size.row.check.min": "10",
    "parquet.block.size.row.check.min": "10",
}

_FOOTERS_AT_ONCE = 8

# About as many as a dictionary of a megabyte (parquet.dictionary.page.size) holds; then Parquet gives it up.
_DICTIONARY_VALUES = 100_000

_NULL = "__HIVE_DEFAULT_PARTITION__"
_ARRAY = "[".encode().hex().upper()


def connection_properties(credentials: Credentials, session: Mapping[str, str]) -> dict[str, str]:
    return {
        "user": credentials.username,
        "password": credentials.password,
        "driver": credentials.dialect.jdbc_driver,
        **credentials.dialect.jdbc_properties(session),
    }


class JdbcSession:
    """A JDBC connection of the driver that has begun the transaction."""

    def __init__(self, spark: SparkSession, credentials: Credentials, session: Mapping[str, str]) -> None:
        jvm: Any = spark.sparkContext._jvm
        java_properties = jvm.java.util.Properties()
        for name, value in connection_properties(credentials, session).items():
            java_properties.setProperty(name, value)
        dialect = credentials.dialect
        driver = reduce(getattr, dialect.jdbc_driver.split("."), jvm)()
        self._connection = driver.connect(dialect.jdbc_url(credentials), java_properties)
        self._connection.setAutoCommit(False)
        for statement in [dialect.begin_snapshot, *dialect.jdbc_statements(session)]:
            self.execute(statement)

    def close(self) -> None:
        self._connection.close()

    def execute(self, statement: str) -> None:
        handle = self._connection.createStatement()
        handle.execute(statement)
        handle.close()

    def fetch(self, query: str) -> list[Row]:
        handle = self._connection.createStatement()
        result = handle.executeQuery(query)
        width = range(1, result.getMetaData().getColumnCount() + 1)
        rows = []
        while result.next():
            rows.append(tuple(result.getString(column) for column in width))
        handle.close()
        return rows


class SparkSource:
    """A snapshot; see :class:`ingest.engines.Source`.

    Parameters
    ----------
    spark : SparkSession
    s3 : boto3 client
        To see what was written.
    catalog : str
        Spark catalog that has Iceberg's functions.
    own : JdbcSession
        Holds the snapshot.
    credentials, session
        How to open connections that see it too.
    """

    def __init__(
        self,
        spark: SparkSession,
        s3: S3Client,
        catalog: str,
        own: JdbcSession,
        credentials: Credentials,
        session: Mapping[str, str],
    ) -> None:
        self._spark = spark
        self._s3 = s3
        self._catalog = catalog
        self._own = own
        self._dialect = dialect = credentials.dialect
        self._url = dialect.jdbc_url(credentials)
        initial = []
        if dialect.export_snapshot:
            (snapshot,) = single_row(own.fetch(dialect.export_snapshot))
            # The snapshot must come before any query.
            initial = [dialect.begin_snapshot, dialect.import_snapshot(str(snapshot))]
        self._properties = connection_properties(credentials, session)
        if statements := [*initial, *dialect.jdbc_statements(session)]:
            self._properties["sessionInitStatement"] = "; ".join(statements)

    def fetch(self, query: str) -> list[Row]:
        return self._own.fetch(query)

    def land(self, landing: Landing) -> LandedFiles:
        """Write the rows to raw; see :class:`ingest.engines.Source`."""
        wire = self._read(landing)
        query = landing.query
        if not query.has_quarantine and not query.has_deleted:
            return LandedFiles(data=self._write_data(landing, wire))
        wire = wire.persist(StorageLevel.DISK_ONLY)
        try:
            good, bad = _split(wire, source_sql.QUARANTINE, query.has_quarantine, lambda mark: mark.isNull())
            kept, gone = _split(
                good, source_sql.DELETED, query.has_deleted, lambda mark: ~mark.cast("boolean")
            )
            return LandedFiles(
                data=self._write_data(landing, kept),
                deletes=self._write_deletes(landing, gone) if gone is not None else (),
                quarantine=self._write_quarantine(landing, bad) if bad is not None else (),
            )
        finally:
            wire.unpersist()

    def _read(self, landing: Landing) -> DataFrame:
        settings = landing.settings
        split = None if settings.split_partitions == 1 or landing.query.newest_of else settings.split_column
        table = f"({landing.query.sql(split)}) AS source"
        tasks = self._spark.sparkContext.defaultParallelism
        properties = {**self._properties, **fetching(settings.fetch_size, tasks)}
        if split is None:
            return self._spark.read.jdbc(self._url, table, properties=properties)
        conditions = self._conditions(landing, split)
        return self._spark.read.jdbc(self._url, table, predicates=conditions, properties=properties)

    def _conditions(self, landing: Landing, split_column: str) -> list[str]:
        settings = landing.settings
        column = landing.structure.column(split_column, "split_column")
        bounds = source_sql.split_bounds(self._dialect, settings, column, landing.query.predicate)
        low, high = single_row(self.fetch(bounds))
        if low is None or high is None:
            return ["TRUE"]
        return source_sql.split_predicates(
            self._dialect, column, int(low), int(high), settings.split_partitions
        )

    def _write_data(self, landing: Landing, wire: DataFrame) -> tuple[RawFile, ...]:
        columns = [
            with_field_id(from_wire(f.col(quoted(c.name)), c.type), landing.table.field(c.name))
            for c in landing.structure.columns
        ]
        return self._write(landing, wire.select(*columns), landing.location)

    def _write_deletes(self, landing: Landing, wire: DataFrame) -> tuple[RawFile, ...]:
        keys = [landing.structure.column(name, "a key") for name in landing.settings.key_columns]
        columns = [
            with_field_id(from_wire(f.col(quoted(c.name)), c.type), landing.table.field(c.name)) for c in keys
        ]
        return self._write_plain(wire.select(*columns), f"{landing.location}deletes/")

    def _write_quarantine(self, landing: Landing, wire: DataFrame) -> tuple[RawFile, ...]:
        mark = f.col(quoted(source_sql.QUARANTINE))
        values = {
            "table_id": f.lit(landing.settings.table_id),
            "run_id": f.lit(landing.run_id),
            "ingest_date": f.lit(landing.ingest_date).cast("date"),
            "rules": f.from_json(f.get_json_object(mark, "$.rules"), "array<string>", {"mode": "FAILFAST"}),
            "row": f.get_json_object(mark, "$.row"),
            "quarantined_at": f.lit(landing.read_at).cast("timestamp"),
        }
        columns = [with_field_id(values[field.name], field) for field in quarantine.FIELDS]
        return self._write_plain(wire.select(*columns), f"{landing.location}quarantine/")

    def _write(self, landing: Landing, rows: DataFrame, location: str) -> tuple[RawFile, ...]:
        table = landing.table
        fields = [field for field in table.partition if field.transform != "void"]
        directories = _directory_columns(table.fields, len(fields))
        for name, field in zip(directories, fields):
            kind = table.field(field.source).type
            value = partition_value(field.source, kind, field.transform, self._catalog)
            if kind in ("string", "boolean") and not field.transform.startswith("bucket"):
                # A directory's name has no room for every text, and none for an empty one.
                value = f.hex(f.to_json(f.array(value)))
            rows = rows.withColumn(name, value)
        if fields and not has_few_values([field.transform for field in fields]):
            by = ", ".join(map(quoted, directories))
            rows = self._spark.sql(f"SELECT /*+ REBALANCE({by}) */ * FROM {{rows}}", rows=rows)
            # The order in which a shuffle brings rows is never the same twice.
            keys = landing.structure.catalog_names(landing.settings.key_columns, "a key")
            rows = rows.sortWithinPartitions(*map(quoted, [*directories, *keys]))
        encoding = self._encoding(landing)
        return self._write_plain(rows, location, dict(zip(directories, fields)), encoding)

    def _encoding(self, landing: Landing) -> dict[str, str]:
        """Options that spare columns with very many values the attempt at a dictionary."""
        settings = landing.settings
        query = self._dialect.distinct_values_query(settings.source_schema, settings.source_table)
        found = {row[0]: row[1] for row in self.fetch(query)}
        return {
            f"parquet.enable.dictionary#{column.name}": "false"
            for column in landing.structure.columns
            if int(found.get(column.source_name) or 0) > _DICTIONARY_VALUES
        }

    def _write_plain(
        self,
        rows: DataFrame,
        location: str,
        by: Mapping[str, PartitionField] = MappingProxyType({}),
        encoding: Mapping[str, str] = MappingProxyType({}),
    ) -> tuple[RawFile, ...]:
        options = {**_PARQUET, **encoding}
        rows.write.mode("append").partitionBy(*by).options(**options).parquet(location)
        sizes = self._sizes(location)
        if not sizes:
            return ()
        with ThreadPoolExecutor(max_workers=_FOOTERS_AT_ONCE) as pool:
            rows = pool.map(self._count, sizes)
        # A file without rows is nobody's.
        return tuple(
            RawFile(path, count, sizes[path], _partition_of(path, by))
            for path, count in sorted(zip(sizes, rows))
            if count
        )

    def _count(self, path: str) -> int:
        """Rows of a Parquet file, by its footer."""
        jvm: Any = self._spark.sparkContext._jvm
        hadoop = jvm.org.apache.parquet.hadoop
        location = jvm.org.apache.hadoop.fs.Path(path)
        configuration = self._spark._jsparkSession.sessionState().newHadoopConf()
        reader = hadoop.ParquetFileReader.open(hadoop.util.HadoopInputFile.fromPath(location, configuration))
        try:
            return int(reader.getRecordCount())
        finally:
            reader.close()

    def _sizes(self, location: str) -> dict[str, int]:
        bucket, prefix = layout.split_location(location)
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = [entry for page in pages for entry in page.get("Contents", ())]
        return {
            f"s3://{bucket}/{entry['Key']}": entry["Size"]
            for entry in found
            if entry["Key"].endswith(".parquet")
        }


def _split(rows: DataFrame, mark: str, has_mark: bool, is_first: Any) -> tuple[DataFrame, DataFrame | None]:
    if not has_mark:
        return rows, None
    first: Column = is_first(f.col(quoted(mark)))
    return rows.where(first), rows.where(~first)


def _directory_columns(fields: Sequence[Field], count: int) -> list[str]:
    """Names that no column has."""
    taken = {field.name for field in fields}
    names = (f"partition_{number}" for number in itertools.count())
    return list(itertools.islice((name for name in names if name not in taken), count))


def _partition_of(path: str, by: Mapping[str, PartitionField]) -> Mapping[str, Any]:
    directories = dict(part.split("=", 1) for part in path.split("/") if "=" in part)
    return {field.name: _value_of(directories[name]) for name, field in by.items()}


def _value_of(text: str) -> Any:
    """The value that a directory's name says: a number, or the hexadecimal form of a JSON array with it."""
    if text == _NULL:
        return None
    return json.loads(bytes.fromhex(text))[0] if text.startswith(_ARRAY) else int(text)
