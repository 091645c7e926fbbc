"""SQL through Athena's API: start, wait, page through the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenacity import retry, retry_if_result, stop_after_delay, wait_exponential

from millpond.errors import MillpondError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef, RowTypeDef

DEADLINE_SECONDS = 1800


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
    rows: tuple[tuple[str | None, ...], ...]
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


def run_query(athena: AthenaClient, sql: str, *, workgroup: str, database: str = "default") -> QueryResult:
    """Run one statement to its end.

    Parameters
    ----------
    athena : AthenaClient
        The client to use.
    sql : str
        One statement in Athena's dialect.
    workgroup, database : str
        Where it runs, and what unqualified names belong to.

    Raises
    ------
    MillpondError
        If the query fails or is cancelled, with Athena's own reason.
    """
    started = athena.start_query_execution(
        QueryString=sql, WorkGroup=workgroup, QueryExecutionContext={"Database": database}
    )
    execution = _wait(athena, started["QueryExecutionId"])
    state = execution["Status"]["State"]
    if state != "SUCCEEDED":
        raise MillpondError(
            execution["Status"].get("StateChangeReason", f"The query ended as {state}."),
            where=f"Athena query {execution['QueryExecutionId']}: {sql}",
            next_step='correct the statement; `millpond query "SHOW TABLES IN erp"` lists what is there',
        )
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


def _wait(athena: AthenaClient, query_execution_id: str) -> QueryExecutionTypeDef:
    @retry(
        retry=retry_if_result(lambda execution: execution["Status"]["State"] in ("QUEUED", "RUNNING")),
        wait=wait_exponential(multiplier=0.05, max=1),
        stop=stop_after_delay(DEADLINE_SECONDS),
    )
    def ended() -> QueryExecutionTypeDef:
        return athena.get_query_execution(QueryExecutionId=query_execution_id)["QueryExecution"]

    return ended()


def _results(
    athena: AthenaClient, execution: QueryExecutionTypeDef
) -> tuple[tuple[str, ...], tuple[tuple[str | None, ...], ...]]:
    paginator = athena.get_paginator("get_query_results")
    columns: tuple[str, ...] = ()
    rows: list[tuple[str | None, ...]] = []
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


def _values(row: RowTypeDef, width: int) -> tuple[str | None, ...]:
    values: Sequence[str | None] = [datum.get("VarCharValue") for datum in row.get("Data", [])]
    return tuple(values) + (None,) * (width - len(values))
