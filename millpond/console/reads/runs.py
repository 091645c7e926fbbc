"""Every run of everything, as one kind of record: Glue jobs, state machines, queries, builds, crawls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import batched, islice
from typing import Any, Literal
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError

from millpond.client.aws import Aws
from millpond.client.listing import pages

Kind = Literal["job", "execution", "query", "build", "crawl"]
Outcome = Literal["running", "succeeded", "failed", "stopped"]
Key = tuple[Kind, str, str]

# The newest of each job, state machine, workgroup and so on that a first look takes.
FIRST_LOOK = 10_000
# What one answer of an API holds at most; a later look takes one answer.
NEWEST = 50
# Executions whose reason is asked for, which no listing tells.
REASONS = 20

_RUNNING = frozenset(
    {"STARTING", "RUNNING", "STOPPING", "QUEUED", "WAITING", "IN_PROGRESS", "PENDING_REDRIVE", "SUBMITTED"}
)
_SUCCEEDED = frozenset({"SUCCEEDED", "COMPLETED"})
_STOPPED = frozenset({"STOPPED", "CANCELLED", "ABORTED"})


@dataclass(frozen=True)
class Run:
    """One run.

    Parameters
    ----------
    kind : str
        ``job``, ``execution``, ``query``, ``build`` or ``crawl``.
    name : str
        What ran: job, state machine, workgroup, project or crawler.
    id : str
        Of the run: the id, or the ARN of an execution.
    state : str
        As its service says it.
    started : datetime or None
        When it began; None while it waits.
    seconds : float or None
        How long it took; None while it runs.
    reason : str
        Of a failure, in the service's words.
    detail : str
        The statement of a query.
    """

    kind: Kind
    name: str
    id: str
    state: str
    started: datetime | None = None
    seconds: float | None = None
    reason: str = ""
    detail: str = ""

    @property
    def key(self) -> Key:
        """What tells it from every other run."""
        return self.kind, self.name, self.id

    @property
    def outcome(self) -> Outcome:
        """How it stands, in the words that all services share."""
        if self.state in _RUNNING:
            return "running"
        if self.state in _SUCCEEDED:
            return "succeeded"
        return "stopped" if self.state in _STOPPED else "failed"

    @property
    def link(self) -> str:
        """The address of its page."""
        return f"/run?{urlencode({'kind': self.kind, 'name': self.name, 'id': self.id})}"


def of_job_run(run: Mapping[str, Any]) -> Run:
    """A run of a Glue job, from ``GetJobRuns``."""
    is_over = run["JobRunState"] not in _RUNNING
    return Run(
        "job",
        run["JobName"],
        run["Id"],
        run["JobRunState"],
        run.get("StartedOn"),
        float(run.get("ExecutionTime", 0)) if is_over else None,
        run.get("ErrorMessage", ""),
    )


def of_execution(execution: Mapping[str, Any]) -> Run:
    """An execution of a state machine, from ``ListExecutions`` or ``DescribeExecution``."""
    error = ": ".join(part for part in (execution.get("error"), execution.get("cause")) if part)
    return Run(
        "execution",
        execution["stateMachineArn"].rpartition(":")[2],
        execution["executionArn"],
        execution["status"],
        execution["startDate"],
        _between(execution["startDate"], execution.get("stopDate")),
        error,
    )


def of_query(execution: Mapping[str, Any]) -> Run:
    """A query, from ``BatchGetQueryExecution``."""
    status, statistics = execution["Status"], execution.get("Statistics", {})
    milliseconds = statistics.get("TotalExecutionTimeInMillis")
    return Run(
        "query",
        execution.get("WorkGroup", "primary"),
        execution["QueryExecutionId"],
        status["State"],
        status.get("SubmissionDateTime"),
        None if milliseconds is None or status["State"] in _RUNNING else milliseconds / 1000,
        status.get("StateChangeReason", "") if status["State"] == "FAILED" else "",
        execution.get("Query", ""),
    )


def of_build(build: Mapping[str, Any]) -> Run:
    """A build, from ``BatchGetBuilds``."""
    contexts = [
        (phase["phaseType"], context.get("message", ""))
        for phase in build.get("phases", [])
        if phase.get("phaseStatus") not in (None, "SUCCEEDED")
        for context in phase.get("contexts", [])
    ]
    return Run(
        "build",
        build["projectName"],
        build["id"],
        build["buildStatus"],
        build.get("startTime"),
        _between(build.get("startTime"), build.get("endTime")),
        "; ".join(f"{phase}: {message}" for phase, message in contexts if message),
    )


def of_crawl(crawler: str, crawl: Mapping[str, Any]) -> Run:
    """A crawl, from ``ListCrawls``."""
    return Run(
        "crawl",
        crawler,
        crawl["CrawlId"],
        crawl["State"],
        crawl.get("StartTime"),
        _between(crawl.get("StartTime"), crawl.get("EndTime")),
        crawl.get("ErrorMessage", ""),
    )


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None


def _job_runs(aws: Aws, limit: int, _known: Mapping[Key, Run]) -> Iterator[Run]:
    for job in pages(aws.glue, "get_jobs", "Jobs"):
        size = {"PaginationConfig": {"PageSize": min(limit, 200)}}
        for run in islice(pages(aws.glue, "get_job_runs", "JobRuns", JobName=job["Name"], **size), limit):
            yield of_job_run(run)


def _executions(aws: Aws, limit: int, _known: Mapping[Key, Run]) -> Iterator[Run]:
    client = aws.stepfunctions
    for machine in pages(client, "list_state_machines", "stateMachines"):
        # Express executions keep no list that could be asked for.
        if machine["type"] != "STANDARD":
            continue
        arguments = {
            "stateMachineArn": machine["stateMachineArn"],
            "PaginationConfig": {"PageSize": min(limit, 1000)},
        }
        for execution in islice(pages(client, "list_executions", "executions", **arguments), limit):
            yield of_execution(execution)


def _queries(aws: Aws, limit: int, known: Mapping[Key, Run]) -> Iterator[Run]:
    client = aws.athena
    for group in pages_of_workgroups(aws):
        size = {"PaginationConfig": {"PageSize": 50}}
        found = pages(client, "list_query_executions", "QueryExecutionIds", WorkGroup=group, **size)
        # What has ended stays as it is.
        asked = (
            one
            for one in islice(found, limit)
            if (run := known.get(("query", group, one))) is None or run.outcome == "running"
        )
        for ids in batched(asked, 50, strict=False):
            answer = client.batch_get_query_execution(QueryExecutionIds=list(ids))
            yield from (of_query(one) for one in answer["QueryExecutions"])


def pages_of_workgroups(aws: Aws) -> Iterator[str]:
    """The names of Athena's workgroups; boto3 has no paginator for them."""
    arguments: dict[str, Any] = {}
    while True:
        answer = aws.athena.list_work_groups(**arguments)
        yield from (group["Name"] for group in answer["WorkGroups"])
        if not (token := answer.get("NextToken")):
            return
        arguments = {"NextToken": token}


