"""Table optimizers: what keeps an Iceberg table in order by itself.

Source: "Optimizing Iceberg tables" in the Developer Guide, "Table optimizer API" in the API Reference. Each
runs as soon as it is enabled. Retention and deletion of orphan files run again at their rate; compaction
looks every few minutes whether the table has changed and has enough files. The newest 100 runs can be listed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from millpond.planes.common.clock import Clock
from millpond.planes.glue.catalog.store import Catalog
from millpond.planes.glue.exceptions import (
    AlreadyExistsException,
    EntityNotFoundException,
    GlueError,
    InvalidInputException,
    ValidationException,
)
from millpond.planes.glue.paging import page
from millpond.planes.glue.requests import Request, Shape, now, required
from millpond.planes.glue.runs import State
from millpond.planes.glue.tasks import Task, Tasks, new_task

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LOG = logging.getLogger(__name__)
_LOG_GROUP = "/aws-glue/table-optimizers"
_WORKERS, _MINUTES = 2, 120
_LOOK_MINUTES = 5
# So many runs of an optimizer can be listed; AWS does not say for how long it lists them.
_KEPT_RUNS = 100
# The structure of each type's settings, and what holds where the request says nothing.
_SETTINGS: Mapping[str, tuple[str, Shape]] = {
    "compaction": (
        "compactionConfiguration",
        {"strategy": "binpack", "minInputFiles": 100, "deleteFileThreshold": 1},
    ),
    "retention": (
        "retentionConfiguration",
        {
            "snapshotRetentionPeriodInDays": 5,
            "numberOfSnapshotsToRetain": 1,
            "cleanExpiredFiles": True,
            "runRateInHours": 24,
        },
    ),
    "orphan_file_deletion": (
        "orphanFileDeletionConfiguration",
        {"orphanFileRetentionPeriodInDays": 3, "runRateInHours": 24},
    ),
}
_METRICS = {
    "compaction": "compactionMetrics",
    "retention": "retentionMetrics",
    "orphan_file_deletion": "orphanFileDeletionMetrics",
}


@dataclass
class Optimizer:
    """One of a table.

    Parameters
    ----------
    database, table, type : str
        Whose, and what it does.
    configuration : dict
        ``TableOptimizerConfiguration``.
    runs : list of Task
        The oldest first.
    seen : str
        The metadata of the table after its last run.
    """

    database: str
    table: str
    type: str
    configuration: Shape
    runs: list[Task] = field(default_factory=list)
    seen: str = ""

    @property
    def asked(self) -> Shape:
        """Its settings, with what holds where nothing is said."""
        member, defaults = _SETTINGS[self.type]
        given = (self.configuration.get(member) or {}).get("icebergConfiguration") or {}
        return {**defaults, **given}

    @property
    def is_going(self) -> bool:
        return bool(self.runs) and not self.runs[-1].run.state.is_final


@dataclass
class OptimizerState:
    """Optimizers by database, table and type."""

    KEPT: ClassVar[tuple[str, ...]] = ("optimizers",)

    optimizers: dict[tuple[str, str, str], Optimizer] = field(default_factory=dict)


class Optimizers:
    """Operations of table optimizers.

    Parameters
    ----------
    catalog : Catalog
        Where the tables are.
    tasks : Tasks
        Executes them.
    clock : Clock
        Says when.
    s3 : callable
        Gives a client that reads a table's metadata.
    """

    OPERATIONS = (
        "BatchGetTableOptimizer",
        "CreateTableOptimizer",
        "DeleteTableOptimizer",
        "GetTableOptimizer",
        "ListTableOptimizerRuns",
        "UpdateTableOptimizer",
    )
    KEPT = ("state",)

    def __init__(self, catalog: Catalog, tasks: Tasks, clock: Clock, s3: Callable[[], S3Client]) -> None:
        self._catalog = catalog
        self._tasks = tasks
        self._clock = clock
        self._s3 = s3
        self.state = OptimizerState()

    def settle(self) -> None:
        """Set the clock, and end the runs that an engine before has left."""
        for optimizer in self.state.optimizers.values():
            for one in optimizer.runs:
                one.settle()
            self._set_clock(optimizer, self._next(optimizer))

    def create_table_optimizer(self, request: Request) -> Shape:
        with self._tasks.lock:
            table = self._table(request)
            key = _key(request)
            if key in self.state.optimizers:
                raise AlreadyExistsException(f"Table optimizer of type {key[2]} already exists.")
            if str((table.get("Parameters") or {}).get("table_type", "")).upper() != "ICEBERG":
                raise ValidationException("Table optimizers are for tables of Apache Iceberg.")
            configuration = _checked(key[2], required(request, "TableOptimizerConfiguration"))
            optimizer = Optimizer(table["DatabaseName"], table["Name"], key[2], configuration)
            self.state.optimizers[key] = optimizer
            self._set_clock(optimizer, now())
        return {}

    def update_table_optimizer(self, request: Request) -> Shape:
        with self._tasks.lock:
            optimizer = self._optimizer(request)
            given = required(request, "TableOptimizerConfiguration")
            optimizer.configuration = _checked(optimizer.type, {**optimizer.configuration, **given})
            optimizer.seen = ""
            self._set_clock(optimizer, now())
        return {}

    def delete_table_optimizer(self, request: Request) -> Shape:
        with self._tasks.lock:
            optimizer = self._optimizer(request)
            if optimizer.is_going:
                self._tasks.stop(optimizer.runs[-1])
            del self.state.optimizers[_key(request)]
            self._clock.forget(("optimizer", _name(optimizer)))
        return {}

    def get_table_optimizer(self, request: Request) -> Shape:
        with self._tasks.lock:
            optimizer = self._optimizer(request)
            return {**self._place(optimizer), "TableOptimizer": _shown(optimizer)}

    def batch_get_table_optimizer(self, request: Request) -> Shape:
        found, failures = [], []
        for entry in required(request, "Entries"):
            asked = {
                "CatalogId": entry.get("catalogId"),
                "DatabaseName": entry.get("databaseName"),
                "TableName": entry.get("tableName"),
                "Type": entry.get("type"),
            }
            try:
                optimizer = self.get_table_optimizer(asked)["TableOptimizer"]
                named = {key: value for key, value in entry.items() if key != "type"}
                found.append({**named, "tableOptimizer": optimizer})
            except GlueError as error:
                said = {"ErrorCode": error.code, "ErrorMessage": error.message}
                failures.append({**entry, "error": said})
        return {"TableOptimizers": found, "Failures": failures}

    def list_table_optimizer_runs(self, request: Request) -> Shape:
        with self._tasks.lock:
            optimizer = self._optimizer(request)
            listed = [_shown_run(optimizer.type, one) for one in reversed(optimizer.runs)]
        some, token = page(listed, request)
        return {**self._place(optimizer), "TableOptimizerRuns": some, **token}

    def _place(self, optimizer: Optimizer) -> Shape:
        account = self._catalog.context.account_id
        return {"CatalogId": account, "DatabaseName": optimizer.database, "TableName": optimizer.table}

    def _table(self, request: Request) -> Shape:
        with self._catalog.lock:
            return dict(self._catalog.asked_table(request).current)

    def _optimizer(self, request: Request) -> Optimizer:
        self._table(request)
        key = _key(request)
        if key not in self.state.optimizers:
            raise EntityNotFoundException(f"Table optimizer of type {key[2]} not found.")
        return self.state.optimizers[key]

    # When it runs

    def _next(self, optimizer: Optimizer) -> datetime:
        if optimizer.type == "compaction":
            return now() + timedelta(minutes=_LOOK_MINUTES)
        ended = optimizer.runs[-1].run.started_on if optimizer.runs else now()
        return ended + timedelta(hours=float(optimizer.asked["runRateInHours"]))

    def _set_clock(self, optimizer: Optimizer, due: datetime) -> None:
        when = due if optimizer.configuration.get("enabled") else None
        strike = partial(self._strike, (optimizer.database, optimizer.table, optimizer.type))
        self._clock.set(("optimizer", _name(optimizer)), when, strike)

    def _strike(self, key: tuple[str, str, str]) -> None:
        with self._tasks.lock:
            optimizer = self.state.optimizers.get(key)
            if optimizer is None:
                return
            try:
                with self._catalog.lock:
                    table = self._catalog.table(key[0], key[1]).current
            except EntityNotFoundException:
                del self.state.optimizers[key]
                return
            place = str((table.get("Parameters") or {}).get("metadata_location", ""))
            if not optimizer.is_going and (optimizer.type != "compaction" or self._is_due(optimizer, place)):
                self._start(optimizer, table)
            self._set_clock(optimizer, self._next(optimizer))

    def _is_due(self, optimizer: Optimizer, place: str) -> bool:
        """Whether the table has changed since, and has as many files as compaction takes at once."""
        if place == optimizer.seen:
            return False
        optimizer.seen = place
        try:
            files, deletes = _files_of(self._s3(), place)
        except (ClientError, ValueError) as error:
            _LOG.warning("the metadata of %s cannot be read: %s", _name(optimizer), error)
            return False
        asked = optimizer.asked
        return bool(files >= asked["minInputFiles"] or deletes >= asked["deleteFileThreshold"])

    def _start(self, optimizer: Optimizer, table: Shape) -> None:
        request = {"Role": optimizer.configuration["roleArn"]}
        task = new_task(
            "", request, workers=_WORKERS, timeout=_MINUTES, log_group=_LOG_GROUP, tables=(table,)
        )
        optimizer.runs.append(task)
        del optimizer.runs[:-_KEPT_RUNS]
        work = {
            "database": optimizer.database,
            "table": optimizer.table,
            "type": optimizer.type,
            "asked": optimizer.asked,
        }
        self._tasks.start(task, "optimize_table.py", work, lambda _ended: self._ended(optimizer))

    def _ended(self, optimizer: Optimizer) -> None:
        """What the run itself has changed is nothing to run for again."""
        try:
            with self._catalog.lock:
                table = self._catalog.table(optimizer.database, optimizer.table).current
        except EntityNotFoundException:
            return
        with self._tasks.lock:
            optimizer.seen = str((table.get("Parameters") or {}).get("metadata_location", ""))


def _checked(kind: str, configuration: Request) -> Shape:
    if not configuration.get("roleArn"):
        raise ValidationException("TableOptimizerConfiguration.roleArn must be given")
    if configuration.get("vpcConfiguration"):
        raise InvalidInputException("A table optimizer with a vpcConfiguration is not available here")
    member, _ = _SETTINGS[kind]
    if odd := [one for one, _ in _SETTINGS.values() if one != member and configuration.get(one)]:
        raise ValidationException(f"{odd[0]} is not of an optimizer of type {kind}")
    return {"enabled": True, **configuration}


def _files_of(s3: S3Client, place: str) -> tuple[int, int]:
    """How many files of data and of deletes the current snapshot has, by the table's metadata."""
    from pyiceberg.table.metadata import TableMetadataUtil

    parts = urlsplit(place)
    body = s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))["Body"].read()
    snapshot = TableMetadataUtil.parse_raw(body.decode()).current_snapshot()
    summary: Mapping[str, Any] = (
        snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    )
    return int(summary.get("total-data-files", 0)), int(summary.get("total-delete-files", 0))


