"""Putting what a statement gave where the API says it is: the result, its metadata, the list of new files."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from millpond.planes.athena.exceptions import QueryFailed
from millpond.planes.athena.jobs import DUCKDB, Job, Outcome
from millpond.planes.athena.results import metadata_file, text_columns
from millpond.planes.athena.writes import Written

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PART = 8 << 20
"""Bytes of the largest object that is put at once."""
_NOT_WRITABLE = (
    "Access denied when writing output to url: {} . Please ensure you are allowed to access the S3 bucket. "
    "If you are encrypting query results with KMS key, please ensure you are allowed to access your KMS key"
)


class Publisher:
    """Publishes the results of one worker.

    Parameters
    ----------
    directory : Path
        Where files are made.
    s3 : S3Client
        Where they go.
    engine : str
        Who answered; the metadata say so, and so does the outcome.
    """

    def __init__(self, directory: Path, s3: S3Client, engine: str = DUCKDB) -> None:
        self._directory = directory
        self._s3 = s3
        self._engine = engine

    def rows(
        self,
        job: Job,
        path: Path,
        columns: list[dict[str, Any]],
        count: int,
        spent: tuple[int, int],
    ) -> Outcome:
        """The rows of a query, which are in a file already, after so many ms of planning and execution."""
        started = time.monotonic()
        self._upload(job, path, columns)
        return Outcome(
            "SUCCEEDED",
            columns=columns,
            rows=count,
            output_bytes=path.stat().st_size,
            planning_ms=spent[0],
            execution_ms=spent[1],
            publishing_ms=milliseconds(started, time.monotonic()),
            engine=self._engine,
        )

    def written(self, job: Job, written: Written, started: float) -> Outcome:
        """What a statement that writes has written."""
        manifest = f"{job.results_prefix}{job.query_id}-manifest.csv"
        self._put(job, manifest, "".join(f"{path}\n" for path in written.files).encode())
        columns = [{**text_columns("rows")[0], "Type": "bigint", "Precision": 19}]
        executed = time.monotonic()
        if job.output_location.endswith(".csv"):
            path = self._directory / "result.csv"
            path.write_text("")
            self._upload(job, path, columns)
        else:
            self._put(job, f"{job.output_location}.metadata", metadata_file(columns, self._engine))
        return Outcome(
            "SUCCEEDED",
            columns=columns,
            execution_ms=milliseconds(started, executed),
            publishing_ms=milliseconds(executed, time.monotonic()),
            update_count=written.rows,
            manifest_location=manifest,
            engine=self._engine,
        )

    def text(
        self,
        job: Job,
        columns: list[dict[str, Any]],
        lines: Iterable[str],
        started: float,
    ) -> Outcome:
        """The lines of a statement that shows something."""
        path = self._directory / "result.txt"
        content = "".join(f"{line}\n" for line in lines)
        path.write_text(content, encoding="utf-8", newline="")
        executed = time.monotonic()
        self._upload(job, path, columns)
        return Outcome(
            "SUCCEEDED",
            columns=columns,
            rows=content.count("\n"),
            output_bytes=path.stat().st_size,
            execution_ms=milliseconds(started, executed),
            publishing_ms=milliseconds(executed, time.monotonic()),
            engine=self._engine,
        )

    def _upload(self, job: Job, path: Path, columns: list[dict[str, Any]]) -> None:
        """Put the result and its metadata where the API says they are."""
        bucket, key = _object(job.output_location)
        try:
            self._send(path, bucket, key, job.upload_arguments)
        except (boto3.exceptions.S3UploadFailedError, ClientError) as error:
            # boto3 tells of the error in its text alone.
            if "(AccessDenied)" in str(error):
                raise QueryFailed("", _NOT_WRITABLE.format(job.output_location)) from error
            reason = f"Unable to verify/create output bucket {bucket}"
            raise QueryFailed("", f"{reason}: {error}") from error
        self._put(job, f"{job.output_location}.metadata", metadata_file(columns, self._engine))

    def _send(self, path: Path, bucket: str, key: str, arguments: dict[str, str]) -> None:
        """Put a file; in parts, with threads for them, only if it has several."""
        if path.stat().st_size > _PART:
            self._s3.upload_file(str(path), bucket, key, ExtraArgs=arguments)
            return
        more: Any = arguments
        with path.open("rb") as content:
            self._s3.put_object(Bucket=bucket, Key=key, Body=content, **more)

    def _put(self, job: Job, location: str, content: bytes) -> None:
        bucket, key = _object(location)
        more: Any = job.upload_arguments
        self._s3.put_object(Bucket=bucket, Key=key, Body=content, **more)


def milliseconds(start: float, end: float) -> int:
    """Between two readings of a clock in seconds."""
    return round((end - start) * 1000)


def _object(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key
