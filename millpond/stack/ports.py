"""Who listens on a port of this machine, and what to do about it."""

from __future__ import annotations

import shlex
from pathlib import Path

import psutil

from millpond.base.errors import MillpondError
from millpond.base.places import HIDDEN

# What runs in the foreground of a stack works in one of these, of its state directory.
_WORKS_IN = {"millpond.localstack_ext": "engine", "postgres": "onprem"}


def listener_on(port: int) -> str | None:
    """Who listens on a TCP port: `` by NAME (process PID)``, empty if that is hidden, None if nobody does."""
    addresses = {(host, port) for host in ("127.0.0.1", "0.0.0.0", "::")}  # noqa: S104
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or tuple(connection.laddr) not in addresses:
            continue
        if connection.pid is None:
            return ""
        try:
            process = psutil.Process(connection.pid)
            folder = folder_of(process)
            if folder is not None:
                return f" by the Millpond of {folder}"
            return f" by {process.name()} (process {connection.pid})"
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return ""
    return None


def taken(port: int, holder: str, setting: str) -> MillpondError:
    """The error for a person of a port that somebody listens on.

    Parameters
    ----------
    port : int
        Which.
    holder : str
        What :func:`listener_on` says.
    setting : str
        The setting that chooses the port.
    """
    choose = f"MILLPOND_{setting.upper()} or {setting} in millpond.toml to a free port"
    _, is_millpond, folder = holder.partition(" by the Millpond of ")
    stop = f"cd {shlex.quote(folder)} && millpond down" if is_millpond else "stop what holds it"
    return MillpondError(
        f"Port {port} is taken{holder}.",
        where=f"127.0.0.1:{port}, the setting {setting}",
        next_step=f"{stop}, or set {choose}",
    )


def folder_of(process: psutil.Process) -> Path | None:
    """The folder whose stack a process is of: a project's, or a state directory by itself; None for others.

    Raises
    ------
    psutil.Error
        If the process has ended, or is somebody else's.
    """
    command = " ".join(process.cmdline())
    part = next((part for mark, part in _WORKS_IN.items() if mark in command), None)
    here = Path(process.cwd())
    if part is None or part not in here.parts:
        return None
    state = next(one for one in (here, *here.parents) if one.name == part).parent
    return state.parent.parent if state.parent.name == HIDDEN else state


def folders_of(interpreter: Path) -> list[Path]:
    """The folders whose engines run from an environment, given by its interpreter."""
    folders = []
    for process in psutil.process_iter():
        try:
            if process.cmdline()[:1] == [str(interpreter)] and (folder := folder_of(process)):
                folders.append(folder)
        except psutil.Error:
            continue
    return folders
