"""Arrow tables to Parquet files in S3, with memory and disk bounded whatever the table's size."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections import Counter, OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from boto3.s3.transfer import TransferConfig
from pyarrow import parquet

from ingest.layout import DEFAULT_PARTITION, PartitionValues, partition_location, split_location
from ingest.merge import RowCounts

ROW_GROUP_BYTES = 32 * 1024**2
"""Rows are collected in memory up to this size, then written."""

FILE_BYTES = 128 * 1024**2
"""A file that has grown to this size is uploaded and another begun."""

OPEN_FILES = 64
"""Partitions that are written at once; beyond it the one that has waited longest is closed."""

_TRANSFER = TransferConfig(max_concurrency=2, multipart_chunksize=16 * 1024**2)


class ParquetSink:
    """Writes rows below a location, each to the directory of its partition.

    A context manager: leaving it without an error writes and uploads what is left; leaving it with one
    uploads nothing more.

    Parameters
    ----------
    s3 : boto3 client
    location : str
        Directory to write to.
    schema : pyarrow.Schema
        Columns of the files.
    partition_names : list of str
        Partition keys. The tables to write have them as further columns of text.
    """

    def __init__(self, s3: Any, location: str, schema: pa.Schema, partition_names: list[str]) -> None:
        self._s3 = s3
        self._location = location
        self._schema = schema
        self._partition_names = partition_names
        self._directory = Path(tempfile.mkdtemp(prefix="ingest-"))
        self._uploads: list[Future[None]] = []
        self._uploader = ThreadPoolExecutor(max_workers=1)
        self._collected: list[pa.Table] = []
        self._collected_bytes = 0
        self._files: OrderedDict[PartitionValues, _File] = OrderedDict()
        self._made = 0
        self._id = uuid.uuid4().hex[:12]
        self.rows: RowCounts = Counter()

    def __enter__(self) -> ParquetSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._uploader.shutdown(wait=True, cancel_futures=True)
            for file in self._files.values():
                file.close()
            shutil.rmtree(self._directory)

    def write(self, table: pa.Table) -> None:
        """Take rows: the schema's columns and the partition keys."""
        self._collected.append(table)
        self._collected_bytes += table.nbytes
        if self._collected_bytes >= ROW_GROUP_BYTES:
            self.flush()

    def _finish(self) -> None:
        self.flush()
        if not self._partition_names and not self._made:
            self._file(())
            self.rows[()] = 0
        for values in list(self._files):
            self._upload(values)
        for upload in self._uploads:
            upload.result()

    def flush(self) -> None:
        """Write what is collected; afterwards :attr:`rows` counts every row taken so far."""
        if not self._collected:
            return
        table = pa.concat_tables(self._collected)
        self._collected, self._collected_bytes = [], 0
        for values, rows in self._split(table):
            file = self._file(values)
            file.writer.write_table(rows)
            self.rows[values] += rows.num_rows
            if file.path.stat().st_size >= FILE_BYTES:
                self._upload(values)

    def _split(self, table: pa.Table) -> Iterator[tuple[PartitionValues, pa.Table]]:
        if not self._partition_names:
            yield (), table.select(self._schema.names)
            return
        keys = table.select(self._partition_names)
        order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in self._partition_names])
        table = table.take(order)
        counts = (
            table.select(self._partition_names)
            .group_by(self._partition_names, use_threads=False)
            .aggregate([([], "count_all")])
        )
        start = 0
        for group in counts.to_pylist():
            count = group.pop("count_all")
            values = tuple(group[name] or DEFAULT_PARTITION for name in self._partition_names)
            yield values, table.slice(start, count).select(self._schema.names)
            start += count

    def _file(self, values: PartitionValues) -> _File:
        if values not in self._files:
            if len(self._files) >= OPEN_FILES:
                self._upload(next(iter(self._files)))
            name = f"part-{self._made:05d}-{self._id}.snappy.parquet"
            self._made += 1
            self._files[values] = _File(self._directory / name, self._schema)
        self._files.move_to_end(values)
        return self._files[values]

    def _upload(self, values: PartitionValues) -> None:
        file = self._files.pop(values)
        file.close()
        bucket, prefix = split_location(partition_location(self._location, self._partition_names, values))
        self._uploads.append(self._uploader.submit(self._put, file.path, bucket, prefix + file.path.name))

    def _put(self, path: Path, bucket: str, key: str) -> None:
        self._s3.upload_file(str(path), bucket, key, Config=_TRANSFER)
        path.unlink()


class _File:
    """A Parquet file that is being written on the local disk."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.writer = parquet.ParquetWriter(path, schema, compression="snappy", store_decimal_as_integer=True)

    def close(self) -> None:
        self.writer.close()
