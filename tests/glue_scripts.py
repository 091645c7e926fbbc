"""Scripts as Glue jobs, run to their end, and what came of them."""

from __future__ import annotations

import itertools
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from waiting import wait_until

from millpond.client.job_runs import ENDED


@dataclass
class GlueScripts(ABC):
    """Makes jobs of scripts and runs them; how Glue is asked is a subclass's.

    Parameters
    ----------
    s3, logs : boto3 clients
    bucket, role : str
        Where the scripts are, and the role of the jobs.
    run_seconds : float
        How long a run may take.
    """

    s3: Any
    logs: Any
    bucket: str
    role: str
    run_seconds: float
    _numbers: Iterator[int] = field(default_factory=itertools.count, init=False)

    @abstractmethod
    def create(self, request: Mapping[str, Any]) -> None:
        """CreateJob."""

    @abstractmethod
    def start(self, job: str, **request: Any) -> str:
        """StartJobRun; the run's id."""

    @abstractmethod
    def look(self, job: str, run_id: str) -> dict[str, Any]:
        """GetJobRun; the run."""

    def put(self, key: str, content: str | bytes) -> str:
        """Upload something; its address."""
        body = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def job(self, script: str, *, command: str = "pythonshell", **settings: Any) -> str:
        """Make a job of a script; its name."""
        name = f"job-{next(self._numbers)}"
        location = self.put(f"scripts/{name}.py", textwrap.dedent(script))
        size = {"GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 2}
        self.create(
            {
                "Name": name,
                "Role": self.role,
                "Command": {"Name": command, "ScriptLocation": location},
                **(size if command == "glueetl" else {}),
                **settings,
            }
        )
        return name

    def finish(self, job: str, run_id: str) -> dict[str, Any]:
        """Wait until a run has ended; the run."""
        return wait_until(
            f"end of {run_id}",
            lambda: run if (run := self.look(job, run_id))["JobRunState"] in ENDED else None,
            self.run_seconds,
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
            events = self.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)[
                "events"
            ]
        except self.logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(event["message"] for event in events)

    def output(self, run: Mapping[str, Any]) -> str:
        return self.log(f"{run['LogGroupName']}/output", run["Id"])

    def errors(self, run: Mapping[str, Any]) -> str:
        return self.log(f"{run['LogGroupName']}/error", run["Id"])
