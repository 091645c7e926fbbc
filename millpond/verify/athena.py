"""Run one query through Athena's API and read its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_exponential

from millpond.errors import MillpondError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import QueryExecutionTypeDef

DEADLINE = 1800.0

Row = tuple[str | None, ...]


class AthenaQueryFailedError(Exception):
    """A query did not succeed; the message is Athena's own."""


def run_query(athena: AthenaClient, workgroup: str, query: str) -> list[Row]:
    """Run a query to its end; values are text, as the API gives them, without the line of names.

    Raises
    ------
    AthenaQueryFailedError
        If Athena refuses the query, or it ends as FAILED or CANCELLED.
    MillpondError
        If it does not end in time.
    """
    try:
        started = athena.start_query_execution(QueryString=query, WorkGroup=workgroup)
    except athena.exceptions.InvalidRequestException as error:
        raise AthenaQueryFailedError(str(error)) from error
    query_id = started["QueryExecutionId"]
    execution = _wait(athena, query_id)
    status = execution["Status"]
    if status["State"] != "SUCCEEDED":
        reason = status.get("StateChangeReason", "no reason given")
        raise AthenaQueryFailedError(f"{status['State']}: {reason}")
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id)
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    return [tuple(value.get("VarCharValue") for value in row) for row in rows[1:]]


def _wait(athena: AthenaClient, query_id: str) -> QueryExecutionTypeDef:
    waiting = Retrying(
        retry=retry_if_result(lambda execution: execution["Status"]["State"] in ("QUEUED", "RUNNING")),
        wait=wait_exponential(multiplier=0.05, max=2.0),
        stop=stop_after_delay(DEADLINE),
    )
    try:
        return waiting(lambda: athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"])
    except RetryError as error:
        athena.stop_query_execution(QueryExecutionId=query_id)
        raise MillpondError(
            f"An Athena query did not end within {DEADLINE:.0f} s.",
            where=f"query execution {query_id}",
            next_step="make status",
        ) from error