def _builds(aws: Aws, limit: int, known: Mapping[Key, Run]) -> Iterator[Run]:
    found = pages(aws.codebuild, "list_builds", "ids", sortOrder="DESCENDING")
    asked = (
        one
        for one in islice(found, limit)
        if (run := known.get(("build", one.partition(":")[0], one))) is None or run.outcome == "running"
    )
    for ids in batched(asked, 100, strict=False):
        yield from (of_build(one) for one in aws.codebuild.batch_get_builds(ids=list(ids))["builds"])


def _crawls(aws: Aws, limit: int, _known: Mapping[Key, Run]) -> Iterator[Run]:
    for crawler in pages(aws.glue, "get_crawlers", "Crawlers"):
        name, left, arguments = crawler["Name"], limit, dict[str, Any]()
        while left > 0:
            answer = aws.glue.list_crawls(CrawlerName=name, MaxResults=min(left, 100), **arguments)
            yield from (of_crawl(name, one) for one in answer.get("Crawls", []))
            left -= len(answer.get("Crawls", []))
            if not (token := answer.get("NextToken")):
                break
            arguments = {"NextToken": token}


LISTINGS: Mapping[Kind, Callable[[Aws, int, Mapping[Key, Run]], Iterator[Run]]] = {
    "job": _job_runs,
    "execution": _executions,
    "query": _queries,
    "build": _builds,
    "crawl": _crawls,
}


