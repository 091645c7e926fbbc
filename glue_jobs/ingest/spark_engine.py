"""The engine of the Spark job: JDBC into DataFrames into Parquet.

Every partition of a read sees one snapshot: a connection that stays open exports it
(``pg_export_snapshot``), and each reading connection imports it before its first query. So a split read
is as consistent as a single one.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Sequence

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from ingest import layout, source_sql
from ingest.engines import Merged, Row, Target, single_row
from ingest.errors import IngestError
from ingest.layout import DEFAULT_PARTITION, PartitionValues
from ingest.merge import RowCounts, plan_merge
from ingest.secrets import Credentials

_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.writeLegacyFormat": "false",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
}

_DRIVER = "org.postgresql.Driver"
_VERSION_KEY = "run_id"


class SparkEngine:
    """Reads through Spark's JDBC source.

    Parameters
    ----------
    spark : SparkSession
        Its SQL settings are made exact: UTC, errors instead of NULL, microseconds.
    s3 : boto3 client
        To see what was written.
    """

    name = "spark"

    def __init__(self, spark: SparkSession, s3: Any) -> None:
        self._spark = spark
        self._s3 = s3
        for name, value in _SESSION.items():
            spark.conf.set(name, value)

    @contextmanager
    def connect(self, credentials: Credentials) -> Iterator[SparkSource]:
        """Connect and export a snapshot; see :class:`ingest.engines.Engine`."""
        url = f"jdbc:postgresql://{credentials.host}:{credentials.port}/{credentials.dbname}"
        properties = {
            "user": credentials.username,
            "password": credentials.password,
            "driver": _DRIVER,
            "ApplicationName": "ingest",
        }
        connection = self._open(url, properties)
        try:
            connection.setAutoCommit(False)
            session = _Session(connection)
            session.execute(source_sql.SNAPSHOT_ISOLATION)
            for statement in source_sql.session_statements():
                session.execute(statement)
            (snapshot,) = single_row(session.fetch(source_sql.EXPORT_SNAPSHOT))
            reading = _reading(properties, str(snapshot))
            yield SparkSource(self._spark, self._s3, session, url, reading)
        finally:
            connection.close()

    def _open(self, url: str, properties: Mapping[str, str]) -> Any:
        jvm = self._spark.sparkContext._jvm
        java_properties = jvm.java.util.Properties()
        for name, value in properties.items():
            java_properties.setProperty(name, value)
        return jvm.org.postgresql.Driver().connect(url, java_properties)


class _Session:
    """A JDBC connection of the driver."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

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
    session : _Session
        The connection that holds the snapshot.
    url, properties
        How to open others that see it too.
    """

    def __init__(
        self, spark: SparkSession, s3: Any, session: _Session, url: str, properties: dict[str, str]
    ) -> None:
        self._spark = spark
        self._s3 = s3
        self._session = session
        self._url = url
        self._properties = properties

    def fetch(self, query: str) -> list[Row]:
        return self._session.fetch(query)

    def load(self, target: Target, predicate: str) -> RowCounts:
        return self._write(target, self._read(target, predicate))

    def merge(self, target: Target, predicate: str, visible: Mapping[PartitionValues, str]) -> Merged:
        names = target.structure.catalog_names(target.settings.key_columns, "one of key_columns")
        batch = self._read(target, predicate).persist(StorageLevel.DISK_ONLY)
        try:
            rows_read = batch.count()
            if not rows_read:
                return Merged(0, plan_merge(visible, (), ()), {})
            _check_keys(target, batch, names)
            keys = batch.select(names)
            changed = _partition_values(target, batch)
            others = [location for values, location in visible.items() if values not in changed]
            holding: set[PartitionValues] = set()
            if others:
                found = self._visible(target, others).join(keys, names, "left_semi")
                holding = _partition_values(target, found)
            plan = plan_merge(visible, changed, holding)
            result = batch
            if plan.rewritten:
                rewritten = self._visible(target, [visible[values] for values in plan.rewritten])
                result = rewritten.join(keys, names, "left_anti").unionByName(batch)
            return Merged(rows_read, plan, self._write(target, result))
        finally:
            batch.unpersist()

    def _read(self, target: Target, predicate: str) -> DataFrame:
        settings, structure = target.settings, target.structure
        split = None if settings.split_partitions == 1 else settings.split_column
        query = source_sql.select_rows(settings, structure, predicate=predicate, split_column=split)
        table = f"({query}) AS source"
        properties = {**self._properties, "fetchsize": str(settings.fetch_size)}
        if split is None:
            wire = self._spark.read.jdbc(self._url, table, properties=properties)
        else:
            conditions = self._split(target, split, predicate)
            wire = self._spark.read.jdbc(self._url, table, predicates=conditions, properties=properties)
        columns = [_from_wire(f.col(_quoted(c.name)), c.type).alias(c.name) for c in structure.columns]
        return wire.select(*columns, *(f.col(_quoted(name)) for name in structure.partition_names))

    def _split(self, target: Target, split_column: str, predicate: str) -> list[str]:
        column = target.structure.column(split_column, "split_column")
        low, high = single_row(self.fetch(source_sql.split_bounds(target.settings, column, predicate)))
        if low is None or high is None:
            return ["TRUE"]
        return source_sql.split_predicates(column, int(low), int(high), target.settings.split_partitions)

    def _visible(self, target: Target, locations: Sequence[str]) -> DataFrame:
        structure = target.structure
        reader = self._spark.read.schema(_schema(target))
        if structure.partitions:
            reader = reader.option("basePath", target.table_location)
        return reader.parquet(*locations).drop(_VERSION_KEY)

    def _write(self, target: Target, rows: DataFrame) -> RowCounts:
        names = target.structure.partition_names
        if names:
            by = ", ".join(_quoted(name) for name in names)
            rows = self._spark.sql(f"SELECT /*+ REBALANCE({by}) */ * FROM {{rows}}", rows=rows)  # noqa: S608
        rows.write.mode("append").partitionBy(*names).option("compression", "snappy").option(
            "mapreduce.fileoutputcommitter.marksuccessfuljobs", "false"
        ).parquet(target.location)
        return self._count(target)

    def _count(self, target: Target) -> RowCounts:
        names = target.structure.partition_names
        if not layout.list_files(self._s3, target.location):
            return {} if names else {(): 0}
        written = self._spark.read.schema(_schema(target)).parquet(target.location)
        counts = written.groupBy(*(_quoted(name) for name in names)).count().collect()
        return {_values(row[: len(names)]): row["count"] for row in counts}


def _reading(properties: Mapping[str, str], snapshot_id: str) -> dict[str, str]:
    """Connection properties for the executors; the snapshot must come before any query."""
    statements = [
        source_sql.SNAPSHOT_ISOLATION,
        source_sql.import_snapshot(snapshot_id),
        *source_sql.session_statements(),
    ]
    return {**properties, "sessionInitStatement": "; ".join(statements)}


def _schema(target: Target) -> str:
    structure = target.structure
    columns = [(column.name, column.type) for column in structure.columns]
    columns += [(name, "string") for name in structure.partition_names]
    return ", ".join(f"{_quoted(name)} {_spark_type(kind)}" for name, kind in columns)


def _spark_type(catalog_type: str) -> str:
    """The type of a catalog type's values in Spark, which has ``char`` only for columns of its own tables."""
    return re.sub(r"char\(\d+\)", "string", catalog_type)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _from_wire(wire: Column, catalog_type: str) -> Column:
    """The value of a column that came in the wire form of :mod:`ingest.source_sql`."""
    if catalog_type.startswith("array<"):
        element_type = catalog_type[len("array<") : -1]
        texts = f.from_json(wire, "array<string>", {"mode": "FAILFAST"})
        return f.transform(texts, lambda text: _element_from_wire(text, element_type)).cast(
            _spark_type(catalog_type)
        )
    if catalog_type == "date":
        return f.date_from_unix_date(wire)
    if catalog_type == "timestamp":
        return f.timestamp_micros(wire)
    return wire.cast(_spark_type(catalog_type))


