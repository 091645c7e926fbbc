"""``millpond notebook``."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from millpond.base.config import Settings, load_settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.run import parsed
from millpond.cli.session import free_port
from millpond.client import notebooks
from millpond.client.aws import Aws
from millpond.toolchain.bootstrap import BootstrapError
from millpond.toolchain.notebook import install

PORT = 8888
# A notebook that asks somebody for news would not work where nobody is reached.
_OPTIONS = (
    "--ServerApp.ip=127.0.0.1",
    "--ServerApp.port_retries=0",
    "--ServerApp.open_browser=False",
    "--ServerApp.log_level=WARN",
    "--KernelSpecManager.ensure_native_kernel=False",
    f"--KernelSpecManager.allowed_kernelspecs={notebooks.KERNEL}",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdates",
)


def notebook(
    job: Annotated[str | None, typer.Argument(help="A Glue job of Spark that the session is like.")] = None,
    arg: Annotated[
        list[str] | None, typer.Option(help="An argument of the session, NAME=VALUE; may be repeated.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help="Without a job: the role whose credentials the session has.")
    ] = None,
    execute: Annotated[
        Path | None, typer.Option(help="Run a notebook to its end, in place, instead of opening JupyterLab.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help=f"Where JupyterLab listens, on this machine only; {PORT} if free.")
    ] = None,
) -> None:
    """Work in a notebook: PySpark in a session of Glue like a job's, in JupyterLab, until ctrl-C."""
    settings = load_settings()
    if settings.tier != "embedded":
        raise MillpondError(
            "Sessions of Glue are not run in containers.", next_step="millpond --tier embedded up"
        )
    if execute is not None and not execute.is_file():
        raise MillpondError("There is no such notebook.", where=str(execute))
    aws = Aws(settings)
    session = _session(aws, job, role, parsed(arg or []))
    python = _installed(settings)
    variables = notebooks.environment(aws, session, settings.state / "notebook", python)
    if execute is not None:
        _become([str(python), str(notebooks.RUN), str(execute.absolute()), notebooks.KERNEL], variables)
    token, where = secrets.token_urlsafe(24), free_port(port, PORT, "millpond notebook")
    console.note(f"{session.title}: http://127.0.0.1:{where}/lab?token={token}; ctrl-C ends it")
    command = [str(python), "-m", "jupyterlab", *_OPTIONS, f"--ServerApp.port={where}"]
    command += [
        f"--ServerApp.root_dir={settings.project_dir}",
        *(["--allow-root"] if not os.geteuid() else []),
    ]
    # Not on the command line, which other users of this machine see.
    _become(command, {**variables, "JUPYTER_TOKEN": token})


def _session(aws: Aws, job: str | None, role: str | None, arguments: dict[str, str]) -> notebooks.SessionOf:
    if job is not None:
        return notebooks.session_of_job(aws, job, arguments)
    if role is None:
        raise MillpondError(
            "A session has the credentials of a role that Glue may assume.",
            next_step="millpond notebook JOB, or millpond notebook --role ROLE",
        )
    return notebooks.SessionOf("Glue PySpark", notebooks.role_arn(aws, role), {}, arguments)


def _installed(settings: Settings) -> Path:
    try:
        with console.step("Notebooks") as say:
            return install(settings, say)
    except BootstrapError as error:
        raise MillpondError(str(error), next_step="millpond notebook") from error


def _become(command: list[str], variables: dict[str, str]) -> NoReturn:
    """In the place of this process, which would only wait."""
    os.execve(command[0], command, {**os.environ, **variables})  # noqa: S606 (no shell is wanted)
