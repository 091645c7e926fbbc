"""What Glue tells EventBridge of job runs.

Source: "Automating AWS Glue with EventBridge" in the Glue Developer Guide: ``Glue Job State Change`` for
SUCCEEDED, FAILED, TIMEOUT and STOPPED; ``Glue Job Run Status`` for STARTING, RUNNING and STOPPING runs
when they exceed the job's delay notification threshold, one event for each status.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from millpond.planes.glue.runs import JobRun, Shape, State

STATE_CHANGE = "Glue Job State Change"
RUN_STATUS = "Glue Job Run Status"

_SEVERITIES: Mapping[State, str] = {
    State.SUCCEEDED: "INFO",
    State.STOPPED: "INFO",
    State.TIMEOUT: "WARN",
    State.FAILED: "ERROR",
}


def state_change(run: JobRun) -> Shape:
    """The entry for ``PutEvents`` when a run has ended."""
    failed = f"JobName:{run.job_name} and JobRunId:{run.id} failed to execute with exception"
    messages = {
        State.SUCCEEDED: "Job run succeeded",
        State.STOPPED: "Job run stopped",
        State.TIMEOUT: "Job run timed out",
        State.FAILED: f"{failed} {run.error_message}",
    }
    detail = {
        "jobName": run.job_name,
        "severity": _SEVERITIES[run.state],
        "state": str(run.state),
        "jobRunId": run.id,
        "message": messages[run.state],
    }
    return _entry(STATE_CHANGE, detail)


def run_status(run: JobRun, delay_minutes: float) -> Shape:
    """The entry for ``PutEvents`` when a run goes on for longer than its ``NotifyDelayAfter``."""
    detail = {
        "jobName": run.job_name,
        "severity": "INFO",
        "notificationCondition": {"NotifyDelayAfter": float(delay_minutes)},
        "state": str(run.state),
        "jobRunId": run.id,
        "message": f"Job is in {run.state} state",
        "startedOn": f"{run.started_on:%Y-%m-%dT%H:%M:%S}.{run.started_on.microsecond // 1000:03d}Z",
    }
    return _entry(RUN_STATUS, detail)


def _entry(kind: str, detail: Shape) -> Shape:
    return {"Source": "aws.glue", "DetailType": kind, "Detail": json.dumps(detail), "Resources": []}
