"""Executions that go on where they failed, were stopped or timed out.

Source: "Restarting state machine executions with redrive in Step Functions" in the developer guide, and
``RedriveExecution`` and ``DescribeExecution`` in the API Reference: executions of standard workflows within
14 days of their end, at most a thousand times, with the definition that they were started with.
"""

from __future__ import annotations

import datetime
import threading
from typing import Any

from localstack.aws.api.stepfunctions import (
    ExecutionRedrivenEventDetails,
    ExecutionStatus,
    HistoryEventType,
    StateMachineType,
)
from localstack.services.stepfunctions.asl.eval.program_state import ProgramRunning
from localstack.services.stepfunctions.backend.execution import Execution

from millpond.localstack_ext.engine import patches
from millpond.localstack_ext.stepfunctions.progress import MOST_EVENTS, progress_of

MOST_REDRIVES = 1000
LONGEST = datetime.timedelta(days=14)
_ENDED = (ExecutionStatus.FAILED, ExecutionStatus.ABORTED, ExecutionStatus.TIMED_OUT)


def hindrance(execution: Any) -> str | None:
    """Why an execution cannot be redriven; None if it can."""
    if execution.sm_type != StateMachineType.STANDARD:
        return "Only executions of standard workflows can be redriven"
    if execution.exec_status not in _ENDED:
        return f"Execution is {execution.exec_status} and cannot be redriven"
    if datetime.datetime.now(tz=datetime.UTC) - execution.stop_date > LONGEST:
        return "Execution ended more than 14 days ago and cannot be redriven"
    if count_of(execution) >= MOST_REDRIVES:
        return f"Execution was redriven {MOST_REDRIVES} times and cannot be redriven"
    if len(execution.exec_worker.env.event_manager._history_event_list) >= MOST_EVENTS - 1:
        return "Execution has reached the maximum number of history events and cannot be redriven"
    return None


def count_of(execution: Any) -> int:
    """How often an execution was redriven."""
    return int(vars(execution).get("redrive_count", 0))


def redrive(execution: Any) -> datetime.datetime:
    """Let an execution go on; the moment of it."""
    now = datetime.datetime.now(tz=datetime.UTC)
    vars(execution).update(redrive_count=count_of(execution) + 1, redrive_date=now)
    execution.exec_status, execution.stop_date = ExecutionStatus.RUNNING, None
    execution.error = execution.cause = None
    env = execution.exec_worker.env
    env._frames.clear()
    env._program_state = ProgramRunning()  # type: ignore[no-untyped-call]
    progress_of(env).resume()
    redriven = ExecutionRedrivenEventDetails(redriveCount=count_of(execution))
    details: Any = {"executionRedrivenEventDetails": redriven}
    env.event_manager.add_event(
        context=env.event_history_context,
        event_type=HistoryEventType.ExecutionRedriven,
        event_details=details,
    )
    execution.publish_execution_status_change_event()
    threading.Thread(target=_go_on, args=(execution.exec_worker,), daemon=True).start()
    return now


def _go_on(worker: Any) -> None:
    worker._get_evaluation_entrypoint().eval(worker.env)
    worker._execution_communication.terminated()


def install_redrive() -> None:
    """Let executions tell whether they can be redriven, and how often they were."""

    def counts(execution: Any) -> dict[str, Any]:
        date = vars(execution).get("redrive_date")
        return {"redriveCount": count_of(execution), **({"redriveDate": date} if date else {})}

    def describe(theirs: Any, self: Any) -> Any:
        reason = hindrance(self)
        status = {"redriveStatus": "NOT_REDRIVABLE" if reason else "REDRIVABLE"}
        return {
            **theirs(self),
            **counts(self),
            **status,
            **({"redriveStatusReason": reason} if reason else {}),
        }

    def listed(theirs: Any, self: Any) -> Any:
        return {**theirs(self), **counts(self)}

    patches.wrap(Execution, "to_describe_output", describe)
    patches.wrap(Execution, "to_execution_list_item", listed)
