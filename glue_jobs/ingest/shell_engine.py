"""The engine of the Python shell job: PostgreSQL's COPY into Arrow into Parquet.

One transaction reads everything: REPEATABLE READ, READ ONLY. Memory is bounded by the sizes in
:mod:`ingest.shell_sink` and one chunk of CSV, whatever the table's size; an incremental run also holds
the keys of the changed rows.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Iterator, Mapping

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from ingest import source_sql
from ingest.engines import Merged, Row, Target
from ingest.errors import IngestError
from ingest.layout import DEFAULT_PARTITION, PartitionValues
from ingest.merge import RowCounts, plan_merge
from ingest.secrets import Credentials
from ingest.shell_arrow import CsvDecoder, data_schema
from ingest.shell_files import read_batches
from ingest.shell_sink import ParquetSink

CHUNK_BYTES = 8 * 1024**2
"""CSV is decoded whenever this much, or one row more, has arrived."""

_ROW = "__row"


class ShellEngine:
    """Reads through psycopg.

    Parameters
    ----------
    s3 : boto3 client
        Where to write.
    """

    name = "shell"

    def __init__(self, s3: Any) -> None:
        self._s3 = s3

    @contextmanager
    def connect(self, credentials: Credentials) -> Iterator[ShellSource]:
        """Connect and begin the transaction; see :class:`ingest.engines.Engine`."""
        with psycopg.connect(
            host=credentials.host,
            port=credentials.port,
            dbname=credentials.dbname,
            user=credentials.username,
            password=credentials.password,
            connect_timeout=30,
            client_encoding="utf8",
            application_name="ingest",
            autocommit=True,
        ) as connection:
            for statement in source_sql.session_statements():
                connection.execute(statement)
            connection.execute("BEGIN")
            connection.execute(source_sql.SNAPSHOT_ISOLATION)
            yield ShellSource(connection, self._s3)
            connection.execute("COMMIT")


class ShellSource:
    """A transaction; see :class:`ingest.engines.Source`.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    s3 : boto3 client
    """

    def __init__(self, connection: psycopg.Connection[Any], s3: Any) -> None:
        self._connection = connection
        self._s3 = s3

    def fetch(self, query: str) -> list[Row]:
        return self._connection.execute(query).fetchall()

    def load(self, target: Target, predicate: str) -> RowCounts:
        with self._sink(target) as sink:
            for table in self._read(target, predicate):
                sink.write(table)
        return dict(sink.rows)

    def merge(self, target: Target, predicate: str, visible: Mapping[PartitionValues, str]) -> Merged:
        names = target.structure.catalog_names(target.settings.key_columns, "one of key_columns")
        batch_keys = []
        with self._sink(target) as sink:
            for table in self._read(target, predicate):
                batch_keys.append(table.select(names))
                sink.write(table)
            if not batch_keys:
                return Merged(0, plan_merge(visible, (), ()), {})
            keys = _checked_keys(target, batch_keys)
            sink.flush()
            others = {values: location for values, location in visible.items() if values not in sink.rows}
            holding = {values for values, location in others.items() if self._holds(location, keys)}
            plan = plan_merge(visible, sink.rows, holding)
            for values in plan.rewritten:
                for table in read_batches(self._s3, visible[values], data_schema(target.structure).names):
                    sink.write(_with_partition(target, values, without_keys(table, keys)))
        return Merged(keys.num_rows, plan, dict(sink.rows))

    def _sink(self, target: Target) -> ParquetSink:
        structure = target.structure
        return ParquetSink(self._s3, target.location, data_schema(structure), structure.partition_names)

    def _read(self, target: Target, predicate: str) -> Iterator[pa.Table]:
        query = source_sql.select_rows(target.settings, target.structure, predicate=predicate)
        decoder = CsvDecoder(target.structure)
        with ThreadPoolExecutor(max_workers=1) as pool:
            decoding: Future[pa.Table] | None = None
            for chunk in self._copy(query):
                following = pool.submit(decoder.decode, chunk)
                if decoding is not None:
                    yield decoding.result()
                decoding = following
            if decoding is not None:
                yield decoding.result()

    def _copy(self, query: str) -> Iterator[bytearray]:
        statement = f"COPY ({query}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')"
        chunk = bytearray()
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in copy:
                chunk += row
                if len(chunk) >= CHUNK_BYTES:
                    yield chunk
                    chunk = bytearray()
        if chunk:
            yield chunk

    def _holds(self, location: str, keys: pa.Table) -> bool:
        batches = read_batches(self._s3, location, keys.column_names)
        return any(without_keys(batch, keys).num_rows < batch.num_rows for batch in batches)


def without_keys(table: pa.Table, keys: pa.Table) -> pa.Table:
    """The rows of a table whose key is not among the given ones, in their order."""
    names = keys.column_names
    numbered = table.select(names).append_column(_ROW, pa.array(range(table.num_rows), pa.int64()))
    remaining = numbered.join(keys, keys=names, join_type="left anti")
    if remaining.num_rows == table.num_rows:
        return table
    rows = remaining.column(_ROW)
    return table.take(rows.take(pc.sort_indices(rows)))


def _checked_keys(target: Target, batches: list[pa.Table]) -> pa.Table:
    keys = pa.concat_tables(batches).combine_chunks()
    names = keys.column_names
    table_id, key_columns = target.settings.table_id, ", ".join(target.settings.key_columns)
    if any(keys.column(name).null_count for name in names):
        raise IngestError(f"{table_id}: a row has NULL in its key ({key_columns}); it cannot be merged.")
    if keys.group_by(names).aggregate([]).num_rows < keys.num_rows:
        raise IngestError(f"{table_id}: two rows have the same key ({key_columns}); they cannot be merged.")
    return keys


def _with_partition(target: Target, values: PartitionValues, table: pa.Table) -> pa.Table:
    for name, value in zip(target.structure.partition_names, values):
        column = pa.array([None if value == DEFAULT_PARTITION else value] * table.num_rows, pa.string())
        table = table.append_column(name, column)
    return table
