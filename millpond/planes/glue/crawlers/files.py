"""Reads the beginning of files in S3, or as much as their format needs."""

from __future__ import annotations

import bz2
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
