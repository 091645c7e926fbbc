"""What a Glue job, a Lambda function or a service of the stack wrote."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from millpond.base.errors import MillpondError

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import JobRunTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient

PYTHON_SHELL_GROUP = "/aws-glue/python-jobs"
SPARK_GROUP = "/aws-glue/jobs"
POLL_SECONDS = 0.3
GROUP_PREFIX = "--custom-logGroup-prefix"


@dataclass(frozen=True)
class LogLine:
    """One event of CloudWatch Logs.

    Parameters
    ----------
    timestamp : int
        Milliseconds since the epoch.
    source : str
        ``output``, ``error`` or the log stream's name.
    message : str
        The line without its end.
    """

    timestamp: int
    source: str
    message: str


def job_run_log(
    glue: GlueClient, logs: CloudWatchLogsClient, job_name: str, run_id: str | None = None
) -> tuple[JobRunTypeDef, list[LogLine]]:
    """The lines of a job run, oldest first.

    Parameters
    ----------
    glue, logs : client
        The clients to use.
    job_name : str
        A Glue job.
    run_id : str, optional
        One of its runs; the newest unless given.

    Returns
    -------
    tuple
        The run, as ``GetJobRuns`` describes it, and the lines.

    Raises
    ------
    MillpondError
        If there is no such job, or it has no run.
    """
    try:
        job = glue.get_job(JobName=job_name)["Job"]
    except glue.exceptions.EntityNotFoundException as error:
        names = ", ".join(glue.list_jobs()["JobNames"]) or "none: run `millpond deploy`"
        raise MillpondError(
            f"There is no Glue job {job_name}.", next_step=f"name one of the jobs: {names}"
        ) from error
    runs = glue.get_job_runs(JobName=job_name)["JobRuns"]
    matching = [run for run in runs if run_id in (None, run["Id"])]
    if not matching:
        raise MillpondError(
            f"The job {job_name} has no run{f' {run_id}' if run_id else ''} yet.",
            next_step="start it, then ask again",
        )
    run = matching[0]
    own_group = {**job.get("DefaultArguments", {}), **run.get("Arguments", {})}.get(GROUP_PREFIX)
    group = own_group or (PYTHON_SHELL_GROUP if job["Command"].get("Name") == "pythonshell" else SPARK_GROUP)
    lines = [
        line for name in ("output", "error") for line in _events(logs, f"{group}/{name}", run["Id"], name)
    ]
    return run, sorted(lines, key=lambda line: line.timestamp)


def lambda_log(logs: CloudWatchLogsClient, function_name: str) -> list[LogLine]:
    """The lines of a Lambda function's newest log stream, oldest first; empty when it never ran."""
    group = f"/aws/lambda/{function_name}"
    try:
        streams = logs.describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=1
        )["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [line for stream in streams for line in _events(logs, group, stream["logStreamName"], "output")]


def follow_function(logs: CloudWatchLogsClient, function_name: str, since: int) -> Iterator[LogLine]:
    """What a Lambda function writes from a moment on, without an end; the source is the log stream.

    Parameters
    ----------
    since : int
        Milliseconds since the epoch.
    """
    group = f"/aws/lambda/{function_name}"
    seen: Counter[str] = Counter()
    paginator = logs.get_paginator("filter_log_events")
    while True:
        events = [
            event
            for page in paginator.paginate(logGroupName=group, startTime=since)
            for event in page["events"]
        ]
        lines = [
            LogLine(event["timestamp"], event["logStreamName"], event["message"].rstrip("\n"))
            for event in events
        ]
        yield from unseen(lines, seen)
        time.sleep(POLL_SECONDS)


def unseen(lines: Sequence[LogLine], seen: Counter[str]) -> list[LogLine]:
    """The lines beyond those that were seen of each source, which are counted as seen from now on.

    A line of one stream may arrive after later ones of another: how many lines there are in all says nothing.

    >>> lines = [LogLine(1, "output", "a"), LogLine(2, "error", "b"), LogLine(3, "output", "c")]
    >>> [line.message for line in unseen(lines, Counter(output=2))]
    ['b']
    """
    met: Counter[str] = Counter()
    new_lines = []
    for line in lines:
        met[line.source] += 1
        if met[line.source] > seen[line.source]:
            new_lines.append(line)
    seen |= met
    return new_lines


def _events(logs: CloudWatchLogsClient, group: str, stream: str, source: str) -> Iterator[LogLine]:
    paginator = logs.get_paginator("filter_log_events")
    try:
        for page in paginator.paginate(logGroupName=group, logStreamNames=[stream]):
            for event in page["events"]:
                yield LogLine(event["timestamp"], source, event["message"].rstrip("\n"))
    except ClientError as error:
        # A run that wrote nothing to this stream has none.
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
