"""What the verbs share: their options, the lock of a stack, the way to a running one or to an account."""

from __future__ import annotations

import contextlib
import json
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from filelock import FileLock, Timeout
from rich.markup import escape

from millpond.base.config import Settings
from millpond.base.errors import MillpondError
from millpond.cli import console
from millpond.cli.trino import install
from millpond.client.aws import AccountAws, Aws
from millpond.stack import open_stack
from millpond.stack.onprem import ADMIN, HOST, OnPremDatabase
from millpond.toolchain import bootstrap, components

# In the state of a stack while it runs: how it is reached.
REACHED = "stack.json"

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Target = Annotated[Literal["local", "aws"], typer.Option(help="The local stack, or an AWS account.")]
Region = Annotated[str | None, typer.Option(help="AWS region, for aws; the usual one when not given.")]
Yes = Annotated[bool, typer.Option("--yes", help="Answer every question with yes.")]


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """Keep other commands from changing a stack meanwhile.

    Raises
    ------
    MillpondError
        If another command works on it, or its folder cannot be written.
    """
    try:
        settings.state.mkdir(parents=True, exist_ok=True)
        # Nothing in it is meant for Git.
        if settings.state.is_relative_to(settings.project_home):
            (settings.project_home / ".gitignore").write_text("*\n")
    except OSError as error:
        raise MillpondError(
            f"The folder of this stack cannot be written: {error.strerror}.",
            where=str(settings.state),
            next_step="go to a folder that can be written, or name one in MILLPOND_STATE_DIR",
        ) from error
    try:
        held = FileLock(settings.state / ".lock").acquire(timeout=0)
    except Timeout as error:
        raise MillpondError(
            "Another millpond command is working on this stack.",
            where=str(settings.state),
            next_step="wait for it, or stop it with ctrl-C, then run the command again",
        ) from error
    with held:
        yield


@contextmanager
def going_on(what: str, stop_command: Callable[[], str]) -> Iterator[None]:
    """Follow what goes on without whoever follows it: Ctrl-C says so, and how to stop it.

    Parameters
    ----------
    what : str
        For example ``The ingest``.
    stop_command : callable
        The command that ends it; empty as long as it was not started.
    """
    try:
        yield
    except KeyboardInterrupt:
        if command := stop_command():
            console.err.print(f"\n{what} goes on; to stop it:  {escape(command)}", soft_wrap=True)
        raise


def stop_execution(aws: Aws, arn: str) -> str:
    """The command that stops an execution of a state machine."""
    return _with_aws(aws, f"aws stepfunctions stop-execution --execution-arn {arn}")


def stop_run(aws: Aws, job: str, run_id: str) -> str:
    """The command that stops a run of a job."""
    return _with_aws(aws, f"aws glue batch-stop-job-run --job-name {shlex.quote(job)} --job-run-ids {run_id}")


def _with_aws(aws: Aws, command: str) -> str:
    return f"millpond exec -- {command}" if aws.is_local else f"{command} --region {aws.region}"


def bring_up(settings: Settings) -> None:
    """Start the stack, with the toolchain that it needs."""
    if settings.tier == "embedded":
        with console.step("Toolchain") as say:
            components.ensure(settings, _Teller(say))
        if settings.athena.engine == "trino":
            install(settings)
    with console.step("Starting the stack") as say:
        open_stack(settings).up(say)
    tell_others(settings)
    components.offer_terraform(settings)


def tell_others(settings: Settings) -> None:
    """Write where the stack is reached, for programs that shall find it without asking ``millpond``.

    Passwords stay in their files.
    """
    told: dict[str, object] = {"endpoint_url": settings.endpoint_url, "region": settings.region}
    if settings.has_onprem:
        database = OnPremDatabase(settings)
        told["onprem"] = {
            "host": HOST,
            "port": database.port,
            "database": database.database,
            "user": ADMIN,
            "password_file": str(database.admin_password_file()),
        }
    (settings.state / REACHED).write_text(json.dumps(told, indent=2) + "\n")


class _Teller:
    """Says which part of the toolchain is there; of one that it has just installed, the time and the size."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._since = time.time()

    def __call__(self, component: components.Component) -> None:
        self._say(f"{component.name} is there")
        # Where environments are made on first use, there is nothing yet.
        place = place_of(component.path) if component.path else None
        if place is not None and place.exists() and place.stat().st_mtime >= self._since:
            size, took = size_of(place) >> 20, console.duration(component.seconds)
            console.note(f"{component.name}: {component.version}, {took}, {size:,} MiB")


def place_of(path: Path) -> Path:
    """What was installed: of an interpreter its environment."""
    is_environment = path.parent.name == "bin" and (path.parents[1] / "pyvenv.cfg").exists()
    return path.parents[1] if is_environment else path


def size_of(path: Path) -> int:
    """Bytes of a file, or of all below a directory; of an interpreter, all of its environment."""
    return bootstrap.size_of(place_of(path))


def free_port(wanted: int | None, usual: int, verb: str) -> int:
    """A port of this machine that is free: the one that is asked for, else the usual one, else any.

    Parameters
    ----------
    wanted : int or None
    usual : int
    verb : str
        What is typed, for the error.

    Raises
    ------
    MillpondError
        If the one that is asked for is in use.
    """
    for port in (usual, 0) if wanted is None else (wanted,):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                tried.bind(("127.0.0.1", port))
                return int(tried.getsockname()[1])
    raise MillpondError(f"The port {wanted} is in use.", next_step=f"{verb} --port, with another one")


def require_running(settings: Settings) -> None:
    """Refuse to go on with a stack that does not run whole.

    Raises
    ------
    MillpondError
        It names what is stopped.
    """
    stopped = [service.name for service in open_stack(settings).services() if not service.is_running]
    if stopped:
        raise MillpondError(f"Not running: {', '.join(stopped)}.", next_step="millpond up")


@contextmanager
def opened(settings: Settings, target: Literal["local", "aws"], region: str | None) -> Iterator[Aws]:
    """Clients of the running stack, which no other command changes meanwhile, or of an account."""
    if target == "aws":
        yield AccountAws(region)
        return
    with exclusive(settings):
        require_running(settings)
        yield Aws(settings)


def clients(settings: Settings, target: Literal["local", "aws"], region: str | None) -> Aws:
    """Clients of the stack or of an account, for a verb that only asks."""
    return AccountAws(region) if target == "aws" else Aws(settings)


def terraform_of(settings: Settings) -> Path:
    """The Terraform that builds of the stack run."""
    if settings.tier == "compose":
        return components.find_deployer(settings)[0]
    return components.ensure(settings).terraform
