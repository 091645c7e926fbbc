"""Writing files of a table: rows as Parquet, one partition a file, and the positions of deleted rows."""

# ruff: noqa: S608 - writing SQL is what this module is for; names and texts in it are quoted
from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation
from pyiceberg.transforms import BucketTransform
from pyiceberg.typedef import Record

from millpond.planes.athena.exceptions import MOST_PARTITIONS, QueryFailed, too_many_partitions
from millpond.planes.athena.iceberg.commit import FileChange, commit_files
from millpond.planes.athena.iceberg.plan import PATH_FIELD, POSITION_FIELD
from millpond.planes.athena.iceberg.properties import Properties
from millpond.planes.athena.iceberg.transforms import order_key, partition_value
from millpond.planes.athena.types import quote
from millpond.planes.common.iceberg import split

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from mypy_boto3_s3 import S3Client

_BATCH = 50_000
_KEPT = "rows to write"
_DELETE_SCHEMA = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False, metadata={"PARQUET:field_id": str(PATH_FIELD)}),
        pa.field("pos", pa.int64(), nullable=False, metadata={"PARQUET:field_id": str(POSITION_FIELD)}),
    ]
)


class FileWriter:
    """Writes files below the location of a table.

    Parameters
    ----------
    connection : DuckDBPyConnection
        Has the rows.
    s3 : S3Client
        Takes the files.
    table : Table
        Says what they look like.
    query_id : str
        Goes into their names.
    directory : Path
        For a file until it is uploaded.
    """

    def __init__(
        self, connection: DuckDBPyConnection, s3: S3Client, table: Table, query_id: str, directory: Path
    ) -> None:
        self._connection = connection
        self._s3 = s3
        self._table = table
        self._query_id = query_id
        self._directory = directory
        self._properties = Properties(table.properties)
        self._written: list[DataFile] = []

    def commit(self, change: Callable[[], tuple[Operation, FileChange]]) -> Sequence[DataFile]:
        """Write files and commit them; the files that are new.

        They are removed again when it is certain that they did not become part of the table.
        """
        try:
            operation, files = change()
        except Exception:
            self._discard()
            raise
        try:
            commit_files(self._table, operation, files)
        except QueryFailed:
            self._discard()
            raise
        return files.added

    def rows(self, sql: str) -> list[DataFile]:
        """Write the rows of a query whose columns have the names of the table's, in lower case.

        Raises
        ------
        QueryFailed
            ``CONSTRAINT_VIOLATION`` for NULL in a column that must not be NULL.
        """
        schema, spec = self._table.schema(), self._table.spec()
        selected = ", ".join(f"{quote(f.name.lower())} AS {quote(f.name)}" for f in schema.fields)
        relation = f"({sql})"
        if any(isinstance(field.transform, BucketTransform) for field in spec.fields):
            relation = quote(_KEPT)
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {relation} AS {sql}")
        keys = [
            order_key(self._connection, relation, field, schema.find_field(field.source_id))
            for field in spec.fields
        ]
        listed = "".join(f", {key} AS {quote(f'key {number}')}" for number, key in enumerate(keys))
        order = ", ".join(quote(f"key {number}") for number in range(len(keys)))
        ordered = f"ORDER BY {order}" if keys else ""
        cursor = self._connection.execute(f"SELECT {selected}{listed} FROM {relation} {ordered}")
        batches = cursor.to_arrow_reader(_BATCH)
        files = []
        for file in self._data_files(_runs(batches, len(keys))):
            self._written.append(file)
            files.append(file)
        return files

    def _data_files(self, runs: Iterable[tuple[tuple[Any, ...], pa.RecordBatch]]) -> Iterator[DataFile]:
        for number, (_, found) in enumerate(groupby(runs, key=lambda run: run[0])):
            if number == MOST_PARTITIONS:
                raise too_many_partitions("ICEBERG", "partitions")
            batches = (batch for _, batch in found)
            first = next(batches)
            partition = self._partition(first)
            writer: _ParquetFile | None = None
            for batch in _chain(first, batches):
                writer = writer or self._open(partition)
                writer.write(batch)
                if writer.size >= self._properties.target_file_size:
                    yield writer.finish()
                    writer = None
            if writer is not None:
                yield writer.finish()

    def _partition(self, batch: pa.RecordBatch) -> Record:
        schema = self._table.schema()
        values = []
        for field in self._table.spec().fields:
            source = schema.find_field(field.source_id)
            column = schema.find_column_name(field.source_id)
            assert column is not None
            values.append(partition_value(field, source, batch.column(column)[0].as_py()))
        return Record(*values)

    def _open(self, partition: Record) -> _ParquetFile:
        location = self._new_location(self._table.spec().spec_id, partition, "")
        return _ParquetFile(self._s3, self._table, location, partition, self._directory, self._properties)

    def _new_location(self, spec_id: int, partition: Record, suffix: str) -> str:
        spec = self._table.specs()[spec_id]
        name = f"{self._query_id}_{uuid.uuid4()}{suffix}.parquet"
        path = f"{spec.partition_to_path(partition, self._table.schema())}/" if len(partition) else ""
        return self._table.location_provider().new_data_location(f"{path}{name}")

    def position_deletes(self, file: DataFile, positions: Sequence[int]) -> DataFile:
        """Write which rows of one data file are deleted; the positions are in order."""
        location = self._new_location(file.spec_id, file.partition, "-deletes")
        path = self._directory / f"{uuid.uuid4()}.parquet"
        paths = pa.array([file.file_path] * len(positions), pa.string())
        rows = pa.table([paths, pa.array(positions, pa.int64())], schema=_DELETE_SCHEMA)
        pq.write_table(rows, path, compression=self._properties.compression)
        size = _upload(self._s3, path, location)
        bound = file.file_path.encode()
        ends = [int(end).to_bytes(8, "little", signed=True) for end in (positions[0], positions[-1])]
        deletes = DataFile.from_args(
            content=DataFileContent.POSITION_DELETES,
            file_path=location,
            file_format=FileFormat.PARQUET,
            partition=file.partition,
            record_count=len(positions),
            file_size_in_bytes=size,
            lower_bounds={PATH_FIELD: bound, POSITION_FIELD: ends[0]},
            upper_bounds={PATH_FIELD: bound, POSITION_FIELD: ends[1]},
        )
        deletes.spec_id = file.spec_id
        self._written.append(deletes)
        return deletes

    def _discard(self) -> None:
        for file in self._written:
            self._table.io.delete(file.file_path)


