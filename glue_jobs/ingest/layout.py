"""Where files are in the lake: ``s3://LAKE/DATABASE/TABLE/run_id=RUN_ID/[PARTITION=VALUE/]part-*.parquet``."""

from __future__ import annotations

import re
from typing import Any, Iterable, Sequence, Tuple

from ingest.errors import IngestError

DEFAULT_PARTITION = "__HIVE_DEFAULT_PARTITION__"

PartitionValues = Tuple[str, ...]
"""Values of a table's partition keys as the catalog has them; ``()`` for a table without any."""

_ESCAPED = re.compile(r"""[\x01-\x1f\x7f"#%'*/:=?\\{\[\]^]""")


def table_location(bucket: str, database: str, table: str) -> str:
    return f"s3://{bucket}/{database}/{table}/"


def escape(value: str) -> str:
    """A partition value as a part of a path, escaped as Hive and Spark do it.

    Examples
    --------
    >>> escape("a/b=c d")
    'a%2Fb%3Dc d'
    """
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", value)


def partition_location(version_location: str, names: Sequence[str], values: PartitionValues) -> str:
    """Directory of one partition in a version of a table."""
    return version_location + "".join(f"{name}={escape(value)}/" for name, value in zip(names, values))


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key prefix of a location."""
    scheme, _, rest = location.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a") or not bucket:
        raise IngestError(f"The location {location} is not in S3.")
    return bucket, key


def version_of(table: str, location: str) -> str:
    """The directory name of the version, ``run_id=…``, that a location in the table belongs to.

    Raises
    ------
    IngestError
        If the location is not below the table's: somebody else registered it.
    """
    name = location[len(table) :].split("/", 1)[0] if location.startswith(table) else ""
    if not name.startswith("run_id="):
        raise IngestError(f"The location {location} is not one that the ingest made below {table}.")
    return name


def new_version_location(s3: Any, table: str, run_id: str) -> str:
    """A location for a run that nothing was written to before, so that a retry overwrites nothing.

    The first attempt gets ``run_id=RUN_ID``, the following ones ``run_id=RUN_ID.attempt-2`` and so on.
    """
    attempt = 1
    while True:
        suffix = "" if attempt == 1 else f".attempt-{attempt}"
        location = f"{table}run_id={run_id}{suffix}/"
        bucket, prefix = split_location(location)
        if s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount", 0) == 0:
            return location
        attempt += 1


def list_versions(s3: Any, table: str) -> list[str]:
    """Directory names, ``run_id=…``, of every version of a table that has files."""
    bucket, prefix = split_location(table)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]
    names = [key[len(prefix) :].rstrip("/") for key in found]
    return [name for name in names if name.startswith("run_id=")]


def list_files(s3: Any, location: str) -> list[dict[str, Any]]:
    """The Parquet files below a location, as S3 lists them (``Key``, ``Size``, ``LastModified``)."""
    return [entry for entry in list_objects(s3, location) if _is_data(entry["Key"])]


def list_objects(s3: Any, location: str) -> list[dict[str, Any]]:
    """Every object below a location."""
    bucket, prefix = split_location(location)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry for page in pages for entry in page.get("Contents", ())]


def delete_objects(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    """Delete objects, a thousand at a time.

    Raises
    ------
    IngestError
        If one could not be deleted.
    """
    remaining = list(keys)
    while remaining:
        chunk, remaining = remaining[:1000], remaining[1000:]
        response = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in chunk], "Quiet": True}
        )
        for error in response.get("Errors", ()):
            raise IngestError(f"s3://{bucket}/{error['Key']} could not be deleted: {error['Message']}")


def _is_data(key: str) -> bool:
    return key.endswith(".parquet") and not key.rsplit("/", 1)[1].startswith(("_", "."))
