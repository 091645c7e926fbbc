"""Job runs and the states they pass through."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from millpond.planes.glue import arguments, jobs
from millpond.planes.glue.workflows.store import Origin

Shape = dict[str, Any]


class State(StrEnum):
    """``JobRunState`` of the Glue API."""

    WAITING = "WAITING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMEOUT = "TIMEOUT"

    @property
    def is_final(self) -> bool:
        return not _NEXT[self]


# "AWS Glue job run statuses" in the Developer Guide.
_NEXT: Mapping[State, frozenset[State]] = {
    State.WAITING: frozenset({State.STARTING, State.FAILED, State.STOPPING}),
    State.STARTING: frozenset({State.RUNNING, State.FAILED, State.STOPPING}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.TIMEOUT, State.STOPPING}),
    State.STOPPING: frozenset({State.STOPPED}),
    State.STOPPED: frozenset(),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.TIMEOUT: frozenset(),
}


@dataclass
class JobRun:
    """One attempt at running a job.

    Parameters
    ----------
    id : str
        ``jr_`` and 64 hexadecimal digits, with ``_attempt_N`` for a retry.
    job : dict
        The ``Job`` structure as it was when the run started.
    arguments : mapping
        What ``StartJobRun`` was given.
    settings : dict
        ``MaxCapacity``, worker settings, ``Timeout`` … of this run.
    started_on : datetime
        When ``StartJobRun`` was called.
    attempt : int
        0 for the first.
    previous_run_id : str, optional
        The run that this one repeats.
    origin : Origin, optional
        The trigger that started it.
    """

    id: str
    job: Shape
    arguments: Mapping[str, str]
    settings: Shape
    started_on: datetime
    attempt: int = 0
    previous_run_id: str | None = None
    origin: Origin | None = None
    state: State = State.STARTING
    last_modified_on: datetime = field(init=False)
    running_since: datetime | None = None
    completed_on: datetime | None = None
    error_message: str | None = None
    measures: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        self.last_modified_on = self.started_on

    @property
    def job_name(self) -> str:
        return str(self.job["Name"])

    @property
    def job_id(self) -> str:
        """What a script finds as ``JOB_ID``: the same for every run of a job."""
        return f"j_{hashlib.sha256(self.job_name.encode()).hexdigest()}"

    @property
    def all_arguments(self) -> dict[str, str]:
        """The run's own arguments with the job's, as everything that acts on them sees them."""
        return arguments.merge(self.job, self.arguments)

    @property
    def is_spark(self) -> bool:
        return self.job["Command"]["Name"] in jobs.SPARK_COMMANDS

    @property
    def execution_seconds(self) -> int:
        """Whole seconds that resources were used, from RUNNING to the end."""
        if self.running_since is None or self.completed_on is None:
            return 0
        return round((self.completed_on - self.running_since).total_seconds())

    @property
    def may_wait(self) -> bool:
        """Whether it waits for a place: a job that is configured to retry does not (same page)."""
        return bool(self.settings.get("JobRunQueuingEnabled")) and not self.job["MaxRetries"]

    @property
    def has_a_place(self) -> bool:
        """Whether it is one of the runs that go on at once."""
        return self.state is not State.WAITING and not self.state.is_final

    def advance(self, state: State, now: datetime, error_message: str | None = None) -> None:
        """Enter the next state.

        Raises
        ------
        ValueError
            If a run never goes from its state to that one.
        """
        if state not in _NEXT[self.state]:
            raise ValueError(f"a job run never goes from {self.state} to {state}")
        self.state = state
        self.last_modified_on = now
        if state is State.RUNNING:
            self.running_since = now
        if state.is_final:
            self.completed_on = now
            self.error_message = error_message

    def to_api(self) -> Shape:
        """The ``JobRun`` structure of the API."""
        run: Shape = {
            "Id": self.id,
            "Attempt": self.attempt,
            "JobName": self.job_name,
            "JobMode": self.job["JobMode"],
            "StartedOn": self.started_on,
            "LastModifiedOn": self.last_modified_on,
            "JobRunState": str(self.state),
            "PredecessorRuns": [
                {"JobName": name, "RunId": run_id}
                for name, run_id in (self.origin.predecessors if self.origin else ())
            ],
            "ExecutionTime": self.execution_seconds,
            "LogGroupName": "/aws-glue/jobs" if self.is_spark else "/aws-glue/python-jobs",
            "GlueVersion": self.job["GlueVersion"],
            **self.settings,
        }
        optional = {
            "Arguments": dict(self.arguments),
            "PreviousRunId": self.previous_run_id,
            "TriggerName": self.origin.trigger if self.origin else None,
            "CompletedOn": self.completed_on,
            "ErrorMessage": self.error_message,
            "DPUSeconds": self._dpu_seconds(),
        }
        run.update({key: value for key, value in optional.items() if value not in (None, {})})
        return run

    def _dpu_seconds(self) -> float | None:
        # Only runs that are FLEX or scale by themselves report it (API Reference, JobRun).
        is_scaling = arguments.is_on(self.all_arguments, "--enable-auto-scaling")
        if not (is_scaling or self.settings.get("ExecutionClass") == "FLEX"):
            return None
        return float(self.execution_seconds * self.settings["MaxCapacity"])


def new_id() -> str:
    """An id of the form that Glue gives to runs."""
    return f"jr_{secrets.token_hex(32)}"


def settings_of(job: Shape, request: Mapping[str, Any]) -> Shape:
    """Capacity, timeout and the like of a run: what ``StartJobRun`` says, else what the job says.

    Parameters
    ----------
    job : dict
        The job's definition.
    request : mapping
        ``StartJobRunRequest``.

    Raises
    ------
    InvalidInputException
        If they do not go together.
    """
    sized = ("WorkerType", "NumberOfWorkers", "MaxCapacity", "AllocatedCapacity")
    asked = {key: request[key] for key in sized if request.get(key)}
    if set(asked) in ({"WorkerType"}, {"NumberOfWorkers"}):
        asked = {key: job[key] for key in ("WorkerType", "NumberOfWorkers") if key in job} | asked
    if asked:
        size = jobs.capacity(job["Command"]["Name"], job["GlueVersion"], asked)
    else:
        size = {key: job[key] for key in sized if key in job}
    jobs.check_execution_class(job["Command"]["Name"], job["GlueVersion"], request.get("ExecutionClass"))
    timeout = request.get("Timeout")
    settings = {
        **size,
        "Timeout": job["Timeout"] if timeout is None else jobs.timeout_minutes(timeout, job["GlueVersion"]),
    }
    for key in ("ExecutionClass", "SecurityConfiguration", "NotificationProperty"):
        if value := request.get(key) or job.get(key):
            settings[key] = value
    queues = request.get("JobRunQueuingEnabled")
    if job.get("JobRunQueuingEnabled", False) if queues is None else queues:
        settings["JobRunQueuingEnabled"] = True
    return settings
