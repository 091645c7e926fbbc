"""Query executions: their life from QUEUED to the end, and what the API tells of it."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from millpond.planes.athena.exceptions import InvalidRequestException, QueryFailed
from millpond.planes.athena.failures import athena_error
from millpond.planes.athena.jobs import DUCKDB, TRINO, Job, Outcome
from millpond.planes.athena.pool import NotTakenError, Worker, WorkerDied, WorkerPool
from millpond.planes.athena.statements import Statement
from millpond.planes.athena.trino.server import TrinoServers
from millpond.planes.athena.workgroups import ENGINE_VERSION
from millpond.planes.common.context import PlaneContext
from millpond.planes.common.state import ENDED
from millpond.planes.common.trino import INSTALL

_LOG = logging.getLogger(__name__)
_TIMEOUT = 30 * 60.0
_FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass
class QueryExecution:
    """One execution.

    Parameters
    ----------
    query : str
        The statement as it was submitted.
    statement : Statement
        What it is.
    job : Job
        What a worker gets.
    work_group : str
        Where it runs.
    context : dict
        ``QueryExecutionContext``.
    result_configuration : dict
        ``ResultConfiguration`` with the whole output location.
    parameters : list of str
        ``ExecutionParameters``.
    publishes_metrics : bool
        Whether its workgroup reports to CloudWatch.
    reuse_minutes : int, optional
        How old a result may be that is taken instead of running it; None if it is to run.
    is_reused : bool
        Whether its result is that of an execution before.
    """

    query: str
    statement: Statement
    job: Job
    work_group: str
    context: dict[str, str]
    result_configuration: dict[str, Any]
    parameters: list[str]
    publishes_metrics: bool = False
    reuse_minutes: int | None = None
    is_reused: bool = False
    state: str = "QUEUED"
    outcome: Outcome | None = None
    submitted: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    started: dt.datetime | None = None
    completed: dt.datetime | None = None
    is_stopped: bool = False
    transitions: int = 0
    worker: Worker | None = None

    def __getstate__(self) -> dict[str, Any]:
        # What is told of a query that has run is its kind; its tree and its process are for running it.
        # An access key would be one of a session that may be gone.
        job = replace(self.job, access_key="")
        return {**vars(self), "statement": Statement(self.statement.kind), "worker": None, "job": job}

    @property
    def query_id(self) -> str:
        return self.job.query_id

    @property
    def is_final(self) -> bool:
        return self.state in _FINAL

    def describe(self) -> dict[str, Any]:
        """``QueryExecution`` of the API."""
        described: dict[str, Any] = {
            "QueryExecutionId": self.query_id,
            "Query": self.query,
            "StatementType": self.statement.statement_type,
            "SubstatementType": self.statement.kind,
            "ResultConfiguration": self.result_configuration,
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": self._reuse()},
            "QueryExecutionContext": self.context,
            "Status": self._status(),
            "Statistics": self.statistics(),
            "WorkGroup": self.work_group,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": ENGINE_VERSION},
        }
        return described | ({"ExecutionParameters": self.parameters} if self.parameters else {})

    def _reuse(self) -> dict[str, Any]:
        if self.reuse_minutes is None:
            return {"Enabled": False}
        return {"Enabled": True, "MaxAgeInMinutes": self.reuse_minutes}

    def is_answered_by(self, other: QueryExecution) -> bool:
        """Whether the result of another one may be taken: "Reuse query results" of the user guide."""
        if self.reuse_minutes is None or self.statement.kind != "SELECT" or other.state != "SUCCEEDED":
            return False
        mine, others = (
            (
                e.job.query,
                e.job.database,
                e.job.results_prefix,
                e.job.upload_arguments,
                e.work_group,
                e.context,
            )
            for e in (self, other)
        )
        oldest = self.submitted - dt.timedelta(minutes=self.reuse_minutes)
        return mine == others and not other.is_reused and other.submitted >= oldest

    def take_result(self, other: QueryExecution) -> None:
        """Have the result of another one, and have read nothing for it."""
        assert other.outcome is not None
        self.is_reused = True
        self.job = replace(self.job, output_location=other.job.output_location)
        self.result_configuration = {
            **self.result_configuration,
            "OutputLocation": other.job.output_location,
        }
        self.outcome = replace(other.outcome, scanned_bytes=0, planning_ms=0, execution_ms=0, publishing_ms=0)

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.completed is not None:
            status["CompletionDateTime"] = self.completed
        if self.outcome is not None and self.outcome.reason:
            status["StateChangeReason"] = self.outcome.reason
        if self.state == "FAILED" and self.outcome is not None:
            status["AthenaError"] = athena_error(
                self.outcome.reason, is_user_error=self.outcome.is_user_error
            )
        return status

    def statistics(self) -> dict[str, Any]:
        """``QueryExecutionStatistics`` of the API."""
        now = self.completed or dt.datetime.now(dt.UTC)
        queued = _milliseconds((self.started or now) - self.submitted)
        total = _milliseconds(now - self.submitted)
        outcome = self.outcome or Outcome(self.state)
        statistics: dict[str, Any] = {
            "EngineExecutionTimeInMillis": outcome.planning_ms + outcome.execution_ms,
            "DataScannedInBytes": outcome.scanned_bytes,
            "TotalExecutionTimeInMillis": total,
            "QueryQueueTimeInMillis": queued,
            "ServicePreProcessingTimeInMillis": max(
                0, total - queued - outcome.planning_ms - outcome.execution_ms - outcome.publishing_ms
            ),
            "QueryPlanningTimeInMillis": outcome.planning_ms,
            "ServiceProcessingTimeInMillis": outcome.publishing_ms,
            "ResultReuseInformation": {"ReusedPreviousResult": self.is_reused},
        }
        manifest = {"DataManifestLocation": outcome.manifest_location} if outcome.manifest_location else {}
        return statistics | manifest

    def runtime_statistics(self) -> dict[str, Any]:
        """``QueryRuntimeStatistics`` of the API; rows read are not counted."""
        names = {
            "QueryQueueTimeInMillis",
            "ServicePreProcessingTimeInMillis",
            "QueryPlanningTimeInMillis",
            "EngineExecutionTimeInMillis",
            "ServiceProcessingTimeInMillis",
            "TotalExecutionTimeInMillis",
        }
        outcome = self.outcome or Outcome(self.state)
        timeline = {name: value for name, value in self.statistics().items() if name in names}
        rows = {
            "InputBytes": outcome.scanned_bytes,
            "OutputRows": outcome.rows,
            "OutputBytes": outcome.output_bytes,
        }
        return {"Timeline": timeline, "Rows": rows}


class QueryExecutions:
    """Every execution of an account and region, newest last.

    Parameters
    ----------
    workers : WorkerPool
        Who runs them.
    trino : TrinoServers
        Who answers what a worker does not.
    context : PlaneContext
        The account and region.
    on_change : callable
        Told of an execution that has entered a state, with the state before and the transition's number.
    """

    KEPT = ("_executions",)

    def __init__(
        self,
        workers: WorkerPool,
        trino: TrinoServers,
        context: PlaneContext,
        on_change: Callable[[QueryExecution, str | None, int], None],
    ) -> None:
        self._workers = workers
        self._trino = trino
        self._context = context
        self._on_change = on_change
        self._lock = threading.Lock()
        self._executions: dict[str, QueryExecution] = {}

    def settle(self) -> None:
        """End what an engine before was running."""
        for execution in self._executions.values():
            if not execution.is_final:
                execution.outcome = Outcome("FAILED", f"GENERIC_INTERNAL_ERROR: {ENDED}")
                execution.state, execution.completed = "FAILED", dt.datetime.now(dt.UTC)

    def submit(self, execution: QueryExecution) -> None:
        """Put an execution into the queue."""
        self._executions[execution.query_id] = execution
        with self._lock:
            self._tell(execution, None)
            if execution.is_reused and execution.outcome is not None:
                execution.started = dt.datetime.now(dt.UTC)
                self._end(execution, execution.outcome)
                return
        self._workers.run(lambda: self._run(execution))

    def answered(self, execution: QueryExecution) -> QueryExecution | None:
        """The newest execution whose result another one may take."""
        every = reversed(list(self._executions.values()))
        return next((other for other in every if execution.is_answered_by(other)), None)

    def find(self, query_id: str) -> QueryExecution:
        """An execution.

        Raises
        ------
        InvalidRequestException
            If there is none with that id.
        """
        if (execution := self._executions.get(query_id)) is None:
            raise InvalidRequestException(f"QueryExecution {query_id} was not found")
        return execution

    def of_group(self, group: str) -> list[str]:
        """Ids of a workgroup's executions, newest first."""
        return [i for i, e in reversed(list(self._executions.items())) if e.work_group == group]

    def delete_group(self, group: str) -> None:
        for query_id in self.of_group(group):
            self.stop(query_id)
            self._executions.pop(query_id, None)

    def stop(self, query_id: str) -> None:
        """Cancel an execution; nothing happens if it has ended."""
        execution = self.find(query_id)
        with self._lock:
            if execution.is_final:
                return
            execution.is_stopped = True
            worker = execution.worker
            if worker is None:
                self._end(execution, Outcome("CANCELLED", "Query cancelled by user"))
        if worker is not None:
            worker.stop()
            self._wait_for_end(execution)

    def _run(self, execution: QueryExecution) -> None:
        try:
            outcome = self._work(execution)
        except WorkerDied as error:
            outcome = Outcome("FAILED", f"GENERIC_INTERNAL_ERROR: The query's process ended: {error}")
        except OSError as error:
            outcome = Outcome("FAILED", f"GENERIC_INTERNAL_ERROR: The query's process did not start: {error}")
        with self._lock:
            if execution.is_stopped:
                outcome = Outcome("CANCELLED", "Query cancelled by user")
            if not execution.is_final:
                self._end(execution, outcome)

    def _work(self, execution: QueryExecution) -> Outcome:
        """Have it answered by the compiler, or by Trino: which of them, the settings say."""
        settings = self._trino.settings
        if not settings.asks_trino_first:
            outcome = self._ask_worker(execution, execution.job)
            if not outcome.is_for_trino or settings.engine == DUCKDB or execution.is_stopped:
                return outcome
            if not self._trino.is_there:
                return replace(outcome, reason=f"{outcome.reason}; Trino can be asked: {INSTALL}")
        try:
            with self._trino.used(self._context) as coordinator:
                job = replace(execution.job, trino_url=coordinator.url, trino_user=coordinator.user)
                return self._ask_worker(execution, job)
        except QueryFailed as error:
            return Outcome("FAILED", error.state_change_reason, engine=TRINO)

    def _ask_worker(self, execution: QueryExecution, job: Job) -> Outcome:
        try:
            return self._ask(execution, job)
        except NotTakenError:
            # It was killed while it waited: another one is none the worse for it.
            return self._ask(execution, job)

    def _ask(self, execution: QueryExecution, job: Job) -> Outcome:
        if execution.is_stopped:
            return Outcome("CANCELLED")
        worker = self._workers.take()
        try:
            with self._lock:
                execution.worker = worker
                if execution.is_stopped:
                    return Outcome("CANCELLED")
                previous = execution.state
                if execution.started is None:
                    execution.state, execution.started = "RUNNING", dt.datetime.now(dt.UTC)
                    self._tell(execution, previous)
            if not worker.answer(job, self._workers.link, _TIMEOUT):
                return Outcome("FAILED", "Query timeout")
            if (outcome := worker.outcome()) is None:
                _LOG.error("the process of query %s ended: %s", execution.query_id, worker.log())
                raise WorkerDied("it was killed, or had no memory left")
            return outcome
        except NotTakenError as error:
            _LOG.warning("lost a process before query %s: %s: %s", execution.query_id, error, worker.log())
            raise
        finally:
            self._workers.release(worker)

    def _end(self, execution: QueryExecution, outcome: Outcome) -> None:
        previous = execution.state
        execution.outcome, execution.completed = outcome, dt.datetime.now(dt.UTC)
        execution.state = outcome.state
        _LOG.info("query %s %s on %s", execution.query_id, outcome.state, outcome.engine)
        self._tell(execution, previous)

    def _tell(self, execution: QueryExecution, previous: str | None) -> None:
        execution.transitions += 1
        self._on_change(execution, previous, execution.transitions)

    def _wait_for_end(self, execution: QueryExecution) -> None:
        deadline = time.monotonic() + 5
        while not execution.is_final and time.monotonic() < deadline:
            time.sleep(0.01)


def new_id() -> str:
    return str(uuid.uuid4())


def _milliseconds(span: dt.timedelta) -> int:
    return max(0, round(span.total_seconds() * 1000))