def _shown(optimizer: Optimizer) -> Shape:
    shape = {
        "type": optimizer.type,
        "configuration": optimizer.configuration,
        "configurationSource": "table",
    }
    return shape | ({"lastRun": _shown_run(optimizer.type, optimizer.runs[-1])} if optimizer.runs else {})


def _shown_run(kind: str, task: Task) -> Shape:
    run = task.run
    event = {State.STARTING: "starting", State.SUCCEEDED: "completed"}.get(
        run.state, "failed" if run.state.is_final else "in_progress"
    )
    shape: Shape = {"eventType": event, "startTimestamp": run.started_on}
    if run.completed_on:
        shape["endTimestamp"] = run.completed_on
    if run.error_message:
        shape["error"] = run.error_message
    if task.answer is not None:
        hours = run.execution_seconds / 3600
        measured = {"DpuHours": hours * _WORKERS, "NumberOfDpus": _WORKERS, "JobDurationInHour": hours}
        shape[_METRICS[kind]] = {"IcebergMetrics": {**task.answer, **measured}}
    return shape


def _key(request: Request) -> tuple[str, str, str]:
    kind = required(request, "Type")
    if kind not in _SETTINGS:
        raise InvalidInputException(f"A table optimizer of type {kind} is not available here")
    return required(request, "DatabaseName").lower(), required(request, "TableName").lower(), kind


def _name(optimizer: Optimizer) -> str:
    return f"{optimizer.database}.{optimizer.table}.{optimizer.type}"
