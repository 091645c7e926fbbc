"""What Step Functions tells EventBridge and CloudWatch of executions.

Sources: "Events for Step Functions" in the EventBridge reference: ``Step Functions Execution Status Change``
of standard workflows, times in milliseconds, input and output as text. "Monitoring Step Functions metrics
using CloudWatch" in the Step Functions developer guide: namespace ``AWS/States``; times in milliseconds.
The metrics of a task have its own times, but are sent when the execution has ended.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from localstack.aws.api.stepfunctions import ExecutionStatus, StateMachineType
from localstack.services.stepfunctions.asl.utils.encoding import to_json_str
from localstack.services.stepfunctions.backend.execution import Execution

from millpond.localstack_ext.engine import patches, planes
from millpond.planes.common.telemetry import datum

Shape = dict[str, Any]

NAMESPACE = "AWS/States"
STATUS_CHANGE = "Step Functions Execution Status Change"

_STARTED = "ExecutionsStarted"
_ENDED = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}
# What of an execution's history counts for a metric of what its tasks have called.
_CALLS = {
    "TaskScheduled": "Scheduled",
    "TaskStarted": "Started",
    "TaskSucceeded": "Succeeded",
    "TaskFailed": "Failed",
    "TaskTimedOut": "TimedOut",
    "LambdaFunctionScheduled": "Scheduled",
    "LambdaFunctionStarted": "Started",
    "LambdaFunctionSucceeded": "Succeeded",
    "LambdaFunctionFailed": "Failed",
    "LambdaFunctionTimedOut": "TimedOut",
}


def install_notices() -> None:
    """Tell of every execution that starts or ends, instead of LocalStack's own event."""

    def publish(self: Execution) -> None:
        telemetry = planes.telemetry()
        where = {"account_id": self.account_id, "region": self.region_name}
        if self.sm_type == StateMachineType.STANDARD:
            telemetry.event(status_change(self), **where)
        telemetry.metrics(NAMESPACE, metrics(self), **where)

    patches.replace(Execution, "publish_execution_status_change_event", publish)


def status_change(execution: Execution) -> Shape:
    """The entry for ``PutEvents`` when an execution has entered its status."""
    is_successful = execution.exec_status == ExecutionStatus.SUCCEEDED
    detail = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine_arn,
        "stateMachineVersionArn": execution.state_machine_version_arn,
        "stateMachineAliasArn": execution.state_machine_alias_arn,
        "name": execution.name,
        "status": execution.exec_status,
        "startDate": _milliseconds(execution.start_date),
        "stopDate": _milliseconds(execution.stop_date),
        "input": to_json_str(execution.input_data or {}, separators=(",", ":")),
        "inputDetails": {"included": True},
        "output": to_json_str(execution.output, separators=(",", ":")) if is_successful else None,
        "outputDetails": {"included": True} if is_successful else None,
        "error": execution.error,
        "cause": execution.cause,
    }
    return {
        "Source": "aws.states",
        "DetailType": STATUS_CHANGE,
        "Detail": json.dumps(detail),
        "Resources": [execution.exec_arn],
    }


def metrics(execution: Execution) -> list[Shape]:
    """Data when an execution has started or ended."""
    machine = {"StateMachineArn": execution.state_machine_arn}
    if execution.stop_date is None:
        return [datum(_STARTED, 1, "Count", **machine)]
    seconds = (execution.stop_date - execution.start_date).total_seconds()
    status = str(execution.exec_status)
    data = [datum(name, status == ended, "Count", **machine) for ended, name in _ENDED.items()]
    data.append(datum("ExecutionTime", seconds * 1000, "Milliseconds", **machine))
    return data + of_history(execution.to_history_output()["events"])


def of_history(history: Iterable[Mapping[str, Any]]) -> list[Shape]:
    """Data of the integrations and functions that an execution's tasks have called.

    A Lambda function is one by its ARN (``LambdaFunctions…``), anything else a service integration by its
    resource, for example ``arn:aws:states:::glue:startJobRun.sync`` (``ServiceIntegrations…``).
    """
    counts: Counter[tuple[str, str, str, datetime]] = Counter()
    resources: dict[int, tuple[str, str, str]] = {}
    for event in history:
        kind = str(event["type"])
        if kind in ("TaskScheduled", "LambdaFunctionScheduled"):
            resources[event["id"]] = _called(event)
        elif event.get("previousEventId") in resources:
            resources[event["id"]] = resources[event["previousEventId"]]
        if kind in _CALLS and event["id"] in resources:
            family, dimension, resource = resources[event["id"]]
            counts[f"{family}{_CALLS[kind]}", dimension, resource, event["timestamp"]] += 1
    return [
        {"Timestamp": moment, **datum(name, count, "Count", **{dimension: resource})}
        for (name, dimension, resource, moment), count in counts.items()
    ]


def _called(event: Mapping[str, Any]) -> tuple[str, str, str]:
    details = event.get("lambdaFunctionScheduledEventDetails")
    if details is not None:
        return "LambdaFunctions", "LambdaFunctionArn", str(details["resource"])
    task = event["taskScheduledEventDetails"]
    resource = f"arn:aws:states:::{task['resourceType']}:{task['resource']}"
    return "ServiceIntegrations", "ServiceIntegrationResourceArn", resource


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
