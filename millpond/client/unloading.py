"""A result as one Parquet file, with the types that Athena gives it: by its own ``UNLOAD``.

Source: "UNLOAD" in the Athena User Guide: the files of a result below a prefix that must be empty.
"""

from __future__ import annotations

import io
import uuid
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
    MillpondError
        If Athena wrote no file, which would say the columns of a result without rows.
    """
    bucket, _, prefix = _place(aws, workgroup, output_location).removeprefix("s3://").partition("/")
    below = f"{prefix.rstrip('/')}/unload/{uuid.uuid4()}/".lstrip("/")
    statement = f"UNLOAD (\n{sql}\n) TO 's3://{bucket}/{below}' WITH (format = 'PARQUET')"
    try:
        run_query(
            aws.athena, statement, workgroup=workgroup, database=database, output_location=output_location
        )
        return _written(aws, bucket, below, output)
    finally:
        for key in _keys(aws, bucket, below):
            aws.s3.delete_object(Bucket=bucket, Key=key)


def _place(aws: Aws, workgroup: str, given: str) -> str:
    configuration = aws.athena.get_work_group(WorkGroup=workgroup)["WorkGroup"].get("Configuration", {})
    location = given or configuration.get("ResultConfiguration", {}).get("OutputLocation", "")
    if not location:
        raise MillpondError(
            f"The workgroup {workgroup} says no place of results.", next_step="name another by --workgroup"
        )
    return location


def _keys(aws: Aws, bucket: str, below: str) -> list[str]:
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]


def _written(aws: Aws, bucket: str, below: str, output: IO[bytes]) -> int:
    rows, writer = 0, None
    for key in _keys(aws, bucket, below):
        file = pq.ParquetFile(io.BytesIO(aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
        writer = writer or pq.ParquetWriter(output, file.schema_arrow)
        for batch in file.iter_batches():
            writer.write_batch(batch)
            rows += batch.num_rows
    if writer is None:
        raise MillpondError("UNLOAD wrote no file of the result.", next_step="the same with --format csv")
    writer.close()
    return rows
