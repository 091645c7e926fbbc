"""Arrow tables to Parquet files in S3, with memory and disk bounded whatever the table's size."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections import OrderedDict, defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Tuple

import pyarrow as pa
import pyarrow.compute as pc
from boto3.s3.transfer import TransferConfig
from pyarrow import parquet

from ingest.layout import split_location
from ingest.manifest import RawFile
from ingest.shell_partition import Partitioner

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

COLLECTED_BYTES = 88 * 1024**2
"""Rows are collected in memory up to this size; then the largest partitions are written, each as one row
group: small ones cost time and size."""

ENCODED_AT_ONCE = 1
"""Row groups that are encoded while more rows are collected."""

UPLOADED_AT_ONCE = 2
"""Files that are uploaded while others are written."""

FILE_BYTES = 128 * 1024**2
"""A file that has grown to this size is uploaded and another begun."""

OPEN_FILES = 64
"""Partitions that are written at once; beyond it the one that has waited longest is closed."""

_REPEATED = 8
"""A value that is there so often, on average, pays for its place in a dictionary."""

_TRANSFER = TransferConfig(max_concurrency=2, multipart_chunksize=16 * 1024**2)
_Values = Tuple[Any, ...]


class ParquetSink:
    """Writes rows below a location, each file with the rows of one partition.

    A context manager: leaving it without an error writes and uploads what is left; leaving it with one
    uploads nothing more.

    Parameters
    ----------
    s3 : boto3 client
    location : str
        Directory to write to.
    stem : str
        How the files' names begin.
    schema : pyarrow.Schema
        Columns of the files.
    partitioner : Partitioner
        Which rows go together.
    """

    def __init__(
        self, s3: S3Client, location: str, stem: str, schema: pa.Schema, partitioner: Partitioner
    ) -> None:
        self._s3 = s3
        self._location = location
        self._stem = stem
        self._schema = schema
        self._partitioner = partitioner
        self._directory = Path(tempfile.mkdtemp(prefix="ingest-"))
        self._uploads: list[Future[RawFile]] = []
        self._uploader = ThreadPoolExecutor(max_workers=UPLOADED_AT_ONCE)
        self._encodings: deque[Future[None]] = deque()
        self._encoder = ThreadPoolExecutor(max_workers=1)
        self._collected: defaultdict[_Values, list[pa.Table]] = defaultdict(list)
        self._bytes: defaultdict[_Values, int] = defaultdict(int)
        self._total = 0
        self._files: OrderedDict[_Values, _File] = OrderedDict()
        self._dictionary: list[str] | None = None
        self._made = 0
        self._id = uuid.uuid4().hex[:12]

    def __enter__(self) -> ParquetSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._encoder.shutdown(wait=True, cancel_futures=True)
            self._uploader.shutdown(wait=True, cancel_futures=True)
            for file in self._files.values():
                file.writer.close()
            shutil.rmtree(self._directory)

    @property
    def files(self) -> tuple[RawFile, ...]:
        """What was written, once the sink is closed."""
        return tuple(upload.result() for upload in self._uploads)

    def write(self, table: pa.Table) -> None:
        """Take rows; columns that are not the schema's are left out."""
        if not table.num_rows:
            return
        for values, rows in self._partitioner.split(table):
            self._collected[values].append(rows.select(self._schema.names))
            size = self._collected[values][-1].nbytes
            self._bytes[values] += size
            self._total += size
        while self._total >= COLLECTED_BYTES:
            self._flush(max(self._bytes, key=self._bytes.__getitem__))

    def _flush(self, values: _Values, *, is_last: bool = False) -> None:
        """Have the rows of a partition encoded, once there is room for them."""
        while len(self._encodings) >= ENCODED_AT_ONCE:
            self._encodings.popleft().result()
        self._total -= self._bytes.pop(values)
        rows = self._collected.pop(values)
        self._encodings.append(self._encoder.submit(self._encode, values, rows, is_last))

    def _encode(self, values: _Values, rows: list[pa.Table], is_last: bool) -> None:
        table = pa.concat_tables(rows).cast(self._schema)
        file = self._file(values, table)
        file.writer.write_table(table, row_group_size=max(table.num_rows, 1))
        file.rows += table.num_rows
        if is_last or file.path.stat().st_size >= FILE_BYTES:
            self._upload(values)

    def _finish(self) -> None:
        for values in sorted(self._bytes, key=self._bytes.__getitem__, reverse=True):
            self._flush(values, is_last=True)
        while self._encodings:
            self._encodings.popleft().result()
        for values in list(self._files):
            self._upload(values)
        for upload in self._uploads:
            upload.result()

    def _file(self, values: _Values, first_rows: pa.Table) -> _File:
        if values not in self._files:
            if len(self._files) >= OPEN_FILES:
                self._upload(next(iter(self._files)))
            if self._dictionary is None:
                self._dictionary = dictionary_columns(first_rows)
            name = f"{self._stem}-{self._made:05d}-{self._id}.parquet"
            self._made += 1
            self._files[values] = _File(self._directory / name, first_rows.schema, self._dictionary)
        self._files.move_to_end(values)
        return self._files[values]

    def _upload(self, values: _Values) -> None:
        file = self._files.pop(values)
        file.writer.close()
        partition = dict(zip(self._partitioner.names, values))
        self._uploads.append(self._uploader.submit(self._put, file, partition))

    def _put(self, file: _File, partition: dict[str, Any]) -> RawFile:
        location = self._location + file.path.name
        size = file.path.stat().st_size
        upload(self._s3, file.path, location)
        file.path.unlink()
        return RawFile(location, file.rows, size, partition)


def upload(s3: S3Client, path: Path, location: str) -> None:
    """Write a local file to S3. One that goes without parts goes without threads of boto3's, too."""
    bucket, key = split_location(location)
    if path.stat().st_size >= _TRANSFER.multipart_threshold:
        s3.upload_file(str(path), bucket, key, Config=_TRANSFER)
        return
    with path.open("rb") as body:
        s3.put_object(Bucket=bucket, Key=key, Body=body)


class _File:
    """A Parquet file that is being written on the local disk."""

    def __init__(self, path: Path, schema: pa.Schema, dictionary: list[str]) -> None:
        self.path = path
        self.rows = 0
        self.writer = parquet.ParquetWriter(
            path,
            schema,
            compression="zstd",
            use_dictionary=dictionary,
            store_decimal_as_integer=True,
        )


def dictionary_columns(rows: pa.Table) -> list[str]:
    """Columns, by their paths in Parquet, whose values repeat; of others a dictionary makes a file larger.

    Examples
    --------
    >>> dictionary_columns(pa.table({"key": range(80), "kind": ["new", "paid"] * 40}))
    ['kind']
    """
    paths = []
    for field in rows.schema:
        if pa.types.is_list(field.type):
            paths.append(f"{field.name}.list.element")
        elif pc.count_distinct(rows.column(field.name)).as_py() * _REPEATED <= rows.num_rows:
            paths.append(field.name)
    return paths
