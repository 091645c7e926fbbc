"""A result as one Parquet file, with the types that Athena gives it: by its own ``UNLOAD``.

Source: "UNLOAD" in the Athena User Guide: the files of a result below a prefix that must be empty.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import pyarrow.parquet as pq

from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.query import run_query


def unload(
    aws: Aws, sql: str, output: IO[bytes], *, workgroup: str, database: str, output_location: str
) -> int:
    """Write the result of a ``SELECT`` as Parquet; the number of its rows.

    Parameters
    ----------
    aws : Aws
        Clients of the stack or of an account.
    sql : str
        A ``SELECT``, as ``UNLOAD`` takes it.
    output : file
        Where to.
    workgroup, database, output_location : str
        As of :func:`millpond.client.query.run_query`; a place of the results is needed.

    Raises
    ------
    QueryFailedError
        If Athena refuses the query, or it fails.
    """
    bucket, _, prefix = _place(aws, workgroup, output_location).removeprefix("s3://").partition("/")
    unloading = Unloading(aws, bucket, f"{prefix.rstrip('/')}/unload".lstrip("/"))
    asked = {"workgroup": workgroup, "database": database, "output_location": output_location}
    with unloading.files(sql, asked) as files:
        rows, writer = 0, None
        for file in files:
            writer = writer or pq.ParquetWriter(output, file.schema_arrow)
            for batch in file.iter_batches():
                writer.write_batch(batch)
                rows += batch.num_rows
    if writer is None:
        # No rows leave no file: a row of NULLs has the same columns.
        nulls = f"SELECT t.* FROM (VALUES 1) AS o (n) LEFT JOIN (\n{sql}\n) AS t ON true"  # noqa: S608 (theirs)
        with unloading.files(nulls, asked) as files:
            writer = pq.ParquetWriter(output, next(files).schema_arrow)
    writer.close()
    return rows


@dataclass(frozen=True)
class Unloading:
    """Where files of results are for as long as they are read.

    Parameters
    ----------
    aws : Aws
        Clients.
    bucket, prefix : str
        Below it each result has a prefix of its own.
    """

    aws: Aws
    bucket: str
    prefix: str

    @contextmanager
    def files(self, sql: str, asked: Mapping[str, str]) -> Iterator[Iterator[pq.ParquetFile]]:
        """The files of a result, which are removed at the end."""
        below = f"{self.prefix}/{uuid.uuid4()}/".lstrip("/")
        statement = f"UNLOAD (\n{sql}\n) TO 's3://{self.bucket}/{below}' WITH (format = 'PARQUET')"
        try:
            run_query(self.aws.athena, statement, **asked)
            yield map(self._file, self._keys(below))
        finally:
            for key in self._keys(below):
                self.aws.s3.delete_object(Bucket=self.bucket, Key=key)

    def _keys(self, below: str) -> list[str]:
        pages = self.aws.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=below)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def _file(self, key: str) -> pq.ParquetFile:
        return pq.ParquetFile(io.BytesIO(self.aws.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()))


def _place(aws: Aws, workgroup: str, explicit: str) -> str:
    configuration = aws.athena.get_work_group(WorkGroup=workgroup)["WorkGroup"].get("Configuration", {})
    location = explicit or configuration.get("ResultConfiguration", {}).get("OutputLocation", "")
    if not location:
        raise MillpondError(
            f"The workgroup {workgroup} says no place of results.", next_step="name another by --workgroup"
        )
    return location
