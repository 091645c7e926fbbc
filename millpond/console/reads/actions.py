"""What the console may do to a run: stop it, or run the same again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.console.reads.runs import Run, read_run


def stop(aws: Aws, run: Run) -> None:
    """Ask the service to stop a run.

    Raises
    ------
    MillpondError
        If the service does not stop it.
    ClientError
        If the service refuses.
    """
    if run.kind == "job":
        answer = aws.glue.batch_stop_job_run(JobName=run.name, JobRunIds=[run.id])
        for error in answer.get("Errors", []):
            raise MillpondError(error.get("ErrorDetail", {}).get("ErrorMessage", "Glue did not stop it."))
    elif run.kind == "execution":
        aws.stepfunctions.stop_execution(executionArn=run.id)
    elif run.kind == "query":
        aws.athena.stop_query_execution(QueryExecutionId=run.id)
    elif run.kind == "build":
        aws.codebuild.stop_build(id=run.id)
    else:
        aws.glue.stop_crawler(Name=run.name)


def again_job(aws: Aws, run: Run, arguments: Mapping[str, str]) -> Run:
    """Start the job of a run with these arguments, beside the job's own."""
    started = aws.glue.start_job_run(JobName=run.name, Arguments=dict(arguments))
    return read_run(aws, "job", run.name, started["JobRunId"])


def again_execution(aws: Aws, machine_arn: str, text: str) -> Run:
    """Start a state machine with an input.

    Raises
    ------
    MillpondError
        If the input is not JSON.
    """
    try:
        json.loads(text)
    except ValueError as error:
        raise MillpondError(f"The input is not JSON: {error}.") from error
    started = aws.stepfunctions.start_execution(stateMachineArn=machine_arn, input=text)
    return read_run(aws, "execution", machine_arn.rpartition(":")[2], started["executionArn"])


def redrive(aws: Aws, run: Run) -> None:
    """Let an execution go on from the states that failed.

    Raises
    ------
    ClientError
        If Step Functions refuses.
    """
    aws.stepfunctions.redrive_execution(executionArn=run.id)


def again(aws: Aws, run: Run) -> Run | None:
    """Start a build or a crawl again; the run, where the service names it at once."""
    if run.kind == "build":
        build = aws.codebuild.start_build(projectName=run.name)["build"]
        return read_run(aws, "build", run.name, build["id"])
    aws.glue.start_crawler(Name=run.name)
    return None
