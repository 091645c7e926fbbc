"""Reading Parquet files from S3 without downloading them whole."""

from __future__ import annotations

import io
from typing import Any, Iterator

import pyarrow as pa
from pyarrow import parquet

from ingest import layout

_BATCH_ROWS = 65_536


def read_batches(s3: Any, location: str, columns: list[str]) -> Iterator[pa.Table]:
    """The rows of every Parquet file below a location, some at a time.

    Parameters
    ----------
    s3 : boto3 client
    location : str
        Directory.
    columns : list of str
        What to read; nothing else is fetched.
    """
    bucket, _ = layout.split_location(location)
    for entry in layout.list_files(s3, location):
        source = pa.PythonFile(_S3Object(s3, bucket, entry["Key"], entry["Size"]), mode="r")
        with parquet.ParquetFile(source) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                yield pa.Table.from_batches([batch])


class _S3Object(io.RawIOBase):
    """An object that is read by ranges."""

    def __init__(self, s3: Any, bucket: str, key: str, size: int) -> None:
        super().__init__()
        self._s3, self._bucket, self._key, self._size = s3, bucket, key, size
        self._position = 0

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
        span = f"bytes={self._position}-{end - 1}"
        response = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=span)
        content: bytes = response["Body"].read()
        self._position += len(content)
        return content
