"""``millpond logs``."""

from __future__ import annotations

from itertools import chain
from typing import Annotated

import typer

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Region, Target, clients
from millpond.client.job_runs import followed_lines
from millpond.client.logs import follow_function, job_run_log, lambda_log
from millpond.stack import open_stack


def logs(
    job: Annotated[str, typer.Argument(help="A Glue job or a Lambda function; or engine, onprem.")],
    run_id: Annotated[str | None, typer.Option(help="A run of the job; the newest when not given.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the run has ended; with a function, until Ctrl-C.")
    ] = False,
    target: Target = "local",
    region: Region = None,
) -> None:
    """Show what the last run of a job wrote."""
    settings = load_settings()
    if target == "local":
        stack = open_stack(settings)
        if job in {service.name for service in stack.services()}:
            console.out.print(stack.log(job, 200), markup=False, highlight=False)
            return
    aws = clients(settings, target, region)
    lines = lambda_log(aws.logs, job) if run_id is None else []
    if lines:
        later = follow_function(aws.logs, job, lines[-1].timestamp + 1) if follow else ()
        for line in chain(lines, later):
            console.log_line(line)
        return
    run, lines = job_run_log(aws.glue, aws.logs, job, run_id)
    console.note(f"{run['Id']} {run['JobRunState']}")
    for line in followed_lines(aws, job, run["Id"]) if follow else lines:
        console.log_line(line)
