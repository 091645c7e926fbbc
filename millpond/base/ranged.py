"""Objects of S3 as files."""

from __future__ import annotations

import io
from typing import Any


class RangedObject(io.RawIOBase):
    """An object of S3 as a file that is read in parts: a footer does not cost the whole.

    Parameters
    ----------
    s3 : S3Client
        Where it is.
    bucket, key : str
        Its place.
    size : int
        Bytes.
    """

    def __init__(self, s3: Any, bucket: str, key: str, size: int) -> None:
        super().__init__()
        self._s3, self._bucket, self._key, self._size = s3, bucket, key, size
        self._place = 0

    def readable(self) -> bool:
        """Whether it can be read, which is always so."""
        return True

    def seekable(self) -> bool:
        """Whether a reader can move within it, which is always so."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        """The bytes from here on."""
        end = self._size if size is None or size < 0 else min(self._place + size, self._size)
        if end <= self._place:
            return b""
        part = f"bytes={self._place}-{end - 1}"
        answer = self._s3.get_object(Bucket=self._bucket, Key=self._key, Range=part)
        content: bytes = answer["Body"].read()
        self._place += len(content)
        return content
