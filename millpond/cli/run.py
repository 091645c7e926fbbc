"""``millpond run``."""

from __future__ import annotations

from typing import Annotated

import typer

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Region, Target, clients, going_on, stop_run
from millpond.client.job_runs import RunStep, follow_job, start_job


def run(
    job: Annotated[str, typer.Argument(help="A Glue job.")],
    arg: Annotated[
        list[str] | None, typer.Option(help="An argument of the run, NAME=VALUE; may be repeated.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Show its log, and end as it ends.")] = True,
    target: Target = "local",
    region: Region = None,
) -> None:
    """Run a Glue job and show what it writes; exit 1 unless it succeeds."""
    aws = clients(load_settings(), target, region)
    run_id = start_job(aws, job, parsed(arg or []))
    console.note(f"{job} {run_id}")
    if not follow:
        return
    step = RunStep("STARTING", (), "", 0)
    with going_on("The run", lambda: stop_run(aws, job, run_id)):
        for step in follow_job(aws, job, run_id):
            for line in step.lines:
                console.log_line(line)
    console.note(f"{step.state} after {step.seconds:g} s")
    if step.state != "SUCCEEDED":
        raise MillpondError(
            f"The run ended as {step.state}. {step.error_message}".strip(),
            where=f"job {job}, run {run_id}",
            next_step=f"millpond logs {job} --run-id {run_id}",
        )


def parsed(arguments: list[str]) -> dict[str, str]:
    """Arguments as ``StartJobRun`` takes them: names with two dashes.

    Raises
    ------
    MillpondError
        If one has no ``=``.
    """
    pairs = [argument.partition("=") for argument in arguments]
    for name, equals, _ in pairs:
        if not equals:
            raise MillpondError(f"The argument {name} has no value.", next_step=f"--arg {name}=VALUE")
    return {f"--{name.removeprefix('--')}": value for name, _, value in pairs}
