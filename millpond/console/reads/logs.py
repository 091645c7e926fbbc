"""What a run wrote, and where in it the error is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from millpond.client.aws import Aws
from millpond.client.listing import pages
from millpond.client.logs import LogLine, job_run_log
from millpond.console.reads.runs import Run

# The newest lines; what is before them is in CloudWatch Logs.
MOST_LINES = 20_000

_TRACEBACK = re.compile(r"^Traceback \(most recent call last\)|Exception in thread|^\s*panic:")
_ERROR = re.compile(r"(?:^|[\s\[])(?:ERROR|FATAL|CRITICAL)\b|^(?:[\w.]+\.)?\w*(?:Error|Exception)\b")


def read_log(aws: Aws, run: Run) -> list[LogLine]:
    """What a run wrote, oldest first; nothing of a query, whose reason says all.

    Raises
    ------
    MillpondError
        If the job of a run is gone.
    ClientError
        If the log cannot be read.
    """
    if run.kind == "job":
        return job_run_log(aws.glue, aws.logs, run.name, run.id)[1][-MOST_LINES:]
    if run.kind == "build":
        return _of_build(aws, run.id)[-MOST_LINES:]
    if run.kind == "crawl":
        return _events(aws, "/aws-glue/crawlers", run.name)[-MOST_LINES:]
    return []


def _of_build(aws: Aws, build_id: str) -> list[LogLine]:
    builds = aws.codebuild.batch_get_builds(ids=[build_id])["builds"]
    logs = builds[0].get("logs", {}) if builds else {}
    if not logs.get("groupName") or not logs.get("streamName"):
        return []
    return _events(aws, logs["groupName"], logs["streamName"])


def _events(aws: Aws, group: str, stream: str) -> list[LogLine]:
    found = pages(aws.logs, "filter_log_events", "events", logGroupName=group, logStreamNames=[stream])
    try:
        return [LogLine(one["timestamp"], "output", one["message"].rstrip("\n")) for one in found]
    except ClientError as error:
        # What wrote nothing yet has no log.
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return []
        raise


def text_lines(lines: Iterable[LogLine]) -> list[str]:
    """The lines as they are shown: an event may have several."""
    return [part for line in lines for part in (line.message.splitlines() or [""])]


def error_line(lines: Sequence[str]) -> int | None:
    """Where the error is that ended a run: the index of the line, or None.

    The last traceback, for an earlier one was survived; else the first line that calls itself an error.

    >>> error_line(["a", "Traceback (most recent call last):", "  File", "KeyError: 1"])
    1
    """
    tracebacks = [number for number, line in enumerate(lines) if _TRACEBACK.search(line)]
    if tracebacks:
        return tracebacks[-1]
    return next((number for number, line in enumerate(lines) if _ERROR.search(line)), None)


def matches(lines: Sequence[str], wanted: str) -> list[int]:
    """The indexes of the lines with a text in them, in whatever case."""
    folded = wanted.casefold()
    return [number for number, line in enumerate(lines) if folded in line.casefold()] if wanted else []


_SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key|access_?key", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether the value of an argument with this name is shown only when somebody asks."""
    return bool(_SECRET.search(name))


def arguments_of(aws: Aws, run: Run) -> dict[str, Any]:
    """What a run was given: a job's own arguments with the run's, or the input of an execution."""
    if run.kind == "job":
        own = aws.glue.get_job(JobName=run.name)["Job"].get("DefaultArguments", {})
        return {**own, **aws.glue.get_job_run(JobName=run.name, RunId=run.id)["JobRun"].get("Arguments", {})}
    if run.kind == "build":
        build = aws.codebuild.batch_get_builds(ids=[run.id])["builds"][0]
        variables = build.get("environment", {}).get("environmentVariables", [])
        return {one["name"]: one["value"] for one in variables}
    return {}
