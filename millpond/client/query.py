"""SQL through Athena's API: start, wait, page through the results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential

from millpond.base.errors import MillpondError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef, RowTypeDef
    from mypy_boto3_s3 import S3Client

DEADLINE_SECONDS = 1800

Row = tuple[str | None, ...]


class QueryFailedError(MillpondError):
    """Athena refused a query, or it ended as FAILED or CANCELLED; ``what`` is Athena's own reason."""


@dataclass(frozen=True)
class QueryResult:
    """What a query gave.

    Parameters
    ----------
    columns : tuple of str
        Column labels, in order.
    rows : tuple of tuple of str or None
        Values as Athena writes them; None is NULL.
    query_execution_id : str
        Athena's name for it.
    output_location : str
        Where Athena left the result file.
    seconds : float
        Total time that Athena reports.
    scanned_bytes : int
        What AWS would bill by.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    query_execution_id: str
    output_location: str
    seconds: float
    scanned_bytes: int

    def to_dict(self) -> dict[str, object]:
        return {
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
            "query_execution_id": self.query_execution_id,
            "output_location": self.output_location,
            "seconds": self.seconds,
            "scanned_bytes": self.scanned_bytes,
        }


def run_query(
    athena: AthenaClient, sql: str, *, workgroup: str, database: str = "default", output_location: str = ""
) -> QueryResult:
    """Run one statement to its end.

    Parameters
    ----------
    athena : AthenaClient
        The client to use.
    sql : str
        One statement in Athena's dialect.
    workgroup, database : str
        Where it runs, and what unqualified names belong to.
    output_location : str
        Where results go, for a workgroup that has no place of its own.

    Raises
    ------
    QueryFailedError
        If Athena refuses the query, or it fails or is cancelled.
    MillpondError
        If it does not end in time; it is stopped.
    """
    try:
        started = athena.start_query_execution(
            QueryString=sql,
            WorkGroup=workgroup,
            QueryExecutionContext={"Database": database},
            ResultConfiguration={"OutputLocation": output_location} if output_location else {},
        )
    except athena.exceptions.InvalidRequestException as error:
        raise _failure(error.response["Error"].get("Message", str(error)), sql) from error
    execution = _wait(athena, started["QueryExecutionId"])
    state = execution["Status"]["State"]
    if state != "SUCCEEDED":
        raise _failure(execution["Status"].get("StateChangeReason", f"The query ended as {state}."), sql)
    columns, rows = _results(athena, execution)
    statistics = execution.get("Statistics", {})
    return QueryResult(
        columns=columns,
        rows=rows,
        query_execution_id=execution["QueryExecutionId"],
        output_location=execution["ResultConfiguration"].get("OutputLocation", ""),
        seconds=statistics.get("TotalExecutionTimeInMillis", 0) / 1000,
        scanned_bytes=statistics.get("DataScannedInBytes", 0),
    )


def engine_of(s3: S3Client, output_location: str) -> str:
    """Which engine the metadata beside a result name; empty where they name none, as AWS's own do."""
    bucket, _, key = output_location.removeprefix("s3://").partition("/")
    try:
        content = s3.get_object(Bucket=bucket, Key=f"{key}.metadata")["Body"].read()
        return str(json.loads(content)["Engine"])
    except (ClientError, ValueError, KeyError):
        return ""


def _failure(reason: str, sql: str) -> QueryFailedError:
    next_step = 'correct the statement; `millpond query "SHOW DATABASES"` lists what is there'
    if "WorkGroup" in reason:
        next_step = "name one that is there: aws athena list-work-groups, or none for primary"
    return QueryFailedError(reason, where=sql, next_step=next_step)


def _wait(athena: AthenaClient, query_execution_id: str) -> QueryExecutionTypeDef:
    waiting = Retrying(
        retry=retry_if_result(lambda execution: execution["Status"]["State"] in ("QUEUED", "RUNNING")),
        wait=wait_exponential(multiplier=0.05, max=1),
        stop=stop_after_delay(DEADLINE_SECONDS),
    )
    try:
        return waiting(
            lambda: athena.get_query_execution(QueryExecutionId=query_execution_id)["QueryExecution"]
        )
    except RetryError as error:
        athena.stop_query_execution(QueryExecutionId=query_execution_id)
        raise MillpondError(
            f"The query did not end within {DEADLINE_SECONDS} seconds.",
            where=f"Athena query {query_execution_id}",
            next_step="millpond status",
        ) from error


def _results(
    athena: AthenaClient, execution: QueryExecutionTypeDef
) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    paginator = athena.get_paginator("get_query_results")
    columns: tuple[str, ...] = ()
    rows: list[Row] = []
    for page in paginator.paginate(QueryExecutionId=execution["QueryExecutionId"]):
        result_set = page["ResultSet"]
        columns = tuple(
            column.get("Label", column["Name"]) for column in result_set["ResultSetMetadata"]["ColumnInfo"]
        )
        rows.extend(_values(row, len(columns)) for row in result_set["Rows"])
    # A SELECT's first row repeats the column names; DDL and SHOW have no such row.
    if execution.get("StatementType") == "DML" and rows and rows[0] == columns:
        rows = rows[1:]
    return columns, tuple(rows)


def _values(row: RowTypeDef, width: int) -> Row:
    values: Sequence[str | None] = [datum.get("VarCharValue") for datum in row.get("Data", [])]
    return tuple(values) + (None,) * (width - len(values))