def _element_from_wire(text: Column, element_type: str) -> Column:
    if element_type == "binary":
        return f.unhex(f.regexp_replace(text, r"^\\x", ""))
    travels_as = {"date": "int", "timestamp": "bigint"}.get(element_type, element_type)
    return _from_wire(text.cast(_spark_type(travels_as)), element_type)


def _values(row: Sequence[str | None]) -> PartitionValues:
    return tuple(DEFAULT_PARTITION if value is None else value for value in row)


def _partition_values(target: Target, rows: DataFrame) -> set[PartitionValues]:
    names = target.structure.partition_names
    if not names:
        return set() if rows.isEmpty() else {()}
    distinct = rows.select(*(f.col(_quoted(name)) for name in names)).distinct()
    return {_values(row) for row in distinct.collect()}


def _check_keys(target: Target, batch: DataFrame, names: list[str]) -> None:
    table_id, key_columns = target.settings.table_id, ", ".join(target.settings.key_columns)
    keys = [f.col(_quoted(name)) for name in names]
    is_null = keys[0].isNull()
    for key in keys[1:]:
        is_null = is_null | key.isNull()
    if not batch.where(is_null).isEmpty():
        raise IngestError(f"{table_id}: a row has NULL in its key ({key_columns}); it cannot be merged.")
    if not batch.groupBy(*keys).count().where("count > 1").isEmpty():
        raise IngestError(f"{table_id}: two rows have the same key ({key_columns}); they cannot be merged.")
