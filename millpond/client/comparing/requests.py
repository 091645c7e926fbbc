"""A run of a job on a version that is not its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.client.job_runs import ENDED, SPARK_COMMANDS, definition_of, job_named, start_job
from millpond.client.listing import pages

# One log in lines of JSON, whatever the version compresses and rolls by default.
_READABLE = ("spark.eventLog.compress=false", "spark.eventLog.rolling.enabled=false")


def run_on(
    aws: Aws, job: Mapping[str, Any], version: str, arguments: Mapping[str, str], event_log: str
) -> str:
    """Give a job another version, and start a run of it; the run's id.

    The job keeps that version: whoever compares puts the stack back.

    Parameters
    ----------
    aws : Aws
        The stack.
    job : mapping
        As ``GetJob`` says it.
    version : str
        The other version.
    arguments : mapping
        Of the run, beside the job's defaults.
    event_log : str
        Where Spark is to write its event log, ``s3://…/``.

    Raises
    ------
    ClientError
        If Glue does not take the job with that version.
    """
    definition: Any = {**definition_of(job), "GlueVersion": version}
    aws.glue.update_job(JobName=job["Name"], JobUpdate=definition)
    return start_job(aws, job["Name"], {**arguments, **_logging(job, arguments, event_log)})


def _logging(job: Mapping[str, Any], arguments: Mapping[str, str], event_log: str) -> dict[str, str]:
    conf = {**job.get("DefaultArguments", {}), **arguments}.get("--conf", "")
    return {
        "--enable-spark-ui": "true",
        "--spark-event-logs-path": event_log,
        "--conf": " --conf ".join(filter(None, (conf, *_READABLE))),
    }


def job_of(aws: Aws, name: str) -> Mapping[str, Any]:
    """A job of Spark, as ``GetJob`` says it.

    Raises
    ------
    MillpondError
        If there is no such job, it is of Python shell, or something of the stack is under way: the stack is
        put back between two runs.
    """
    job = job_named(aws, name)
    if job["Command"].get("Name") not in SPARK_COMMANDS:
        raise MillpondError(
            f"{name} is a job of {job['Command']['Name']}, which has no GlueVersion of Spark.",
            next_step="name a job of glueetl",
        )
    if under_way := going_on(aws):
        raise MillpondError(
            "The stack is put back between two runs, and something is under way.",
            where=", ".join(under_way),
            next_step="wait until it has ended, or stop it",
        )
    return job


def going_on(aws: Aws) -> Sequence[str]:
    """Runs and executions of the stack that have not ended, for words."""
    activities = [
        f"job run {run['Id']} of {run['JobName']}"
        for job in pages(aws.glue, "get_jobs", "Jobs")
        for run in pages(aws.glue, "get_job_runs", "JobRuns", JobName=job["Name"])
        if run["JobRunState"] not in ENDED
    ]
    for machine in pages(aws.stepfunctions, "list_state_machines", "stateMachines"):
        try:
            running = pages(
                aws.stepfunctions,
                "list_executions",
                "executions",
                stateMachineArn=machine["stateMachineArn"],
                statusFilter="RUNNING",
            )
            activities += [f"execution {execution['name']} of {machine['name']}" for execution in running]
        except ClientError as error:
            # Express executions are not listed.
            if error.response["Error"]["Code"] != "StateMachineTypeNotSupported":
                raise
    return activities
