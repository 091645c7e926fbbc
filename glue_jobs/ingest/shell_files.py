"""Files in S3 for pyiceberg and pyarrow, through the run's own boto3 client."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from ingest import layout
from ingest.iceberg import Field
from ingest.shell_arrow import arrow_type

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_BATCH_ROWS = 131_072
_READ_AT_ONCE = 8 * 1024**2
_FIELD_ID = b"PARQUET:field_id"

_LEAST_FETCH = 256 * 1024
"""Bytes of one request at least: the column that is asked for next is often near, and asking costs more."""

_WHOLE = 1024**2
"""A file of at most so many bytes is fetched as a whole."""


class S3FileIO(FileIO):
    """What pyiceberg reads and writes metadata with.

    Parameters
    ----------
    s3 : boto3 client
    """

    def __init__(self, s3: S3Client) -> None:
        super().__init__()
        self._s3 = s3

    def new_input(self, location: str) -> S3File:
        return S3File(self._s3, location)

    def new_output(self, location: str) -> S3File:
        return S3File(self._s3, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        bucket, key = layout.split_location(location if isinstance(location, str) else location.location)
        self._s3.delete_object(Bucket=bucket, Key=key)


class S3File(InputFile, OutputFile):
    """One object.

    Parameters
    ----------
    s3 : boto3 client
    location : str
        S3 URI.
    size : int, optional
        A file whose size is given is read by ranges; another one, as metadata is, as a whole.
    """

    def __init__(self, s3: S3Client, location: str, size: int | None = None) -> None:
        super().__init__(location)
        self._s3 = s3
        self._bucket, self._key = layout.split_location(location)
        self._size = size

    def __len__(self) -> int:
        if self._size is None:
            self._size = int(self._s3.head_object(Bucket=self._bucket, Key=self._key)["ContentLength"])
        return self._size

    def exists(self) -> bool:
        found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=self._key, MaxKeys=1).get("Contents", ())
        return any(entry["Key"] == self._key for entry in found)

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 (what is read as a whole can seek too)
        if self._size is not None:
            return _Ranges(self._s3, self._bucket, self._key, self._size)
        return io.BytesIO(self._s3.get_object(Bucket=self._bucket, Key=self._key)["Body"].read())

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: ARG002 (names are never used twice)
        """A buffer that is put when it is closed."""
        return _Upload(self)

    def to_input_file(self) -> S3File:
        return self

    def put(self, content: bytes) -> None:
        """Write the object as a whole."""
        self._s3.put_object(Bucket=self._bucket, Key=self._key, Body=content)
        self._size = len(content)


def open_parquet(s3: S3Client, location: str, size: int) -> parquet.ParquetFile:
    """A Parquet file in S3 of which only what is asked for is fetched."""
    source = pa.PythonFile(S3File(s3, location, size).open(), mode="r")
    return parquet.ParquetFile(source, pre_buffer=True)


def read_columns(
    file: parquet.ParquetFile,
    fields: Sequence[Field],
    is_wanted: Callable[[int, parquet.RowGroupMetaData, dict[int, int]], bool] | None = None,
) -> Iterator[tuple[int, pa.Table]]:
    """Columns of a file by field id, as the table's schema has them today.

    Parameters
    ----------
    file : ParquetFile
    fields : sequence of Field
        A column that the file does not have is NULL; one that was narrower is widened.
    is_wanted : callable, optional
        Whether to read a row group, from the position of its first row, its metadata and the columns'
        positions by field id.

    Yields
    ------
    (int, pyarrow.Table)
        Position of the first row in the file, and rows.
    """
    names = _names_by_id(file.schema_arrow)
    wanted = [names[field.id] for field in fields if field.id in names]
    paths = {file.schema.column(leaf).path: leaf for leaf in range(len(file.schema))}
    leaves = {number: paths[name] for number, name in names.items() if name in paths}
    wanted_leaves = [leaf for path, leaf in paths.items() if _is_of(path, wanted)]
    position = 0
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        start, position = position, position + group.num_rows
        if is_wanted is not None and not is_wanted(start, group, leaves):
            continue
        is_small = sum(group.column(leaf).total_uncompressed_size for leaf in wanted_leaves) <= _READ_AT_ONCE
        for batch in _batches(file, number, wanted, is_small):
            yield start, _projected(batch, fields, names)
            start += batch.num_rows


def _is_of(path: str, names: Sequence[str]) -> bool:
    """Whether a leaf is one of some columns, or within one."""
    return any(path == name or path.startswith(f"{name}.") for name in names)


def _batches(
    file: parquet.ParquetFile, number: int, wanted: Sequence[str], is_small: bool
) -> Iterable[pa.RecordBatch | pa.Table]:
    """Columns of a row group: at once where they are small, which takes a fourth of the time."""
    if is_small:
        return [file.read_row_group(number, columns=wanted, use_threads=False)]
    batches: Iterable[pa.RecordBatch] = file.iter_batches(_BATCH_ROWS, row_groups=[number], columns=wanted)
    return batches


def numbers_from(start: int, count: int) -> pa.Array:
    """Whole numbers that follow each other."""
    return pc.add(_from_zero(1 << count.bit_length()).slice(0, count), start)


@lru_cache(maxsize=1)
def _from_zero(count: int) -> pa.Array:
    """Counted once: ``pa.arange`` came with pyarrow 21, whose wheels need a later glibc than a job has."""
    return pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), count), start=-1)


def _projected(batch: pa.RecordBatch | pa.Table, fields: Sequence[Field], names: dict[int, str]) -> pa.Table:
    columns = []
    for field in fields:
        kind = arrow_type(field.type)
        if field.id not in names:
            columns.append(pa.nulls(batch.num_rows, kind))
            continue
        column = batch.column(names[field.id])
        columns.append(column if column.type == kind else pc.cast(column, kind))
    return pa.table(columns, names=[field.name for field in fields])


def _names_by_id(schema: pa.Schema) -> dict[int, str]:
    numbers = ((field.name, (field.metadata or {}).get(_FIELD_ID)) for field in schema)
    return {int(number): name for name, number in numbers if number is not None}


class _Ranges(io.RawIOBase):
    """An object that is read by ranges."""

    def __init__(self, s3: S3Client, bucket: str, key: str, size: int) -> None:
        super().__init__()
        self._s3, self._bucket, self._key, self._size = s3, bucket, key, size
        self._position = 0
        self._fetched, self._fetched_from = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._position + size, self._size)
        if end <= self._position:
            return b""
        if not self._fetched_from <= self._position <= end <= self._fetched_from + len(self._fetched):
            if self._size <= _WHOLE:
                self._fetch(0, self._size)
            else:
                self._fetch(self._position, min(max(end, self._position + _LEAST_FETCH), self._size))
        start, stop = (position - self._fetched_from for position in (self._position, end))
        content = self._fetched[start:stop]
        if stop == len(self._fetched) > _WHOLE:  # a large one is not kept for nobody
            self._fetched = b""
        self._position = end
        return content

    def _fetch(self, start: int, end: int) -> None:
        span = f"bytes={start}-{end - 1}"
        response = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=span)
        self._fetched, self._fetched_from = response["Body"].read(), start


class _Upload(io.BytesIO):
    """Bytes that become an object when they are closed."""

    def __init__(self, file: S3File) -> None:
        super().__init__()
        self._file = file

    def close(self) -> None:
        if not self.closed:
            self._file.put(self.getvalue())
        super().close()
