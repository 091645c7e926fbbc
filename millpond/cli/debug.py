"""``millpond debug``."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from typing import Annotated

import typer

from millpond.base.config import load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.run import parsed
from millpond.client.aws import Aws
from millpond.client.debugging import WAITING, DebuggedJob, debugged
from millpond.client.job_runs import RunStep, follow_job, start_job
from millpond.toolchain.debugpy import wheel


def debug(
    job: Annotated[str, typer.Argument(help="A Glue job with a script in Python.")],
    arg: Annotated[
        list[str] | None, typer.Option(help="An argument of the run, NAME=VALUE; may be repeated.")
    ] = None,
    editor: Annotated[
        bool, typer.Option("--editor", help="Wait for an editor to attach (debugpy), instead of pdb here.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(help="Where it waits, on this machine only; any that is free.")
    ] = None,
) -> None:
    """Run a job's script under a debugger: in its own interpreter, with its arguments, role and libraries."""
    settings = load_settings()
    if settings.tier != "embedded":
        raise MillpondError(
            "A job in a container is not reached by a debugger.", next_step="millpond --tier embedded up"
        )
    aws = Aws(settings)
    with debugged(aws, job, settings.project_dir, port, wheel(settings) if editor else None) as copy:
        run_id = start_job(aws, copy.name, parsed(arg or []))
        console.note(f"{copy.name} {run_id}; the script is {copy.path}")
        step = RunStep("STARTING", (), "", 0)
        try:
            for step in follow_job(aws, copy.name, run_id):
                for line in step.lines:
                    if line.message != WAITING:
                        console.log_line(line)
                    elif editor:
                        console.note(f"Waiting for an editor. For Visual Studio Code: {_configuration(copy)}")
                    else:
                        _converse(copy.port)
        finally:
            if not step.has_ended:
                aws.glue.batch_stop_job_run(JobName=copy.name, JobRunIds=[run_id])
    console.note(f"{step.state} after {step.seconds:g} s")
    if step.state != "SUCCEEDED":
        raise MillpondError(f"The run ended as {step.state}. {step.error_message}".strip())


def _configuration(job: DebuggedJob) -> str:
    """What an editor needs to attach, as it stands in Visual Studio Code's launch.json."""
    return json.dumps(
        {
            "name": job.name,
            "type": "debugpy",
            "request": "attach",
            "connect": {"host": "127.0.0.1", "port": job.port},
            "justMyCode": False,
        }
    )


def _converse(port: int) -> None:
    """Be the terminal of pdb until it ends."""
    typed: list[int] = [sys.stdin.fileno()]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while True:
            ready, _, _ = select.select([connection.fileno(), *typed], [], [])
            if connection.fileno() in ready:
                said = connection.recv(1 << 16)
                if not said:
                    return
                sys.stdout.buffer.write(said)
                sys.stdout.buffer.flush()
            elif given := os.read(typed[0], 1 << 16):
                connection.sendall(given)
            else:
                # Nothing more is typed; pdb takes that as its end.
                connection.shutdown(socket.SHUT_WR)
                typed = []
