"""Runs that compute the statistics of a table's columns, by hand and on a schedule.

Source: "Column statistics" in the Developer Guide, "StartColumnStatisticsTaskRun" and its relatives in the
API Reference. The statistics are those of the whole table, also of one with partitions; an Iceberg table gets
them in the catalog, too, and no Puffin file.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from millpond.planes.common.clock import Clock
from millpond.planes.glue.catalog.store import Catalog
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    ColumnStatisticsTaskNotRunningException,
    ColumnStatisticsTaskRunningException,
    ColumnStatisticsTaskStoppingException,
    EntityNotFoundException,
    GlueError,
    InvalidInputException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, chosen, now, required
from millpond.planes.glue.runs import State
from millpond.planes.glue.tasks import Task, Tasks, found_task, new_task
from millpond.planes.glue.workflows.definitions import schedule_of

_LOG = logging.getLogger(__name__)
_LOG_GROUP = "/aws-glue/statistics"
_WORKERS, _WORKER_TYPE, _MINUTES = 2, "G.1X", 2880
_GIVEN = ("ColumnNameList", "Role", "SampleSize", "SecurityConfiguration")
# ``ColumnStatisticsState`` has fewer states than a run of a job.
_STATES = {State.STOPPING: "RUNNING", State.TIMEOUT: "FAILED"}


@dataclass
class StatisticsState:
    """Runs by id, the oldest first; settings by the name of their table."""

    KEPT: ClassVar[tuple[str, ...]] = ("tasks", "settings")

    tasks: dict[str, Task] = field(default_factory=dict)
    settings: dict[str, Shape] = field(default_factory=dict)


class StatisticsRuns:
    """Operations of such runs, and of what starts them by itself.

    Parameters
    ----------
    catalog : Catalog
        Where the tables are.
    tasks : Tasks
        Executes them.
    clock : Clock
        For schedules.
    """

    OPERATIONS = (
        "CreateColumnStatisticsTaskSettings",
        "DeleteColumnStatisticsTaskSettings",
        "GetColumnStatisticsTaskRun",
        "GetColumnStatisticsTaskRuns",
        "GetColumnStatisticsTaskSettings",
        "ListColumnStatisticsTaskRuns",
        "StartColumnStatisticsTaskRun",
        "StartColumnStatisticsTaskRunSchedule",
        "StopColumnStatisticsTaskRun",
        "StopColumnStatisticsTaskRunSchedule",
        "UpdateColumnStatisticsTaskSettings",
    )
    KEPT = ("state",)

    def __init__(self, catalog: Catalog, tasks: Tasks, clock: Clock) -> None:
        self._catalog = catalog
        self._tasks = tasks
        self._clock = clock
        self.state = StatisticsState()

    def settle(self) -> None:
        """Set the clock for every schedule, and end the runs that an engine before has left."""
        for task in self.state.tasks.values():
            task.settle()
        for key in self.state.settings:
            self._set_clock(key)

    # Runs

    def start_column_statistics_task_run(self, request: Request) -> Shape:
        with self._tasks.lock:
            table = self._table(request)
            if going := self._going(request):
                raise ColumnStatisticsTaskRunningException(
                    f"Column statistics task run {going.id} of the table has not ended."
                )
            storage = table.get("StorageDescriptor") or {}
            columns = [*storage.get("Columns", []), *table.get("PartitionKeys", [])]
            types = {one["Name"].lower(): one.get("Type") or "string" for one in columns}
            names = list(request.get("ColumnNameList") or types)
            if missing := [name for name in names if name.lower() not in types]:
                raise InvalidInputException(f"The table has no column {', '.join(missing)}")
            sample = float(request.get("SampleSize") or 100)
            if not 0 < sample <= 100:
                raise InvalidInputException("SampleSize is a percentage, above 0 and at most 100")
            work = {
                "source": chosen(table, "DatabaseName") | {"TableName": table["Name"]},
                "columns": names,
                "types": types,
                "sample": sample,
            }
            task = new_task(
                "", request, workers=_WORKERS, timeout=_MINUTES, log_group=_LOG_GROUP, tables=(table,)
            )
            self.state.tasks[task.id] = task
            self._tasks.start(task, "compute_statistics.py", work, lambda _ended: None)
        return {"ColumnStatisticsTaskRunId": task.id}

    def get_column_statistics_task_run(self, request: Request) -> Shape:
        with self._tasks.lock:
            task = found_task(self.state.tasks, required(request, "ColumnStatisticsTaskRunId"))
            return {"ColumnStatisticsTaskRun": self._shown(task)}

    def get_column_statistics_task_runs(self, request: Request) -> Shape:
        with self._tasks.lock:
            tasks = reversed(list(self.state.tasks.values()))
            of_table = [self._shown(one) for one in tasks if _is_of(one, request)]
        some, token = page(of_table, request)
        return {"ColumnStatisticsTaskRuns": some, **token}

    def list_column_statistics_task_runs(self, request: Request) -> Shape:
        with self._tasks.lock:
            some, token = page(list(self.state.tasks)[::-1], request)
        return {"ColumnStatisticsTaskRunIds": some, **token}

    def stop_column_statistics_task_run(self, request: Request) -> Shape:
        with self._tasks.lock:
            self._table(request)
            going = self._going(request)
            if going is None:
                raise ColumnStatisticsTaskNotRunningException("No column statistics task run is going on.")
            if going.run.state is State.STOPPING:
                raise ColumnStatisticsTaskStoppingException("The column statistics task run is stopping.")
            self._tasks.stop(going)
        return {}

    def _going(self, request: Request) -> Task | None:
        tasks = self.state.tasks.values()
        return next((one for one in tasks if _is_of(one, request) and not one.run.state.is_final), None)

    def _table(self, request: Request) -> Shape:
        with self._catalog.lock:
            asked = {**request, "CatalogId": request.get("CatalogID")}
            return dict(self._catalog.asked_table(asked).current)

    def _shown(self, task: Task) -> Shape:
        run, account = task.run, self._catalog.context.account_id
        shape: dict[str, Any] = {
            "CustomerId": account,
            "CatalogID": account,
            "ColumnStatisticsTaskRunId": run.id,
            "DatabaseName": task.request["DatabaseName"],
            "TableName": task.request["TableName"],
            **chosen(task.request, *_GIVEN),
            "NumberOfWorkers": _WORKERS,
            "WorkerType": _WORKER_TYPE,
            "ComputationType": "FULL",
            "Status": _STATES.get(run.state, str(run.state)),
            "CreationTime": run.started_on,
            "LastUpdated": run.last_modified_on,
            "StartTime": run.started_on,
            "DPUSeconds": float(run.execution_seconds * _WORKERS),
        }
        if run.completed_on:
            shape["EndTime"] = run.completed_on
        return shape | ({"ErrorMessage": run.error_message} if run.error_message else {})

    # Settings

    def create_column_statistics_task_settings(self, request: Request) -> Shape:
        with self._tasks.lock:
            self._table(request)
            key = _key(request)
            if key in self.state.settings:
                raise AlreadyExistsException("Column statistics task settings of the table already exist.")
            self._keep(key, {**chosen(request, "DatabaseName", "TableName"), **_settings(request)})
        return {}

    def update_column_statistics_task_settings(self, request: Request) -> Shape:
        with self._tasks.lock:
            old = self._settings(request)
            self._keep(_key(request), {**old, **_settings(request, old.get("Schedule"))})
        return {}

    def get_column_statistics_task_settings(self, request: Request) -> Shape:
        with self._tasks.lock:
            settings = self._settings(request)
        shape = {**settings, "CatalogID": self._catalog.context.account_id, "SettingSource": "TABLE"}
        return {"ColumnStatisticsTaskSettings": shape}

    def delete_column_statistics_task_settings(self, request: Request) -> Shape:
        with self._tasks.lock:
            self._settings(request)
            del self.state.settings[_key(request)]
            self._clock.forget(("statistics", _key(request)))
        return {}

    def start_column_statistics_task_run_schedule(self, request: Request) -> Shape:
        return self._reschedule(request, "SCHEDULED")

    def stop_column_statistics_task_run_schedule(self, request: Request) -> Shape:
        return self._reschedule(request, "NOT_SCHEDULED")

    def _reschedule(self, request: Request, state: str) -> Shape:
        with self._tasks.lock:
            settings = self._settings(request)
            if not settings.get("Schedule"):
                raise InvalidInputException("The column statistics task settings have no schedule.")
            self._keep(_key(request), {**settings, "Schedule": {**settings["Schedule"], "State": state}})
        return {}

    def _settings(self, request: Request) -> Shape:
        key = _key(request)
        if key not in self.state.settings:
            raise EntityNotFoundException("Column statistics task settings of the table not found.")
        return self.state.settings[key]

    def _keep(self, key: str, settings: Shape) -> None:
        self.state.settings[key] = settings
        self._set_clock(key)

    def _set_clock(self, key: str) -> None:
        schedule = self.state.settings[key].get("Schedule") or {}
        due = None
        if schedule.get("State") == "SCHEDULED":
            due = schedule_of(schedule["ScheduleExpression"]).after(now())
        self._clock.set(("statistics", key), due, partial(self._strike, key))

    def _strike(self, key: str) -> None:
        with self._tasks.lock:
            settings = self.state.settings.get(key)
            if settings is None:
                return
            self._set_clock(key)
            attempt: Shape = {"Status": "STARTED", "ExecutionTimestamp": now()}
            try:
                attempt |= self.start_column_statistics_task_run(settings)
            except GlueError as error:
                _LOG.warning("statistics of %s are due and cannot be computed: %s", key, error)
                attempt |= {"Status": "FAILED", "ErrorMessage": error.message}
            self.state.settings[key] = {**settings, "LastExecutionAttempt": attempt}


def _settings(request: Request, old_schedule: Mapping[str, Any] | None = None) -> Shape:
    settings = chosen(request, *_GIVEN)
    if text := request.get("Schedule"):
        schedule_of(text)
        state = (old_schedule or {}).get("State", "SCHEDULED")
        settings["Schedule"] = {"ScheduleExpression": text, "State": state}
        settings["ScheduleType"] = "CRON"
    return settings


def _key(request: Request) -> str:
    return f"{required(request, 'DatabaseName')}.{required(request, 'TableName')}".lower()


def _is_of(task: Task, request: Request) -> bool:
    return _key(task.request) == _key(request)
