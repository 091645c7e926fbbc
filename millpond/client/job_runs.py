"""Starting a Glue job and following its run to the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.logs import POLL_SECONDS, LogLine, job_run_log, unseen

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
        names = ", ".join(aws.glue.list_jobs()["JobNames"]) or "none is deployed"
        raise MillpondError(
            f"There is no Glue job {name}.", next_step=f"name one of the jobs: {names}"
        ) from error


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
