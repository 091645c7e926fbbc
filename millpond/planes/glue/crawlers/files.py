"""Reads the beginning of files in S3, or as much as their format needs."""

from __future__ import annotations

import bz2
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Of a text at most so much is read to find its columns.
SAMPLE_BYTES = 1_000_000
_COMPRESSIONS = {".gz": "gzip", ".bz2": "bzip2", ".zst": "zstd", ".snappy": "snappy"}


@dataclass(frozen=True)
class S3File:
    """An object.

    Parameters
    ----------
    bucket, key, etag : str
        Which.
    size : int
        Its length in bytes.
    """

    bucket: str
    key: str
    size: int
    etag: str = ""

    @property
    def compression(self) -> str:
        return next((name for end, name in _COMPRESSIONS.items() if self.key.endswith(end)), "none")


def read_sample(s3: S3Client, file: S3File) -> tuple[bytes, bool]:
    """The beginning of a file, uncompressed, and whether that is all of it."""
    last = min(file.size, SAMPLE_BYTES) - 1
    body = s3.get_object(Bucket=file.bucket, Key=file.key, Range=f"bytes=0-{last}")["Body"].read()
    is_whole = file.size <= SAMPLE_BYTES
    match file.compression:
        case "gzip":
            decompress = zlib.decompressobj(wbits=31)
            return decompress.decompress(body, SAMPLE_BYTES), is_whole and not decompress.unconsumed_tail
        case "bzip2":
            return bz2.BZ2Decompressor().decompress(body, SAMPLE_BYTES), False
        case "zstd" | "snappy":
            import pyarrow as pa

            codec = "zstd" if file.compression == "zstd" else "snappy"
            with pa.CompressedInputStream(pa.BufferReader(body), codec) as stream:
                return stream.read(SAMPLE_BYTES), False
    return body, is_whole


class RangedFile(io.RawIOBase):
    """An object that is read by ranges, as formats with a footer are.

    Parameters
    ----------
    s3 : S3Client
        Reads it.
    file : S3File
        Which.
    """

    def __init__(self, s3: S3Client, file: S3File) -> None:
        self._s3, self._file, self._place = s3, file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._file.size}[whence]
        self._place = base + offset
        return self._place

    def read(self, size: int = -1) -> bytes:
        end = self._file.size if size < 0 else min(self._file.size, self._place + size)
        if self._place >= end:
            return b""
        answer = self._s3.get_object(
            Bucket=self._file.bucket, Key=self._file.key, Range=f"bytes={self._place}-{end - 1}"
        )
        content: bytes = answer["Body"].read()
        self._place += len(content)
        return content
