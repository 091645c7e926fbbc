"""Objects of S3: put, read, assert."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path

from pytest_millpond.clients import Aws


class Objects:
    """What a test does with S3; ``aws("s3")`` does all the rest."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def bucket(self, name: str) -> str:
        """Make a bucket unless it is there; its address, ``s3://name``."""
        client = self._aws("s3")
        # `us-east-1` is the region that CreateBucket does not take by name.
        where = {"LocationConstraint": self._aws.region}
        more = {} if self._aws.region == "us-east-1" else {"CreateBucketConfiguration": where}
        # In us-east-1 the same call succeeds.
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=name, **more)
        return f"s3://{name}"

    def put(self, uri: str, content: bytes | str | Path) -> str:
        """Put an object: bytes, text as UTF-8, or a file's content; its address."""
        bucket, key = split(uri)
        if isinstance(content, Path):
            content = content.read_bytes()
        body = content.encode() if isinstance(content, str) else content
        self._aws("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return uri

    def read(self, uri: str) -> bytes:
        """The content of an object."""
        bucket, key = split(uri)
        return bytes(self._aws("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def keys(self, uri: str) -> list[str]:
        """The keys below an address, without its own prefix, in S3's order."""
        bucket, prefix = split(uri)
        pages = self._aws("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [one["Key"][len(prefix) :].lstrip("/") for page in pages for one in page.get("Contents", [])]

    def assert_objects(self, uri: str, expected: Sequence[str]) -> None:
        """Assert that these objects are below an address, and no others.

        Parameters
        ----------
        uri : str
            A bucket, or a prefix in it.
        expected : sequence of str
            Keys below it; ``*``, ``?`` and ``[]`` stand for what they do in a shell.
        """
        __tracebackhide__ = True
        found = self.keys(uri)
        missing = [one for one in expected if not any(_matches(key, one) for key in found)]
        surplus = [key for key in found if not any(_matches(key, one) for one in expected)]
        if missing or surplus:
            raise AssertionError(
                f"The objects below {uri} are not those expected.\n"
                f"  missing: {missing or 'none'}\n  not expected: {surplus or 'none'}\n"
                f"  found: {found or 'none'}"
            )


def split(uri: str) -> tuple[str, str]:
    """Bucket and key of an address.

    Raises
    ------
    ValueError
        If it is no address of S3.

    Examples
    --------
    >>> split("s3://lake/raw/a.csv")
    ('lake', 'raw/a.csv')
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in {"s3", "s3a", "s3n"} or not bucket:
        raise ValueError(f"{uri!r} is no address of S3, which is s3://BUCKET/KEY.")
    return bucket, key


def _matches(key: str, pattern: str) -> bool:
    return key == pattern or fnmatchcase(key, pattern)
