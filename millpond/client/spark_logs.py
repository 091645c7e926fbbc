"""Event logs of Spark that jobs have written to S3 (``--enable-spark-ui``, ``--spark-event-logs-path``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from millpond.base.errors import MillpondError
from millpond.client.listing import pages

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_s3 import S3Client

ARGUMENT = "--spark-event-logs-path"


def places(glue: GlueClient) -> list[str]:
    """The addresses that the jobs of a region name, each once."""
    named = [
        {**job.get("DefaultArguments", {}), **job.get("NonOverridableArguments", {})}
        for job in pages(glue, "get_jobs", "Jobs")
    ]
    return sorted({f"{arguments[ARGUMENT].rstrip('/')}/" for arguments in named if ARGUMENT in arguments})


def download(s3: S3Client, address: str, directory: Path) -> int:
    """Copy the logs below an address, and say how many files they are.

    Parameters
    ----------
    s3 : S3Client
        Where they are.
    address : str
        ``s3://bucket/prefix``; ``s3a`` and ``s3n`` are the same.
    directory : Path
        Where to put them, by their names below the prefix.

    Raises
    ------
    MillpondError
        If it is no such address.
    """
    scheme, _, rest = address.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme not in ("s3", "s3a", "s3n") or not bucket:
        raise MillpondError(
            f"{address} is no address of S3.", next_step="millpond spark-history s3://BUCKET/PREFIX"
        )
    prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
    listed = pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for entry in listed if not entry["Key"].endswith("/")]
    for key in keys:
        path = (directory / key.removeprefix(prefix)).resolve()
        if not path.is_relative_to(directory.resolve()):
            raise MillpondError(f"The key {key} leads out of a directory.", where=address)
        path.parent.mkdir(parents=True, exist_ok=True)
        s3.download_file(bucket, key, str(path))
    return len(keys)
