"""Running one script as a Glue job and reading what came of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millpond.base.errors import MillpondError
from millpond.base.waiting import SCALE, DeadlinePassed, scaled, wait_until
from millpond.client.aws import Aws
from millpond.client.job_runs import ENDED
from millpond.client.logs import job_run_log

BUCKET = "millpond-testing"
ROLE = "millpond-testing"
RUN_SECONDS = 600.0
_NUMBERS = itertools.count(1)
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
_ALLOW = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@dataclass(frozen=True)
class GlueJobRun:
    """A run that has ended.

    Parameters
    ----------
    state : str
        ``SUCCEEDED``, ``FAILED``, ``STOPPED`` or ``TIMEOUT``.
    error_message : str
        As Glue reports it; empty unless it failed.
    log : str
        What it wrote to its output and error logs.
    """

    state: str
    error_message: str
    log: str


def run_glue_job(
    aws: Aws,
    script: Path,
    *,
    arguments: Mapping[str, str],
    command: str,
    settings: Mapping[str, Any],
    timeout: float = RUN_SECONDS,
) -> GlueJobRun:
    """Upload a script, make a job of it, run it once and wait for its end.

    Parameters
    ----------
    aws : Aws
        Clients of the stack.
    script : Path
        The job's script.
    arguments : mapping
        Of the run; names with their two dashes.
    command : str
        ``glueetl`` for a Spark job, ``pythonshell`` for a Python shell job.
    settings : mapping
        Further members of ``CreateJob``, for example ``MaxCapacity`` or ``DefaultArguments``.
    timeout : float
        Seconds to wait at most.

    Raises
    ------
    MillpondError
        If the run has not ended by then.
    """
    ensure_bucket_and_role(aws)
    key = f"scripts/{script.name}"
    aws.s3.upload_file(str(script), BUCKET, key)
    name = f"{script.stem}-{next(_NUMBERS)}"
    size: dict[str, Any] = {"WorkerType": "G.1X", "NumberOfWorkers": 2} if command == "glueetl" else {}
    aws.glue.create_job(
        **{
            "Name": name,
            "Role": ROLE,
            "Command": {"Name": command, "ScriptLocation": f"s3://{BUCKET}/{key}", "PythonVersion": "3"},
            **({"GlueVersion": "5.1", **size} if command == "glueetl" else {}),
            **settings,
        }
    )
    run_id = aws.glue.start_job_run(JobName=name, Arguments=arguments)["JobRunId"]

    def ended() -> Any:
        run = aws.glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
        return run if run["JobRunState"] in ENDED else None

    try:
        run = wait_until("end of the run", ended, timeout, pause=0.1)
    except DeadlinePassed:
        aws.glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
        raise MillpondError(
            f"The job {script.name} did not end within {scaled(timeout):.0f} s; it was stopped.",
            where=f"job run {run_id}",
            next_step=f"give glue_job_run a longer timeout, or set {SCALE}",
        ) from None
    _, lines = job_run_log(aws.glue, aws.logs, name, run_id)
    return GlueJobRun(
        run["JobRunState"], run.get("ErrorMessage", ""), "\n".join(line.message for line in lines)
    )


def make_bucket(aws: Aws, name: str) -> None:
    """Make a bucket in the region of the stack; ``us-east-1`` is the one that must not be named."""
    region = aws.session.region_name
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    aws.client("s3").create_bucket(Bucket=name, **where)


def ensure_bucket_and_role(aws: Aws) -> None:
    """Make the bucket and the role of the jobs, which may do all, unless they are there."""
    try:
        aws.s3.head_bucket(Bucket=BUCKET)
    except aws.s3.exceptions.ClientError:
        make_bucket(aws, BUCKET)
        iam = aws.client("iam")
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST))
        iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(_ALLOW))
