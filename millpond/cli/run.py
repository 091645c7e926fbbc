"""``millpond run``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.session import Region, Target, clients, going_on, stop_run
from millpond.client.job_runs import SPARK_COMMANDS, RunStep, follow_job, job_named, start_job


def run(
    job: Annotated[str, typer.Argument(help="A Glue job.")],
    arg: Annotated[
        list[str] | None, typer.Option(help="An argument of the run, NAME=VALUE; may be repeated.")
    ] = None,
    distributed: Annotated[
        bool, typer.Option(help="Executors in processes of their own, as NumberOfWorkers says.")
    ] = False,
    follow: Annotated[bool, typer.Option(help="Show its log, and end as it ends.")] = True,
    target: Target = "local",
    region: Region = None,
) -> None:
    """Run a Glue job and show what it writes; exit 1 unless it succeeds."""
    aws = clients(load_settings(), target, region)
    arguments = parsed(arg or [])
    if distributed:
        if target != "local":
            raise MillpondError("On AWS every run is distributed.", next_step="leave --distributed out")
        arguments["--conf"] = distributed_conf(job_named(aws, job), arguments)
    run_id = start_job(aws, job, arguments)
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


def distributed_conf(job: Mapping[str, Any], arguments: Mapping[str, str]) -> str:
    """The value of ``--conf`` with which a run's executors are processes of their own.

    Parameters
    ----------
    job : mapping
        As ``GetJob`` says it.
    arguments : mapping
        Of the run; its ``--conf`` takes the place of the job's.

    Raises
    ------
    MillpondError
        If it is no job of Spark.

    Examples
    --------
    >>> distributed_conf({"Command": {"Name": "glueetl"}, "DefaultArguments": {"--conf": "spark.a=1"}}, {})
    'spark.a=1 --conf spark.master=local-cluster'
    """
    if job["Command"].get("Name") not in SPARK_COMMANDS:
        raise MillpondError(
            f"A job of {job['Command'].get('Name')} has no executors.", next_step="leave --distributed out"
        )
    conf = {**job.get("DefaultArguments", {}), **arguments}.get("--conf", "")
    return " --conf ".join(filter(None, (conf, "spark.master=local-cluster")))


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
