"""Child processes that Millpond owns.

Each one runs in its own process group, writes to a log file, and is found again by a pid file
that also holds its start time, so a recycled pid is never mistaken for ours.

What runs code of others also has a mark in its environment, which everything that it starts inherits: a
daemon that left its group, its session and its parent is still found by it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "MILLPOND_OWNER"
_ROUNDS = 50
# The start time of a process is told by the clock of now, which is put right now and then.
_CLOCK_STEP = 5.0


@dataclass(frozen=True)
class OwnedProcess:
    """A process group we started.

    Parameters
    ----------
    pid : int
        Process id of the leader, which is also the group id.
    created : float
        Start time of the leader, seconds since the epoch as the kernel reports it.
    pid_file : Path
        Where both are recorded.
    """

    pid: int
    created: float
    pid_file: Path

    @property
    def is_running(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            if not self._is_it(process):
                return False
            # A killed leader is a zombie at once, but its last thread may still hold its sockets.
            return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
        except psutil.NoSuchProcess:
            return False

    def _is_it(self, process: psutil.Process) -> bool:
        return abs(process.create_time() - self.created) < _CLOCK_STEP

    def tree(self) -> list[psutil.Process]:
        """The leader and all its descendants; empty once the leader is gone."""
        try:
            leader = psutil.Process(self.pid)
            if not self._is_it(leader):
                return []
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self, timeout: float = 15.0) -> None:
        """Ask the group to end, then make it; remove the pid file.

        Parameters
        ----------
        timeout : float
            Seconds between SIGTERM and SIGKILL.
        """
        processes = self.tree()
        if processes:
            _signal_group(self.pid, signal.SIGTERM)
            _, alive = psutil.wait_procs(processes, timeout=timeout)
            if alive:
                _signal_group(self.pid, signal.SIGKILL)
                for process in alive:
                    _kill(process)
                psutil.wait_procs(alive, timeout=5)
        self.pid_file.unlink(missing_ok=True)


def start(
    command: Sequence[str | os.PathLike[str]],
    *,
    pid_file: Path,
    log_file: Path,
    env: Mapping[str, str],
    cwd: Path,
    user: int | None = None,
) -> OwnedProcess:
    """Start a command as an owned process.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    pid_file, log_file : Path
        Where to record it, and where stdout and stderr are appended.
    env : mapping
        The whole environment of the child; nothing is inherited.
    cwd : Path
        Working directory.
    user : int, optional
        Numeric user id to run as.
    """
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log, _uninterrupted():
        child = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            user=user,
            start_new_session=True,
        )
        return record(child.pid, pid_file)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait: between the start of a process and its record it would leave that for good."""
    if threading.current_thread() is not threading.main_thread():
        # Python delivers signals to the main thread alone, so there is nothing to hold back here.
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def record(pid: int, pid_file: Path) -> OwnedProcess:
    """Write the pid file of a process that was started elsewhere as leader of its own group."""
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    created = psutil.Process(pid).create_time()
    # The file appears whole: a process that looks for it meanwhile reads all of it or finds none.
    written = pid_file.with_name(f".{pid_file.name}.{os.getpid()}")
    written.write_text(json.dumps({"pid": pid, "created": created}))
    written.rename(pid_file)
    return OwnedProcess(pid, created, pid_file)


def find(pid_file: Path) -> OwnedProcess | None:
    """The running process that a pid file names, or None (a stale file is removed)."""
    try:
        content = json.loads(pid_file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    process = OwnedProcess(content["pid"], content["created"], pid_file)
    if process.is_running:
        return process
    pid_file.unlink(missing_ok=True)
    return None


def find_all(pid_dir: Path) -> list[OwnedProcess]:
    """Every running process recorded below a directory."""
    processes = (find(path) for path in sorted(pid_dir.rglob("*.pid")))
    return [process for process in processes if process is not None]


def marked(folder: Path) -> dict[str, str]:
    """The variable that marks a process, and all that it starts, as one of a folder."""
    return {MARK: str(folder)}


def end_marked(folder: Path) -> int:
    """End every process that is marked with a folder, or with one below it; how many there were.

    Notes
    -----
    A process that starts others in an environment without the mark, and then leaves its group, escapes.
    """
    ended = set()
    for _ in range(_ROUNDS):
        # The processes may be starting others just now, so this is repeated until none is left.
        pids = [pid for pid in _marked_with(folder) if pid not in ended]
        if not pids:
            break
        for pid in pids:
            _kill_pid(pid)
        ended.update(pids)
    return len(ended)


def _marked_with(folder: Path) -> list[int]:
    wanted = f"\0{MARK}={folder}".encode()
    pids = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            environment = b"\0" + (directory / "environ").read_bytes() + b"\0"
        except OSError:
            # The process has ended meanwhile, or belongs to another user.
            continue
        if wanted + b"\0" in environment or wanted + b"/" in environment:
            pids.append(int(directory.name))
    return pids


def _kill_pid(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def last_lines(log_file: Path, count: int = 20) -> str:
    """The end of a log, for an error message; empty when there is none."""
    if not log_file.exists():
        return ""
    return "\n".join(log_file.read_text(errors="replace").splitlines()[-count:])


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
