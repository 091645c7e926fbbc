"""The stack of a test session: one that runs already, or one of its own on free ports."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_millpond import tool

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
ANSWER_SECONDS = 2.0
# Under this directory each stack that this session started has one of its own, with this file in it.
RECORD = "session.json"
# What `millpond up` writes into the state of a stack.
REACHED = "stack.json"


class NoStack(Exception):  # noqa: N818
    """There is no stack to run tests on; the message says what to do."""


@dataclass(frozen=True)
class Stack:
    """A stack that runs.

    Parameters
    ----------
    endpoint_url, region : str
        Where AWS's API answers.
    project : str
        The folder that ``millpond`` is run in.
    is_own : bool
        Whether this session started it, and stops it.
    variables : dict
        Environment with which ``millpond`` speaks of this stack.
    onprem : dict
        ``host``, ``port``, ``database``, ``user`` and ``password_file`` of the on-premises database; empty
        where the project has none, or the stack is known by its address alone.
    """

    endpoint_url: str
    region: str
    project: str
    is_own: bool
    variables: dict[str, str] = field(default_factory=dict)
    onprem: dict[str, Any] = field(default_factory=dict)

    def tell(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Post JSON to a path of the engine's own interface."""
        return _ask(f"{self.endpoint_url}{path}", json.dumps(content).encode(), timeout=120)


def answers(endpoint_url: str) -> bool:
    """Whether an engine is there."""
    try:
        return "services" in _ask(f"{endpoint_url}/_localstack/health")
    except (OSError, ValueError):
        return False


def obtain(directory: Path, project: Path, which: str, endpoint_url: str) -> Stack:
    """The stack of this session, started unless another worker did.

    Parameters
    ----------
    directory : Path
        Of this stack; who has the same directory has the same stack.
    project : Path
        Where ``millpond.toml`` is looked for from, upwards.
    which : {"auto", "running", "own"}
        ``auto`` is a running one, or else one of its own.
    endpoint_url : str
        Of a running stack, where it is told; empty to ask ``millpond``.

    Raises
    ------
    NoStack
        If it does not run, or cannot be started.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with _alone(directory):
        record = directory / RECORD
        if record.exists():
            return Stack(**json.loads(record.read_text()))
        stack = _find_or_start(directory, project, which, endpoint_url)
        record.write_text(json.dumps(asdict(stack)))
        return stack


def stop_all(directory: Path) -> None:
    """Stop what was started below a directory, and remove it."""
    try:
        for record in sorted(directory.glob(f"*/{RECORD}")):
            stack = Stack(**json.loads(record.read_text()))
            if stack.is_own:
                tool.require(["down"], Path(stack.project), stack.variables)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def new_directory() -> Path:
    """A directory for the stacks of one session."""
    made = Path(tempfile.mkdtemp(prefix="pytest-millpond-"))
    # PostgreSQL does not run as root: its own user has to get through to its data.
    made.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return made


def _find_or_start(directory: Path, project: Path, which: str, endpoint_url: str) -> Stack:
    if which != "own":
        if running := _running(project, endpoint_url):
            return running
        if endpoint_url:
            raise NoStack(f"No stack answers at {endpoint_url}. Start it: millpond up.")
        if which == "running":
            raise NoStack(f"No stack of {project} runs. Start it: cd {project} && millpond up.")
    try:
        return _start(directory, project)
    except tool.MillpondMissing as error:
        raise NoStack(str(error)) from error


def _running(project: Path, endpoint_url: str) -> Stack | None:
    """The stack of a project, or the one at an address, if it answers."""
    for directory in _states(project):
        found = _reached(directory, project)
        if found and (not endpoint_url or _port(found.endpoint_url) == _port(endpoint_url)):
            return found if answers(found.endpoint_url) else None
    if endpoint_url and answers(endpoint_url):
        # Known by its address alone: what needs more says so when it is asked for.
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return Stack(endpoint_url.rstrip("/"), region, str(project), is_own=False)
    return None


def _states(project: Path) -> list[Path]:
    """Where the state of a running stack may be."""
    told = os.environ.get("MILLPOND_STATE_DIR")
    return [Path(told)] if told else [project / ".millpond" / name for name in ("state", "compose")]


def _reached(state: Path, project: Path) -> Stack | None:
    """What ``millpond up`` wrote of how its stack is reached."""
    try:
        told = json.loads((state / REACHED).read_text())
    except FileNotFoundError:
        return None
    return Stack(
        told["endpoint_url"],
        told["region"],
        str(project),
        is_own=False,
        onprem=told.get("onprem") or {},
    )


def _port(url: str) -> int | None:
    return urlsplit(url).port


def _start(directory: Path, project: Path) -> Stack:
    directory.chmod(directory.parent.stat().st_mode & 0o777)
    state = directory / "state"
    variables = {
        "MILLPOND_STATE_DIR": str(state),
        "MILLPOND_GATEWAY_PORT": str(free_port()),
        "MILLPOND_ONPREM_PORT": str(free_port()),
        "MILLPOND_KEEP_STATE": "false",
    }
    tool.require(["up"], project, variables)
    started = _reached(state, project)
    if started is None:
        raise NoStack("The millpond that is installed is older than this plug-in: install its newest one.")
    return replace(started, is_own=True, variables=variables)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _ask(url: str, content: bytes | None = None, timeout: float = ANSWER_SECONDS) -> dict[str, Any]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, content, timeout=timeout) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{url} answered {error.code}: {error.read().decode(errors='replace')}") from error
    return answer