def read_run(aws: Aws, kind: Kind, name: str, run_id: str) -> Run:
    """One run, as it is now.

    Raises
    ------
    ClientError
        If there is none.
    LookupError
        If its service answers, but without it.
    """
    if kind == "job":
        return of_job_run(aws.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"])
    if kind == "execution":
        return of_execution(aws.stepfunctions.describe_execution(executionArn=run_id))
    if kind == "query":
        return of_query(aws.athena.get_query_execution(QueryExecutionId=run_id)["QueryExecution"])
    if kind == "build":
        return of_build(_only(aws.codebuild.batch_get_builds(ids=[run_id])["builds"], run_id))
    crawls = (run for run in _crawls_of(aws, name) if run.id == run_id)
    return _only(list(crawls), run_id)


def _crawls_of(aws: Aws, name: str) -> Iterator[Run]:
    answer = aws.glue.list_crawls(CrawlerName=name)
    return (of_crawl(name, one) for one in answer.get("Crawls", []))


def _only[T](found: Sequence[T], run_id: str) -> T:
    if not found:
        raise LookupError(f"There is no run {run_id}.")
    return found[0]


class RunBook:
    """Every run that was seen, kept up to date with few calls.

    A first look takes all that there is; a later one the newest of each thing that runs, and those that were
    still running.

    Parameters
    ----------
    aws : Aws
        Where to look.

    Attributes
    ----------
    version : int
        One more with each look that found something.
    refused : mapping of str to str
        What a service said that could not be asked, by kind of run.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._runs: dict[Key, Run] = {}
        self._lock = threading.Lock()
        self._is_filled = False
        self._changed: dict[Key, int] = {}
        self.version = 0
        self.refused: dict[Kind, str] = {}

    def __len__(self) -> int:
        return len(self._runs)

    def runs(self) -> list[Run]:
        """All of them, the newest first; those that have not begun come before."""
        return sorted(self._runs.values(), key=_begin, reverse=True)

    def since(self, version: int) -> list[Run]:
        """What is new or has changed since a version."""
        runs, changed = self._runs, dict(self._changed)
        return [runs[key] for key, when in changed.items() if when > version and key in runs]

    def refresh(self) -> list[Run]:
        """Look again; those that are new or have changed."""
        with self._lock:
            before, limit = dict(self._runs), NEWEST if self._is_filled else FIRST_LOOK
            found: dict[Key, Run] = {}
            for kind, listing in LISTINGS.items():
                try:
                    found |= {run.key: run for run in listing(self._aws, limit, before)}
                    self.refused.pop(kind, None)
                except (ClientError, BotoCoreError) as error:
                    self.refused[kind] = str(error)
            for run in before.values():
                if run.outcome == "running" and run.key not in found:
                    found |= self._asked_again(run)
            # A listing of executions has no reasons: those that were asked for stay.
            found = {key: _with_reason(run, before.get(key)) for key, run in found.items()}
            changed = {key: run for key, run in found.items() if before.get(key) != run}
            changed |= self._reasons(before | changed)
            self._runs = before | changed
            self._is_filled = True
            if changed:
                self.version += 1
                self._changed |= dict.fromkeys(changed, self.version)
            return list(changed.values())

    def _asked_again(self, run: Run) -> dict[Key, Run]:
        try:
            return {run.key: read_run(self._aws, *run.key)}
        except (ClientError, LookupError):
            # Its job was deleted: nobody knows any more how it ended.
            return {run.key: replace(run, state="UNKNOWN", reason="It cannot be asked for any more.")}
        except BotoCoreError as error:
            self.refused[run.kind] = str(error)
            return {}

    def _reasons(self, runs: Mapping[Key, Run]) -> dict[Key, Run]:
        failed = [run for run in runs.values() if run.kind == "execution" and run.outcome == "failed"]
        asked = [run for run in sorted(failed, key=_begin, reverse=True)[:REASONS] if not run.reason]
        found = {}
        for run in asked:
            try:
                told = read_run(self._aws, *run.key)
            except (ClientError, BotoCoreError) as error:
                self.refused["execution"] = str(error)
                break
            found[run.key] = told if told.reason else replace(told, reason="Step Functions gives no reason.")
        return found


def _with_reason(run: Run, before: Run | None) -> Run:
    is_same = before is not None and before.state == run.state and not run.reason
    return replace(run, reason=before.reason) if is_same and before else run


def _begin(run: Run) -> datetime:
    return run.started or datetime.max.replace(tzinfo=UTC)


def past_of(runs: list[Run], run: Run, count: int = 30) -> list[Run]:
    """The runs of the same thing that succeeded before, the newest first, to hold its duration against."""
    earlier = [
        one
        for one in runs
        if (one.kind, one.name) == (run.kind, run.name)
        and one.outcome == "succeeded"
        and one.seconds is not None
        and one.id != run.id
        and one.started
        and run.started
        and one.started < run.started
    ]
    return sorted(earlier, key=_begin, reverse=True)[:count]
