"""``millpond logs``."""

from __future__ import annotations

from typing import Annotated

import typer

from millpond.base.config import load_settings
from millpond.cli import console
from millpond.cli.session import Region, Target, clients
from millpond.client.logs import job_run_log, lambda_log
from millpond.stack import open_stack


def logs(
    job: Annotated[str, typer.Argument(help="A Glue job or a Lambda function; or engine, onprem.")],
    run_id: Annotated[str | None, typer.Option(help="A run of the job; the newest when not given.")] = None,
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
    if not lines:
        title, lines = job_run_log(aws.glue, aws.logs, job, run_id)
        console.note(title)
    for line in lines:
        style = "red" if line.source == "error" else ""
        console.out.print(line.message, style=style, markup=False, highlight=False)
