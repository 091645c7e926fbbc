"""Executions that were running when the engine stopped: they have ended as ``StopExecution`` ends them.

A standard workflow can then be redriven from where it stood.
"""

from __future__ import annotations

import datetime
from typing import Any

from localstack.aws.api.stepfunctions import (
    ExecutionAbortedEventDetails,
    ExecutionStatus,
    HistoryEventType,
    MapRunStatus,
)
from localstack.services.stepfunctions.backend.store import sfn_stores

from millpond.planes.common.state import ENDED


def settle() -> None:
    """End every execution that is said to be running and is not."""
    now = datetime.datetime.now(tz=datetime.UTC)
    for _account, _region, store in sfn_stores.iter_stores():
        for execution in store.executions.values():
            if execution.exec_status == ExecutionStatus.RUNNING:
                _end(execution, now)


def stop_all() -> None:
    """Stop every execution that is running."""
    now = datetime.datetime.now(tz=datetime.UTC)
    for _account, _region, store in sfn_stores.iter_stores():
        for execution in list(store.executions.values()):
            if execution.exec_status == ExecutionStatus.RUNNING:
                execution.stop(now, None, None)


def _end(execution: Any, now: datetime.datetime) -> None:
    execution.exec_status, execution.stop_date, execution.cause = ExecutionStatus.ABORTED, now, ENDED
    env = execution.exec_worker and execution.exec_worker.env
    if not env:
        return
    env.set_stop(stop_date=now, cause=ENDED, error=None)
    for record in env.map_run_record_pool_manager.get_all():
        if record.status == MapRunStatus.RUNNING:
            record.set_stop(MapRunStatus.ABORTED)
    details: Any = {"executionAbortedEventDetails": ExecutionAbortedEventDetails(cause=ENDED)}
    env.event_manager.add_event(
        context=env.event_history_context,
        event_type=HistoryEventType.ExecutionAborted,
        event_details=details,
    )
