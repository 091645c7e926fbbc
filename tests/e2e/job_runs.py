"""Glue jobs of a running stack, through AWS's API alone."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from waiting import wait_until

from millpond.aws import Aws
from millpond.testing.jobs import BUCKET, FINAL, ROLE, ensure_bucket_and_role

# A cold Spark run takes 20 seconds of an idle machine, and some minutes of one that runs every test at once.
RUN_SECONDS = 480.0


@dataclass
class GlueJobs:
    """Makes jobs of scripts, runs them, and reads what came of it."""

    aws: Aws
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        ensure_bucket_and_role(self.aws)

    def put(self, key: str, content: str | bytes) -> str:
        """Upload something; its address."""
        body = content.encode() if isinstance(content, str) else content
        self.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def job(self, script: str, *, command: str = "pythonshell", **settings: Any) -> str:
        """Make a job of a script; its name."""
        name = f"job-{next(self._numbers)}"
        location = self.put(f"scripts/{name}.py", textwrap.dedent(script))
        size = {"GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 2}
        request: dict[str, Any] = {
            "Name": name,
            "Role": ROLE,
            "Command": {"Name": command, "ScriptLocation": location},
            **(size if command == "glueetl" else {}),
            **settings,
        }
        self.aws.glue.create_job(**request)
        return name

    def start(self, job: str, **request: Any) -> str:
        return self.aws.glue.start_job_run(JobName=job, **request)["JobRunId"]

    def look(self, job: str, run_id: str) -> dict[str, Any]:
        found: Any = self.aws.glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
        return dict(found)

    def stop(self, job: str, *run_ids: str) -> dict[str, Any]:
        return dict(self.aws.glue.batch_stop_job_run(JobName=job, JobRunIds=list(run_ids)))

    def finish(self, job: str, run_id: str) -> dict[str, Any]:
        """Wait until a run has ended; the run."""
        return wait_until(
            f"end of {run_id}",
            lambda: run if (run := self.look(job, run_id))["JobRunState"] in FINAL else None,
            RUN_SECONDS,
        )

    def run(
        self, script: str, *, arguments: Mapping[str, str] | None = None, **settings: Any
    ) -> dict[str, Any]:
        """Make a job, run it once, wait for its end; the run."""
        job = self.job(script, **settings)
        return self.finish(job, self.start(job, Arguments=dict(arguments or {})))

    def log(self, group: str, stream: str) -> str:
        """What is in a log stream; empty when there is none."""
        try:
            events = self.aws.logs.get_log_events(
                logGroupName=group, logStreamName=stream, startFromHead=True
            )["events"]
        except self.aws.logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(event["message"] for event in events)

    def output(self, run: Mapping[str, Any]) -> str:
        return self.log(f"{run['LogGroupName']}/output", run["Id"])

    def errors(self, run: Mapping[str, Any]) -> str:
        return self.log(f"{run['LogGroupName']}/error", run["Id"])