class _ParquetFile:
    """One data file on its way."""

    def __init__(
        self,
        s3: S3Client,
        table: Table,
        location: str,
        partition: Record,
        directory: Path,
        properties: Properties,
    ) -> None:
        self._s3 = s3
        self._table = table
        self._location = location
        self._partition = partition
        self._path = directory / f"{uuid.uuid4()}.parquet"
        self._schema = schema_to_pyarrow(sanitize_column_names(table.schema()))
        self._writer = pq.ParquetWriter(self._path, self._schema, compression=properties.compression)

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def write(self, batch: pa.RecordBatch) -> None:
        columns = []
        for field, wanted in zip(self._table.schema().fields, self._schema, strict=True):
            column = batch.column(field.name)
            if field.required and column.null_count:
                message = f"NULL value not allowed for NOT NULL column: {field.name}"
                raise QueryFailed("CONSTRAINT_VIOLATION", message)
            columns.append(column.cast(wanted.type))
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def finish(self) -> DataFile:
        self._writer.close()
        schema = self._table.schema()
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=pq.read_metadata(self._path),
            stats_columns=compute_statistics_plan(schema, self._table.properties),
            parquet_column_mapping=parquet_path_to_id_mapping(schema),
        )
        size = _upload(self._s3, self._path, self._location)
        file = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=self._location,
            file_format=FileFormat.PARQUET,
            partition=self._partition,
            file_size_in_bytes=size,
            **statistics.to_serialized_dict(),
        )
        file.spec_id = self._table.spec().spec_id
        return file


def _upload(s3: S3Client, path: Path, location: str) -> int:
    bucket, key = split(location)
    s3.upload_file(str(path), bucket, key)
    size = path.stat().st_size
    path.unlink()
    return size


def _chain(first: pa.RecordBatch, rest: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _runs(batches: Iterable[pa.RecordBatch], keys: int) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
    """Pieces of batches whose rows have the same keys, which are the last columns."""
    for batch in batches:
        if not batch.num_rows:
            continue
        if not keys:
            yield (), batch
            continue
        columns = [batch.column(batch.num_columns - keys + i).to_pylist() for i in range(keys)]
        start = 0
        for key, rows in groupby(zip(*columns, strict=True)):
            count = sum(1 for _ in rows)
            yield key, batch.slice(start, count)
            start += count
