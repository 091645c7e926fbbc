"""Starting a Glue job and following its run to the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.logs import POLL_SECONDS, LogLine, job_run_log, unseen

SPARK_COMMANDS = ("glueetl", "gluestreaming")
_ONLY_SAID = ("Name", "CreatedOn", "LastModifiedOn", "AllocatedCapacity", "ProfileName")
ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"})


@dataclass(frozen=True)
class RunStep:
    """What became of a run since the last step.

    Parameters
    ----------
    state : str
        As ``GetJobRun`` says it.
    lines : tuple of LogLine
        What it has written since.
    error_message : str
        Empty unless it failed.
    seconds : float
        How long it has run, by Glue's own count.
    """

    state: str
    lines: tuple[LogLine, ...]
    error_message: str
    seconds: float

    @property
    def has_ended(self) -> bool:
        """Whether the run is over."""
        return self.state in ENDED


def job_named(aws: Aws, name: str) -> Mapping[str, Any]:
    """A job, as ``GetJob`` says it.

    Raises
    ------
    MillpondError
        If there is no such job; it names those that are there.
    """
    try:
        return cast(Mapping[str, Any], aws.glue.get_job(JobName=name)["Job"])
    except aws.glue.exceptions.EntityNotFoundException as error:
        raise _no_such_job(aws, name) from error


def definition_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """What ``CreateJob`` and ``UpdateJob`` take of a job as ``GetJob`` says it, but for its name.

    ``GetJob`` always says ``MaxCapacity``; a job of Spark since Glue 2.0 is given workers, or nothing
    (API Reference, ``Job``).
    """
    definition = {name: value for name, value in job.items() if name not in _ONLY_SAID}
    takes_capacity = job["Command"]["Name"] == "pythonshell" or job.get("GlueVersion") in ("0.9", "1.0")
    if "WorkerType" in definition or not takes_capacity:
        definition.pop("MaxCapacity", None)
    return definition


def start_job(aws: Aws, name: str, arguments: Mapping[str, str]) -> str:
    """Start a run; its id.

    Parameters
    ----------
    aws : Aws
        Clients of the stack or of an account.
    name : str
        The job.
    arguments : mapping
        Of the run, beside the job's defaults; names with their two dashes.

    Raises
    ------
    MillpondError
        If there is no such job; it names those that are there.
    """
    try:
        return aws.glue.start_job_run(JobName=name, Arguments=dict(arguments))["JobRunId"]
    except aws.glue.exceptions.EntityNotFoundException as error:
        raise _no_such_job(aws, name) from error


def _no_such_job(aws: Aws, name: str) -> MillpondError:
    names = ", ".join(aws.glue.list_jobs()["JobNames"]) or "none is deployed"
    return MillpondError(f"There is no Glue job {name}.", next_step=f"name one of the jobs: {names}")


def follow_job(aws: Aws, name: str, run_id: str) -> Iterator[RunStep]:
    """What a run does, until it has ended; the last step holds its end and the rest of its log."""
    seen: Counter[str] = Counter()
    while True:
        # Asked before the log is read, so that what is read after the end is all there is.
        run = aws.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
        _, lines = job_run_log(aws.glue, aws.logs, name, run_id)
        step = RunStep(
            run["JobRunState"],
            tuple(unseen(lines, seen)),
            run.get("ErrorMessage", ""),
            run.get("ExecutionTime", 0),
        )
        yield step
        if step.has_ended:
            return
        time.sleep(POLL_SECONDS)


def followed_lines(aws: Aws, name: str, run_id: str) -> Iterator[LogLine]:
    """What a run has written and writes, until it has ended."""
    return (line for step in follow_job(aws, name, run_id) for line in step.lines)
