"""Where things are in S3.

Raw: ``s3://RAW/DATABASE/TABLE/ingest_date=DATE/run_id=RUN_ID[.attempt-N]/``, one directory for each
attempt. Curated: ``s3://CURATED/DATABASE/TABLE``, an Iceberg table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.errors import IngestError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def raw_location(bucket: str, database: str, table: str, ingest_date: str, run_id: str) -> str:
    """Directory of a run's first attempt."""
    return f"s3://{bucket}/{database}/{table}/ingest_date={ingest_date}/run_id={run_id}/"


def curated_location(bucket: str, database: str, table: str) -> str:
    return f"s3://{bucket}/{database}/{table}"


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key, or key prefix, of a location."""
    scheme, _, rest = location.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "s3a") or not bucket:
        raise IngestError(f"The location {location} is not in S3.")
    return bucket, key


def list_attempts(s3: S3Client, first: str) -> list[str]:
    """The attempts of a run that wrote anything, in order.

    Parameters
    ----------
    s3 : boto3 client
    first : str
        Directory of the first attempt.
    """
    bucket, prefix = split_location(first)
    stem = prefix.rstrip("/")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=stem, Delimiter="/")
    found = {entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())}
    numbers = {_attempt(key, stem): key for key in found}
    return [f"s3://{bucket}/{numbers[number]}" for number in sorted(numbers) if number]


def new_attempt(s3: S3Client, first: str) -> str:
    """A directory for a run that nothing was written to before, so that a retry overwrites nothing."""
    attempts = list_attempts(s3, first)
    if not attempts:
        return first
    stem = first.rstrip("/")
    return f"{stem}.attempt-{max(_attempt(location, stem) for location in attempts) + 1}/"


def _attempt(directory: str, stem: str) -> int:
    """The number of an attempt; 0 for what only begins like the run's name."""
    suffix = directory[len(stem) :].rstrip("/")
    if not suffix:
        return 1
    number = suffix[len(".attempt-") :] if suffix.startswith(".attempt-") else ""
    return int(number) if number.isdecimal() else 0
