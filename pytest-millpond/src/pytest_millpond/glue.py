"""Glue jobs: a script of one's own, or a job that is deployed."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_millpond.clients import Aws
from pytest_millpond.objects import Objects
from pytest_millpond.waiting import wait_until

ROLE = "pytest-millpond"
RUN_SECONDS = 600.0
SHOWN_LINES = 30
ENDED = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR", "EXPIRED"}
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["glue.amazonaws.com", "states.amazonaws.com", "lambda.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}
# "3" is Python 3.6 to a Python shell job.
_PYTHON = {"pythonshell": "3.9"}
_ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class JobRun:
    """A run that has ended.

    Parameters
    ----------
    job, run_id : str
        Which run it is.
    state : str
        ``SUCCEEDED``, ``FAILED``, ``STOPPED``, ``TIMEOUT``, ``ERROR`` or ``EXPIRED``.
    error_message : str
        As Glue reports it; empty unless it failed.
    log : tuple of str
        Lines of its output and error logs, oldest first.
    seconds : float
        How long it ran, by Glue's own count.
    """

    job: str
    run_id: str
    state: str
    error_message: str
    log: tuple[str, ...]
    seconds: float

    def assert_succeeded(self) -> JobRun:
        """Assert that it succeeded; the run, so that more can be asked of it."""
        __tracebackhide__ = True
        if self.state != "SUCCEEDED":
            raise AssertionError(self._told())
        return self

    def assert_failed(self, match: str = "") -> JobRun:
        """Assert that it failed, with an error or a log that a regular expression is found in."""
        __tracebackhide__ = True
        if self.state == "SUCCEEDED":
            raise AssertionError(f"The Glue job {self.job} was expected to fail. {self._told()}")
        if match and not re.search(match, "\n".join((self.error_message, *self.log))):
            raise AssertionError(f"Neither the error nor the log has {match!r}. {self._told()}")
        return self

    def assert_logged(self, text: str) -> JobRun:
        """Assert that a line of the log has a text in it."""
        __tracebackhide__ = True
        if not any(text in line for line in self.log):
            raise AssertionError(f"No line of the log has {text!r}. {self._told()}")
        return self

    def _told(self) -> str:
        error = f": {self.error_message}" if self.error_message else "."
        shown = "\n".join(f"    {line}" for line in self.log[-SHOWN_LINES:]) or "    (nothing)"
        return (
            f"The Glue job {self.job} ended as {self.state}{error}\n"
            f"  run {self.run_id}, {self.seconds:g} s; the end of its log:\n{shown}"
        )


class GlueJob:
    """A job of Glue.

    Parameters
    ----------
    name : str
        As Glue knows it.
    """

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self.name = name

    def run(self, arguments: Mapping[str, str] | None = None, timeout: float = RUN_SECONDS) -> JobRun:
        """Run it and wait for its end.

        Parameters
        ----------
        arguments : mapping
            Of the run; a name without its two dashes gets them.
        timeout : float
            Seconds to wait at most; the run is stopped then.

        Raises
        ------
        AssertionError
            If it has not ended by then.
        """
        glue = self._aws("glue")
        given = {f"--{name.removeprefix('--')}": text for name, text in (arguments or {}).items()}
        run_id = glue.start_job_run(JobName=self.name, Arguments=given)["JobRunId"]

        def ended() -> dict[str, Any] | None:
            run: dict[str, Any] = glue.get_job_run(JobName=self.name, RunId=run_id)["JobRun"]
            return run if run["JobRunState"] in ENDED else None

        run = wait_until(ended, timeout)
        if run is None:
            glue.batch_stop_job_run(JobName=self.name, JobRunIds=[run_id])
            raise AssertionError(
                f"The Glue job {self.name} had not ended after {timeout:g} s, and was stopped (run {run_id})."
            )
        return JobRun(
            self.name,
            run_id,
            run["JobRunState"],
            run.get("ErrorMessage", ""),
            self._log(run),
            float(run.get("ExecutionTime", 0)),
        )

    def _log(self, run: Mapping[str, Any]) -> tuple[str, ...]:
        logs = self._aws("logs")
        lines: list[tuple[int, str]] = []
        for stream in ("output", "error"):
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=f"{run['LogGroupName']}/{stream}", logStreamNames=[run["Id"]]
            )
            try:
                events = [event for page in pages for event in page["events"]]
            except logs.exceptions.ResourceNotFoundException:
                continue  # a run that wrote nothing to this stream has none
            lines += [(event["timestamp"], event["message"].rstrip("\n")) for event in events]
        return tuple(message for _, message in sorted(lines, key=lambda line: line[0]))


class GlueJobs:
    """Finds or makes jobs: ``glue_job("daily")`` is deployed, ``glue_job("jobs/daily.py")`` is a script."""

    def __init__(self, aws: Aws, objects: Objects, bucket: str) -> None:
        self._aws = aws
        self._objects = objects
        self._bucket = bucket
        self._own: list[str] = []

    def remove_own(self) -> None:
        """Remove the jobs that were made of scripts."""
        for name in self._own:
            self._aws("glue").delete_job(JobName=name)

    def __call__(self, job: str | Path, command: str = "glueetl", **settings: Any) -> GlueJob:
        """A job.

        Parameters
        ----------
        job : str or Path
            The name of a job that is deployed; or the path of a script, from the working directory, which
            becomes a job of its own.
        command : str
            Of a script: ``glueetl`` for Spark, ``pythonshell`` for Python shell.
        settings
            Of a script: further members of ``CreateJob``, for example ``DefaultArguments``, ``GlueVersion``.

        Raises
        ------
        LookupError
            If there is no such job, or no such script.
        """
        __tracebackhide__ = True
        if isinstance(job, str) and not job.endswith((".py", ".scala")):
            return self._deployed(job)
        script = Path(job)
        if not script.is_file():
            raise LookupError(f"There is no script {script.resolve()}.")
        return self._made(script, command, settings)

    def _deployed(self, name: str) -> GlueJob:
        __tracebackhide__ = True
        glue = self._aws("glue")
        try:
            glue.get_job(JobName=name)
        except glue.exceptions.EntityNotFoundException:
            known = ", ".join(glue.list_jobs()["JobNames"]) or "none is deployed"
            raise LookupError(f"There is no Glue job {name}; the jobs: {known}.") from None
        return GlueJob(self._aws, name)

    def _made(self, script: Path, command: str, settings: Mapping[str, Any]) -> GlueJob:
        # A stack that runs longer than one session has jobs of others.
        name = f"{script.stem}-{uuid.uuid4().hex[:8]}"
        place = f"{self._objects.bucket(self._bucket)}/scripts/{name}.py"
        self._objects.put(place, script)
        size: dict[str, Any] = {"GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 2}
        self._aws("glue").create_job(
            **{
                "Name": name,
                "Role": role_of(self._aws),
                "Command": {
                    "Name": command,
                    "ScriptLocation": place,
                    "PythonVersion": _PYTHON.get(command, "3"),
                },
                **(size if command == "glueetl" else {"MaxCapacity": 0.0625}),
                **settings,
            }
        )
        self._own.append(name)
        return GlueJob(self._aws, name)


def role_of(aws: Aws) -> str:
    """The ARN of a role that jobs, machines and functions of tests have, and that may do all."""
    iam = aws("iam")
    try:
        made = iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]
        iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(_ALLOW))
        return str(made["Arn"])
    except iam.exceptions.EntityAlreadyExistsException:
        return str(iam.get_role(RoleName=ROLE)["Role"]["Arn"])
