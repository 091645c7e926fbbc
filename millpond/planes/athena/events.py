"""What Athena tells EventBridge and CloudWatch of queries.

Sources: "Monitor Athena query events with EventBridge" (one event for each transition, numbered from 1) and
"Monitor Athena query metrics with CloudWatch" in the Athena User Guide (a workgroup reports them when
``PublishCloudWatchMetricsEnabled``; ``ProcessedBytes`` is reported for DML only; the dimension's value for a
cancelled query is ``CANCELED``).
"""

from __future__ import annotations

import json
from typing import Any

from millpond.planes.athena.executions import QueryExecution
from millpond.planes.common.telemetry import datum

Shape = dict[str, Any]

STATE_CHANGE = "Athena Query State Change"
NAMESPACE = "AWS/Athena"

_MILLISECONDS = {
    "EngineExecutionTime": "EngineExecutionTimeInMillis",
    "QueryPlanningTime": "QueryPlanningTimeInMillis",
    "QueryQueueTime": "QueryQueueTimeInMillis",
    "ServicePreProcessingTime": "ServicePreProcessingTimeInMillis",
    "ServiceProcessingTime": "ServiceProcessingTimeInMillis",
    "TotalExecutionTime": "TotalExecutionTimeInMillis",
}


def state_change(execution: QueryExecution, previous: str | None, number: int) -> Shape:
    """The entry for ``PutEvents`` when an execution enters its state."""
    detail: Shape = {
        "versionId": "0",
        "currentState": execution.state,
        "statementType": execution.statement.statement_type,
        "queryExecutionId": execution.query_id,
        "workgroupName": execution.work_group,
        "sequenceNumber": str(number),
    }
    if previous is not None:
        detail["previousState"] = previous
    if error := execution.describe()["Status"].get("AthenaError"):
        detail["athenaError"] = {name[0].lower() + name[1:]: value for name, value in error.items()}
    return {
        "Source": "aws.athena",
        "DetailType": STATE_CHANGE,
        "Detail": json.dumps(detail),
        "Resources": [],
    }


def metrics(execution: QueryExecution) -> list[Shape]:
    """Data of an execution that has ended."""
    statistics = execution.statistics()
    state = "CANCELED" if execution.state == "CANCELLED" else execution.state
    kind = execution.statement.statement_type
    group = {"WorkGroup": execution.work_group}
    data: list[Shape] = []
    for dimensions in (group, {"QueryState": state, "QueryType": kind, **group}):
        if kind == "DML":
            data.append(datum("ProcessedBytes", statistics["DataScannedInBytes"], "Bytes", **dimensions))
        data.extend(
            datum(name, statistics[member], "Milliseconds", **dimensions)
            for name, member in _MILLISECONDS.items()
        )
    return data
